//! What the upstream's answers do to keys.

use super::*;

const OTHER: &str = "gpt-5-mini";

fn one() -> Arc<KeyPool> {
    pool(Rotation::Weighted, &[key("a")])
}

fn rests(verdict: KeyVerdict) -> Duration {
    match verdict {
        KeyVerdict::ModelRests { wait, reason } => {
            assert_eq!(reason, RestReason::RateLimited);
            wait
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_429_rests_the_key_for_the_model_as_long_as_it_says() {
    let clock = Clock::new();
    // 12:00:00 is now.
    let cases: [(&[(&str, &str)], u64); 20] = [
        (&[("retry-after", "7")], 7_000),
        (&[("retry-after", "1.5")], 1_500),
        (&[("retry-after", "Tue, 15 Jul 2025 12:00:09 GMT")], 9_000),
        (&[("retry-after-ms", "1250"), ("retry-after", "2")], 1_250),
        (&[("retry-after-ms", "soon"), ("retry-after", "2")], 2_000),
        // Bounded: a day at the most, and never nothing.
        (&[("retry-after", "1000000")], 86_400_000),
        (&[("retry-after", "0")], 100),
        (&[("retry-after", "-5")], 100),
        (&[("retry-after-ms", "20")], 100),
        (&[("retry-after", "Tue, 15 Jul 2025 11:00:00 GMT")], 100),
        // OpenAI: what has run out counts, not what has not.
        (
            &[
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", "1s"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            360_000,
        ),
        (
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "1s"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "250ms"),
            ],
            1_000,
        ),
        (
            &[
                ("retry-after", "3"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            3_000,
        ),
        // Anthropic.
        (
            &[
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                (
                    "anthropic-ratelimit-input-tokens-reset",
                    "2025-07-15T12:00:30Z",
                ),
            ],
            30_000,
        ),
        // Seconds since 1970, and milliseconds (OpenRouter).
        (
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1752580805"),
            ],
            5_000,
        ),
        (
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1752580806000"),
            ],
            6_000,
        ),
        (
            &[("ratelimit-remaining", "0"), ("ratelimit-reset", "8")],
            8_000,
        ),
        (&[("ratelimit", "\"default\";r=0;t=12")], 12_000),
        // Nothing has run out, or nothing of use is said: the first step of growth.
        (
            &[
                ("x-ratelimit-remaining-tokens", "5"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            2_000,
        ),
        (&[("retry-after", "later")], 2_000),
    ];
    for (said, millis) in cases {
        let pool = one();
        let lease = lease(&pool, MODEL, clock.now);
        let verdict = lease.answered(429, &headers(said), None, MODEL, clock.now, 0.0);
        let expected = Duration::from_millis(millis);
        assert_eq!(rests(verdict), expected, "{said:?}");
        assert_eq!(assert_honest(&pool, MODEL, clock.now), expected, "{said:?}");
        // Another model is another matter.
        drop(self::lease(&pool, OTHER, clock.now));
    }
}

#[test]
fn refusals_in_a_row_make_the_rest_grow_to_a_bound_and_a_success_begins_anew() {
    let mut clock = Clock::new();
    let pool = one();
    for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        let verdict = answer(&lease(&pool, MODEL, clock.now), 429, clock.now);
        assert_eq!(rests(verdict), Duration::from_secs(seconds));
        assert_eq!(
            assert_honest(&pool, MODEL, clock.now),
            Duration::from_secs(seconds)
        );
        clock.go_seconds(seconds);
    }
    clock.go_millis(1);
    assert_eq!(
        answer(&lease(&pool, MODEL, clock.now), 200, clock.now),
        KeyVerdict::Unaffected
    );
    let verdict = answer(&lease(&pool, MODEL, clock.now), 429, clock.now);
    assert_eq!(rests(verdict), Duration::from_secs(2));
}

#[test]
fn a_rest_of_long_ago_does_not_make_the_next_grow() {
    let mut clock = Clock::new();
    let pool = one();
    for seconds in [2, 4, 8] {
        answer(&lease(&pool, MODEL, clock.now), 429, clock.now);
        clock.go_seconds(seconds);
    }
    clock.go(COOLDOWN.max + Duration::from_millis(1));
    let verdict = answer(&lease(&pool, MODEL, clock.now), 429, clock.now);
    assert_eq!(rests(verdict), Duration::from_secs(2));
}

#[test]
fn jitter_shortens_a_rest_by_a_fifth_at_the_most_and_never_passes_the_bound() {
    let mut clock = Clock::new();
    let pool = one();
    let lease = lease(&pool, MODEL, clock.now);
    let verdict = lease.answered(429, &HeaderMap::new(), None, MODEL, clock.now, 0.5);
    assert_eq!(rests(verdict), Duration::from_millis(1_800));
    clock.go_millis(1_800);
    let lease = self::lease(&pool, MODEL, clock.now);
    let verdict = lease.answered(429, &HeaderMap::new(), None, MODEL, clock.now, 0.999_999);
    assert!((Duration::from_millis(3_199)..Duration::from_millis(3_201)).contains(&rests(verdict)));
}

#[test]
fn of_requests_that_were_under_way_together_one_refusal_counts() {
    let mut clock = Clock::new();
    let pool = one();
    let leases: Vec<_> = (0..10).map(|_| lease(&pool, MODEL, clock.now)).collect();
    clock.go_millis(500);
    for lease in &leases {
        assert_eq!(rests(answer(lease, 429, clock.now)), Duration::from_secs(2));
    }
    // Nor does a success from before the rest end or undo anything.
    assert_eq!(soonest(&pool, MODEL, clock.now), Duration::from_secs(2));
    answer(&leases[0], 200, clock.now);
    assert_eq!(soonest(&pool, MODEL, clock.now), Duration::from_secs(2));
    clock.go_seconds(2);
    let verdict = answer(&lease(&pool, MODEL, clock.now), 429, clock.now);
    assert_eq!(rests(verdict), Duration::from_secs(4));
}

#[test]
fn a_longer_rest_is_not_shortened() {
    let clock = Clock::new();
    let pool = one();
    let first = lease(&pool, MODEL, clock.now);
    let second = lease(&pool, MODEL, clock.now);
    let said = |seconds| headers(&[("retry-after", seconds)]);
    first.answered(429, &said("60"), None, MODEL, clock.now, 0.0);
    let verdict = second.answered(429, &said("1"), None, MODEL, clock.now, 0.0);
    assert_eq!(rests(verdict), Duration::from_secs(60));
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(60)
    );
}

#[test]
fn a_used_up_account_rests_the_whole_key() {
    let clock = Clock::new();
    for (status, code) in [
        (402, None),
        (402, Some("billing_error")),
        (429, Some("insufficient_quota")),
        (429, Some("exceeded_current_quota_error")),
    ] {
        let pool = one();
        let said = headers(&[("retry-after", "1")]);
        let verdict =
            lease(&pool, MODEL, clock.now).answered(status, &said, code, MODEL, clock.now, 0.0);
        let expected = KeyVerdict::KeyRests {
            wait: COOLDOWN.quota,
            reason: RestReason::QuotaExhausted,
        };
        assert_eq!(verdict, expected, "{status} {code:?}");
        assert_eq!(assert_honest(&pool, OTHER, clock.now), COOLDOWN.quota);
    }
}

#[test]
fn a_refused_key_is_out_until_an_operator_revives_it() {
    let mut clock = Clock::new();
    for (status, reason) in [(401, OutReason::Unauthorized), (403, OutReason::Forbidden)] {
        let pool = one();
        let verdict = answer(&lease(&pool, MODEL, clock.now), status, clock.now);
        assert_eq!(verdict, KeyVerdict::Out(reason));
        clock.go_seconds(1_000_000);
        assert_eq!(why(&pool, OTHER, clock.now), Why::AllOut);
        pool.revive("a").unwrap();
        next(&pool, clock.now);
    }
}

#[test]
fn an_answer_from_before_a_revival_does_not_undo_it() {
    let clock = Clock::new();
    let pool = one();
    let (first, second) = (
        lease(&pool, MODEL, clock.now),
        lease(&pool, MODEL, clock.now),
    );
    answer(&first, 401, clock.now);
    pool.revive("a").unwrap();
    assert_eq!(answer(&second, 401, clock.now), KeyVerdict::Unaffected);
    assert_eq!(next(&pool, clock.now), "a");
}

#[test]
fn a_refusal_of_the_model_rests_the_key_for_the_model_only() {
    let clock = Clock::new();
    for (status, code) in [
        (403, "model_not_found"),
        (403, "permission_error"),
        (401, "key_model_access_denied"),
    ] {
        let pool = one();
        let lease = lease(&pool, MODEL, clock.now);
        let verdict = lease.answered(status, &HeaderMap::new(), Some(code), MODEL, clock.now, 0.0);
        let expected = KeyVerdict::ModelRests {
            wait: COOLDOWN.max,
            reason: RestReason::ModelForbidden,
        };
        assert_eq!(verdict, expected, "{status} {code}");
        assert_eq!(assert_honest(&pool, MODEL, clock.now), COOLDOWN.max);
        drop(self::lease(&pool, OTHER, clock.now));
    }
}

/// new-api#4100 and #4585: one error disabled a channel. sglang#25811: the clients' faults took the whole fleet out.
#[test]
fn what_is_not_the_keys_fault_does_nothing_to_it() {
    let clock = Clock::new();
    let pool = one();
    let lease = lease(&pool, MODEL, clock.now);
    for status in [
        200, 204, 301, 400, 404, 408, 409, 413, 422, 500, 502, 503, 504, 529, 0, 99, 1000,
    ] {
        let said = headers(&[("retry-after", "30")]);
        let verdict = lease.answered(status, &said, None, MODEL, clock.now, 0.0);
        assert_eq!(verdict, KeyVerdict::Unaffected, "{status}");
    }
    for (status, code) in [
        (403, "content_policy_violation"),
        (404, "model_not_found"),
        (500, "insufficient_quota"),
    ] {
        let verdict = lease.answered(status, &HeaderMap::new(), Some(code), MODEL, clock.now, 0.0);
        assert_eq!(verdict, KeyVerdict::Unaffected, "{status} {code}");
    }
    assert_eq!(next(&pool, clock.now), "a");
}

/// litellm#40130: the cooldown of the only deployment gave a 429 to everyone, without a word of when.
#[test]
fn the_last_key_rests_too_and_the_wait_is_said() {
    let clock = Clock::new();
    let pool = pool(Rotation::Failover, &[key("a"), key("b")]);
    for seconds in ["30", "10"] {
        let said = headers(&[("retry-after", seconds)]);
        lease(&pool, MODEL, clock.now).answered(429, &said, None, MODEL, clock.now, 0.0);
    }
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(10)
    );
}

#[test]
fn what_is_known_of_a_key_survives_a_reload_and_is_forgotten_when_nobody_holds_it() {
    let clock = Clock::new();
    let states = KeyStates::default();
    let build = |keys: &[UpstreamKey]| KeyPool::new(Rotation::Weighted, COOLDOWN, keys, &states);
    let old = build(&[key("a"), key("b")]);
    let held = lease(&old, MODEL, clock.now);
    old.rest("b", Duration::from_secs(50), clock.now).unwrap();
    // In another order, with another key.
    let new = build(&[key("b"), key("c"), key("a")]);
    let status = new.status(clock.now);
    assert_eq!(status[0].seconds_left, Some(50));
    assert_eq!(status[2].in_flight.used, 1);
    assert_eq!(states.held(), 3);
    drop(new);
    assert_eq!(states.held(), 2);
    drop(old);
    // An exchange of the old configuration still runs.
    assert_eq!(states.held(), 2);
    drop(held);
    assert_eq!(states.held(), 0);
}

#[test]
fn a_configuration_that_changes_a_refused_key_takes_it_back() {
    let clock = Clock::new();
    let states = KeyStates::default();
    let build = |key: UpstreamKey| KeyPool::new(Rotation::Weighted, COOLDOWN, &[key], &states);
    let first = build(key("a"));
    answer(&lease(&first, MODEL, clock.now), 401, clock.now);
    let same = build(key("a"));
    assert_eq!(why(&same, MODEL, clock.now), Why::AllOut);
    let changed = build(weighted_key("a", 2));
    assert_eq!(next(&changed, clock.now), "a");
    answer(&lease(&changed, MODEL, clock.now), 401, clock.now);
    let renewed = build(UpstreamKey {
        secret: Secret::new("sk-renewed"),
        ..key("a")
    });
    assert_eq!(next(&renewed, clock.now), "a");
}
