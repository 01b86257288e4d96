//! What keys may be used for.

use crate::config::{Quota, QuotaPeriod};

use super::*;

fn one(caps: KeyCaps) -> Arc<KeyPool> {
    pool(Rotation::Weighted, &[capped_key("a", caps)])
}

#[test]
fn requests_of_a_minute_are_capped_and_the_wait_is_true() {
    let mut clock = Clock::new();
    let pool = one(KeyCaps {
        requests_per_minute: Some(2),
        ..KeyCaps::default()
    });
    next(&pool, clock.now);
    clock.go_seconds(10);
    next(&pool, clock.now);
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(51)
    );
}

#[test]
fn tokens_count_after_the_fact_and_then_keep_the_key_away() {
    let mut clock = Clock::new();
    let pool = one(KeyCaps {
        tokens_per_minute: Some(100),
        ..KeyCaps::default()
    });
    let mut lease = lease(&pool, MODEL, clock.now);
    clock.go_seconds(30);
    lease.tokens(60, clock.now);
    next(&pool, clock.now);
    // Replaced, not added.
    lease.tokens(60, clock.now);
    lease.tokens(99, clock.now);
    lease.tokens(70, clock.now);
    next(&pool, clock.now);
    lease.tokens(5_000, clock.now);
    assert_eq!(pool.status(clock.now)[0].tokens_this_minute.used, 5_000);
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(61)
    );
}

#[test]
fn concurrency_is_free_again_when_the_lease_goes() {
    let clock = Clock::new();
    let pool = one(KeyCaps {
        concurrency: Some(1),
        ..KeyCaps::default()
    });
    let held = lease(&pool, MODEL, clock.now);
    assert_eq!(soonest(&pool, MODEL, clock.now), BUSY_RETRY);
    drop(held);
    next(&pool, clock.now);
}

#[test]
fn a_quota_ends_with_the_calendars_period() {
    let mut clock = Clock::new();
    let pool = one(KeyCaps {
        quota: Some(Quota {
            requests: Some(2),
            tokens: None,
            period: QuotaPeriod::Day,
        }),
        ..KeyCaps::default()
    });
    next(&pool, clock.now);
    next(&pool, clock.now);
    // It is noon.
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(43_200)
    );
    clock.go_seconds(43_200);
    next(&pool, clock.now);
    assert_eq!(pool.status(clock.now)[0].quota.unwrap().requests.used, 1);
}

#[test]
fn a_quota_of_tokens_ends_with_the_month() {
    let clock = Clock::new();
    let pool = one(KeyCaps {
        quota: Some(Quota {
            requests: None,
            tokens: Some(10),
            period: QuotaPeriod::Month,
        }),
        ..KeyCaps::default()
    });
    lease(&pool, MODEL, clock.now).tokens(11, clock.now);
    // From noon of the 15th of July to the first of August.
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(16 * 86_400 + 43_200)
    );
}

#[test]
fn a_refused_choice_reserves_nothing() {
    let clock = Clock::new();
    let pool = one(KeyCaps {
        requests_per_minute: Some(5),
        concurrency: Some(1),
        quota: Some(Quota {
            requests: Some(5),
            tokens: None,
            period: QuotaPeriod::Day,
        }),
        ..KeyCaps::default()
    });
    let held = lease(&pool, MODEL, clock.now);
    for _ in 0..10 {
        soonest(&pool, MODEL, clock.now);
    }
    let status = &pool.status(clock.now)[0];
    assert_eq!(status.in_flight.used, 1);
    assert_eq!(status.requests_this_minute.used, 1);
    assert_eq!(status.quota.unwrap().requests.used, 1);
    drop(held);
    assert_eq!(pool.status(clock.now)[0].in_flight.used, 0);
}

#[test]
fn a_request_that_was_not_sent_is_taken_back() {
    let mut clock = Clock::new();
    let pool = one(KeyCaps {
        requests_per_minute: Some(1),
        quota: Some(Quota {
            requests: Some(1),
            tokens: None,
            period: QuotaPeriod::Day,
        }),
        ..KeyCaps::default()
    });
    for _ in 0..5 {
        lease(&pool, MODEL, clock.now).unsent();
        clock.go_millis(300);
    }
    let status = &pool.status(clock.now)[0];
    assert_eq!(status.in_flight.used, 0);
    assert_eq!(status.requests_this_minute.used, 0);
    assert_eq!(status.quota.unwrap().requests.used, 0);
}

#[test]
fn the_wait_is_that_of_the_key_that_is_back_first() {
    let clock = Clock::new();
    let cap = KeyCaps {
        requests_per_minute: Some(1),
        ..KeyCaps::default()
    };
    let pool = pool(
        Rotation::Weighted,
        &[capped_key("a", cap), key("b"), key("c")],
    );
    next(&pool, clock.now);
    pool.rest("b", Duration::from_secs(20), clock.now).unwrap();
    let c = lease(&pool, MODEL, clock.now);
    assert_eq!(c.label(), "c");
    answer(&c, 401, clock.now);
    assert_eq!(
        assert_honest(&pool, MODEL, clock.now),
        Duration::from_secs(20)
    );
}

#[test]
fn a_key_that_two_entries_share_is_one_key() {
    let clock = Clock::new();
    let twin = UpstreamKey {
        label: "b".to_owned(),
        ..key("a")
    };
    let pool = pool(Rotation::Weighted, &[key("a"), twin]);
    answer(&lease(&pool, MODEL, clock.now), 401, clock.now);
    assert_eq!(why(&pool, MODEL, clock.now), Why::AllOut);
}
