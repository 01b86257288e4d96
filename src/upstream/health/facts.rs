//! All facts about one endpoint, and what they mean at a given moment. Pure: written by reports, read by whoever chooses.

use std::time::Duration;

use crate::config::{BreakerSettings, HealthSettings};

use super::breaker::Breaker;
use super::errors::Recent;
use super::latency::PeakEwma;
use super::view::SHARE_MIN;
use super::{Change, Micros, Standing, View, micros};

/// Without probes, an endpoint that is away is tried again after this time: nobody else would notice that it is back.
const AWAY_RETRY: Micros = 5_000_000;

/// Whether an endpoint says, or its probes say, that it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Presence {
    #[default]
    Here,
    Loading,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Facts {
    /// Of streams: to their first event.
    pub latency: PeakEwma,
    /// Of other answers, which come when they are whole.
    pub whole_latency: PeakEwma,
    pub recent: Recent,
    pub breaker: Breaker,
    pub presence: Presence,
    /// When the presence was last found out to be this.
    pub presence_at: Micros,
    /// When the slow start began; 0 for none.
    pub back_at: Micros,
    /// 0 for never.
    pub busy_until: Micros,
    // Of the settings, what reading needs.
    pub slow_start: Micros,
    pub eject: Micros,
    pub has_probe: bool,
}

impl Facts {
    pub fn set_settings(&mut self, settings: &HealthSettings) {
        self.slow_start = micros(settings.slow_start);
        self.eject = micros(settings.breaker.eject);
        self.has_probe = settings.probe.is_some();
    }

    pub fn standing(&self, now: Micros) -> Standing {
        match self.presence {
            Presence::Here => {}
            _ if self.is_tried_again(now) => return Standing::Trial,
            Presence::Loading => return Standing::Loading,
            Presence::Down => return Standing::Down,
        }
        if self.breaker.is_open() && !self.breaker.is_half_open(now) {
            Standing::Ejected
        } else if now < self.busy_until {
            Standing::Busy
        } else if self.breaker.is_open() {
            Standing::Trial
        } else if self.share(now) < 1.0 {
            Standing::Recovering
        } else {
            Standing::Healthy
        }
    }

    /// Whether it was away so long that it is tried, because no probe would find it.
    fn is_tried_again(&self, now: Micros) -> bool {
        !self.has_probe && now >= self.presence_at.saturating_add(AWAY_RETRY)
    }

    pub fn trial_is_free(&self, now: Micros) -> bool {
        self.standing(now) == Standing::Trial && self.breaker.trial == 0
    }

    /// Is left alone for a time.
    pub fn eject(&mut self, settings: &BreakerSettings, jitter: f64, now: Micros) -> Change {
        let time = self.breaker.open(settings, jitter, now);
        self.back_at = 0;
        Change::Ejected {
            time,
            ejections: self.breaker.opened,
        }
    }

    /// Has answered its trial.
    pub fn passed_trial(&mut self, now: Micros) -> Change {
        if self.presence != Presence::Here || self.breaker.was_refusing() {
            self.forget(now);
            return Change::Restarted;
        }
        self.breaker.close(now);
        // They led to the ejection, and would soon lead to the next.
        self.recent = Recent::default();
        self.back_at = now;
        Change::Recovered
    }

    /// Is away by its own word or by its probes'.
    pub fn leave(&mut self, presence: Presence, now: Micros) -> Option<Change> {
        let is_new = self.presence != presence;
        self.presence = presence;
        self.presence_at = now;
        match presence {
            Presence::Loading if is_new => Some(Change::Loading),
            Presence::Down if is_new => Some(Change::Down),
            Presence::Here | Presence::Loading | Presence::Down => None,
        }
    }

    /// Is up by its probes.
    pub fn found(&mut self, now: Micros) -> Option<Change> {
        let was_away = self.presence != Presence::Here;
        // An ejection is not ended by a probe, and neither is the reason for it forgotten.
        let was_refusing = self.breaker.was_refusing() && !self.breaker.is_open();
        (was_away || was_refusing).then(|| {
            self.forget(now);
            Change::Restarted
        })
    }

    /// What is forgotten when it is a new process that answers. An ejection that runs goes on until its time.
    pub fn forget(&mut self, now: Micros) {
        self.latency = PeakEwma::default();
        self.whole_latency = PeakEwma::default();
        self.recent = Recent::default();
        self.presence = Presence::Here;
        self.busy_until = 0;
        self.breaker.failures_in_row = 0;
        self.breaker.refusals_in_row = 0;
        if !self.breaker.is_open() || self.breaker.is_half_open(now) {
            self.breaker = Breaker::default();
            self.back_at = now;
        }
    }

    /// The latency of streams, or of other answers.
    pub fn latency_of(&mut self, stream: bool) -> &mut PeakEwma {
        if stream {
            &mut self.latency
        } else {
            &mut self.whole_latency
        }
    }

    pub fn view(&self, stream: bool, in_flight: usize, now: Micros) -> View {
        let recent = self.recent.by(now);
        let latency = if stream {
            &self.latency
        } else {
            &self.whole_latency
        };
        let left = |until: Micros| Duration::from_micros(until.saturating_sub(now));
        View {
            standing: self.standing(now),
            latency: latency.seconds(now).map(Duration::from_secs_f64),
            error_rate: recent.rate(),
            in_flight,
            share: self.share(now),
            samples: recent.attempts(),
            ejections: self.breaker.ejections(self.eject, now),
            ejected_for: self
                .breaker
                .is_open()
                .then(|| left(self.breaker.open_until)),
            busy_for: (now < self.busy_until).then(|| left(self.busy_until)),
            trial_is_free: self.trial_is_free(now),
        }
    }

    fn share(&self, now: Micros) -> f64 {
        let since = now.saturating_sub(self.back_at);
        if self.back_at == 0 || since >= self.slow_start {
            return 1.0;
        }
        SHARE_MIN + (1.0 - SHARE_MIN) * since as f64 / self.slow_start as f64
    }
}
