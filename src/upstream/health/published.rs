//! Facts that are read without a lock while reports change them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::breaker::Breaker;
use super::errors::Recent;
use super::facts::{Facts, Presence};
use super::latency::PeakEwma;

const WORDS: usize = 20;

/// The last facts that were written. Writers take turns by a lock of their own. A reader that meets a writer may see some of the
/// old facts beside some of the new, which is as good for a choice as either. Whatever must not be decided twice is decided
/// under the lock.
#[derive(Default)]
pub(super) struct Published([AtomicU64; WORDS]);

impl Published {
    pub fn write(&self, facts: &Facts) {
        for (word, value) in self.0.iter().zip(to_words(facts)) {
            word.store(value, Ordering::Relaxed);
        }
    }

    pub fn read(&self) -> Facts {
        from_words(std::array::from_fn(|index| {
            self.0[index].load(Ordering::Relaxed)
        }))
    }
}

fn to_words(facts: &Facts) -> [u64; WORDS] {
    [
        facts.latency.seconds.to_bits(),
        facts.latency.at,
        facts.whole_latency.seconds.to_bits(),
        facts.whole_latency.at,
        facts.recent.failures.to_bits(),
        facts.recent.successes.to_bits(),
        facts.recent.at,
        u64::from(facts.breaker.failures_in_row),
        u64::from(facts.breaker.refusals_in_row),
        u64::from(facts.breaker.opened),
        facts.breaker.open_until,
        facts.breaker.closed_at,
        facts.breaker.trial,
        facts.presence as u64,
        facts.presence_at,
        facts.back_at,
        facts.busy_until,
        facts.slow_start,
        facts.eject,
        u64::from(facts.has_probe),
    ]
}

fn from_words(words: [u64; WORDS]) -> Facts {
    let [
        latency_seconds,
        latency_at,
        whole_latency_seconds,
        whole_latency_at,
        failures,
        successes,
        recent_at,
        failures_in_row,
        refusals_in_row,
        opened,
        open_until,
        closed_at,
        trial,
        presence,
        presence_at,
        back_at,
        busy_until,
        slow_start,
        eject,
        has_probe,
    ] = words;
    Facts {
        latency: PeakEwma {
            seconds: f64::from_bits(latency_seconds),
            at: latency_at,
        },
        whole_latency: PeakEwma {
            seconds: f64::from_bits(whole_latency_seconds),
            at: whole_latency_at,
        },
        recent: Recent {
            failures: f64::from_bits(failures),
            successes: f64::from_bits(successes),
            at: recent_at,
        },
        breaker: Breaker {
            failures_in_row: failures_in_row as u32,
            refusals_in_row: refusals_in_row as u32,
            opened: opened as u32,
            open_until,
            closed_at,
            trial,
        },
        presence: match presence {
            0 => Presence::Here,
            1 => Presence::Loading,
            _ => Presence::Down,
        },
        presence_at,
        back_at,
        busy_until,
        slow_start,
        eject,
        has_probe: has_probe != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for presence in [Presence::Here, Presence::Loading, Presence::Down] {
            let words: [u64; WORDS] = std::array::from_fn(|index| index as u64 + 1);
            let facts = Facts {
                presence,
                ..from_words(words)
            };
            let published = Published::default();
            published.write(&facts);
            assert_eq!(published.read(), facts);
            for (index, word) in to_words(&facts).iter().enumerate() {
                // The presence is its own number, and a flag is 1.
                let expected = match index {
                    13 => presence as u64,
                    19 => 1,
                    _ => index as u64 + 1,
                };
                assert_eq!(*word, expected, "word {index}");
            }
        }
    }
}
