//! Which candidates a request may go to, and in which order. It must not know how caps are counted.

use weir_plugin::{Candidate, Choice, Host, PluginError, Ranked, RequestMeta};

use crate::caps::Applied;
use crate::config::Config;
use crate::cost::{Nanos, expected};

/// How often another request may come between before the last is refused.
const TRIES_MAX: usize = 4;

/// A candidate that fits all caps.
struct Fitting {
    index: usize,
    cost: Nanos,
    score: f64,
}

/// Ranks the candidates that fit, and counts what the first of them is expected to cost. Another attempt at the same exchange
/// is counted already.
pub(crate) fn choose(
    config: &Config,
    applied: &[Applied<'_>],
    meta: &RequestMeta,
    host: &dyn Host,
    candidates: &[Candidate],
) -> Result<Choice, PluginError> {
    let cost = |candidate: &Candidate| expected(meta, candidate, config.output_tokens);
    let costs: Vec<Nanos> = candidates.iter().map(cost).collect();
    let Some(least) = costs.iter().copied().min() else {
        return Ok(Choice::UseDefault);
    };
    let is_counted = meta.attempt > 0;
    let mut fitting = ranked(applied, candidates, &costs, is_counted);
    if is_counted && !fitting.is_empty() {
        return Ok(ranking(candidates, &fitting, applied));
    }
    for _ in 0..TRIES_MAX {
        let Some(first) = fitting.first() else {
            break;
        };
        let (index, cost) = (first.index, first.cost);
        match take(applied, cost, host)? {
            Taken::All => {
                host.count("cost_cap_expected", &[], cost.0 as f64 / 1e9);
                return Ok(ranking(candidates, &fitting, applied));
            }
            // Somebody was quicker: what costs as much does not fit any more.
            Taken::TooLate => fitting.retain(|other| other.index != index && other.cost < cost),
        }
    }
    let stands_against = applied.iter().find(|rule| !rule.allows(least, is_counted));
    // Where the counters have moved since they were read, it is one of those that have any.
    let counting = || applied.iter().find(|rule| rule.counted.is_some());
    let rule = stands_against.or_else(counting).unwrap_or(&applied[0]);
    host.count("cost_cap_refused", &[("rule", &rule.rule.name)], 1.0);
    Ok(Choice::Reject(rule.refusal(least, &config.currency)))
}

/// Those that fit, the best first: by weir's own score as long as there is plenty, by cost as it runs low.
fn ranked(
    applied: &[Applied<'_>],
    candidates: &[Candidate],
    costs: &[Nanos],
    is_counted: bool,
) -> Vec<Fitting> {
    let pressure = applied.iter().map(Applied::pressure).fold(0.0, f64::max);
    let indexes = 0..candidates.len();
    let fits = |index: &usize| {
        applied
            .iter()
            .all(|rule| rule.allows(costs[*index], is_counted))
    };
    let indexes: Vec<usize> = indexes.filter(fits).collect();
    let scores = indexes
        .iter()
        .map(|index| f64::from(candidates[*index].score));
    let (low, high) = scores.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| {
        (low.min(score), high.max(score))
    });
    let least = indexes
        .iter()
        .map(|index| costs[*index].0)
        .min()
        .unwrap_or(0);
    let rate = |index: usize| {
        let own = match high > low {
            true => (f64::from(candidates[index].score) - low) / (high - low),
            false => 1.0,
        };
        let cheapness = match costs[index].0 {
            0 => 1.0,
            cost => least as f64 / cost as f64,
        };
        let (cost, score) = (costs[index], own * (1.0 - pressure) + cheapness * pressure);
        Fitting { index, cost, score }
    };
    let mut fitting: Vec<Fitting> = indexes.into_iter().map(rate).collect();
    // Equals stay in weir's order.
    fitting.sort_by(|a, b| b.score.total_cmp(&a.score));
    fitting
}

/// Where nothing is left out and nothing runs low, weir's own order stands, which knows more.
fn ranking(candidates: &[Candidate], fitting: &[Fitting], applied: &[Applied<'_>]) -> Choice {
    let is_plenty = applied.iter().all(|rule| rule.pressure() == 0.0);
    if is_plenty && fitting.len() == candidates.len() {
        return Choice::UseDefault;
    }
    let rank = |one: &Fitting| Ranked {
        index: u32::try_from(one.index).unwrap_or(u32::MAX),
        score: one.score as f32,
    };
    Choice::Ranked(fitting.iter().map(rank).collect())
}

enum Taken {
    All,
    TooLate,
}

/// Counts a cost at every rule that has a period, or at none.
fn take(applied: &[Applied<'_>], cost: Nanos, host: &dyn Host) -> Result<Taken, PluginError> {
    let counted: Vec<_> = applied
        .iter()
        .filter_map(|rule| rule.counted.as_ref())
        .collect();
    for (place, counter) in counted.iter().enumerate() {
        let sum = counter.add(cost.0, host)?;
        if sum > counter.cap.amount {
            for taken in &counted[..=place] {
                taken.add(-cost.0, host)?;
            }
            return Ok(Taken::TooLate);
        }
    }
    Ok(Taken::All)
}
