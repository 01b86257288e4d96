//! Whether a plugin that keeps failing is asked at all. Pure: the time is handed in.
//!
//! It trips when, within a window, it has failed often and at least as often as not: a caller who knows how to make a plugin fail
//! must not be able to switch it off, or everything off, for all others.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Failures within [`WINDOW`] that trip it, where they are at least half of the calls.
pub const FAILURES_MIN: u64 = 5;
pub const WINDOW: Duration = Duration::from_secs(10);
/// After so long one call is let through, to see.
pub const PROBE_AFTER: Duration = Duration::from_secs(5);

const WINDOW_NS: u64 = WINDOW.as_nanos() as u64;
const PROBE_AFTER_NS: u64 = PROBE_AFTER.as_nanos() as u64;

#[derive(Default)]
pub struct Breaker {
    is_tripped: AtomicBool,
    /// Within the window.
    calls: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    window_began_ns: u64,
    failures: u64,
    tripped_at_ns: u64,
    is_probing: bool,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Go,
    /// To see whether it works again. Its end must be told, whatever it is.
    Probe,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Tripped,
    Recovered,
}

impl Breaker {
    pub fn ask(&self, now_ns: u64) -> Leave {
        if !self.is_tripped() {
            self.calls.fetch_add(1, Ordering::Relaxed);
            return Leave::Go;
        }
        let mut inner = self.inner.lock();
        let is_due = now_ns.saturating_sub(inner.tripped_at_ns) >= PROBE_AFTER_NS;
        if !is_due || inner.is_probing {
            return Leave::No;
        }
        inner.is_probing = true;
        Leave::Probe
    }

    /// For a call of something that lives on: made in any case, and counted.
    pub fn ask_on(&self) -> Leave {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Leave::Go
    }

    pub fn is_tripped(&self) -> bool {
        self.is_tripped.load(Ordering::Acquire)
    }

    /// A call was answered.
    pub fn went_well(&self, leave: Leave) -> Option<Change> {
        if leave != Leave::Probe {
            return None;
        }
        let mut inner = self.inner.lock();
        *inner = Inner::default();
        self.calls.store(0, Ordering::Relaxed);
        self.is_tripped.store(false, Ordering::Release);
        Some(Change::Recovered)
    }

    /// A call failed, and it counts.
    pub fn went_wrong(&self, leave: Leave, now_ns: u64) -> Option<Change> {
        let mut inner = self.inner.lock();
        if leave == Leave::Probe {
            inner.is_probing = false;
            inner.tripped_at_ns = now_ns;
            return None;
        }
        if now_ns.saturating_sub(inner.window_began_ns) >= WINDOW_NS {
            inner.window_began_ns = now_ns;
            inner.failures = 0;
            self.calls.store(1, Ordering::Relaxed);
        }
        inner.failures += 1;
        let calls = self.calls.load(Ordering::Relaxed);
        let is_most = inner.failures.saturating_mul(2) >= calls;
        if self.is_tripped() || inner.failures < FAILURES_MIN || !is_most {
            return None;
        }
        inner.tripped_at_ns = now_ns;
        self.is_tripped.store(true, Ordering::Release);
        Some(Change::Tripped)
    }

    /// A call ended without telling anything: it was given up, or its failure is not the plugin's.
    pub fn went_nowhere(&self, leave: Leave) {
        if leave == Leave::Probe {
            self.inner.lock().is_probing = false;
        }
    }
}
