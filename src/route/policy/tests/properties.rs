//! What holds of an order whatever goes into it.

use proptest::prelude::*;

use super::*;
use crate::terms::Money;

const POLICIES: [Policy; 8] = [
    Policy::Health,
    Policy::RoundRobin,
    Policy::Weighted,
    Policy::Random,
    Policy::LeastInflight,
    Policy::Latency,
    Policy::Cost,
    Policy::Split,
];

const STANDINGS: [Standing; 7] = [
    Standing::Healthy,
    Standing::Recovering,
    Standing::Trial,
    Standing::Busy,
    Standing::Loading,
    Standing::Ejected,
    Standing::Down,
];

fn view() -> impl Strategy<Value = View> {
    let standing = prop::sample::select(STANDINGS.to_vec());
    let time = || prop::option::of((0u64..=u64::MAX).prop_map(Duration::from_micros));
    let numbers = (0.0..1.0f64, 0..=usize::MAX, 0.1..=1.0f64);
    (standing, time(), time(), time(), numbers, any::<bool>()).prop_map(
        |(standing, latency, ejected_for, busy_for, numbers, trial_is_free)| View {
            standing,
            latency,
            error_rate: numbers.0,
            in_flight: numbers.1,
            share: numbers.2,
            samples: 0.0,
            ejections: 0,
            ejected_for,
            busy_for,
            trial_is_free: trial_is_free && standing == Standing::Trial,
        },
    )
}

fn ranked() -> impl Strategy<Value = Ranked> {
    let price = prop::option::of((0..100i64, 0..100i64));
    (view(), 0..=u32::MAX, price, 0usize..5).prop_map(|(view, weight, price, target)| Ranked {
        view,
        weight,
        price: price.map(|(input, output)| Price {
            input: Money::from_nanos(input),
            output: Money::from_nanos(output),
        }),
        target,
    })
}

fn is_well_ordered(
    policy: Policy,
    turn: usize,
    sticky: Option<u64>,
    seed: u64,
    candidates: &[Ranked],
) {
    let mut dice = Dice(seed);
    let found = order(policy, turn, sticky, &mut || dice.roll(), candidates);
    let mut each = found.clone();
    each.sort_unstable();
    assert!(each.into_iter().eq(0..candidates.len()), "{found:?}");

    let view = |place: &usize| candidates[*place].view;
    let trials = found
        .iter()
        .take(1)
        .filter(|place| view(place).trial_is_free);
    let rest = &found[trials.count()..];
    let is_usable = |place: &usize| view(place).standing.is_usable();
    assert!(
        rest.is_sorted_by_key(|place| !is_usable(place)),
        "{found:?}"
    );
    if policy != Policy::Split && candidates.iter().any(|one| one.view.trial_is_free) {
        assert!(view(&found[0]).trial_is_free, "{found:?}");
    }
}

const CALLERS: u64 = 1000;

/// Who comes first for each caller.
fn ways(candidates: &[Ranked]) -> Vec<usize> {
    let first = |caller| {
        let mut dice = Dice(caller);
        let sticky = Some(mix(caller));
        order(Policy::Split, 0, sticky, &mut || dice.roll(), candidates)[0]
    };
    (0..CALLERS).map(first).collect()
}

fn moves_few_callers(weights: &[u32], changed: usize, weight: u32) {
    let changed = changed % weights.len();
    let mut others = weights.to_vec();
    others[changed] = weight;
    let before = ways(&weighted(weights));
    let after = ways(&weighted(&others));

    let moved: Vec<(usize, usize)> = before
        .iter()
        .copied()
        .zip(after)
        .filter(|(before, after)| before != after)
        .collect();
    let is_about_the_changed =
        |&(before, after): &(usize, usize)| before == changed || after == changed;
    assert!(moved.iter().all(is_about_the_changed), "{moved:?}");
    let share =
        |weights: &[u32]| f64::from(weights[changed]) / f64::from(weights.iter().sum::<u32>());
    let expected = (share(&others) - share(weights)).abs() * CALLERS as f64;
    // Five standard deviations of so many draws.
    let slack = 5.0 * (expected + 1.0).sqrt();
    let moved = moved.len() as f64;
    assert!((moved - expected).abs() <= slack, "{moved} for {expected}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_is_there_once_and_the_usable_come_before_the_others(
        policy in prop::sample::select(POLICIES.to_vec()), turn in any::<usize>(),
        sticky in any::<Option<u64>>(), seed in 0..u64::MAX / 2,
        candidates in prop::collection::vec(ranked(), 0..12),
    ) {
        is_well_ordered(policy, turn, sticky, seed, &candidates);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_weight_that_changes_moves_only_those_it_is_about(
        weights in prop::collection::vec(1u32..100, 2..5), changed in any::<usize>(), weight in 1u32..100,
    ) {
        moves_few_callers(&weights, changed, weight);
    }
}
