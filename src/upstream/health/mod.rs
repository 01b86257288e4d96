//! All that is known of one endpoint (one address): how fast it answers, how often it fails, whether it may be asked. Time comes
//! in with each call; nothing here opens a connection, reads a clock or knows which models the endpoint serves.

mod breaker;
mod errors;
mod facts;
mod latency;
mod published;
mod trial;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::config::HealthSettings;

use facts::{Facts, Presence};
use published::Published;
pub use trial::{InFlight, Trial};
pub use view::{Standing, View, may_eject, score};

/// How long a refusal to eject holds: whether an endpoint can be done without is asked for all of its models, and during an
/// outage each failed attempt of the last one is a reason to ask.
const REFUSED_FOR: Micros = 1_000_000;

/// Microseconds since an endpoint was first known; 0 stands for "never".
type Micros = u64;

fn micros(time: Duration) -> Micros {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How an attempt failed by the upstream's fault. A client's fault (400, 404, 422) and a key's (401, 402, 403, 429) are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// No connection: refused, unreachable, too slow, no TLS.
    Connect,
    /// The connection broke before the answer began.
    Reset,
    /// An answer of 500 and above, or an error as the first event of a stream.
    ServerError,
    /// The answer did not begin in time.
    Timeout,
    /// The answer ended before its end.
    Truncated,
    /// The answer went silent after it had begun.
    Stalled,
}

impl Harm {
    /// The name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Harm::Connect => "connect",
            Harm::Reset => "reset",
            Harm::ServerError => "server_error",
            Harm::Timeout => "timeout",
            Harm::Truncated => "truncated",
            Harm::Stalled => "stalled",
        }
    }
}

/// What one probe met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    Up,
    /// It is there and says that it loads its model.
    Loading,
    Failed,
}

/// What a report has changed about an endpoint's standing, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Is left alone for `time`, for the `ejections`-th time of late.
    Ejected { time: Duration, ejections: u32 },
    /// Passed its trial; its slow start begins.
    Recovered,
    /// Is loading its model.
    Loading,
    /// Fails its probes.
    Down,
    /// Is back after it was down, loading or refusing connections. What was known of it is forgotten; its slow start begins.
    Restarted,
}

impl Change {
    /// The name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Change::Ejected { .. } => "ejected",
            Change::Recovered => "recovered",
            Change::Loading => "loading",
            Change::Down => "down",
            Change::Restarted => "restarted",
        }
    }
}

/// One ejection at a time is decided upon, among all endpoints: two that fail at the same moment would else each count on the other
/// as the one that is left. Taken after an endpoint's own lock, and only when an endpoint is about to be ejected.
static EJECTION: Mutex<()> = Mutex::new(());

/// The health of one endpoint. It outlives the configurations that name the endpoint.
///
/// Reading takes no lock. A report takes the endpoint's own, for less than a microsecond.
pub struct Health {
    epoch: Instant,
    in_flight: AtomicUsize,
    published: Published,
    state: Mutex<State>,
}

struct State {
    facts: Facts,
    settings: HealthSettings,
    trials: u64,
    /// Until then it is taken for one that cannot be done without; 0 for never.
    needed_until: Micros,
}

impl Health {
    /// An endpoint of which nothing is known: it is taken for healthy.
    pub fn new(settings: HealthSettings, now: Instant) -> Health {
        let mut facts = Facts::default();
        facts.set_settings(&settings);
        let published = Published::default();
        published.write(&facts);
        Health {
            epoch: now,
            in_flight: AtomicUsize::new(0),
            published,
            state: Mutex::new(State {
                facts,
                settings,
                trials: 0,
                needed_until: 0,
            }),
        }
    }

    /// Goes by other settings from now on. An ejection that runs keeps its time.
    pub fn set_settings(&self, settings: HealthSettings) {
        self.report(|state| {
            state.facts.set_settings(&settings);
            state.settings = settings;
        });
    }

    // ---- what is known ----------------------------------------------------------------------------------------------

    /// With the latency of streams.
    pub fn view(&self, now: Instant) -> View {
        self.view_for(true, now)
    }

    /// With the latency of streams, or of other answers: those come only when they are whole, and take as long as they are
    /// long, so that the two cannot be compared.
    pub fn view_for(&self, stream: bool, now: Instant) -> View {
        let facts = self.published.read();
        facts.view(stream, self.in_flight(), self.micros(now))
    }

    pub fn standing(&self, now: Instant) -> Standing {
        self.published.read().standing(self.micros(now))
    }

    /// Exchanges that are there now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    // ---- what attempts report ---------------------------------------------------------------------------------------

