//! Rates: no span holds more than the limit, no more is refused than the stated error, and waiting as told is enough.

use proptest::prelude::*;

use super::*;
use crate::terms::{Measure, Per};

const LIMIT: u64 = 20;

#[derive(Debug, Clone)]
enum Step {
    /// Milliseconds.
    Pass(u64),
    /// Input and output of a reservation.
    Reserve(u64, u64),
    /// Which of those that run, and what it used in tenths of what it reserved.
    Settle(usize, u64),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_000_u64).prop_map(Step::Pass),
        1 => (0..70_000_u64).prop_map(Step::Pass),
        6 => (0..8_u64, 0..8_u64).prop_map(|(input, output)| Step::Reserve(input, output)),
        3 => (any::<usize>(), 0..14_u64).prop_map(|(which, tenths)| Step::Settle(which, tenths)),
        1 => any::<usize>().prop_map(Step::Drop),
    ]
}

/// Each taking with its time in nanoseconds, in a list that is added up anew each time.
#[derive(Default)]
struct Model {
    takings: Vec<(u128, u64)>,
}

impl Model {
    fn within(&self, span: Duration, now: u128) -> u64 {
        let counted = |at: u128| at + span.as_nanos() > now;
        let takings = self.takings.iter().filter(|(at, _)| counted(*at));
        takings.map(|(_, amount)| amount).sum()
    }
}

fn check_sliding(per: Per, slice: Duration, json: &str, steps: Vec<Step>) {
    let start = Clock::new();
    let mut clock = start;
    let meter = meter(json, &clock);
    let meters = [meter.clone()];
    let mut model = Model::default();
    let mut running = Vec::new();
    let span = per.span();
    let scale = if per == Per::Day { 1_440 } else { 1 };
    for step in steps {
        let now = (clock.now - start.now).as_nanos();
        match step {
            Step::Pass(millis) => clock.pass(Duration::from_millis(millis) * scale),
            Step::Reserve(input, output) => {
                let demand = tokens(input, output);
                let units = input + output;
                match take(&meters, demand, &clock) {
                    Ok(reservation) => {
                        running.push((reservation, model.takings.len(), demand));
                        model.takings.push((now, units));
                        assert!(units == 0 || model.within(span, now) <= LIMIT);
                    }
                    Err(refusal) => {
                        assert!(model.within(span + slice, now) + units > LIMIT);
                        check_wait(&meters, demand, clock, &refusal);
                    }
                }
            }
            Step::Settle(which, tenths) if !running.is_empty() => {
                let (reservation, at, demand) = running.swap_remove(which % running.len());
                let truth = Truth {
                    input: demand.input * tenths / 10,
                    output: demand.output * tenths / 10,
                    ..all_of(demand)
                };
                let (used, reserved) = (truth.input + truth.output, demand.input + demand.output);
                reservation.settle(truth, clock.now);
                model.takings[at].1 = used.min(reserved);
                model.takings.push((now, used.saturating_sub(reserved)));
            }
            Step::Drop(which) if !running.is_empty() => {
                let (reservation, at, _) = running.swap_remove(which % running.len());
                drop(reservation);
                model.takings[at].1 = 0;
            }
            Step::Settle(..) | Step::Drop(_) => {}
        }
        check_standing(&meters, &model, per, slice, clock, start);
    }
    drop(running);
    assert!(meter.held().is_nothing());
}

/// What is told to be left lies between the exact number and the one with the stated error.
fn check_standing(
    meters: &[Arc<Meter>],
    model: &Model,
    per: Per,
    slice: Duration,
    clock: Clock,
    start: Clock,
) {
    let now = (clock.now - start.now).as_nanos();
    let standing = standing(meters, clock.now)[0];
    assert_eq!((standing.measure, standing.limit), (Measure::Tokens, LIMIT));
    let most = LIMIT.saturating_sub(model.within(per.span(), now));
    let least = LIMIT.saturating_sub(model.within(per.span() + slice, now));
    assert!((least..=most).contains(&standing.remaining));
    let later = clock.now + standing.reset;
    let left_at = |at| super::standing(&[meters[0].copy()], at)[0].remaining;
    assert_eq!(left_at(later), LIMIT);
    if standing.reset > Duration::ZERO {
        assert!(left_at(later - Duration::from_nanos(1)) < LIMIT);
    }
}

