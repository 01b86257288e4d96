//! What an operator does and sees.

use crate::config::{Quota, QuotaPeriod};

use super::*;

fn rotated(passed_over: &str, next: &str) -> Option<Rotated> {
    Some(Rotated {
        passed_over: passed_over.to_owned(),
        next: next.to_owned(),
    })
}

#[test]
fn a_forced_rotation_of_failover_lasts_until_all_have_been_passed_over() {
    let clock = Clock::new();
    let pool = pool(Rotation::Failover, &[key("a"), key("b"), key("c")]);
    assert_eq!(pool.rotate(clock.now), rotated("a", "b"));
    assert_eq!([next(&pool, clock.now), next(&pool, clock.now)], ["b", "b"]);
    assert!(pool.status(clock.now)[0].passed_over);
    assert_eq!(pool.rotate(clock.now), rotated("b", "c"));
    // All others rest: one that was passed over is better than none.
    pool.rest("c", Duration::from_secs(9), clock.now).unwrap();
    assert_eq!(next(&pool, clock.now), "a");
    pool.revive("c").unwrap();
    assert_eq!(pool.rotate(clock.now), rotated("c", "a"));
    assert_eq!(next(&pool, clock.now), "a");
}

#[test]
fn a_key_that_was_passed_over_comes_to_its_place_when_it_is_revived() {
    let clock = Clock::new();
    let pool = pool(Rotation::LeastUsed, &[key("a"), key("b")]);
    assert_eq!(pool.rotate(clock.now), rotated("a", "b"));
    assert_eq!([next(&pool, clock.now), next(&pool, clock.now)], ["b", "b"]);
    pool.revive("a").unwrap();
    assert_eq!(next(&pool, clock.now), "a");
}

#[test]
fn a_forced_rotation_by_weight_goes_to_another_key() {
    let clock = Clock::new();
    let keys = [weighted_key("a", 1000), weighted_key("b", 1)];
    let pool = pool(Rotation::Weighted, &keys);
    assert_eq!(next(&pool, clock.now), "a");
    assert_eq!(pool.rotate(clock.now), rotated("a", "b"));
    assert_eq!([next(&pool, clock.now), next(&pool, clock.now)], ["b", "a"]);
}

#[test]
fn a_rotation_of_a_single_key_changes_nothing() {
    let clock = Clock::new();
    for rotation in [Rotation::Weighted, Rotation::Failover] {
        let pool = pool(rotation, &[key("a")]);
        assert_eq!(pool.rotate(clock.now), rotated("a", "a"));
        assert_eq!(next(&pool, clock.now), "a");
        pool.rest("a", Duration::from_secs(1), clock.now).unwrap();
        assert_eq!(pool.rotate(clock.now), None);
    }
}

#[test]
fn an_operators_rest_is_bounded_and_ends() {
    let mut clock = Clock::new();
    let pool = pool(Rotation::Weighted, &[key("a"), key("b")]);
    pool.rest("a", Duration::from_secs(60), clock.now).unwrap();
    assert_eq!([next(&pool, clock.now), next(&pool, clock.now)], ["b", "b"]);
    pool.rest("b", Duration::MAX, clock.now).unwrap();
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(60)
    );
    clock.go_seconds(60);
    assert_eq!(next(&pool, clock.now), "a");
    let b = &pool.status(clock.now)[1];
    assert_eq!(b.reason, Some("operator"));
    assert_eq!(b.seconds_left, Some(OPERATOR_REST_MAX.as_secs() - 60));
}

#[test]
fn a_label_that_no_key_has_is_refused_with_those_that_there_are() {
    let clock = Clock::new();
    let pool = pool(Rotation::Weighted, &[key("a"), key("b")]);
    let refused = pool
        .rest("c", Duration::from_secs(1), clock.now)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no key of this upstream has the label `c`; its keys are a, b"
    );
    assert_eq!(pool.revive("").unwrap_err().known, ["a", "b"]);
    let empty = self::pool(Rotation::Weighted, &[]);
    let refused = empty.revive("a").unwrap_err().to_string();
    assert!(refused.ends_with("the upstream has no keys"), "{refused}");
}

/// A key, what its one request was answered with, and what is shown then: state, reason, seconds left.
type Case = (
    UpstreamKey,
    u16,
    StandingStatus,
    Option<&'static str>,
    Option<u64>,
);

