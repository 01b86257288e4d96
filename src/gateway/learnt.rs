//! Word of what was learnt: the catalog is to be built anew on it. What it was stands with the upstreams.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// How often something was learnt, and a bell for who waits for it.
#[derive(Default)]
pub struct Learnt {
    count: AtomicU64,
    bell: Notify,
}

impl Learnt {
    /// Something was learnt, and stands where the catalog is built from.
    pub fn note(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.bell.notify_one();
    }

    /// Waits until something has been learnt since the last time.
    pub async fn noted(&self) {
        self.bell.notified().await;
    }

    /// Another number than before: something was learnt in between.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}
