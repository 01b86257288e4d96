//! Checks `prices`, and puts beside them what targets say. It must not know the built-in prices.

use std::sync::Arc;

use super::PriceSettings;
use crate::config::callers::Names;
use crate::config::check::Context;
use crate::config::models::TargetPrice;
use crate::config::path::FieldPath;
use crate::config::raw::{RawPrices, RawPricesByModel};
use crate::config::upstream;
use crate::terms::{ModelPattern, Price};

type ByModel = Vec<(ModelPattern, Arc<Price>)>;

pub(in crate::config) fn prices(
    context: &mut Context<'_, '_>,
    raw: RawPrices,
    upstreams: &upstream::Names,
    targets: &[TargetPrice],
    names: &Names<'_>,
) -> Option<PriceSettings> {
    let path = FieldPath::root().key("prices");
    let currency = raw.currency?;
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_code {
        let path = path.key("currency");
        let shown = context.report.shown(&path);
        let message = format!("{shown} is not a currency; write its three letters, as in `USD`");
        context.report.value(&path, message);
    }
    let models_path = path.key("models");
    let raw_models = raw.models.unwrap_or_default();
    check_names(context, &models_path, &raw_models, names);
    let models = by_model(context, &models_path, raw_models);
    let mut at_upstreams = Vec::new();
    for (name, raw) in raw.upstreams.unwrap_or_default() {
        let path = path.key("upstreams").key(&name);
        if let Some(problem) = upstreams.problem_with(&name, &format!("`{name}`")) {
            context.report.key(&path, problem);
        }
        let prices = by_model(context, &path, raw.unwrap_or_default());
        let prices = prices.unwrap_or_default().into_iter();
        at_upstreams.extend(prices.map(|(pattern, price)| (name.clone(), pattern, price)));
    }
    add_targets(context, &mut at_upstreams, targets);
    at_upstreams.sort_by_key(|(_, pattern, _)| (pattern.is_name(), pattern.text().len()));
    Some(PriceSettings {
        currency,
        models: models?,
        upstreams: at_upstreams,
        unknown: raw.unknown?,
        header: raw.header?,
    })
}

/// A plain name must be a model's: requests are counted under it, and not under an alias.
fn check_names(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: &RawPricesByModel,
    names: &Names<'_>,
) {
    for name in raw
        .keys()
        .filter(|name| ModelPattern::parse(name).is_ok_and(|it| it.is_name()))
    {
        let problem = match names.models.resolve(name) {
            Err(problem) => problem,
            Ok(model) if model != *name => format!("is an alias of `{model}`; price that"),
            Ok(_) => continue,
        };
        let message = format!("`{name}` {problem}");
        context.report.key(&path.key(name), message);
    }
}

/// The more exact come later.
fn by_model(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawPricesByModel,
) -> Option<ByModel> {
    let prices: Vec<_> = raw
        .into_iter()
        .map(|(text, raw)| {
            let path = path.key(&text);
            let pattern = ModelPattern::parse(&text).map_err(|problem| {
                context.report.key(&path, format!("{text:?} {problem}"));
            });
            let price = raw?.0?;
            check_tiers(context, &path, &price);
            Some((pattern.ok()?, Arc::new(price)))
        })
        .collect();
    let mut prices = prices.into_iter().collect::<Option<Vec<_>>>()?;
    prices.sort_by_key(|(pattern, _)| (pattern.is_name(), pattern.text().len()));
    Some(prices)
}

/// Two tiers above the same bound would hide one another.
pub(in crate::config) fn check_tiers(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    price: &Price,
) {
    for (index, tier) in price.tiers.iter().enumerate() {
        if price.tiers[..index]
            .iter()
            .any(|other| other.above == tier.above)
        {
            let message = format!(
                "{} is the bound of another tier; keep one of them",
                tier.above
            );
            context
                .report
                .value(&path.key("tiers").index(index).key("above"), message);
        }
    }
}

/// A target's price is that of its upstream's model; where it stands elsewhere, too, both must be the same.
fn add_targets(
    context: &mut Context<'_, '_>,
    prices: &mut Vec<(String, ModelPattern, Arc<Price>)>,
    targets: &[TargetPrice],
) {
    for target in targets {
        let Some(pattern) = ModelPattern::parse(&target.model).ok() else {
            continue;
        };
        let same = prices
            .iter()
            .find(|(upstream, other, _)| *upstream == target.upstream && *other == pattern);
        match same {
            None => prices.push((target.upstream.clone(), pattern, Arc::clone(&target.price))),
            Some((_, _, price)) if *price == target.price => {}
            Some(_) => {
                let message = format!(
                    "is not what `{}` of the upstream {} costs elsewhere in this file; keep one of the two",
                    target.model, target.upstream
                );
                context.report.value(&target.path, message);
            }
        }
    }
}
