//! Snapshots that are no longer in force, while exchanges still hold them.
//!
//! Taking a large snapshot apart takes milliseconds. Whoever holds it last would do it: an exchange that ends, on a thread
//! that serves others. So they are kept here too, and taken apart by a thread that serves nobody.

use std::sync::Arc;

use parking_lot::Mutex;

/// As many as exchanges hold, and those that they have let go of since the last look.
pub struct Retired<T>(Mutex<Vec<Arc<T>>>);

impl<T> Default for Retired<T> {
    fn default() -> Retired<T> {
        Retired(Mutex::default())
    }
}

impl<T> Retired<T> {
    /// Takes one that can no longer be got anywhere else. To be called off the threads that serve, as it takes apart what
    /// it can.
    pub fn add(&self, snapshot: Arc<T>) {
        self.0.lock().push(snapshot);
        self.take_apart();
    }

    /// Takes apart those that nobody else holds. To be called off the threads that serve.
    pub fn take_apart(&self) {
        let mut all = self.0.lock();
        let is_free = |snapshot: &mut Arc<T>| Arc::strong_count(snapshot) == 1;
        let free: Vec<_> = all.extract_if(.., is_free).collect();
        drop(all);
        drop(free);
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_exchange_holds_is_kept_until_it_lets_go() {
        let retired = Retired::default();
        let (held, free) = (Arc::new("held"), Arc::new("free"));
        let weak = [Arc::downgrade(&held), Arc::downgrade(&free)];
        retired.add(held.clone());
        retired.add(free);
        assert!(weak[0].upgrade().is_some() && weak[1].upgrade().is_none());
        drop(held);
        assert!(!retired.is_empty() && weak[0].upgrade().is_some());
        retired.take_apart();
        assert!(retired.is_empty() && weak[0].upgrade().is_none());
    }
}