    /// Counts an exchange in until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        InFlight::new(self)
    }

    /// The answer has begun, `took` after the request was sent.
    pub fn first_byte(&self, stream: bool, took: Duration, now: Instant) {
        let now = self.micros(now);
        self.report(|state| state.facts.latency_of(stream).measure(took, now));
    }

    /// An attempt has ended well. To be reported at the end of the answer, not at its beginning: an endpoint that breaks off each
    /// answer would never have two failures in a row.
    pub fn served(&self, now: Instant) -> Option<Change> {
        let now = self.micros(now);
        self.report(|State { facts, .. }| {
            facts.recent.count(false, now);
            if facts.presence == Presence::Here
                && !facts.breaker.is_open()
                && facts.breaker.was_refusing()
            {
                facts.forget(now);
                return Some(Change::Restarted);
            }
            facts.breaker.served();
            None
        })
    }

    /// An attempt has failed by the endpoint's fault. `may_eject` says whether the endpoint can be done without, by
    /// [`may_eject`] for each model that it serves; it is asked only when there is cause to eject, once a second at most where it
    /// says no, and must not report to any endpoint. `jitter` is in [0, 1).
    pub fn failed(
        &self,
        harm: Harm,
        now: Instant,
        jitter: f64,
        may_eject: impl FnOnce() -> bool,
    ) -> Option<Change> {
        let now = self.micros(now);
        let mut state = self.state.lock();
        let State {
            facts,
            settings,
            needed_until,
            ..
        } = &mut *state;
        if facts.presence != Presence::Here {
            // It is away, and known to be.
            return None;
        }
        facts.recent.count(true, now);
        facts.breaker.failed(harm);
        let has_cause = facts.breaker.has_cause(&settings.breaker, &facts.recent);
        if !has_cause || now < *needed_until {
            self.published.write(facts);
            return None;
        }
        let _one_at_a_time = EJECTION.lock();
        let change = may_eject().then(|| facts.eject(&settings.breaker, jitter, now));
        if change.is_none() {
            *needed_until = now + REFUSED_FOR;
        }
        self.published.write(facts);
        change
    }

    /// An attempt was told that the model is being loaded. No failure.
    pub fn loading(&self, now: Instant) -> Option<Change> {
        let now = self.micros(now);
        self.report(|State { facts, .. }| facts.leave(Presence::Loading, now))
    }

    /// The endpoint has asked to be left alone until then, by a 429 that is not about a key. No failure. The caller bounds the
    /// time.
    pub fn busy_until(&self, until: Instant) {
        let until = self.micros(until);
        self.report(|State { facts, .. }| facts.busy_until = facts.busy_until.max(until));
    }

    // ---- what probes report -----------------------------------------------------------------------------------------

    /// A probe has met `result`; `is_up` is the verdict on it and those before it, by the thresholds.
    pub fn probed(&self, result: ProbeResult, is_up: bool, now: Instant) -> Option<Change> {
        let now = self.micros(now);
        self.report(|State { facts, .. }| match (result, is_up) {
            (ProbeResult::Up, true) => facts.found(now),
            (ProbeResult::Loading, _) => facts.leave(Presence::Loading, now),
            (ProbeResult::Failed, false) => facts.leave(Presence::Down, now),
            (ProbeResult::Up, false) | (ProbeResult::Failed, true) => None,
        })
    }

    // ---- what operators say -----------------------------------------------------------------------------------------

    /// Takes the endpoint out, as if it had failed too often. Whether it can be done without is the operator's to know.
    pub fn eject(&self, now: Instant, jitter: f64) -> Change {
        let now = self.micros(now);
        self.report(
            |State {
                 facts, settings, ..
             }| facts.eject(&settings.breaker, jitter, now),
        )
    }

    /// Takes the endpoint back, as if nothing were known of it. What its probes find out next holds again.
    pub fn restore(&self, now: Instant) -> Change {
        let now = self.micros(now);
        self.report(|State { facts, .. }| {
            facts.breaker.close(now);
            facts.forget(now);
            Change::Restarted
        })
    }

    // ---- trials -----------------------------------------------------------------------------------------------------

    /// The right to try an endpoint whose standing is [`Standing::Trial`]; `None` where it has another, or where somebody else
    /// tries it.
    pub fn take_trial(self: &Arc<Self>, now: Instant) -> Option<Trial> {
        let now = self.micros(now);
        let number = self.report(|state| {
            if !state.facts.trial_is_free(now) {
                return None;
            }
            state.trials += 1;
            state.facts.breaker.trial = state.trials;
            Some(state.trials)
        })?;
        Some(Trial::new(self, number))
    }

    fn report<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        self.published.write(&state.facts);
        result
    }

    /// Never 0.
    fn micros(&self, at: Instant) -> Micros {
        micros(at.saturating_duration_since(self.epoch)).saturating_add(1)
    }
}
