//! Addresses: a fixed memory, never too much admitted, seldom too much refused.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn address(number: u32) -> Subject<'static> {
    Subject::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

#[test]
fn an_address_is_limited_and_another_one_is_not() {
    let mut clock = Clock::new();
    let meters = Meters::new(100);
    let json = r#"{"requests_per_minute":3,"tokens_per_minute":100,"concurrency":2}"#;
    let one = [meter_in(&meters, &address(1), json, &clock)];
    let other = [meter_in(&meters, &address(2), json, &clock)];
    let first = take(&one, tokens(20, 30), &clock).unwrap();
    let second = take(&one, tokens(10, 10), &clock).unwrap();
    let refusal = take(&one, tokens(1, 0), &clock).unwrap_err();
    assert_eq!(
        (refusal.scope, refusal.subject.as_str(), refusal.limit),
        ("address", "0.0.0.1", "concurrency")
    );
    drop(take(&other, tokens(60, 40), &clock).unwrap());
    first.settle(all_of(tokens(20, 60)), clock.now);
    assert_eq!(one[0].held().tokens, 20, "of all addresses together");
    let refusal = take(&one, tokens(1, 0), &clock).unwrap_err();
    assert_eq!(refusal.limit, "tokens_per_minute");
    drop(second);
    drop(take(&one, tokens(1, 0), &clock).unwrap());
    let refusal = take(&one, tokens(1, 0), &clock).unwrap_err();
    assert_eq!(refusal.limit, "requests_per_minute");
    let wait = refusal.retry_after.unwrap();
    assert!(
        wait >= Duration::from_secs(60) && wait < Duration::from_secs(69),
        "{wait:?}"
    );
    assert!(meters.held().is_nothing());
    clock.pass(wait - Duration::from_nanos(1));
    assert!(take(&one, tokens(1, 0), &clock).is_err());
    clock.pass(Duration::from_nanos(1));
    assert!(take(&one, tokens(1, 0), &clock).is_ok());
    assert_eq!(meters.count(), 0);
}

#[test]
fn addresses_of_one_network_of_ipv6_are_one() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let named = |text: &str| {
        let subject = Subject::Address(text.parse().unwrap());
        [meter_in(
            &meters,
            &subject,
            r#"{"requests_per_minute":1}"#,
            &clock,
        )]
    };
    drop(take(&named("2001:db8::1"), Demand::default(), &clock).unwrap());
    assert!(take(&named("2001:db8::ffff:2"), Demand::default(), &clock).is_err());
    assert!(take(&named("2001:db8:0:1::1"), Demand::default(), &clock).is_ok());
    drop(take(&named("192.0.2.7"), Demand::default(), &clock).unwrap());
    let refusal = take(&named("::ffff:192.0.2.7"), Demand::default(), &clock).unwrap_err();
    assert_eq!(refusal.subject, "192.0.2.7");
}

#[test]
fn among_thousands_of_others_few_are_refused_too_early_and_none_too_late() {
    let mut clock = Clock::new();
    let meters = Meters::new(100);
    let json = r#"{"requests_per_minute":5}"#;
    let mut refused_early = 0;
    for round in 0..8 {
        for number in 0..4_000 {
            let meter = [meter_in(&meters, &address(number), json, &clock)];
            let is_admitted = take(&meter, Demand::default(), &clock).is_ok();
            assert!(
                !is_admitted || round < 5,
                "{number} was admitted {round} times before"
            );
            refused_early += u32::from(!is_admitted && round < 5);
        }
        clock.pass(Duration::from_secs(4));
    }
    // With 4,000 in each slice, one in 440 shares all four counters of a slice with others.
    assert!(refused_early < 200, "{refused_early} of 20,000");
}