/// After the time that a refusal tells, the same is admitted; a moment before, it is not.
fn check_wait(meters: &[Arc<Meter>], demand: Demand, clock: Clock, refusal: &Exceeded) {
    let Some(wait) = refusal.retry_after else {
        assert!(refusal.too_large.is_some());
        assert!(demand.input + demand.output > LIMIT);
        return;
    };
    assert!(!wait.is_zero());
    // Meters do not go back in time, so copies see the future.
    let is_admitted = |wait| {
        let mut later = clock;
        later.pass(wait);
        take(&[meters[0].copy()], demand, &later).is_ok()
    };
    assert!(
        !is_admitted(wait - Duration::from_nanos(1)),
        "it would be before {wait:?}"
    );
    assert!(is_admitted(wait), "it is not after {wait:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_minute_holds_more_than_the_limit(steps in prop::collection::vec(step(), 1..120)) {
        let slice = Duration::from_nanos(1 << 32);
        check_sliding(Per::Minute, slice, r#"{"tokens_per_minute":20}"#, steps);
    }

    #[test]
    fn no_day_holds_more_than_the_limit(steps in prop::collection::vec(step(), 1..120)) {
        let slice = Duration::from_nanos(1 << 42);
        check_sliding(Per::Day, slice, r#"{"tokens_per_day":20}"#, steps);
    }

    #[test]
    fn a_bucket_holds_what_a_replay_of_its_life_says(steps in prop::collection::vec(step(), 1..120)) {
        check_bucket(steps);
    }
}

/// A bucket's life as a list, replayed from its beginning each time it is asked.
#[derive(Default)]
struct Life {
    /// Time in nanoseconds, and what went out (or came back, below zero).
    events: Vec<(i128, i128)>,
}

const MINUTE_NANOS: i128 = 60_000_000_000;

impl Life {
    /// Units times nanoseconds of a minute.
    fn stock(&self, now: i128) -> i128 {
        let full = i128::from(LIMIT) * MINUTE_NANOS;
        let (mut stock, mut at) = (full, 0);
        for (then, units) in self.events.iter().chain([&(now, 0)]) {
            stock = (stock + (then - at) * i128::from(LIMIT)).min(full);
            stock = (stock - units * MINUTE_NANOS).min(full);
            at = *then;
        }
        stock
    }
}

fn check_bucket(steps: Vec<Step>) {
    let start = Clock::new();
    let mut clock = start;
    let meter = meter(
        r#"{"tokens_per_minute":20,"window":"token_bucket"}"#,
        &clock,
    );
    let meters = [meter.clone()];
    let mut life = Life::default();
    let mut running = Vec::new();
    for step in steps {
        let now = i128::try_from((clock.now - start.now).as_nanos()).unwrap();
        match step {
            Step::Pass(millis) => clock.pass(Duration::from_millis(millis)),
            Step::Reserve(input, output) => {
                let demand = tokens(input, output);
                let units = i128::from(input + output);
                let is_there = units == 0 || life.stock(now) >= units * MINUTE_NANOS;
                match take(&meters, demand, &clock) {
                    Ok(reservation) => {
                        assert!(is_there);
                        life.events.push((now, units));
                        running.push((reservation, demand));
                    }
                    Err(refusal) => {
                        assert!(!is_there);
                        check_wait(&meters, demand, clock, &refusal);
                    }
                }
            }
            Step::Settle(which, tenths) if !running.is_empty() => {
                let (reservation, demand) = running.swap_remove(which % running.len());
                let truth = Truth {
                    input: demand.input * tenths / 10,
                    output: demand.output * tenths / 10,
                    ..all_of(demand)
                };
                let reserved = i128::from(demand.input + demand.output);
                reservation.settle(truth, clock.now);
                life.events
                    .push((now, i128::from(truth.input + truth.output) - reserved));
            }
            Step::Drop(which) if !running.is_empty() => {
                let (reservation, demand) = running.swap_remove(which % running.len());
                drop(reservation);
                life.events
                    .push((now, -i128::from(demand.input + demand.output)));
            }
            Step::Settle(..) | Step::Drop(_) => {}
        }
        let now = i128::try_from((clock.now - start.now).as_nanos()).unwrap();
        let units = life.stock(now).max(0) / MINUTE_NANOS;
        let standing = standing(&meters, clock.now)[0];
        assert_eq!(i128::from(standing.remaining), units);
    }
}

#[test]
fn a_bucket_of_an_odd_size_does_not_drift_in_a_year() {
    let mut clock = Clock::new();
    let json = r#"{"requests_per_minute":7,"window":"token_bucket"}"#;
    let meter = [meter(json, &clock)];
    for _ in 0..7 {
        drop(take(&meter, Demand::default(), &clock).unwrap());
    }
    let (mut admitted, start) = (0_u128, clock.now);
    // Asked at odd moments, far more often than it fills up.
    for _ in 0..200_000 {
        clock.pass(Duration::from_nanos(1_234_567_891));
        admitted += u128::from(take(&meter, Demand::default(), &clock).is_ok());
    }
    let elapsed = (clock.now - start).as_nanos();
    assert_eq!(admitted, elapsed * 7 / 60_000_000_000);
}

#[test]
fn a_burst_is_over_exactly_a_span_after_its_last_request() {
    let mut clock = Clock::new();
    let meters = [meter(r#"{"requests_per_second":3}"#, &clock)];
    for _ in 0..3 {
        drop(take(&meters, Demand::default(), &clock).unwrap());
        clock.pass(Duration::from_nanos(10));
    }
    let refusal = take(&meters, Demand::default(), &clock).unwrap_err();
    let wait = refusal.retry_after.unwrap();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    clock.pass(wait);
    assert!(take(&meters, Demand::default(), &clock).is_ok());
}

#[test]
fn the_clock_of_another_thread_may_be_behind() {
    let mut clock = Clock::new();
    let meters = [meter(r#"{"requests_per_second":2}"#, &clock)];
    let behind = clock;
    clock.pass(Duration::from_millis(500));
    drop(take(&meters, Demand::default(), &clock).unwrap());
    drop(take(&meters, Demand::default(), &behind).unwrap());
    assert!(take(&meters, Demand::default(), &behind).is_err());
    clock.pass(Duration::from_millis(999));
    assert!(take(&meters, Demand::default(), &clock).is_err());
}