#[test]
fn the_status_says_why_a_key_is_not_used() {
    let mut clock = Clock::new();
    let cap = |caps| capped_key("x", caps);
    let quota = Quota {
        requests: Some(1),
        tokens: Some(100),
        period: QuotaPeriod::Day,
    };
    let cases: [Case; 8] = [
        (key("x"), 200, StandingStatus::Ready, None, None),
        (
            key("x"),
            401,
            StandingStatus::Out,
            Some("unauthorized"),
            None,
        ),
        (key("x"), 403, StandingStatus::Out, Some("forbidden"), None),
        (
            key("x"),
            402,
            StandingStatus::Resting,
            Some("quota_exhausted"),
            Some(3600),
        ),
        (key("x"), 429, StandingStatus::Ready, None, None),
        (
            cap(KeyCaps {
                requests_per_minute: Some(1),
                ..KeyCaps::default()
            }),
            200,
            StandingStatus::AtCap,
            Some("requests_per_minute"),
            Some(61),
        ),
        (
            cap(KeyCaps {
                concurrency: Some(1),
                ..KeyCaps::default()
            }),
            200,
            StandingStatus::AtCap,
            Some("concurrency"),
            None,
        ),
        (
            cap(KeyCaps {
                quota: Some(quota),
                requests_per_minute: Some(1),
                concurrency: Some(1),
                ..KeyCaps::default()
            }),
            200,
            StandingStatus::AtCap,
            Some("quota"),
            Some(43_200),
        ),
    ];
    for (key, status, state, reason, left) in cases {
        let pool = pool(Rotation::Weighted, &[key]);
        let lease = lease(&pool, MODEL, clock.now);
        answer(&lease, status, clock.now);
        let shown = &pool.status(clock.now)[0];
        assert_eq!(
            (shown.state, shown.reason, shown.seconds_left),
            (state, reason, left),
            "{status}"
        );
        drop(lease);
    }
    let expires = Some(clock.now.wall + Duration::from_millis(1_500));
    let pool = pool(
        Rotation::Weighted,
        &[UpstreamKey {
            expires,
            ..key("x")
        }],
    );
    assert_eq!(pool.status(clock.now)[0].expires_in_seconds, Some(2));
    clock.go_seconds(2);
    let shown = &pool.status(clock.now)[0];
    assert_eq!(
        (shown.state, shown.expires_in_seconds),
        (StandingStatus::Expired, Some(0))
    );
}

#[test]
fn the_status_of_a_key_in_json() {
    let mut clock = Clock::new();
    let caps = KeyCaps {
        requests_per_minute: Some(10),
        tokens_per_minute: Some(1_000),
        concurrency: Some(4),
        quota: Some(Quota {
            requests: Some(100),
            tokens: None,
            period: QuotaPeriod::Month,
        }),
    };
    let pool = pool(Rotation::Weighted, &[capped_key("main", caps)]);
    let mut lease = lease(&pool, MODEL, clock.now);
    lease.tokens(250, clock.now);
    let said = headers(&[
        ("x-ratelimit-limit-tokens", "2000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6s"),
    ]);
    lease.answered(429, &said, None, MODEL, clock.now, 0.0);
    clock.go_seconds(1);
    let shown = serde_json::to_value(pool.status(clock.now)).unwrap();
    let expected = serde_json::json!([{
        "label": "main",
        "fingerprint": lease.fingerprint(),
        "state": "ready",
        "reason": null,
        "seconds_left": null,
        "out_for_seconds": null,
        "expires_in_seconds": null,
        "weight": 1,
        "passed_over": false,
        "in_flight": { "used": 1, "cap": 4 },
        "requests_this_minute": { "used": 1, "cap": 10 },
        "tokens_this_minute": { "used": 250, "cap": 1000 },
        "quota": {
            "period": "month",
            "requests": { "used": 1, "cap": 100 },
            "tokens": { "used": 250, "cap": null },
            "seconds_left": 16 * 86_400 + 43_199,
        },
        "headroom": 0.0,
        "last_used_seconds_ago": 1,
        "models": [{
            "model": "gpt-5",
            "seconds_left": 5,
            "reason": "rate_limited",
            "refusals": 1,
            "reported": [{ "dimension": "tokens", "limit": 2000, "remaining": 0, "seconds_left": 5 }],
        }],
    }]);
    assert_eq!(shown, expected);
}

#[test]
fn nothing_shows_a_secret() {
    let clock = Clock::new();
    let pool = pool(Rotation::Weighted, &[key("a"), key("b")]);
    let lease = lease(&pool, MODEL, clock.now);
    assert_eq!(lease.fingerprint().len(), 8);
    let verdict = answer(&lease, 401, clock.now);
    let shown = [
        format!("{pool:?} {lease:?} {lease:#?} {verdict:?}"),
        format!("{:?}", pool.status(clock.now)),
        serde_json::to_string(&pool.status(clock.now)).unwrap(),
        format!("{:?}", pool.choose(MODEL, clock.now)),
        format!("{:?}", pool.rotate(clock.now)),
        pool.revive("sk").unwrap_err().to_string(),
    ];
    for shown in shown {
        assert!(!shown.contains("secret-of"), "{shown}");
    }
}
