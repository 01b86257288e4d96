//! Holds what clients saw against when hosts failed: which broken exchanges may be, and what share each host got. Pure.

use std::time::Duration;

use super::storm::Failing;
use crate::traffic::{End, Seen};

/// The failings of one host.
pub struct Host<'a> {
    pub name: &'a str,
    pub failings: &'a [Failing],
}

/// What an exchange that did not end whole amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// A stream that had begun on a host that failed meanwhile, and whose client was told.
    Begun,
    /// No host was without a failing from the beginning of the exchange to its end.
    NoHostLeft,
    /// Anything else: it must not be.
    Weir,
}

impl Host<'_> {
    /// Whether it failed at some time between the two.
    fn failed_within(&self, from: Duration, until: Duration) -> bool {
        let mut failings = self.failings.iter();
        failings.any(|failing| failing.from <= until && from <= failing.until)
    }

    /// Whether it is without failing at a moment, and has been for `settling`.
    fn is_well(&self, at: Duration, settling: Duration) -> bool {
        !self.failed_within(at.saturating_sub(settling), at)
    }
}

/// What a broken exchange amounts to; `None` for one that ended whole.
pub fn blame(seen: &Seen, hosts: &[Host<'_>]) -> Option<Blame> {
    let failed = |host: &Host<'_>| host.failed_within(seen.begun, seen.ended);
    let its_host = hosts
        .iter()
        .find(|host| Some(host.name) == seen.upstream.as_deref());
    match &seen.end {
        End::Whole => None,
        End::Told | End::Cut(_) if seen.stream && its_host.is_some_and(failed) => {
            Some(Blame::Begun)
        }
        // A short answer that looks whole is wrong, whoever failed.
        End::Wrong(_) => Some(Blame::Weir),
        End::Refused { .. } | End::Told | End::Cut(_) if hosts.iter().all(failed) => {
            Some(Blame::NoHostLeft)
        }
        End::Refused { .. } | End::Told | End::Cut(_) => Some(Blame::Weir),
    }
}

/// What one host got while it was well.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Share {
    /// Exchanges that began while it was well.
    pub got: f64,
    /// The same, had all hosts without a failing got equally many.
    pub fair: f64,
}

impl Share {
    /// What it got of what is fair; 1 where nothing was to be had.
    pub fn ratio(&self) -> f64 {
        if self.fair > 0.0 {
            self.got / self.fair
        } else {
            1.0
        }
    }
}

/// The share of a host over all of its well times, and over each of them; it is well when it has not failed for `settling`.
pub fn shares(
    host: &Host<'_>,
    hosts: &[Host<'_>],
    seen: &[Seen],
    settling: Duration,
) -> Vec<Share> {
    // Each failing begins a new time, after it.
    let mut shares = vec![Share::default(); host.failings.len() + 1];
    for exchange in seen
        .iter()
        .filter(|seen| host.is_well(seen.begun, settling))
    {
        let before = |failing: &&Failing| failing.until < exchange.begun;
        let share = &mut shares[host.failings.iter().filter(before).count()];
        let well = hosts
            .iter()
            .filter(|other| other.is_well(exchange.begun, Duration::ZERO));
        share.fair += 1.0 / well.count().max(1) as f64;
        let is_its = exchange.upstream.as_deref() == Some(host.name);
        share.got += f64::from(u8::from(is_its));
    }
    shares
}

/// Whether no host failed at any time of the exchange.
pub fn was_calm(seen: &Seen, hosts: &[Host<'_>]) -> bool {
    let failed = |host: &Host<'_>| host.failed_within(seen.begun, seen.ended);
    !hosts.iter().any(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::fault::Fault;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn failing(from: u64, until: u64) -> Vec<Failing> {
        vec![Failing {
            fault: Fault::Killed,
            from: seconds(from),
            until: seconds(until),
        }]
    }

    fn seen(begun: u64, ended: u64, upstream: &str, stream: bool, end: End) -> Seen {
        Seen {
            id: String::new(),
            stream,
            begun: seconds(begun),
            ended: seconds(ended),
            upstream: Some(upstream.to_owned()),
            attempts: 1,
            end,
        }
    }

    fn cut() -> End {
        End::Cut(String::new())
    }

    #[test]
    fn a_stream_may_break_on_a_host_that_failed_and_nothing_else_may() {
        let (a, b) = (failing(10, 15), failing(14, 20));
        let hosts = [
            Host {
                name: "a",
                failings: &a,
            },
            Host {
                name: "b",
                failings: &b,
            },
        ];
        let refused = || End::Refused {
            status: 503,
            body: String::new(),
        };
        let wrong = || End::Wrong(String::new());
        let cases = [
            (seen(1, 2, "a", true, End::Whole), None),
            (seen(9, 11, "a", true, cut()), Some(Blame::Begun)),
            (seen(9, 11, "a", true, End::Told), Some(Blame::Begun)),
            (seen(9, 11, "a", true, wrong()), Some(Blame::Weir)),
            (seen(9, 11, "b", true, cut()), Some(Blame::Weir)),
            (seen(9, 11, "a", false, cut()), Some(Blame::Weir)),
            (seen(9, 11, "a", false, refused()), Some(Blame::Weir)),
            (seen(9, 14, "a", false, refused()), Some(Blame::NoHostLeft)),
            (seen(9, 14, "a", false, wrong()), Some(Blame::Weir)),
        ];
        for (seen, expected) in cases {
            assert_eq!(blame(&seen, &hosts), expected, "{seen:?}");
        }
    }

    #[test]
    fn shares_count_only_while_a_host_is_well() {
        let (a, b) = (failing(10, 20), Vec::new());
        let hosts = [
            Host {
                name: "a",
                failings: &a,
            },
            Host {
                name: "b",
                failings: &b,
            },
        ];
        // One a second, to `a` while it is well, else to `b`; after its failing `a` is forgotten.
        let at = |second| {
            seen(
                second,
                second,
                if second < 10 && second % 2 == 0 {
                    "a"
                } else {
                    "b"
                },
                false,
                End::Whole,
            )
        };
        let all: Vec<Seen> = (0..40).map(at).collect();
        let of_a = shares(&hosts[0], &hosts, &all, seconds(3));
        assert_eq!(
            of_a,
            [
                Share {
                    got: 5.0,
                    fair: 5.0
                },
                Share {
                    got: 0.0,
                    fair: 8.0
                }
            ]
        );
        assert_eq!(of_a[1].ratio(), 0.0);
        let of_b = shares(&hosts[1], &hosts, &all, seconds(3));
        assert_eq!(of_b.len(), 1);
        assert!(of_b[0].ratio() > 1.0);
        assert!(was_calm(&all[0], &hosts) && !was_calm(&all[12], &hosts));
    }
}
