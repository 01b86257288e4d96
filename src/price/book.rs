//! The book of prices: what is set while weir runs comes before what the configuration says, and that before the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::scope::{Prices, TooManyPrices};
use super::table;
use crate::terms::Price;

/// What a price is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Named<'a> {
    /// What the upstream runs, or its vendor in the table; `None` where nobody sells what it serves.
    pub kind: Option<&'a str>,
    /// The upstream's name in the configuration.
    pub upstream: &'a str,
    /// The upstream's name for the model.
    pub upstream_model: &'a str,
    /// The name that clients ask for.
    pub public_model: &'a str,
}

/// All prices. A lookup takes a lock for reading and, for the table, about a microsecond; who asks for every exchange keeps the answer for as long as
/// [`PriceBook::version`] stays the same.
#[derive(Debug, Default)]
pub struct PriceBook {
    /// Set while weir runs; survives what the configuration says.
    live: RwLock<Prices>,
    configured: RwLock<Prices>,
    version: AtomicU64,
}

impl PriceBook {
    /// With the prices of the configuration.
    pub fn new(configured: Prices) -> PriceBook {
        PriceBook {
            configured: RwLock::new(configured),
            ..PriceBook::default()
        }
    }

    /// What the model costs there; `None` where nobody has said. In this order: set while weir runs for the model, configured for the model (each at the upstream before
    /// anywhere), set or configured for all of the upstream, and the table, by kind and upstream's name for the model.
    pub fn price(&self, named: &Named<'_>) -> Option<Arc<Price>> {
        let live = self.live.read();
        let configured = self.configured.read();
        let of_model = |prices: &Prices| {
            prices
                .of_model(named.upstream, named.upstream_model, named.public_model)
                .cloned()
        };
        let of_every_model = |prices: &Prices| prices.of_every_model(named.upstream).cloned();
        of_model(&live)
            .or_else(|| of_model(&configured))
            .or_else(|| of_every_model(&live))
            .or_else(|| of_every_model(&configured))
            .or_else(|| table::built_in(named.kind?, named.upstream_model).map(Arc::new))
    }

    /// Another number after every change: what was looked up before may be out of date.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Sets a price while weir runs; the caller writes it to the store as well.
    ///
    /// # Errors
    /// When there are as many as may be.
    pub fn set(
        &self,
        upstream: Option<&str>,
        model: Option<&str>,
        price: Price,
    ) -> Result<(), TooManyPrices> {
        let set = self.live.write().set(upstream, model, price);
        self.changed();
        set
    }

    /// Takes back what was set while weir runs; whether there was anything.
    pub fn remove(&self, upstream: Option<&str>, model: Option<&str>) -> bool {
        let had = self.live.write().remove(upstream, model);
        self.changed();
        had
    }

    /// What was set while weir runs, in place of all before: at the start, out of the store.
    pub fn load(&self, live: Prices) {
        *self.live.write() = live;
        self.changed();
    }

    /// What the configuration says, in place of what the last one said.
    pub fn configure(&self, configured: Prices) {
        *self.configured.write() = configured;
        self.changed();
    }

    /// What was set while weir runs.
    pub fn live(&self) -> Prices {
        self.live.read().clone()
    }

    /// What the configuration says.
    pub fn configured(&self) -> Prices {
        self.configured.read().clone()
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }
}
