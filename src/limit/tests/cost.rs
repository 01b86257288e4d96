//! What reserving and settling costs: `cargo test --release limit::tests::cost -- --nocapture` prints it.

use super::*;

const FOUR: &str = r#"{"requests_per_minute":1000000000,"tokens_per_minute":1000000000000,"concurrency":1000,"spend_per_day":"9000000"}"#;
const ROUNDS: u32 = if cfg!(debug_assertions) {
    2_000
} else {
    1_000_000
};
/// Far above what is measured, so that a busy machine does not fail it: it is for what grows by a power.
const NANOS_MAX: u128 = if cfg!(debug_assertions) {
    200_000
} else {
    10_000
};

fn subjects() -> [Subject<'static>; 4] {
    [
        Subject::Key("0123456789ab".into()),
        Subject::Tenant("acme".into()),
        Subject::User("acme".into(), "ann".into()),
        Subject::Global,
    ]
}

/// Nanoseconds that this thread has run; others may keep the machine busy.
fn ran() -> u128 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    statistics.split(' ').next().unwrap().parse().unwrap()
}

fn print(what: &str, rounds: u32, run: impl Fn(Clock)) {
    let mut clock = Clock::new();
    let before = ran();
    for _ in 0..rounds {
        clock.pass(Duration::from_micros(20));
        run(clock);
    }
    let each = (ran() - before) / u128::from(rounds);
    println!("{what}: {each} ns");
    assert!(each < NANOS_MAX, "{what}: {each} ns");
}

#[test]
fn four_meters_of_four_rules() {
    let meters = Meters::new(1_000);
    let clock = Clock::new();
    let four = limits(FOUR);
    let all = subjects().map(|subject| meter_in(&meters, &subject, FOUR, &clock));
    let demand = Demand {
        spend: money("0.01"),
        ..tokens(1000, 500)
    };
    let truth = Truth {
        spend: money("0.007"),
        ..all_of(tokens(900, 200))
    };
    let exchange = |all: &[Arc<Meter>], clock: Clock| {
        let reservation = take(all, demand, &clock).unwrap();
        reservation.settle(truth, clock.now);
    };
    print("reserve and settle, 4 meters of 4 rules", ROUNDS, |clock| {
        exchange(&all, clock)
    });
    print("reserve and settle, 1 meter of 4 rules", ROUNDS, |clock| {
        exchange(&all[..1], clock)
    });
    let subjects = subjects();
    print("finding the 4 meters", ROUNDS, |clock| {
        for subject in &subjects {
            let meter = meters.meter(subject, Terms::from(&four), clock.now, clock.wall);
            assert!(meter.is_some());
        }
    });
    print("standing of 4 meters and headers", ROUNDS, |clock| {
        let standing = standing(&all, clock.now);
        let headers = headers(crate::wire::Dialect::Chat, &standing, clock.wall);
        assert_eq!(headers.len(), 6);
    });
    let own = [1, 2].map(|number: u32| {
        let key = meter_in(&meters, &key(&number.to_string()), FOUR, &clock);
        [key, all[1].clone(), all[2].clone(), all[3].clone()]
    });
    std::thread::scope(|scope| {
        for all in &own {
            let what = "reserve and settle, 2 threads, 3 of 4 meters in common";
            scope.spawn(move || print(what, ROUNDS, |clock| exchange(all, clock)));
        }
    });
    assert!(meters.held().is_nothing());
}
