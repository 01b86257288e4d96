//! A plugin that keeps failing is not asked, and is tried again; what becomes of traffic is as the configuration says.

use weir_plugin::Verdict;

use super::guests::{Guest, ZEROS};
use super::place::{Place, answered, candidate, closed, exchange};
use crate::plugin::breaker::{Breaker, Change, FAILURES_MIN, Leave, PROBE_AFTER, WINDOW};
use crate::plugin::{Called, OnError, Trouble};

const PROBE_AFTER_MS: u64 = PROBE_AFTER.as_millis() as u64;

/// Breaks off where the exchange has a body.
fn fragile() -> Vec<u8> {
    let body = format!(
        "(call $request-body (i32.const 512)) (if (i32.load (i32.const 516)) (then unreachable)) (i32.const {ZEROS})"
    );
    let guest = Guest::guard().imports("exchange", "request-body", "(param i32)");
    guest.does("on-request", body).component()
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_trips_and_recovers() {
    let place = Place::new();
    let set = place.load(&fragile(), |_| {});
    let guard = set.guard("plugin").unwrap();
    let (harm, fine) = (exchange("harm"), exchange(""));
    for _ in 0..FAILURES_MIN {
        assert_eq!(closed(guard.on_request(&harm).await).label(), "trap");
    }
    // Not asked any more, whatever it would have said.
    assert_eq!(closed(guard.on_request(&fine).await), Trouble::Tripped);
    assert!(set.list()[0].is_tripped);
    // One is let through, fails, and puts it off again.
    place.pass_ms(PROBE_AFTER_MS);
    assert_eq!(closed(guard.on_request(&harm).await).label(), "trap");
    assert_eq!(closed(guard.on_request(&fine).await), Trouble::Tripped);
    // One that succeeds ends it.
    place.pass_ms(PROBE_AFTER_MS);
    assert_eq!(answered(guard.on_request(&fine).await), Verdict::Pass);
    assert_eq!(answered(guard.on_request(&fine).await), Verdict::Pass);
    assert_eq!(*place.world.tripped.lock(), [true, false]);
}

#[tokio::test]
async fn a_few_failures_among_many_calls_do_not_trip_it() {
    let place = Place::new();
    let set = place.load(&fragile(), |_| {});
    let guard = set.guard("plugin").unwrap();
    let (harm, fine) = (exchange("harm"), exchange(""));
    for _ in 0..3 * FAILURES_MIN {
        for _ in 0..2 {
            answered(guard.on_request(&fine).await);
        }
        assert_eq!(closed(guard.on_request(&harm).await).label(), "trap");
    }
    assert!(!set.list()[0].is_tripped);
}

#[tokio::test]
async fn traffic_goes_on_where_the_configuration_says_so() {
    let place = Place::new();
    let set = place.load(&fragile(), |settings| {
        settings.on_error = Some(OnError::Open)
    });
    let guard = set.guard("plugin").unwrap();
    let called = guard.on_request(&exchange("harm")).await;
    assert!(
        matches!(called, Called::FailedOpen(Trouble::Trap(_))),
        "{called:?}"
    );
    // A router is open where nothing is said, and closed where that is.
    let router = Guest::router().does("pick", "unreachable").component();
    let candidates = [candidate("a/1")];
    let set = place.load(&router, |_| {});
    let called = set.router("plugin").unwrap();
    let called = called.pick(&exchange("{}"), &candidates).await;
    assert!(matches!(called, Called::FailedOpen(_)), "{called:?}");
    let set = place.load(&router, |settings| {
        settings.on_error = Some(OnError::Closed)
    });
    let called = set.router("plugin").unwrap();
    closed(called.pick(&exchange("{}"), &candidates).await);
}

#[test]
fn a_probe_that_is_given_up_lets_another_through() {
    let breaker = Breaker::default();
    let window_ns = WINDOW.as_nanos() as u64;
    for _ in 0..FAILURES_MIN - 1 {
        assert_eq!(breaker.ask(0), Leave::Go);
        assert_eq!(breaker.went_wrong(Leave::Go, 0), None);
    }
    // Long ago does not count.
    assert_eq!(breaker.ask(window_ns), Leave::Go);
    assert_eq!(breaker.went_wrong(Leave::Go, window_ns), None);
    for failure in 1..FAILURES_MIN {
        breaker.ask(window_ns);
        let change = breaker.went_wrong(Leave::Go, window_ns);
        let is_last = failure == FAILURES_MIN - 1;
        assert_eq!(change, is_last.then_some(Change::Tripped));
    }
    let later = window_ns + PROBE_AFTER.as_nanos() as u64;
    assert_eq!(breaker.ask(window_ns + 1), Leave::No);
    assert_eq!(breaker.ask(later), Leave::Probe);
    assert_eq!(breaker.ask(later), Leave::No);
    breaker.went_nowhere(Leave::Probe);
    assert_eq!(breaker.ask(later), Leave::Probe);
    assert_eq!(breaker.went_well(Leave::Probe), Some(Change::Recovered));
    assert_eq!(breaker.ask(later), Leave::Go);
}
