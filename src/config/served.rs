//! Checks which models an upstream serves: those that it lists itself, those that the file lists, or those of targets.
//! It must not ask the upstream.

use std::time::Duration;

use super::check::Context;
use super::path::FieldPath;
use super::raw::{RawRefresh, RawUpstreamModels};
use super::{KindFacts, UpstreamModels};

/// Without a word in the file, models are learnt, unless `models:` names this upstream as a target already,
/// or its kind has no list to learn from.
pub(super) fn models(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<RawUpstreamModels>,
    facts: Option<&KindFacts>,
    is_target: bool,
) -> Option<UpstreamModels> {
    let lists_models = facts?.lists_models;
    let auto = |refresh: Duration| Some(UpstreamModels::Auto { refresh });
    let default_refresh = RawRefresh::default().refresh?.0;
    match raw {
        None if is_target || !lists_models => Some(UpstreamModels::Targets),
        None | Some(RawUpstreamModels::Auto(_)) => auto(default_refresh),
        Some(RawUpstreamModels::AutoWith(raw)) => auto(raw.auto?.refresh?.0),
        Some(RawUpstreamModels::Listed(names)) => listed(context, path, names),
    }
}

fn listed(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    names: Vec<Option<String>>,
) -> Option<UpstreamModels> {
    if names.is_empty() {
        context
            .report
            .value(path, "is empty; name models, or write `auto`");
        return None;
    }
    context.names(path, names).map(UpstreamModels::Listed)
}
