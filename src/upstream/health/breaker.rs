//! The circuit breaker of one endpoint: closed, open for a time, half-open, and closed again. Pure: what it is told may come in any
//! order, and the caller knows who else is left.

use std::time::Duration;

use crate::config::BreakerSettings;

use super::errors::Recent;
use super::{Harm, Micros, micros};

/// Refused connections in a row, after which the next answer is taken for that of a process that has started anew.
const REFUSALS_OF_A_RESTART: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Breaker {
    pub failures_in_row: u32,
    pub refusals_in_row: u32,
    /// How often it opened, as of `closed_at`; [`Breaker::ejections`] says what is left of it.
    pub opened: u32,
    /// 0 while closed.
    pub open_until: Micros,
    pub closed_at: Micros,
    /// Number of the trial that is out; 0 for none.
    pub trial: u64,
}

impl Breaker {
    pub fn is_open(&self) -> bool {
        self.open_until != 0
    }

    /// Whether its time is over, so that a trial decides.
    pub fn is_half_open(&self, now: Micros) -> bool {
        self.is_open() && self.open_until <= now
    }

    /// How often it opened, less one for each full `eject` that it has been closed since.
    pub fn ejections(&self, eject: Micros, now: Micros) -> u32 {
        if self.is_open() {
            return self.opened;
        }
        let healed = now.saturating_sub(self.closed_at) / eject.max(1);
        self.opened
            .saturating_sub(u32::try_from(healed).unwrap_or(u32::MAX))
    }

    /// Takes a success in. While the breaker is open, only a trial decides: this may be the end of something old.
    pub fn served(&mut self) {
        if !self.is_open() {
            self.failures_in_row = 0;
            self.refusals_in_row = 0;
        }
    }

    /// Takes a failure in.
    pub fn failed(&mut self, harm: Harm) {
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        self.refusals_in_row = match harm {
            Harm::Connect => self.refusals_in_row.saturating_add(1),
            Harm::Reset | Harm::ServerError | Harm::Timeout | Harm::Truncated | Harm::Stalled => 0,
        };
    }

    /// Whether nothing has listened for a while, so that the next answer comes from a new process.
    pub fn was_refusing(&self) -> bool {
        self.refusals_in_row >= REFUSALS_OF_A_RESTART
    }

    /// Whether what has been seen is enough to open.
    pub fn has_cause(&self, settings: &BreakerSettings, recent: &Recent) -> bool {
        let in_a_row = self.failures_in_row >= settings.failures.max(1);
        let by_rate = recent.failures > 0.0
            && recent.attempts() >= f64::from(settings.samples)
            && recent.share() >= settings.error_rate;
        !self.is_open() && (in_a_row || by_rate)
    }

    /// Opens it, or opens it again after a trial; returns for how long. `jitter` is in [0, 1): a tenth less to a tenth more.
    pub fn open(&mut self, settings: &BreakerSettings, jitter: f64, now: Micros) -> Duration {
        self.opened = self
            .ejections(micros(settings.eject), now)
            .saturating_add(1);
        let doublings = (self.opened - 1).min(31);
        let time = settings.eject.saturating_mul(1 << doublings);
        let time = time.min(settings.eject_max).mul_f64(0.9 + 0.2 * jitter);
        // Never 0, which is closed.
        self.open_until = now.saturating_add(micros(time)).max(1);
        self.trial = 0;
        time
    }

    /// Closes it: what led to its opening is forgotten, how often it opened only with time.
    pub fn close(&mut self, now: Micros) {
        *self = Breaker {
            opened: self.opened,
            closed_at: now,
            ..Breaker::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Micros = 1_000_000;

    fn settings() -> BreakerSettings {
        BreakerSettings {
            failures: 3,
            error_rate: 0.5,
            samples: 20,
            eject: Duration::from_secs(10),
            eject_max: Duration::from_secs(60),
            ejected_share: 0.5,
        }
    }

    #[test]
    fn times_double_up_to_the_bound_and_heal_one_by_one() {
        let mut breaker = Breaker::default();
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(breaker.open(&settings(), 0.5, S).as_secs());
        }
        assert_eq!(times, [10, 20, 40, 60, 60]);
        breaker.close(100 * S);
        let left = |at: Micros| breaker.ejections(10 * S, at * S);
        assert_eq!(
            [left(100), left(109), left(110), left(135), left(999)],
            [5, 5, 4, 2, 0]
        );
        breaker.open(&settings(), 0.5, 135 * S);
        assert_eq!(breaker.opened, 3);
    }

    #[test]
    fn jitter_is_a_tenth_each_way() {
        let time = |jitter| Breaker::default().open(&settings(), jitter, S).as_millis();
        assert_eq!([time(0.0), time(0.5)], [9_000, 10_000]);
        assert!((10_990..11_000).contains(&time(0.9999)));
    }

    #[test]
    fn failures_in_a_row_or_a_share_of_many_are_cause() {
        let mut breaker = Breaker::default();
        let mut recent = Recent::default();
        for number in 1..=3 {
            breaker.failed(Harm::ServerError);
            recent.count(true, S);
            assert_eq!(breaker.has_cause(&settings(), &recent), number == 3);
        }
        breaker.served();
        assert!(!breaker.has_cause(&settings(), &recent));
        for number in 4..=20 {
            recent.count(number % 2 == 0, S);
            breaker.served();
            assert_eq!(breaker.has_cause(&settings(), &recent), number == 20);
        }
    }

    #[test]
    fn only_connections_refused_in_a_row_are_a_restart() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker.failed(Harm::Connect);
        }
        breaker.failed(Harm::Reset);
        breaker.failed(Harm::Connect);
        assert!(!breaker.was_refusing());
        breaker.failed(Harm::Connect);
        breaker.failed(Harm::Connect);
        assert!(breaker.was_refusing());
        breaker.served();
        assert!(!breaker.was_refusing());
    }
}
