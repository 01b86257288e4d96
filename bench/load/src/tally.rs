//! What came of the exchanges of a run, added up.
//! It knows results and durations, no connection and no endpoint.

use std::time::Duration;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

/// Longest duration that is told apart from longer ones, in microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;
/// Failures that are described; the others are only counted.
const FAILURES_TOLD_MAX: usize = 3;

/// What came of the exchanges of one run.
pub struct Tally {
    pub right: u64,
    pub failed: u64,
    pub events: u64,
    pub elapsed: Duration,
    /// From the first byte sent to the last received, in microseconds.
    pub whole_us: Histogram<u64>,
    /// From the first byte sent to the first body byte received, in microseconds.
    pub first_us: Histogram<u64>,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn new() -> Tally {
        // Three digits over a range that is valid by construction.
        let histogram = || Histogram::new_with_max(LATENCY_US_MAX, 3).expect("a valid range");
        Tally {
            right: 0,
            failed: 0,
            events: 0,
            elapsed: Duration::ZERO,
            whole_us: histogram(),
            first_us: histogram(),
            failures: Vec::new(),
        }
    }

    pub fn add(&mut self, outcome: Result<Exchanged>) {
        match outcome {
            Ok(exchanged) => {
                self.right += 1;
                self.events += exchanged.events;
                self.whole_us
                    .saturating_record(exchanged.whole.as_micros() as u64);
                self.first_us
                    .saturating_record(exchanged.first.as_micros() as u64);
            }
            Err(error) => {
                self.failed += 1;
                if self.failures.len() < FAILURES_TOLD_MAX {
                    self.failures.push(format!("{error:#}"));
                }
            }
        }
    }

    /// # Errors
    /// When any answer was not right: a measurement that contains failures measures nothing.
    pub fn all_right(self) -> Result<Tally> {
        if self.failed > 0 || self.right == 0 {
            bail!(
                "{} of {} answers were not right: {}",
                self.failed,
                self.failed + self.right,
                self.failures.join("; ")
            );
        }
        Ok(self)
    }
}

/// One exchange whose answer was right.
pub struct Exchanged {
    pub events: u64,
    pub first: Duration,
    pub whole: Duration,
}
