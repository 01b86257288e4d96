//! The place of one instance: whoever calls it sits there alone, others queue up. Streams live in the instance between calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard, OwnedSemaphorePermit};
use wasmtime::component::ResourceAny;

use super::guest::Guest;
use crate::plugin::trouble::Trouble;

/// Calls that wait for one instance.
const QUEUE_MAX: usize = 256;
/// How long one waits. More than any single call should take: a stream should not break because a long request is looked at.
pub const WAIT_MAX: Duration = Duration::from_secs(1);
/// Streams that live in one instance, and how many are enough where there is room for another: they share its memory, and end
/// with it.
pub const STREAMS_MAX: usize = 4096;
pub const STREAMS_ENOUGH: usize = 64;

pub struct Seat {
    guest: Arc<Lock<Guest>>,
    waiting: AtomicUsize,
    /// Streams that live in it.
    streams: AtomicUsize,
    /// Its guest is dead.
    is_gone: AtomicBool,
    /// What is left in the guest of streams that were dropped. The next who calls it clears them away: a drop cannot wait.
    left: Mutex<Vec<ResourceAny>>,
    /// Of an instance that is not shared.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Seat {
    pub fn new(guest: Guest, permit: Option<OwnedSemaphorePermit>) -> Arc<Seat> {
        Arc::new(Seat {
            guest: Arc::new(Lock::new(guest)),
            waiting: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
            left: Mutex::default(),
            _permit: permit,
        })
    }

    pub fn try_take(&self) -> Option<OwnedMutexGuard<Guest>> {
        self.guest.clone().try_lock_owned().ok()
    }

    /// Waits in the queue.
    ///
    /// # Errors
    /// When it is too long, or too slow.
    pub async fn take(&self) -> Result<OwnedMutexGuard<Guest>, Trouble> {
        if let Some(guest) = self.try_take() {
            return Ok(guest);
        }
        let _waiting = Waiting::begin(&self.waiting)?;
        let taken = tokio::time::timeout(WAIT_MAX, self.guest.clone().lock_owned()).await;
        taken.map_err(|_| {
            let waited = format!("no instance was free for {WAIT_MAX:?} (`instance.max`)");
            Trouble::Unavailable(waited)
        })
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    pub fn set_gone(&self) {
        self.is_gone.store(true, Ordering::Release);
    }

    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    pub fn stream_opened(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream is over. `left`: what of it is still in the guest.
    pub fn stream_closed(&self, left: Option<ResourceAny>) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        if let Some(left) = left
            && !self.is_gone()
        {
            self.left.lock().push(left);
        }
    }

    /// Something that a dropped stream has left, to be cleared away.
    pub fn pop_left(&self) -> Option<ResourceAny> {
        self.left.lock().pop()
    }
}

struct Waiting<'s>(&'s AtomicUsize);

impl Waiting<'_> {
    fn begin(waiting: &AtomicUsize) -> Result<Waiting<'_>, Trouble> {
        if waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE_MAX {
            waiting.fetch_sub(1, Ordering::Relaxed);
            let full = format!("{QUEUE_MAX} calls wait for an instance already (`instance.max`)");
            return Err(Trouble::Unavailable(full));
        }
        Ok(Waiting(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
