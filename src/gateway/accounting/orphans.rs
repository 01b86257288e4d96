//! What exchanges cost whose process ended before they were settled. It must not know how they are found.

use crate::config::Config;
use crate::ledger::{Charge, Charged, Orphan};
use crate::price::{PriceBook, used};
use crate::terms::Money;

use super::{Priced, price_of};

/// By the rule, at the price of the model wherever it was to be served: what the hold says of the exchange, and never more than it
/// has promised, where it has promised anything.
pub fn charged(orphan: &Orphan, config: &Config, prices: &PriceBook) -> Charged {
    let (hold, usage) = (&orphan.hold, orphan.usage());
    let targets = config.models.get(&*hold.model);
    let targets = targets.map_or(&[][..], |model| &model.targets[..]);
    let here = (&*hold.upstream, &*hold.upstream_model);
    let places = targets
        .iter()
        .map(|target| (target.upstream.as_str(), target.model.as_str()));
    let places = places.chain((!hold.upstream.is_empty()).then_some(here));
    let found = places.filter_map(|(upstream, model)| {
        let kind = config
            .upstreams
            .iter()
            .find(|known| known.name == upstream)
            .map(|known| known.kind.facts().name);
        let priced = Priced {
            kind,
            upstream,
            upstream_model: model,
            public_model: &hold.model,
        };
        price_of(prices, config, &priced)
    });
    let costs = found.map(|price| price.cost(&used(&usage, 0, 0, false)));
    let cost = costs.max();
    let bound = match hold.reserved {
        Money::ZERO => Money::MAX,
        reserved => reserved,
    };
    let money = cost.unwrap_or_default().min(bound);
    let charges = hold.purses.iter().map(|purse| Charge {
        purse: purse.clone(),
        money,
        tokens: usage.input() + usage.output,
    });
    Charged {
        cost: money,
        priced: cost.is_some(),
        charges: charges.collect(),
    }
}
