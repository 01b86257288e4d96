//! A bound on the bytes that all exchanges together may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that are handed out and given back.
#[derive(Debug)]
pub struct ByteBudget {
    bytes_max: AtomicUsize,
    held: AtomicUsize,
}

/// Bytes taken from a budget; they go back when this is dropped.
#[derive(Debug)]
pub struct HeldBytes {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl ByteBudget {
    pub fn new(bytes_max: usize) -> Arc<ByteBudget> {
        Arc::new(ByteBudget {
            bytes_max: AtomicUsize::new(bytes_max),
            held: AtomicUsize::new(0),
        })
    }

    /// A holding of nothing, to grow.
    pub fn hold(self: &Arc<ByteBudget>) -> HeldBytes {
        HeldBytes {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Sets another bound; what is held already stays.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl HeldBytes {
    /// Takes what is missing to hold `bytes` in all; false, and nothing taken, where the budget has not that much left.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.bytes);
        let budget = &self.budget;
        let bytes_max = budget.bytes_max.load(Ordering::Relaxed);
        let taken = budget
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(missing).filter(|held| *held <= bytes_max)
            });
        if taken.is_ok() {
            self.bytes += missing;
        }
        taken.is_ok()
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_never_passes_the_bound_and_comes_back() {
        let budget = ByteBudget::new(100);
        let (mut a, mut b) = (budget.hold(), budget.hold());
        assert!(a.grow_to(60) && a.grow_to(10) && b.grow_to(40));
        assert!(!b.grow_to(41));
        assert_eq!(budget.held(), 100);
        drop(a);
        assert!(b.grow_to(100));
        assert!(!b.grow_to(usize::MAX));
        drop(b);
        assert_eq!(budget.held(), 0);
    }
}
