//! The time to the first byte as one number: a peak EWMA. Pure; it knows nothing of what the number is used for.

use std::time::Duration;

use super::Micros;

/// With measurements, the number comes down from a peak by a factor of e in this time.
const FALL: f64 = 10e6;
/// Without measurements, it is trusted less by a factor of e in this time, so that a slow endpoint that gets no traffic is tried
/// again. Longer than [`FALL`]: where requests are rare, slow and fast must not look alike between two of them.
const FADE: f64 = 30e6;

/// Jumps to a peak at once and comes down from it slowly.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct PeakEwma {
    /// At the time of the last measurement; meaningless before the first.
    pub seconds: f64,
    /// Of the last measurement; 0 before the first.
    pub at: Micros,
}

impl PeakEwma {
    /// Takes a measurement in.
    pub fn measure(&mut self, took: Duration, now: Micros) {
        let took = took.as_secs_f64();
        self.seconds = match self.seconds(now) {
            Some(known) if took < known => {
                let kept = (-(now.saturating_sub(self.at) as f64) / FALL).exp();
                took + (known - took) * kept
            }
            _ => took,
        };
        self.at = now.max(self.at);
    }

    /// What it is by now; `None` before the first measurement.
    pub fn seconds(&self, now: Micros) -> Option<f64> {
        let idle = now.saturating_sub(self.at) as f64;
        (self.at != 0).then(|| self.seconds * (-idle / FADE).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(measurements: &[(u64, Micros)], now: Micros) -> Option<u64> {
        let mut latency = PeakEwma::default();
        for (millis, at) in measurements {
            latency.measure(Duration::from_millis(*millis), *at);
        }
        latency
            .seconds(now)
            .map(|seconds| (seconds * 1000.0).round() as u64)
    }

    #[test]
    fn a_peak_is_taken_at_once_and_left_slowly() {
        const S: Micros = 1_000_000;
        assert_eq!(after(&[], S), None);
        assert_eq!(after(&[(100, S)], S), Some(100));
        assert_eq!(after(&[(100, S), (900, S)], S), Some(900));
        assert_eq!(after(&[(900, S), (100, S)], S), Some(900));
        // 900 has faded to 645 in ten seconds, and then comes down by a factor of e towards 100.
        assert_eq!(after(&[(900, S), (100, 11 * S)], 11 * S), Some(300));
        // Unmeasured, it fades: by a factor of e in thirty seconds.
        assert_eq!(after(&[(900, S)], 31 * S), Some(331));
        assert_eq!(after(&[(900, S)], 601 * S), Some(0));
        // A clock that seems to go back changes nothing.
        assert_eq!(after(&[(900, 5 * S)], S), Some(900));
    }
}
