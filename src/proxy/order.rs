//! Candidates past a plugin that orders them. The policy has ordered them before; those that cannot answer now come last in any case.

use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_plugin::{Choice, Ranked};

use crate::fault::Fault;
use crate::gateway::Priced;
use crate::plugin::{Called, Hook, View, edits};
use crate::route::{Candidate, Plan};
use crate::terms::Money;
use crate::upstream::health;

use super::exchange::Exchange;

/// Candidates that a plugin is shown at most; the others follow in the order that they have.
const SHOWN_MAX: usize = 256;

/// The candidates in the order in which they are to be tried.
///
/// # Errors
/// What the plugin has against all of them; that one which must decide could not.
pub async fn order(
    exchange: &Exchange,
    plan: &Plan,
    candidates: Vec<Candidate>,
) -> Result<Vec<Candidate>, Fault> {
    let model = plan.model.as_deref();
    let router = model.and_then(|model| exchange.snapshot.guards.router(model));
    let (Some(router), Some(view)) = (router, exchange.view()) else {
        return Ok(candidates);
    };
    let is_asked = |candidate: &Candidate| candidate.standing.is_usable();
    let (mut usable, mut rest): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_asked);
    if usable.len() > SHOWN_MAX {
        rest.splice(0..0, usable.drain(SHOWN_MAX..));
    }
    let count = usable.len();
    let shown = usable.iter().enumerate();
    let shown: Vec<_> = shown
        .map(|(at, candidate)| weir_plugin::Candidate {
            // The policy's order, as a score.
            score: (count - at) as f32 / count as f32,
            ..self::shown(exchange, candidate)
        })
        .collect();
    let view: Arc<dyn View> = view;
    let ranked = match router.pick(&view, &shown).await {
        Called::Answered(Choice::UseDefault) | Called::FailedOpen(_) => {
            usable.append(&mut rest);
            return Ok(usable);
        }
        Called::Answered(Choice::Ranked(ranked)) => ranked,
        Called::Answered(Choice::Reject(rejection)) => {
            let rejected = edits::rejected(rejection);
            return Err(match rejected {
                Ok(rejected) => Fault::Rejected(Box::new(rejected)),
                Err(problem) => {
                    router.misbehaved(Hook::Pick, &problem);
                    Fault::PluginDown {
                        plugin: router.name().to_owned(),
                    }
                }
            });
        }
        Called::FailedClosed(_) => {
            return Err(Fault::PluginDown {
                plugin: router.name().to_owned(),
            });
        }
    };
    match chosen(&usable, &ranked) {
        Some(mut chosen) => {
            chosen.append(&mut rest);
            Ok(chosen)
        }
        None => {
            let problem = "it names no candidate, or one that there is not";
            router.misbehaved(Hook::Pick, problem);
            usable.append(&mut rest);
            Ok(usable)
        }
    }
}

/// Those that were picked, the best first; `None` where the plugin's list makes no sense.
fn chosen(usable: &[Candidate], ranked: &[Ranked]) -> Option<Vec<Candidate>> {
    let mut ranked = ranked.to_vec();
    ranked.sort_by(|one, other| other.score.total_cmp(&one.score));
    let mut seen = vec![false; usable.len()];
    let mut chosen = Vec::with_capacity(ranked.len());
    for Ranked { index, .. } in ranked {
        let at = index as usize;
        let candidate = usable.get(at)?;
        if !std::mem::replace(&mut seen[at], true) {
            chosen.push(candidate.clone());
        }
    }
    (!chosen.is_empty()).then_some(chosen)
}

/// A candidate as plugins see it.
pub fn shown(exchange: &Exchange, candidate: &Candidate) -> weir_plugin::Candidate {
    let endpoint = &candidate.endpoint;
    let now = Instant::now();
    let view = endpoint.health.view_for(exchange.envelope.stream, now);
    let upstream = &endpoint.upstream;
    let model = candidate.model.as_deref().unwrap_or(exchange.model());
    let kind = upstream.kind.facts().name;
    let accounting = &exchange.gateway.accounting;
    let price = accounting.price(
        &exchange.snapshot.config,
        &Priced {
            kind: Some(kind),
            upstream: &upstream.name,
            upstream_model: model,
            public_model: exchange.model(),
        },
    );
    let per_million = |money: Money| money.nanos() as f32 / 1e9;
    weir_plugin::Candidate {
        id: format!("{}/{}", upstream.name, endpoint.name),
        provider: kind.to_owned(),
        model: model.to_owned(),
        region: None,
        weight: 1,
        healthy: view.standing.is_usable(),
        in_flight: u32::try_from(view.in_flight).unwrap_or(u32::MAX),
        queue_depth: None,
        ttft_ms_ewma: view.latency.map_or(0.0, |it| it.as_secs_f32() * 1e3),
        tokens_per_second_ewma: 0.0,
        error_rate: view.error_rate as f32,
        kv_cache_usage: None,
        prefix_match: None,
        input_usd_per_mtok: price.as_ref().map_or(0.0, |it| per_million(it.input)),
        output_usd_per_mtok: price.as_ref().map_or(0.0, |it| per_million(it.output)),
        score: -(health::score(&view, Duration::from_millis(1)) as f32),
        labels: vec![
            ("upstream".to_owned(), upstream.name.clone()),
            ("endpoint".to_owned(), endpoint.name.clone()),
            ("tier".to_owned(), candidate.tier.to_string()),
        ],
    }
}
