//! Limits that change while exchanges run, and limits chosen by profile.

use std::collections::BTreeMap;

use super::*;

fn set(meter: &Meter, json: &str, clock: &Clock) {
    let limits = limits(json);
    meter.set(Terms::from(&limits), clock.now, clock.wall);
}

#[test]
fn counts_survive_a_change_and_a_lower_limit_refuses_until_it_is_free() {
    for window in ["sliding", "token_bucket"] {
        let mut clock = Clock::new();
        let json =
            |amount: u64| format!(r#"{{"requests_per_minute":{amount},"window":"{window}"}}"#);
        let meters = [meter(&json(10), &clock)];
        for _ in 0..8 {
            drop(take(&meters, Demand::default(), &clock).unwrap());
        }
        set(&meters[0], &json(4), &clock);
        assert_eq!(standing(&meters, clock.now)[0].remaining, 0);
        let refusal = take(&meters, Demand::default(), &clock).unwrap_err();
        clock.pass(refusal.retry_after.unwrap());
        drop(take(&meters, Demand::default(), &clock).unwrap());
        set(&meters[0], &json(100), &clock);
        let used = 100 - standing(&meters, clock.now)[0].remaining;
        assert!((1..=4).contains(&used), "{window}: {used}");
    }
}

#[test]
fn another_way_to_count_takes_over_what_was_counted() {
    let clock = Clock::new();
    let meters = [meter(r#"{"tokens_per_minute":100}"#, &clock)];
    let reservation = take(&meters, tokens(30, 40), &clock).unwrap();
    set(
        &meters[0],
        r#"{"tokens_per_minute":100,"window":"token_bucket"}"#,
        &clock,
    );
    assert_eq!(standing(&meters, clock.now)[0].remaining, 30);
    set(&meters[0], r#"{"tokens_per_minute":90}"#, &clock);
    assert_eq!(standing(&meters, clock.now)[0].remaining, 20);
    drop(reservation);
    assert_eq!(standing(&meters, clock.now)[0].remaining, 90);
}

#[test]
fn a_limit_that_comes_later_knows_nothing_of_what_began_before() {
    let clock = Clock::new();
    let meters = [meter(
        r#"{"requests_per_minute":10,"concurrency":5}"#,
        &clock,
    )];
    let before = take(&meters, tokens(10, 10), &clock).unwrap();
    set(
        &meters[0],
        r#"{"requests_per_minute":10,"tokens_per_minute":100}"#,
        &clock,
    );
    let after = take(&meters, tokens(40, 0), &clock).unwrap();
    before.settle(all_of(tokens(10, 90)), clock.now);
    assert_eq!(standing(&meters, clock.now)[1].remaining, 60);
    // Taken away and set again, it counts anew, and what began under the old one is not given back twice.
    set(&meters[0], r#"{"requests_per_minute":10}"#, &clock);
    set(
        &meters[0],
        r#"{"requests_per_minute":10,"tokens_per_minute":100}"#,
        &clock,
    );
    let last = take(&meters, tokens(50, 0), &clock).unwrap();
    drop(after);
    assert_eq!(standing(&meters, clock.now)[1].remaining, 50);
    drop(last);
    assert_eq!(standing(&meters, clock.now)[1].remaining, 100);
    assert_eq!(standing(&meters, clock.now)[0].remaining, 7);
    assert!(meters[0].held().is_nothing());
}

#[test]
fn a_lower_bound_of_exchanges_at_once_waits_for_those_that_run() {
    let clock = Clock::new();
    let meters = [meter(r#"{"concurrency":3}"#, &clock)];
    let mut running: Vec<_> = (0..3)
        .map(|_| take(&meters, Demand::default(), &clock).unwrap())
        .collect();
    set(&meters[0], r#"{"concurrency":2}"#, &clock);
    running.pop();
    assert!(take(&meters, Demand::default(), &clock).is_err());
    running.pop();
    assert!(take(&meters, Demand::default(), &clock).is_ok());
    set(&meters[0], "{}", &clock);
    let free: Vec<_> = (0..9)
        .map(|_| take(&meters, Demand::default(), &clock).unwrap())
        .collect();
    running.clear();
    drop(free);
    assert!(meters[0].held().is_nothing());
}

#[test]
fn asking_for_a_meter_applies_the_limits_of_now() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let first = meter_in(&meters, &key("k"), r#"{"requests_per_minute":1}"#, &clock);
    drop(take(std::slice::from_ref(&first), Demand::default(), &clock).unwrap());
    let second = meter_in(&meters, &key("k"), r#"{"requests_per_minute":3}"#, &clock);
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(standing(&[first], clock.now)[0].remaining, 2);
    let none = Limits::default();
    assert!(
        meters
            .meter(&key("k"), Terms::from(&none), clock.now, clock.wall)
            .is_none()
    );
    assert!(
        meters
            .meter(&key("other"), Terms::from(&none), clock.now, clock.wall)
            .is_none()
    );
    assert_eq!(meters.count(), 1);
    assert!(meters.find(&key("other")).is_none());
}

#[test]
fn a_choice_may_look_at_tags_and_claims() {
    let gold = Arc::new(limits(r#"{"requests_per_minute":1000}"#));
    let staff = Arc::new(limits(r#"{"requests_per_minute":50}"#));
    let by_tag: Choice = {
        let gold = gold.clone();
        Arc::new(move |profile| (profile.tags.get("plan")? == "gold").then(|| gold.clone()))
    };
    let by_claim: Choice = {
        let staff = staff.clone();
        Arc::new(move |profile| {
            profile
                .claims?
                .get("staff")?
                .as_bool()?
                .then(|| staff.clone())
        })
    };
    let choices = [by_tag, by_claim];
    let tagged = BTreeMap::from([("plan".to_owned(), "gold".to_owned())]);
    let (plain, claims) = (BTreeMap::new(), serde_json::json!({"staff": true}));
    for (tags, claims, expected) in [
        (&tagged, Some(&claims), Some(&gold)),
        (&plain, Some(&claims), Some(&staff)),
        (&plain, None, None),
    ] {
        let subject = key("k");
        let profile = Profile {
            subject: &subject,
            tags,
            claims,
        };
        assert_eq!(chosen(&choices, &profile).as_ref(), expected);
    }
}
