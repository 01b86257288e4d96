//! Prices: those in force and who has set them; those that are set while weir runs go before all others.

use serde_json::json;

use crate::admin::reply::{self, Refusal, Reply};
use crate::admin::shapes::{PriceShown, PriceSource};
use crate::gateway::price_key;
use crate::price::{self, Named, PriceEntry};
use crate::store::{Table, Write};
use crate::terms::{Money, Price};

use super::{Asked, Desk, read, store_failed};

impl Desk<'_> {
    pub(super) fn list_prices(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let items = match (asked.query.get("upstream"), asked.query.get("model")) {
            (Some(upstream), Some(model)) => {
                self.price_in_force(upstream, model).into_iter().collect()
            }
            (upstream, model) => self.prices_set(upstream, model),
        };
        reply::ok(&json!({ "items": items, "next": null }))
    }

    fn prices_set(&self, upstream: Option<&str>, model: Option<&str>) -> Vec<PriceShown> {
        let live = self.accounting.prices.live().entries().into_iter();
        let live =
            live.map(|entry| shown(entry.upstream, entry.model, entry.price, PriceSource::Store));
        let prices = &self.config.prices;
        let at = prices.upstreams.iter().map(|(upstream, model, price)| {
            let (upstream, model) = (Some(upstream.clone()), Some(model.text().to_owned()));
            shown(
                upstream,
                model,
                Price::clone(price),
                PriceSource::Configuration,
            )
        });
        let anywhere = prices.models.iter().map(|(model, price)| {
            let model = Some(model.text().to_owned());
            shown(None, model, Price::clone(price), PriceSource::Configuration)
        });
        let all = live.chain(at).chain(anywhere);
        all.filter(|price| upstream.is_none() || price.upstream.as_deref() == upstream)
            .filter(|price| model.is_none() || price.model.as_deref() == model)
            .collect()
    }

    /// What an exchange would be charged by.
    fn price_in_force(&self, upstream: &str, model: &str) -> Option<PriceShown> {
        let known = self
            .config
            .upstreams
            .iter()
            .find(|known| known.name == upstream);
        let kind = known.map(|known| known.kind.facts().name);
        let named = Named {
            kind: None,
            upstream,
            upstream_model: model,
            public_model: model,
        };
        let live = self.accounting.prices.price(&named);
        let live = live.map(|price| (Price::clone(&price), PriceSource::Store));
        let configured = || {
            let price = self.config.prices.price(upstream, model, model)?;
            Some((Price::clone(price), PriceSource::Configuration))
        };
        let built_in = || Some((price::built_in(kind?, model)?, PriceSource::BuiltIn));
        let (price, source) = live.or_else(configured).or_else(built_in)?;
        Some(shown(
            Some(upstream.to_owned()),
            Some(model.to_owned()),
            price,
            source,
        ))
    }

    pub(super) fn put_price(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let entry: PriceEntry = read::body(asked.call.body)?;
        let books = self.books()?;
        check(&entry)?;
        let PriceEntry {
            upstream,
            model,
            price,
        } = entry.clone();
        let set = self
            .accounting
            .prices
            .set(upstream.as_deref(), model.as_deref(), price);
        set.map_err(|error| reply::conflict("full", error.to_string()))?;
        let value = serde_json::to_vec(&entry).map_err(|_| reply::internal())?;
        let key = price_key(upstream.as_deref(), model.as_deref());
        let committed = books
            .store
            .commit(vec![Write::put(Table::Prices, key, value)]);
        committed.map_err(store_failed)?;
        self.audit(asked, "put", &object(upstream.as_deref(), model.as_deref()));
        reply::ok(&shown(upstream, model, entry.price, PriceSource::Store))
    }

    pub(super) fn remove_price(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let (upstream, model) = (asked.query.get("upstream"), asked.query.get("model"));
        let books = self.books()?;
        if !self.accounting.prices.remove(upstream, model) {
            let message = format!("no {} was set here", object(upstream, model));
            return Err(reply::unknown("unknown", message));
        }
        let write = Write::delete(Table::Prices, price_key(upstream, model));
        books.store.commit(vec![write]).map_err(store_failed)?;
        self.audit(asked, "remove", &object(upstream, model));
        Ok(reply::gone())
    }
}

/// Names as they can stand, and nothing that pays for being used.
fn check(entry: &PriceEntry) -> Result<(), Refusal> {
    for (member, name) in [("upstream", &entry.upstream), ("model", &entry.model)] {
        let is_odd = |name: &String| {
            name.is_empty() || name.len() > 256 || name.chars().any(char::is_control)
        };
        if name.as_ref().is_some_and(is_odd) {
            let message = format!(
                "`{member}` is empty, or no line of up to 256 bytes; leave it out where it is not meant"
            );
            return Err(reply::invalid(member, message));
        }
    }
    let percent = entry.price.batch_percent;
    if percent.is_some_and(|percent| percent > 100) {
        let message = "`batch_percent` is over 100; write 0 to 100";
        return Err(reply::invalid("batch_percent", message));
    }
    let price = &entry.price;
    let all = [
        ("input", Some(price.input)),
        ("output", Some(price.output)),
        ("cache_read", price.cache_read),
        ("cache_write", price.cache_write),
        ("cache_write_1h", price.cache_write_1h),
        ("reasoning", price.reasoning),
        ("audio_input", price.audio_input),
        ("audio_output", price.audio_output),
        ("image_input", price.image_input),
        ("image_output", price.image_output),
        ("audio_second", price.audio_second),
        ("characters", price.characters),
        ("image", price.image),
        ("request", price.request),
        ("gpu_second", price.gpu_second),
    ];
    let tiers = price.tiers.iter().flat_map(|tier| {
        let amounts = [tier.input, tier.output, tier.cache_read];
        let writes = [tier.cache_write, tier.cache_write_1h];
        let amounts = amounts.into_iter().chain(writes);
        amounts.map(|amount| ("tiers", amount))
    });
    let negative = all
        .into_iter()
        .chain(tiers)
        .find(|(_, amount)| amount.is_some_and(Money::is_negative));
    match negative {
        None => Ok(()),
        Some((member, _)) => Err(reply::invalid(
            member,
            format!("`{member}` is negative; a price is 0 or more"),
        )),
    }
}

fn shown(
    upstream: Option<String>,
    model: Option<String>,
    price: Price,
    source: PriceSource,
) -> PriceShown {
    PriceShown {
        upstream,
        model,
        price,
        source,
    }
}

fn object(upstream: Option<&str>, model: Option<&str>) -> String {
    match (upstream, model) {
        (Some(upstream), Some(model)) => format!("price of `{model}` at `{upstream}`"),
        (Some(upstream), None) => format!("price of everything at `{upstream}`"),
        (None, Some(model)) => format!("price of `{model}`"),
        (None, None) => "price of everything".to_owned(),
    }
}
