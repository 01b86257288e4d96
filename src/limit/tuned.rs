//! A meter that somebody has found and set, kept for the next time: it need be neither found nor set again as long as nobody else has
//! set it otherwise. It must not keep a meter that nobody uses.

use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Weak};

use super::meter::Meter;

/// How often the terms of a meter have changed. The registry counts as a change, too, that it is about to drop the meter.
#[derive(Debug, Default)]
pub(super) struct Version(AtomicU32);

impl Version {
    pub(super) fn now(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn change(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A meter as it was set.
#[derive(Debug, Clone)]
pub struct Tuned {
    meter: Weak<Meter>,
    version: u32,
}

impl Tuned {
    pub(super) fn new(meter: &Arc<Meter>, version: u32) -> Tuned {
        Tuned {
            meter: Arc::downgrade(meter),
            version,
        }
    }

    /// The meter, if it is still there and stands as it was set.
    pub fn meter(&self) -> Option<Arc<Meter>> {
        let meter = self.meter.upgrade()?;
        // Either the registry sees that the meter is in use again, or the change is seen here that it has made before it looked.
        fence(Ordering::SeqCst);
        let version = meter.version()?.now();
        (version == self.version).then_some(meter)
    }
}

/// Whether the registry alone has a meter, and nobody can come by it but through the registry.
pub(super) fn is_given_up(meter: &Arc<Meter>) -> bool {
    if let Some(version) = meter.version() {
        version.change();
    }
    fence(Ordering::SeqCst);
    Arc::strong_count(meter) == 1
}
