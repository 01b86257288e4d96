//! Every way out: what is reserved returns to zero, and what counts is what the rule says.

use proptest::prelude::*;

use super::*;
use crate::terms::Measure;

const FOUR: &str =
    r#"{"requests_per_minute":10,"tokens_per_minute":1000,"concurrency":2,"spend_per_day":"1"}"#;

/// Requests and tokens that are left.
fn left(meters: &[Arc<Meter>], clock: &Clock) -> (u64, u64) {
    let all = standing(meters, clock.now);
    let of = |measure| {
        all.iter()
            .find(|it| it.measure == measure)
            .unwrap()
            .remaining
    };
    (of(Measure::Requests), of(Measure::Tokens))
}

#[test]
fn each_way_out_counts_by_the_rule() {
    let clock = Clock::new();
    let demand = Demand {
        spend: money("0.25"),
        ..tokens(100, 400)
    };
    let truth = Truth {
        spend: money("0.1"),
        ..all_of(tokens(90, 10))
    };
    let uncounted = Truth::default();
    type WayOut = fn(Reservation, Truth, &Clock);
    let settle: WayOut = |reservation, truth, clock| drop(reservation.settle(truth, clock.now));
    let dropped: WayOut = |reservation, _, _| drop(reservation);
    for (way_out, truth, expected) in [
        (settle, truth, (9, 900)),
        (settle, uncounted, (10, 1000)),
        (dropped, truth, (9, 1000)),
    ] {
        let meters = [meter(FOUR, &clock)];
        let reservation = take(&meters, demand, &clock).unwrap();
        let held = meters[0].held();
        assert_eq!(
            (held.exchanges, held.tokens, held.spend),
            (1, 500, money("0.25"))
        );
        assert_eq!(left(&meters, &clock), (9, 500));
        way_out(reservation, truth, &clock);
        assert!(meters[0].held().is_nothing());
        assert_eq!(left(&meters, &clock), expected);
    }
}

