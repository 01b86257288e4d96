//! Orders as data, properties that hold of all of them, and small worlds in which requests follow them.

mod properties;
mod worlds;

use super::*;

/// Random numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 += 1;
        mix(self.0)
    }
}

fn healthy() -> View {
    View {
        standing: Standing::Healthy,
        latency: None,
        error_rate: 0.0,
        in_flight: 0,
        share: 1.0,
        samples: 0.0,
        ejections: 0,
        ejected_for: None,
        busy_for: None,
        trial_is_free: false,
    }
}

/// A target of its own for each view, all of weight 1.
fn targets(views: impl IntoIterator<Item = View>) -> Vec<Ranked> {
    let ranked = views.into_iter().enumerate().map(|(target, view)| Ranked {
        view,
        weight: 1,
        price: None,
        target,
    });
    ranked.collect()
}

fn loaded(in_flight: &[usize]) -> Vec<Ranked> {
    targets(in_flight.iter().map(|&in_flight| View {
        in_flight,
        ..healthy()
    }))
}

fn weighted(weights: &[u32]) -> Vec<Ranked> {
    let mut candidates = targets(weights.iter().map(|_| healthy()));
    for (candidate, weight) in candidates.iter_mut().zip(weights) {
        candidate.weight = *weight;
    }
    candidates
}

fn ordered(policy: Policy, turn: usize, candidates: &[Ranked]) -> Vec<usize> {
    let mut dice = Dice(turn as u64 * 1000);
    order(policy, turn, None, &mut || dice.roll(), candidates)
}

/// How often each comes first in so many turns.
fn firsts(policy: Policy, turns: usize, candidates: &[Ranked]) -> Vec<usize> {
    let mut firsts = vec![0; candidates.len()];
    for turn in 0..turns {
        firsts[ordered(policy, turn, candidates)[0]] += 1;
    }
    firsts
}

#[test]
fn targets_are_tried_in_turn_or_by_load() {
    let cases: &[(Policy, usize, &[usize], &[usize])] = &[
        (Policy::RoundRobin, 0, &[], &[]),
        (Policy::RoundRobin, 0, &[9, 0, 0], &[0, 1, 2]),
        (Policy::RoundRobin, 4, &[9, 0, 0], &[1, 2, 0]),
        (Policy::LeastInflight, 0, &[2, 1, 1], &[1, 2, 0]),
        (Policy::LeastInflight, 2, &[2, 1, 1], &[2, 1, 0]),
        (Policy::LeastInflight, 1, &[0, 0, 0], &[1, 2, 0]),
    ];
    for (policy, turn, in_flight, expected) in cases {
        assert_eq!(
            &ordered(*policy, *turn, &loaded(in_flight)),
            expected,
            "{policy:?} {turn} {in_flight:?}"
        );
    }
}

#[test]
fn equals_share_evenly() {
    let equals = loaded(&[0; 16]);
    for policy in [
        Policy::LeastInflight,
        Policy::RoundRobin,
        Policy::Latency,
        Policy::Weighted,
    ] {
        assert_eq!(firsts(policy, 1600, &equals), [100; 16], "{policy:?}");
    }
    for count in firsts(Policy::Health, 16_000, &equals) {
        assert!((800..=1200).contains(&count), "{count}");
    }
    for policy in [Policy::Random, Policy::Cost, Policy::Split] {
        for count in firsts(policy, 4800, &equals) {
            assert!((200..=400).contains(&count), "{policy:?}: {count}");
        }
    }
}

#[test]
fn what_differs_little_counts_as_equal() {
    let millis = |latency| View {
        latency: Some(Duration::from_millis(latency)),
        ..healthy()
    };
    let about_equal = targets([millis(100), millis(120)]);
    for count in firsts(Policy::Health, 1000, &about_equal) {
        assert!((400..=600).contains(&count), "{count}");
    }
    let far_apart = targets([millis(100), millis(200)]);
    assert_eq!(firsts(Policy::Health, 1000, &far_apart), [1000, 0]);
}

