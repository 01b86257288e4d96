//! Prices that an operator sets, each for a model, an upstream, or a model at an upstream; the closest one decides.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms::Price;

/// Prices that one set may hold: more are a mistake, and would be held in memory for ever.
pub const PRICES_MAX: usize = 100_000;

/// A price and what it is for: the shape in the configuration, the store and the admin API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceEntry {
    /// The upstream's name in the configuration. Default: whichever serves the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The model: the upstream's name for it, or the public one. Default: every model of the upstream that has no other price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub price: Price,
}

/// There are as many prices as a set may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooManyPrices;

impl fmt::Display for TooManyPrices {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "there are {PRICES_MAX} prices already; remove those that are no longer needed"
        )
    }
}

impl std::error::Error for TooManyPrices {}

/// A set of prices by what they are for.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// By upstream, then by model; the name of no model is for all.
    at_upstreams: HashMap<String, HashMap<String, Arc<Price>>>,
    /// By model, wherever it is served; the name of no model is for everything.
    anywhere: HashMap<String, Arc<Price>>,
}

/// The model that stands for all.
const EVERY: &str = "";

impl Prices {
    /// # Errors
    /// When there are more than a set may hold.
    pub fn new(entries: impl IntoIterator<Item = PriceEntry>) -> Result<Prices, TooManyPrices> {
        let mut prices = Prices::default();
        for PriceEntry {
            upstream,
            model,
            price,
        } in entries
        {
            prices.set(upstream.as_deref(), model.as_deref(), price)?;
        }
        Ok(prices)
    }

    /// Sets the price of a model, an upstream, or a model at an upstream; of everything where both are left out.
    ///
    /// # Errors
    /// When there are as many as a set may hold, and this is another.
    pub fn set(
        &mut self,
        upstream: Option<&str>,
        model: Option<&str>,
        price: Price,
    ) -> Result<(), TooManyPrices> {
        let is_full = self.len() >= PRICES_MAX;
        let model = model.unwrap_or(EVERY);
        let of = |upstream| self.at_upstreams.get(upstream);
        let is_known = match upstream {
            Some(upstream) => of(upstream).is_some_and(|models| models.contains_key(model)),
            None => self.anywhere.contains_key(model),
        };
        if is_full && !is_known {
            return Err(TooManyPrices);
        }
        let prices = match upstream {
            Some(upstream) => self.at_upstreams.entry(upstream.to_owned()).or_default(),
            None => &mut self.anywhere,
        };
        prices.insert(model.to_owned(), Arc::new(price));
        Ok(())
    }

    /// Whether there was one.
    pub fn remove(&mut self, upstream: Option<&str>, model: Option<&str>) -> bool {
        let model = model.unwrap_or(EVERY);
        let Some(upstream) = upstream else {
            return self.anywhere.remove(model).is_some();
        };
        let Some(prices) = self.at_upstreams.get_mut(upstream) else {
            return false;
        };
        let had = prices.remove(model).is_some();
        if prices.is_empty() {
            self.at_upstreams.remove(upstream);
        }
        had
    }

    pub fn len(&self) -> usize {
        self.anywhere.len() + self.at_upstreams.values().map(HashMap::len).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in the order of their names.
    pub fn entries(&self) -> Vec<PriceEntry> {
        let named = |upstream: Option<&String>, model: &String, price: &Arc<Price>| PriceEntry {
            upstream: upstream.cloned(),
            model: (model != EVERY).then(|| model.clone()),
            price: Price::clone(price),
        };
        let anywhere = self
            .anywhere
            .iter()
            .map(|(model, price)| named(None, model, price));
        let mut all: Vec<PriceEntry> = anywhere.collect();
        for (upstream, models) in &self.at_upstreams {
            let models = models.iter();
            all.extend(models.map(|(model, price)| named(Some(upstream), model, price)));
        }
        all.sort_by(|a, b| (&a.upstream, &a.model).cmp(&(&b.upstream, &b.model)));
        all
    }

    /// Set for this model: at this upstream before anywhere, by the upstream's name for it before the public one.
    pub(super) fn of_model(
        &self,
        upstream: &str,
        upstream_model: &str,
        public_model: &str,
    ) -> Option<&Arc<Price>> {
        let at = self.at_upstreams.get(upstream);
        let at = at.and_then(|models| named(models, [upstream_model, public_model]));
        at.or_else(|| named(&self.anywhere, [public_model, upstream_model]))
    }

    /// Set for all models of the upstream, or for everything.
    pub(super) fn of_every_model(&self, upstream: &str) -> Option<&Arc<Price>> {
        let at = self.at_upstreams.get(upstream);
        let at = at.and_then(|models| models.get(EVERY));
        at.or_else(|| self.anywhere.get(EVERY))
    }
}

fn named<'a>(prices: &'a HashMap<String, Arc<Price>>, names: [&str; 2]) -> Option<&'a Arc<Price>> {
    let mut names = names.into_iter().filter(|name| *name != EVERY);
    names.find_map(|name| prices.get(name))
}
