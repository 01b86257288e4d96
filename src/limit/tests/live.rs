//! Limits that change while exchanges run, and limits chosen by profile.

use std::collections::BTreeMap;

use super::*;
use crate::expr::{CallerField, Expression, Fact, Facts, Kind, Scope};

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

/// A caller with tags, and a token's claims.
struct Tagged {
    tags: BTreeMap<String, String>,
    claims: Option<serde_json::Value>,
}

impl Facts for Tagged {
    fn now(&self) -> std::time::SystemTime {
        std::time::SystemTime::UNIX_EPOCH
    }

    fn caller(&self, field: CallerField) -> Fact<'_> {
        match field {
            CallerField::Tenant => Fact::text("acme"),
            CallerField::Tags => Fact::Named(&self.tags),
            CallerField::Claims => self.claims.as_ref().map_or(Fact::Absent, Fact::Json),
            CallerField::Known
            | CallerField::Project
            | CallerField::User
            | CallerField::Key
            | CallerField::Scopes
            | CallerField::Priority => Fact::Absent,
        }
    }
}

#[test]
fn limits_are_chosen_by_conditions_on_tags_and_claims() {
    let choice = |when: &str, json: &str| {
        let when = Expression::compile(when, Kind::Condition, Scope::Caller).unwrap();
        let limits = Arc::new(limits(json));
        (choice_when(when, limits.clone()), limits)
    };
    let (by_tag, gold) = choice(
        "caller.tags.plan == 'gold'",
        r#"{"requests_per_minute":1000}"#,
    );
    let (by_claim, staff) = choice("caller.claims.staff", r#"{"requests_per_minute":50}"#);
    let choices = [by_tag, by_claim];
    let tags = BTreeMap::from([("plan".to_owned(), "gold".to_owned())]);
    let claims = Some(serde_json::json!({"staff": true}));
    for (tags, claims, expected) in [
        (tags, claims.clone(), Some(&gold)),
        (BTreeMap::new(), claims, Some(&staff)),
        (BTreeMap::new(), None, None),
    ] {
        let profile = Profile {
            subject: &key("k"),
            caller: &Tagged { tags, claims },
        };
        assert_eq!(chosen(&choices, &profile).as_ref(), expected);
    }
}

#[test]
fn what_was_used_can_be_forgotten_but_money_and_places() {
    let clock = Clock::new();
    let meter = [meter(
        r#"{"requests_per_minute":2,"tokens_per_day":100,"concurrency":3}"#,
        &clock,
    )];
    let running = take(&meter, tokens(10, 40), &clock).unwrap();
    take(&meter, tokens(10, 40), &clock)
        .unwrap()
        .settle(all_of(tokens(10, 40)), clock.now);
    assert!(take(&meter, tokens(1, 0), &clock).is_err());
    meter[0].reset(clock.now);
    assert_eq!(meter[0].held().exchanges, 1, "its place is still taken");
    let remaining = |meter: &Meter| {
        let rates = rates(meter, clock.now);
        rates.iter().map(|rate| rate.remaining).collect::<Vec<_>>()
    };
    assert_eq!(remaining(&meter[0]), [2, 100]);
    // What ran before has nothing to give back, and nothing to add.
    running.settle(all_of(tokens(90, 90)), clock.now);
    assert_eq!(remaining(&meter[0]), [2, 100]);
    assert!(meter[0].held() == Held::default());
    drop(take(&meter, tokens(10, 40), &clock).unwrap());
    assert_eq!(remaining(&meter[0]), [1, 100]);
}

#[test]
fn a_meter_is_kept_as_it_was_set_until_somebody_sets_it_otherwise() {
    let clock = Clock::new();
    let meters = Meters::new(1_000);
    let (ten, two) = (
        limits(r#"{"requests_per_minute":10}"#),
        limits(r#"{"requests_per_minute":2}"#),
    );
    let tune = |limits: &Limits| {
        let terms = Terms::from(limits);
        meters
            .tuned(&key("k"), terms, clock.now, clock.wall)
            .unwrap()
    };
    let (meter, kept) = tune(&ten);
    assert!(Arc::ptr_eq(&kept.meter().unwrap(), &meter));
    let (_, again) = tune(&ten);
    assert!(
        kept.meter().is_some() && again.meter().is_some(),
        "it is the same"
    );
    let (_, other) = tune(&two);
    assert!(kept.meter().is_none() && other.meter().is_some());
    // Kept, it is no reason to keep it from being dropped; in use, it is.
    meters.drop_idle(clock.now);
    assert!(meters.count() == 1);
    drop(meter);
    let used = other.meter().unwrap();
    meters.drop_idle(clock.now);
    drop(used);
    let found = meters.find(&key("k")).unwrap();
    drop(found);
    meters.drop_idle(clock.now);
    assert_eq!(meters.count(), 0);
    assert!(other.meter().is_none());
}

#[test]
fn nobody_counts_at_a_meter_that_was_dropped() {
    const ROUNDS: u64 = 20_000;
    let meters = Meters::new(1_000);
    let clock = Clock::new();
    let one = limits(r#"{"concurrency":1000000}"#);
    let find = || {
        let terms = Terms::from(&one);
        meters
            .tuned(&key("k"), terms, clock.now, clock.wall)
            .unwrap()
    };
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                meters.drop_idle(clock.now);
            }
        });
        let users = (0..2).map(|_| {
            scope.spawn(|| {
                let mut kept = find().1;
                for _ in 0..ROUNDS {
                    let meter = kept.meter().unwrap_or_else(|| {
                        let (meter, tuned) = find();
                        kept = tuned;
                        meter
                    });
                    let running = take(&[meter], Demand::default(), &clock).unwrap();
                    assert!(meters.held().exchanges >= 1, "it is known to all");
                    drop(running);
                }
            })
        });
        for user in users.collect::<Vec<_>>() {
            user.join().unwrap();
        }
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(meters.held().is_nothing());
}

#[test]
fn the_idle_are_dropped_by_turns() {
    let mut clock = Clock::new();
    let meters = Meters::new(100_000);
    for number in 0..1_000 {
        let name = number.to_string();
        let meter = meter_in(
            &meters,
            &key(&name),
            r#"{"requests_per_minute":10}"#,
            &clock,
        );
        drop(take(&[meter], Demand::default(), &clock).unwrap());
    }
    meters.drop_some_idle(clock.now);
    assert_eq!(meters.count(), 1_000, "they still bound");
    clock.pass(Duration::from_secs(120));
    meters.drop_some_idle(clock.now);
    assert!((900..1_000).contains(&meters.count()), "{}", meters.count());
    for _ in 1..Meters::DROPS_FOR_ALL {
        meters.drop_some_idle(clock.now);
    }
    assert_eq!(meters.count(), 0);
}