#[test]
fn a_panic_gives_back_what_was_reserved() {
    let clock = Clock::new();
    let meters = [meter(FOUR, &clock)];
    let of_thread = meters.clone();
    let panicked = std::thread::spawn(move || {
        let _reservation = take(&of_thread, tokens(100, 400), &clock).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert!(meters[0].held().is_nothing());
    assert_eq!(left(&meters, &clock), (9, 1000));
}

#[test]
fn a_place_is_held_to_the_last_byte() {
    let mut clock = Clock::new();
    let meters = [meter(r#"{"concurrency":2}"#, &clock)];
    let first = take(&meters, Demand::default(), &clock).unwrap();
    let _second = take(&meters, Demand::default(), &clock).unwrap();
    clock.pass(Duration::from_secs(3_600));
    let refusal = take(&meters, Demand::default(), &clock).unwrap_err();
    assert_eq!((refusal.limit, refusal.retry_after), ("concurrency", None));
    first.settle(Truth::default(), clock.now);
    assert!(take(&meters, Demand::default(), &clock).is_ok());
}

#[test]
fn what_is_refused_costs_nothing_anywhere() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let wide = meter_in(&meters, &Subject::Global, FOUR, &clock);
    let narrow = meter_in(&meters, &key("k"), r#"{"requests_per_minute":1}"#, &clock);
    let both = [wide.clone(), narrow];
    drop(take(&both, tokens(1, 1), &clock).unwrap());
    for _ in 0..100 {
        let refusal = take(&both, tokens(1, 1), &clock).unwrap_err();
        assert_eq!(
            (refusal.scope, refusal.limit),
            ("key", "requests_per_minute")
        );
    }
    assert_eq!(left(&[wide], &clock), (9, 1000));
    assert!(meters.held().is_nothing());
}

#[test]
fn more_meters_can_be_added_and_are_let_go_with_the_rest() {
    let clock = Clock::new();
    let meters = Meters::new(100);
    let key = meter_in(&meters, &key("k"), FOUR, &clock);
    let model = meter_in(
        &meters,
        &Subject::Model("m".into()),
        r#"{"tokens_per_minute":800}"#,
        &clock,
    );
    let mut reservation = take(std::slice::from_ref(&key), tokens(100, 400), &clock).unwrap();
    reservation
        .extend(&[model.clone(), key.clone()], clock.now, clock.wall)
        .unwrap();
    assert_eq!(reservation.meters().count(), 2);
    assert_eq!((meters.held().exchanges, meters.held().tokens), (2, 1000));
    let mut second = take(std::slice::from_ref(&key), tokens(100, 300), &clock).unwrap();
    let refusal = second
        .extend(std::slice::from_ref(&model), clock.now, clock.wall)
        .unwrap_err();
    assert_eq!((refusal.scope, refusal.subject.as_str()), ("model", "m"));
    drop(second);
    reservation.settle(all_of(tokens(1, 1)), clock.now);
    assert!(meters.held().is_nothing());
    assert_eq!(standing(&[model], clock.now)[0].remaining, 798);
}

#[test]
fn a_reservation_grows_only_into_what_is_there_and_shrinks_to_where_it_was_taken() {
    let mut clock = Clock::new();
    let meters = [meter(
        r#"{"tokens_per_minute":1000,"concurrency":1}"#,
        &clock,
    )];
    let left = |clock: &Clock| standing(&[meters[0].copy()], clock.now)[0].remaining;
    let mut reservation = take(&meters, tokens(100, 400), &clock).unwrap();
    clock.pass(Duration::from_secs(30));
    let adjust = |reservation: &mut Reservation, demand, clock: &Clock| {
        reservation.adjust(demand, clock.now, clock.wall)
    };
    adjust(&mut reservation, tokens(100, 901), &clock).unwrap_err();
    assert_eq!(left(&clock), 500);
    adjust(&mut reservation, tokens(100, 800), &clock).unwrap();
    assert_eq!(left(&clock), 100);
    // The later part goes first, then some of the earlier.
    adjust(&mut reservation, tokens(100, 300), &clock).unwrap();
    assert_eq!((left(&clock), meters[0].held().tokens), (600, 400));
    adjust(&mut reservation, tokens(100, 500), &clock).unwrap();
    clock.pass(Duration::from_secs(35));
    // The first 400 are over, the 200 of later are not.
    assert_eq!(left(&clock), 800);
    reservation.settle(all_of(tokens(100, 400)), clock.now);
    assert_eq!(left(&clock), 900);
    assert!(meters[0].held().is_nothing());
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    /// Which meters (a bit each), and the demand.
    Reserve(u8, u64, u64),
    Extend(usize, u8),
    Adjust(usize, u64, u64),
    Settle(usize, u64, bool),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..20_000_u64).prop_map(Step::Pass),
        6 => (any::<u8>(), 0..9_u64, 0..9_u64).prop_map(|(which, input, output)| Step::Reserve(which, input, output)),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(which, more)| Step::Extend(which, more)),
        2 => (any::<usize>(), 0..20_u64, 0..20_u64).prop_map(|(which, input, output)| Step::Adjust(which, input, output)),
        3 => (any::<usize>(), 0..30_u64, any::<bool>()).prop_map(|(which, output, counted)| Step::Settle(which, output, counted)),
        2 => any::<usize>().prop_map(Step::Drop),
    ]
}

/// Meters of every kind; the last is an address.
fn all_kinds(meters: &Meters, clock: &Clock) -> Vec<Arc<Meter>> {
    let sliding = r#"{"requests_per_minute":9,"tokens_per_minute":60,"concurrency":4}"#;
    let bucket =
        r#"{"requests_per_minute":7,"input_tokens_per_minute":40,"window":"token_bucket"}"#;
    [
        (
            Subject::Global,
            r#"{"concurrency":6,"output_tokens_per_day":300}"#,
        ),
        (Subject::Tenant("t".into()), sliding),
        (Subject::User("t".into(), "u".into()), bucket),
        (key("k"), r#"{"requests_per_second":3}"#),
        (Subject::Address("10.0.0.1".parse().unwrap()), sliding),
    ]
    .iter()
    .map(|(subject, json)| meter_in(meters, subject, json, clock))
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_refusal_changes_nothing_and_in_the_end_nothing_is_held(steps in prop::collection::vec(step(), 1..80)) {
        let mut clock = Clock::new();
        let meters = Meters::new(100);
        let all = all_kinds(&meters, &clock);
        let chosen = |bits: u8| -> Vec<Arc<Meter>> {
            let chosen = all.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            chosen.map(|(_, meter)| meter.clone()).collect()
        };
        let state = |clock: &Clock| {
            let each = all.iter().map(|meter| (standing([meter], clock.now), meter.held()));
            each.collect::<Vec<_>>()
        };
        let mut running: Vec<Reservation> = Vec::new();
        for step in steps {
            let before = state(&clock);
            let refused = match step {
                Step::Pass(millis) => {
                    clock.pass(Duration::from_millis(millis));
                    None
                }
                Step::Reserve(which, input, output) => match take(&chosen(which), tokens(input, output), &clock) {
                    Ok(reservation) => {
                        running.push(reservation);
                        None
                    }
                    Err(refusal) => Some(refusal),
                },
                Step::Extend(which, more) if !running.is_empty() => {
                    let count = running.len();
                    running[which % count].extend(&chosen(more), clock.now, clock.wall).err()
                }
                Step::Adjust(which, input, output) if !running.is_empty() => {
                    let count = running.len();
                    running[which % count].adjust(tokens(input, output), clock.now, clock.wall).err()
                }
                Step::Settle(which, output, is_counted) if !running.is_empty() => {
                    let reservation = running.swap_remove(which % running.len());
                    reservation.settle(Truth { is_counted, ..all_of(tokens(2, output)) }, clock.now);
                    None
                }
                Step::Drop(which) if !running.is_empty() => {
                    running.swap_remove(which % running.len());
                    None
                }
                Step::Extend(..) | Step::Adjust(..) | Step::Settle(..) | Step::Drop(_) => None,
            };
            if refused.is_some() {
                prop_assert_eq!(before, state(&clock));
            }
            let exchanges: usize = running.iter().map(|it| it.meters().count()).sum();
            prop_assert_eq!(meters.held().exchanges as usize, exchanges);
        }
        running.clear();
        prop_assert!(meters.held().is_nothing());
        clock.pass(Duration::from_secs(3 * 86_400));
        for standing in standing(&all, clock.now) {
            prop_assert_eq!(standing.remaining, standing.limit);
        }
    }
}
