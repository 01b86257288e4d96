//! Many threads at once: promises hold, nothing locks up, nothing is left over.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::*;

const THREADS: u64 = 8;
const EACH: u64 = 1_250;

/// Chance that is the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }
}

/// Runs the same on all threads, with chance of its own for each.
fn on_threads(run: impl Fn(&mut Chance) + Sync) {
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            let run = &run;
            scope.spawn(move || run(&mut Chance(seed + 1)));
        }
    });
}

#[test]
fn a_budget_that_allows_half_is_spent_to_the_last_reservation_and_not_beyond() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let budget = serde_json::from_str(r#"{"amount":"5","per":"month"}"#).unwrap();
    let none = Limits::default();
    let terms = Terms {
        limits: &none,
        budget: Some(&budget),
        credit: None,
    };
    let subject = Subject::Tenant("acme".into());
    let meter = [meters
        .meter(&subject, terms, clock.now, clock.wall)
        .unwrap()];
    // Each costs a thousandth, and half as much again is reserved.
    let (cost, reserved) = (1_000_000_i64, 1_500_000_i64);
    let spent = AtomicI64::new(0);
    on_threads(|chance| {
        for _ in 0..EACH {
            let Ok(reservation) = take(&meter, spends(reserved), &clock) else {
                continue;
            };
            if chance.below(10) == 0 {
                drop(reservation);
                continue;
            }
            reservation.settle(all_of(spends(cost)), clock.now);
            spent.fetch_add(cost, Ordering::Relaxed);
        }
    });
    let spent = spent.load(Ordering::Relaxed);
    let amount = money("5").nanos();
    assert!(
        spent <= amount && spent > amount - reserved,
        "{spent} of {amount}"
    );
    assert_eq!(meter[0].budget(clock.wall).unwrap().spent.nanos(), spent);
    assert!(meters.held().is_nothing());
}

#[test]
fn rates_admit_exactly_their_limit_and_places_are_never_taken_twice() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let json = r#"{"requests_per_minute":5000,"tokens_per_day":20000,"concurrency":5}"#;
    let meter = [meter_in(&meters, &key("k"), json, &clock)];
    let (admitted, running, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    on_threads(|_| {
        for _ in 0..EACH {
            // Those that find no place come again: only the rates are to decide in the end.
            let reservation = loop {
                match take(&meter, tokens(2, 2), &clock) {
                    Err(refusal) if refusal.limit == "concurrency" => std::thread::yield_now(),
                    other => break other,
                }
            };
            if let Ok(reservation) = reservation {
                let now = running.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                admitted.fetch_add(1, Ordering::Relaxed);
                running.fetch_sub(1, Ordering::Relaxed);
                reservation.settle(all_of(tokens(2, 2)), clock.now);
            }
        }
    });
    assert_eq!(admitted.load(Ordering::Relaxed), 5_000);
    assert!(most.load(Ordering::Relaxed) <= 5);
    assert!(meters.held().is_nothing());
}

#[test]
fn sets_of_meters_in_any_order_do_not_lock_up() {
    let clock = Clock::new();
    let meters = Meters::new(1_000);
    let json = r#"{"requests_per_minute":3000,"tokens_per_minute":9000,"concurrency":20}"#;
    let mut all: Vec<Arc<Meter>> = (0..12)
        .map(|at| meter_in(&meters, &key(&at.to_string()), json, &clock))
        .collect();
    all.push(meter_in(
        &meters,
        &Subject::Address("10.0.0.1".parse().unwrap()),
        json,
        &clock,
    ));
    all.push(meter_in(
        &meters,
        &Subject::Address("10.0.0.2".parse().unwrap()),
        json,
        &clock,
    ));
    on_threads(|chance| {
        let mut kept = Vec::new();
        for _ in 0..EACH {
            let mut some = all.clone();
            for at in 0..some.len() {
                some.swap(at, chance.below(all.len()));
            }
            some.truncate(1 + chance.below(7));
            // Twice the same is once.
            some.push(some[0].clone());
            if let Ok(mut reservation) = take(&some, tokens(2, 3), &clock) {
                let more = [all[chance.below(all.len())].clone()];
                let _ = reservation.extend(&more, clock.now, clock.wall);
                let _ =
                    reservation.adjust(tokens(1, chance.below(9) as u64), clock.now, clock.wall);
                kept.push(reservation);
            }
            if kept.len() > chance.below(4) {
                let reservation = kept.swap_remove(chance.below(kept.len()));
                reservation.settle(all_of(tokens(1, chance.below(9) as u64)), clock.now);
            }
        }
    });
    assert!(meters.held().is_nothing());
    let mut later = clock;
    later.pass(Duration::from_secs(180));
    for meter in &all {
        let standing = standing([meter], later.now);
        assert!(
            standing.iter().all(|it| it.remaining == it.limit),
            "{standing:?}"
        );
    }
}
