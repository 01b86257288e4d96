//! What is left of the tightest limits, for the headers of answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::tick;
use super::meter::{Locked, Meter};
use super::rate::Left;
use crate::terms::{Measure, Rule};

/// What is left of one limit, this request included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// `tenant`, `key`, … (`Subject::scope`).
    pub scope: &'static str,
    /// The setting: `requests_per_minute`, …
    pub limit_name: &'static str,
    pub measure: Measure,
    /// In the measure's unit.
    pub limit: u64,
    /// In the measure's unit; what was not yet settled counts as reserved.
    pub remaining: u64,
    /// Until all of the limit is there again, if nothing else is taken.
    pub reset: Duration,
}

const MEASURES: usize = 4;

/// Of each measure but money the limit of which the least is left.
pub fn standing<'a>(
    meters: impl IntoIterator<Item = &'a Arc<Meter>>,
    now: Instant,
) -> Vec<Standing> {
    let mut tightest: [Option<Standing>; MEASURES] = [None; MEASURES];
    for meter in meters {
        let scope = meter.scope();
        meter.each_rate(tick(now), |rule, left| {
            let Some(slot) = slot(rule.measure) else {
                return;
            };
            let standing = Standing {
                scope,
                limit_name: rule.name(),
                measure: rule.measure,
                limit: left.limit,
                remaining: left.remaining,
                reset: Duration::from_nanos(left.reset),
            };
            let best = &mut tightest[slot];
            if best.is_none_or(|best| is_tighter(&standing, &best)) {
                *best = Some(standing);
            }
        });
    }
    tightest.into_iter().flatten().collect()
}

/// Every rate of one meter, in the order of the settings.
pub fn rates(meter: &Meter, now: Instant) -> Vec<Standing> {
    let scope = meter.scope();
    let mut rates = Vec::new();
    meter.each_rate(tick(now), |rule, left| {
        rates.push(Standing {
            scope,
            limit_name: rule.name(),
            measure: rule.measure,
            limit: left.limit,
            remaining: left.remaining,
            reset: Duration::from_nanos(left.reset),
        });
    });
    rates
}

fn is_tighter(one: &Standing, other: &Standing) -> bool {
    (one.remaining, one.limit) < (other.remaining, other.limit)
}

fn slot(measure: Measure) -> Option<usize> {
    match measure {
        Measure::Requests => Some(0),
        Measure::Tokens => Some(1),
        Measure::InputTokens => Some(2),
        Measure::OutputTokens => Some(3),
        Measure::Spend => None,
    }
}

impl Meter {
    fn each_rate(&self, now: u64, mut tell: impl FnMut(Rule, Left)) {
        match self.lock() {
            Locked::Exact(mut state) => {
                let Some(state) = state.as_mut() else {
                    return;
                };
                let now = state.turn_to(now);
                for rate in &mut state.rates {
                    tell(rate.rule(), rate.left(now));
                }
            }
            Locked::Address(network, mut limits) => {
                let now = limits.turn_to(now);
                for rate in limits.rates() {
                    tell(rate.rule, rate.left(network, now));
                }
            }
        }
    }
}
