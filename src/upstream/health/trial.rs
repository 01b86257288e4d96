//! What an attempt holds while it is at an endpoint: its place among those in flight, and the right to try one that was ejected.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::facts::Presence;
use super::{Change, Harm, Health, State};

/// An exchange's place among those in flight at an endpoint.
pub struct InFlight(Arc<Health>);

impl InFlight {
    pub(super) fn new(health: &Arc<Health>) -> InFlight {
        health.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(health.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to try an endpoint. There is one at a time; dropped without a report, because the client went away or the request was
/// at fault, it is free again.
///
/// It is for the beginning of an answer: report as soon as that is there, since a stream may last for minutes. What becomes of the
/// answer afterwards is reported to [`Health`] as for any attempt.
#[must_use = "a trial that is dropped has tried nothing"]
pub struct Trial {
    health: Arc<Health>,
    number: u64,
}

impl Trial {
    pub(super) fn new(health: &Arc<Health>, number: u64) -> Trial {
        Trial {
            health: health.clone(),
            number,
        }
    }

    /// The endpoint answers: the breaker closes and the slow start begins.
    pub fn served(self, now: Instant) -> Option<Change> {
        let now = self.health.micros(now);
        self.decide(|State { facts, .. }| Some(facts.passed_trial(now)))
    }

    /// It still fails: the breaker opens again, for longer. `jitter` is in [0, 1). This is the whole report of the attempt.
    pub fn failed(self, harm: Harm, now: Instant, jitter: f64) -> Option<Change> {
        let now = self.health.micros(now);
        self.decide(
            |State {
                 facts, settings, ..
             }| {
                if facts.presence != Presence::Here {
                    facts.presence_at = now;
                    return None;
                }
                facts.recent.count(true, now);
                facts.breaker.failed(harm);
                Some(facts.eject(&settings.breaker, jitter, now))
            },
        )
    }

    /// A trial that has been overtaken, by a probe that found the endpoint back, decides nothing.
    fn decide(&self, change: impl FnOnce(&mut State) -> Option<Change>) -> Option<Change> {
        self.health.report(|state| {
            if state.facts.breaker.trial != self.number {
                return None;
            }
            state.facts.breaker.trial = 0;
            change(state)
        })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.decide(|_| None);
    }
}
