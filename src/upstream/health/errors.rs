//! How many of the recent attempts failed. Pure; what a failure is, is for its caller to say.

use super::Micros;

/// An attempt counts less by a factor of e after this time.
const RECENT: f64 = 30e6;
/// Successes that are taken for granted, so that one failure of two attempts is not a rate of one half.
const PRIOR_SUCCESSES: f64 = 5.0;

/// Attempts and failures, fading with time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Recent {
    pub failures: f64,
    pub successes: f64,
    /// When the two numbers were right.
    pub at: Micros,
}

impl Recent {
    /// Takes an attempt in.
    pub fn count(&mut self, has_failed: bool, now: Micros) {
        *self = self.by(now);
        if has_failed {
            self.failures += 1.0;
        } else {
            self.successes += 1.0;
        }
    }

    /// The same attempts as they count by `now`.
    pub fn by(&self, now: Micros) -> Recent {
        let kept = (-(now.saturating_sub(self.at) as f64) / RECENT).exp();
        Recent {
            failures: self.failures * kept,
            successes: self.successes * kept,
            at: now.max(self.at),
        }
    }

    /// Attempts, as they count.
    pub fn attempts(&self) -> f64 {
        self.failures + self.successes
    }

    /// Share of failures among them, 0 to 1; 0 where there are none.
    pub fn share(&self) -> f64 {
        if self.failures > 0.0 {
            self.failures / self.attempts()
        } else {
            0.0
        }
    }

    /// The same, smoothed so that few attempts say little: for the score.
    pub fn rate(&self) -> f64 {
        self.failures / (self.attempts() + PRIOR_SUCCESSES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_attempts_say_little_and_old_ones_nothing() {
        const S: Micros = 1_000_000;
        let mut recent = Recent::default();
        assert_eq!((recent.rate(), recent.share()), (0.0, 0.0));
        recent.count(false, S);
        assert_eq!((recent.rate(), recent.share()), (0.0, 0.0));
        recent.count(true, S);
        assert_eq!(recent.share(), 0.5);
        assert_eq!(recent.rate(), 1.0 / 7.0);
        assert_eq!(recent.attempts(), 2.0);
        let later = recent.by(31 * S);
        assert!((later.attempts() - 2.0 / std::f64::consts::E).abs() < 1e-9);
        assert_eq!(later.share(), 0.5, "what fades, fades alike");
        assert!(recent.by(1000 * S).rate() < 1e-9);
    }
}
