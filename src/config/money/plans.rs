//! Checks `plans`. It must not know who has subscribed to them.

use std::collections::BTreeMap;

use super::Plan;
use crate::config::callers::{Names, allowed_models, check_id};
use crate::config::check::Context;
use crate::config::path::FieldPath;
use crate::config::raw::RawPlan;
use crate::terms::Money;

pub(in crate::config) fn plans(
    context: &mut Context<'_, '_>,
    raw: Option<BTreeMap<String, Option<RawPlan>>>,
    names: &Names<'_>,
) -> Option<BTreeMap<String, Plan>> {
    let path = FieldPath::root().key("plans");
    let plans: Vec<_> = raw
        .unwrap_or_default()
        .into_iter()
        .map(|(name, raw)| {
            let path = path.key(&name);
            check_id(context, &path, &name);
            let plan = plan(context, &path, raw?, names)?;
            Some((name, plan))
        })
        .collect();
    plans.into_iter().collect()
}

fn plan(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawPlan,
    names: &Names<'_>,
) -> Option<Plan> {
    let has_money = raw.included_money.is_some_and(|money| money > Money::ZERO);
    if raw.included_tokens.is_none() && !has_money && !context.report.tells_below(path) {
        let message = "includes nothing; write `included_tokens`, `included_money` or both";
        context.report.value(path, message);
    }
    let models = allowed_models(context, &path.key("models"), raw.models, names);
    Some(Plan {
        per: raw.per?,
        included_tokens: raw.included_tokens,
        included_money: raw.included_money,
        price: raw.price?,
        order: raw.order?,
        models: models?,
    })
}
