//! The meters that all callers of one configuration share, each looked up once. It must not know the limits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use crate::config::{Config, Rates};
use crate::limit::{Meter, Tuned};
use crate::terms::Limits;
use crate::wire::Operation;

/// What bounds the exchanges of one configuration, whoever calls.
pub struct Common {
    /// Another one for every configuration of the process.
    pub generation: u64,
    pub global: Slot,
    pub anonymous: Slot,
    /// Only those that are bounded.
    endpoints: HashMap<&'static str, Slot>,
    models: HashMap<Box<str>, Slot>,
}

impl Common {
    pub fn new(config: &Config) -> Common {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let endpoints = config.rates.endpoints.keys();
        let models = config.models.iter();
        let models = models.filter(|(_, model)| !model.limits.is_empty());
        Common {
            generation: NEXT.fetch_add(1, Ordering::Relaxed),
            global: Slot::default(),
            anonymous: Slot::default(),
            endpoints: endpoints.map(|label| (*label, Slot::default())).collect(),
            models: models
                .map(|(name, _)| (name.as_str().into(), Slot::default()))
                .collect(),
        }
    }

    /// The limits of an operation, where it has some.
    pub fn endpoint<'a>(
        &'a self,
        rates: &'a Rates,
        operation: Operation,
    ) -> Option<(&'a Limits, &'a Slot)> {
        if self.endpoints.is_empty() {
            return None;
        }
        let label = operation.label();
        Some((rates.endpoints.get(label)?, self.endpoints.get(label)?))
    }

    /// Where the meter of a model is kept, if the model is bounded.
    pub fn model(&self, name: &str) -> Option<&Slot> {
        match self.models.is_empty() {
            true => None,
            false => self.models.get(name),
        }
    }
}

/// Keeps one meter.
#[derive(Default)]
pub struct Slot(ArcSwapOption<Tuned>);

impl Slot {
    /// The meter that is kept, or the one that is found.
    pub fn meter(&self, find: impl FnOnce() -> Option<(Arc<Meter>, Tuned)>) -> Option<Arc<Meter>> {
        let kept = self.0.load();
        if let Some(meter) = kept.as_ref().and_then(|kept| kept.meter()) {
            return Some(meter);
        }
        let (meter, tuned) = find()?;
        self.0.store(Some(Arc::new(tuned)));
        Some(meter)
    }
}