#[test]
fn turns_keep_the_weights_and_spread_them() {
    let cases: &[(&[u32], &[usize])] = &[
        (&[1, 1, 1], &[0, 1, 2]),
        (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
        (&[100, 200], &[1, 0, 1]),
        (&[0, 1, 0], &[1, 1, 1]),
    ];
    for (weights, expected) in cases {
        let candidates = weighted(weights);
        let turn = |turn| ordered(Policy::Weighted, turn, &candidates)[0];
        let turns: Vec<usize> = (0..expected.len() * 2).map(turn).collect();
        assert_eq!(turns, expected.repeat(2), "{weights:?}");
    }
    // Too long to count out: kept in the long run, and at no time far off.
    let candidates = weighted(&[997, 101, 2]);
    let mut firsts = [0i64; 3];
    for turn in 0..11_000 {
        firsts[ordered(Policy::Weighted, turn, &candidates)[0]] += 1;
        for (first, weight) in firsts.iter().zip([997, 101, 2]) {
            let due = (turn as i64 + 1) * weight / 1100;
            assert!((first - due).abs() <= 4, "{firsts:?} after {turn}");
        }
    }
}

#[test]
fn endpoints_share_the_weight_of_their_target() {
    let mut candidates = weighted(&[1, 1, 1, 3]);
    for candidate in &mut candidates[..3] {
        candidate.target = 0;
    }
    assert_eq!(
        firsts(Policy::Weighted, 1200, &candidates),
        [100, 100, 100, 900]
    );
    let split = firsts(Policy::Split, 12_000, &candidates);
    for (count, expected) in split.iter().zip([1000, 1000, 1000, 9000]) {
        assert!(count.abs_diff(expected) < expected / 5, "{split:?}");
    }
}

#[test]
fn the_cheapest_comes_first_and_the_unpriced_last() {
    let money = crate::terms::Money::from_nanos;
    let price = |input, output| {
        let (input, output) = (money(input), money(output));
        Some(Price { input, output })
    };
    let mut candidates = weighted(&[1; 4]);
    let prices = [None, price(1, 9), price(3, 2), price(1, 9)];
    for (candidate, price) in candidates.iter_mut().zip(prices) {
        candidate.price = price;
    }
    candidates[1].view.in_flight = 5;
    assert_eq!(ordered(Policy::Cost, 0, &candidates), [2, 3, 1, 0]);
}

#[test]
fn the_fastest_comes_first_and_the_unknown_amid() {
    let latencies = [Some(300), None, Some(100)];
    let candidates = targets(latencies.map(|latency| View {
        latency: latency.map(Duration::from_millis),
        ..healthy()
    }));
    for turn in 0..3 {
        assert_eq!(ordered(Policy::Latency, turn, &candidates), [2, 1, 0]);
    }
}

#[test]
fn those_who_cannot_come_last_and_the_soonest_back_before_the_others() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let view = |standing| View {
        standing,
        ..healthy()
    };
    let candidates = targets([
        view(Standing::Down),
        View {
            ejected_for: seconds(30),
            ..view(Standing::Ejected)
        },
        view(Standing::Loading),
        View {
            busy_for: seconds(3),
            ..view(Standing::Busy)
        },
        view(Standing::Recovering),
        View {
            ejected_for: seconds(0),
            ..view(Standing::Trial)
        },
    ]);
    for turn in 0..12 {
        assert_eq!(
            ordered(Policy::Health, turn, &candidates),
            [4, 5, 3, 1, 2, 0]
        );
    }
}

#[test]
fn one_free_trial_comes_first() {
    let trial = View {
        standing: Standing::Trial,
        ejected_for: Some(Duration::ZERO),
        trial_is_free: true,
        ..healthy()
    };
    let candidates = targets([healthy(), trial, trial]);
    for turn in 0..4 {
        let order = ordered(Policy::Health, turn, &candidates);
        assert_eq!(
            [order[0], order[1], order[2]],
            [1 + turn % 2, 0, 2 - turn % 2]
        );
    }
}

#[test]
fn a_trial_takes_no_caller_out_of_a_split() {
    let mut candidates = weighted(&[1, 1]);
    candidates[1].view.standing = Standing::Trial;
    candidates[1].view.trial_is_free = true;
    let mut firsts = [0; 2];
    for caller in 0..1000 {
        let sticky = Some(mix(caller));
        let first = order(Policy::Split, 0, sticky, &mut || 0, &candidates)[0];
        let both_healthy = weighted(&[1, 1]);
        assert_eq!(
            first,
            order(Policy::Split, 0, sticky, &mut || 0, &both_healthy)[0]
        );
        firsts[first] += 1;
    }
    assert!(firsts[0] > 400 && firsts[1] > 400, "{firsts:?}");
}

#[test]
fn a_caller_keeps_his_way_in_every_version() {
    // Published values of FNV-1a.
    assert_eq!(caller(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(caller(b"foobar"), 0x8594_4171_f739_67e8);
    let candidates = weighted(&[2, 1, 1]);
    let first = |name: &str| {
        let sticky = Some(caller(name.as_bytes()));
        order(Policy::Split, 0, sticky, &mut || 0, &candidates)[0]
    };
    let names = [
        "anna", "bob", "carl", "dora", "emil", "fred", "gina", "hugo",
    ];
    assert_eq!(names.map(first), [2, 0, 1, 0, 0, 0, 2, 0]);
}
