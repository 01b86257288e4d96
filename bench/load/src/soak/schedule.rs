//! When which host fails how: made of a seed, before anything runs. Pure.
//!
//! At every moment one host, the anchor, is left alone; the anchor changes, and the old one is left alone until the new one
//! has been for a while. The others each fail and recover by themselves.

use std::time::Duration;

use super::fault::{self, Fault};
use crate::random::Random;

/// How long a host is the anchor, in seconds.
const ANCHOR: (f64, f64) = (8.0, 11.0);
/// Both anchors are left alone for so long, in seconds: longer than an exchange may wait for its first byte.
const OVERLAP: f64 = 5.0;
/// How long a host fails, and how long it is then left alone, in seconds.
const FAILS: (f64, f64) = (3.0, 6.0);
const RECOVERS: (f64, f64) = (2.0, 10.0);

/// One failure of one host. Times are since the beginning of the traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub host: usize,
    pub from: Duration,
    pub until: Duration,
    pub fault: Fault,
}

/// The failures of `hosts` hosts, at least two, between two moments; by host, in order.
pub fn plan(seed: u64, hosts: usize, begin: Duration, end: Duration) -> Vec<Vec<Planned>> {
    let mut random = Random::new(seed);
    let (begin, end) = (begin.as_secs_f64(), end.as_secs_f64());
    let anchors = anchors(&mut random, hosts, begin, end);
    let mut deck = Vec::new();
    let mut planned = vec![Vec::new(); hosts];
    let mut free_from: Vec<f64> = (0..hosts)
        .map(|_| begin + random.seconds(0.0, 4.0).as_secs_f64())
        .collect();
    // Whoever may fail soonest is next, so that the deck is dealt in the order of time.
    while let Some(host) = (0..hosts).min_by(|a, b| free_from[*a].total_cmp(&free_from[*b])) {
        let from = free_from[host];
        if from + FAILS.0 > end {
            break;
        }
        let until = from + random.seconds(FAILS.0, FAILS.1).as_secs_f64();
        let alone = anchors.iter().filter(|anchor| anchor.host == host);
        let clash = alone
            .clone()
            .find(|anchor| from < anchor.until && anchor.from < until);
        if let Some(anchor) = clash {
            free_from[host] = anchor.until + random.seconds(0.0, 2.0).as_secs_f64();
            continue;
        }
        if deck.is_empty() {
            deck = fault::ALL.to_vec();
            random.shuffle(&mut deck);
        }
        let Some(fault) = deck.pop() else { break };
        planned[host].push(Planned {
            host,
            from: Duration::from_secs_f64(from),
            until: Duration::from_secs_f64(until.min(end)),
            fault,
        });
        free_from[host] = until + random.seconds(RECOVERS.0, RECOVERS.1).as_secs_f64();
    }
    planned
}

/// A time for which a host is left alone, in seconds.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    host: usize,
    from: f64,
    until: f64,
}

fn anchors(random: &mut Random, hosts: usize, begin: f64, end: f64) -> Vec<Anchor> {
    let (mut anchors, mut from, mut host) = (Vec::new(), begin - OVERLAP, random.below(hosts));
    while from + OVERLAP < end {
        let until = from + random.seconds(ANCHOR.0, ANCHOR.1).as_secs_f64() + OVERLAP;
        anchors.push(Anchor { host, from, until });
        host = (host + 1 + random.below(hosts - 1)) % hosts;
        from = until - OVERLAP;
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn the_same_seed_makes_the_same_plan() {
        let plan = |seed| plan(seed, 5, seconds(10), seconds(50));
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn at_every_moment_a_host_has_been_left_alone_for_a_while_and_will_be() {
        for seed in 0..200 {
            let planned = plan(seed, 5, seconds(10), seconds(60));
            for tenth in 0..700 {
                let (from, until) = (f64::from(tenth) / 10.0, f64::from(tenth) / 10.0 + OVERLAP);
                let alone = planned.iter().any(|faults| {
                    faults.iter().all(|fault| {
                        fault.until.as_secs_f64() < from || fault.from.as_secs_f64() > until
                    })
                });
                assert!(alone, "seed {seed} from {from} s");
            }
        }
    }

    #[test]
    fn a_minute_has_nearly_every_fault_and_most_of_the_time_several_hosts_fail() {
        for seed in 0..50 {
            let planned: Vec<Planned> = plan(seed, 5, seconds(10), seconds(60))
                .into_iter()
                .flatten()
                .collect();
            let kinds = fault::ALL
                .iter()
                .filter(|kind| planned.iter().any(|planned| planned.fault == **kind));
            assert!(kinds.count() >= 12, "seed {seed}: {}", planned.len());
            let failing: f64 = planned
                .iter()
                .map(|planned| (planned.until - planned.from).as_secs_f64())
                .sum();
            assert!(failing / 50.0 > 1.0, "seed {seed}: {failing}");
        }
    }
}
