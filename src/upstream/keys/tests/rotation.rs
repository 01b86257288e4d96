//! Which key is next.

use super::*;

fn run(pool: &Arc<KeyPool>, turns: usize, now: Now) -> Vec<usize> {
    (0..turns)
        .map(|_| lease(pool, MODEL, now).index())
        .collect()
}

#[test]
fn round_robin_goes_through_the_keys_whatever_their_weights() {
    let clock = Clock::new();
    let keys = [weighted_key("a", 5), key("b"), key("c")];
    let pool = pool(Rotation::RoundRobin, &keys);
    assert_eq!(run(&pool, 7, clock.now), [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn weights_are_kept_and_spread() {
    let clock = Clock::new();
    let cases: [(&[u32], &[usize]); 4] = [
        (&[7], &[0, 0]),
        (&[1, 1, 1], &[0, 1, 2, 0, 1, 2]),
        (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
        (&[100, 200], &[1, 0, 1, 1, 0, 1]),
    ];
    for (weights, expected) in cases {
        let keys: Vec<_> = (0..)
            .zip(weights)
            .map(|(index, weight)| weighted_key(&format!("k{index}"), *weight))
            .collect();
        let pool = pool(Rotation::Weighted, &keys);
        assert_eq!(
            run(&pool, expected.len(), clock.now),
            expected,
            "{weights:?}"
        );
    }
}

/// litellm#40401: 93.7 % of the traffic went to one backend.
#[test]
fn a_key_that_is_no_use_for_a_model_does_not_distort_the_turns_of_the_others() {
    let clock = Clock::new();
    let keys = [
        key_for("a", &["only-a"]),
        key_for("b", &[MODEL]),
        key_for("c", &[MODEL]),
    ];
    let pool = pool(Rotation::RoundRobin, &keys);
    let mut counts = [0; 3];
    for _ in 0..30 {
        drop(lease(&pool, "only-a", clock.now));
        counts[lease(&pool, MODEL, clock.now).index()] += 1;
    }
    assert_eq!(counts, [0, 15, 15]);
}

#[test]
fn the_share_of_a_key_that_rests_goes_to_the_others_by_weight_and_it_has_no_claim_when_it_is_back()
{
    let mut clock = Clock::new();
    let keys = [
        weighted_key("a", 2),
        weighted_key("b", 1),
        weighted_key("c", 1),
    ];
    let pool = pool(Rotation::Weighted, &keys);
    pool.rest("b", Duration::from_secs(60), clock.now).unwrap();
    let resting = run(&pool, 30, clock.now);
    assert_eq!(resting.iter().filter(|&&index| index == 0).count(), 20);
    clock.go_seconds(60);
    let back = run(&pool, 4, clock.now);
    assert_eq!(
        back.iter().filter(|&&index| index == 1).count(),
        1,
        "{back:?}"
    );
}

#[test]
fn failover_takes_the_first_that_can() {
    let mut clock = Clock::new();
    let pool = pool(Rotation::Failover, &[key("a"), key("b"), key("c")]);
    assert_eq!(run(&pool, 3, clock.now), [0, 0, 0]);
    answer(&lease(&pool, MODEL, clock.now), 429, clock.now);
    assert_eq!(run(&pool, 2, clock.now), [1, 1]);
    clock.go_seconds(2);
    assert_eq!(run(&pool, 1, clock.now), [0]);
}

#[test]
fn least_used_takes_the_key_with_most_left_of_its_own_caps() {
    let clock = Clock::new();
    let cap = |requests| KeyCaps {
        requests_per_minute: Some(requests),
        ..KeyCaps::default()
    };
    let keys = [capped_key("small", cap(10)), capped_key("large", cap(30))];
    let pool = pool(Rotation::LeastUsed, &keys);
    let mut counts = [0; 2];
    for index in run(&pool, 20, clock.now) {
        counts[index] += 1;
    }
    assert_eq!(counts, [5, 15]);
}

#[test]
fn least_used_takes_the_key_with_most_left_of_what_the_upstream_says_of_the_model() {
    let mut clock = Clock::new();
    let pool = pool(Rotation::LeastUsed, &[key("a"), key("b")]);
    let say = |lease: &Lease, remaining: &str, now| {
        let said = headers(&[
            ("x-ratelimit-limit-tokens", "1000"),
            ("x-ratelimit-remaining-tokens", remaining),
            ("x-ratelimit-reset-tokens", "30s"),
        ]);
        lease.answered(200, &said, None, MODEL, now, 0.0)
    };
    let a = lease(&pool, MODEL, clock.now);
    let b = lease(&pool, MODEL, clock.now);
    assert_eq!((a.index(), b.index()), (0, 1));
    say(&a, "100", clock.now);
    say(&b, "900", clock.now);
    drop((a, b));
    assert_eq!(run(&pool, 4, clock.now), [1, 1, 1, 1]);
    // Of another model nothing is said, so they share.
    let mut others: Vec<_> = (0..4)
        .map(|_| lease(&pool, "other", clock.now).index())
        .collect();
    others.sort_unstable();
    assert_eq!(others, [0, 0, 1, 1]);
    // When the upstream's window is over, all of it is there again.
    clock.go_seconds(30);
    assert!(run(&pool, 2, clock.now).contains(&0));
}

#[test]
fn least_used_shares_among_equals() {
    let clock = Clock::new();
    let pool = pool(Rotation::LeastUsed, &[key("a"), key("b"), key("c")]);
    let mut counts = [0; 3];
    for index in run(&pool, 30, clock.now) {
        counts[index] += 1;
    }
    assert_eq!(counts, [10, 10, 10]);
}

#[test]
fn an_upstream_without_keys_needs_none() {
    let clock = Clock::new();
    let pool = pool(Rotation::Weighted, &[]);
    assert!(matches!(pool.choose(MODEL, clock.now), Choice::NotNeeded));
    assert!(pool.status(clock.now).is_empty());
    assert_eq!(pool.rotate(clock.now), None);
}

#[test]
fn models_are_allowed_by_name_glob_and_regular_expression() {
    let clock = Clock::new();
    let keys = [
        key_for("exact", &["gpt-5"]),
        key_for("glob", &["claude-*", "o3"]),
        key_for("regex", &["/^llama-[34]/"]),
    ];
    let pool = pool(Rotation::Weighted, &keys);
    for (model, label) in [
        ("gpt-5", "exact"),
        ("claude-opus", "glob"),
        ("o3", "glob"),
        ("llama-3.1", "regex"),
    ] {
        for _ in 0..3 {
            assert_eq!(lease(&pool, model, clock.now).label(), label, "{model}");
        }
    }
    for model in ["gpt-5-mini", "llama-2", ""] {
        assert_eq!(why(&pool, model, clock.now), Why::NotAllowed, "{model}");
    }
}

#[test]
fn an_expired_key_is_not_used_and_one_that_expires_before_it_is_back_is_not_waited_for() {
    let mut clock = Clock::new();
    let expires = clock.now.wall + Duration::from_secs(100);
    let keys = [UpstreamKey {
        expires: Some(expires),
        ..key("a")
    }];
    let pool = pool(Rotation::Weighted, &keys);
    pool.rest("a", Duration::from_secs(99), clock.now).unwrap();
    assert_eq!(soonest(&pool, MODEL, clock.now), Duration::from_secs(99));
    pool.rest("a", Duration::from_secs(100), clock.now).unwrap();
    assert_eq!(why(&pool, MODEL, clock.now), Why::AllOut);
    pool.revive("a").unwrap();
    clock.go_seconds(99);
    assert_eq!(next(&pool, clock.now), "a");
    clock.go_seconds(1);
    assert_eq!(why(&pool, MODEL, clock.now), Why::AllOut);
}
