//! Memory: bounded whoever comes, and small for those who do. Each case runs in a process of its own, so that nothing else counts.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use super::*;

const CASE: &str = "WEIR_TEST_MEMORY_CASE";
const FOUR: &str =
    r#"{"requests_per_minute":60,"tokens_per_minute":100000,"concurrency":8,"spend_per_day":"20"}"#;

/// Resident bytes of this process.
fn resident() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: i64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

fn grown(run: impl FnOnce()) -> i64 {
    let before = resident();
    run();
    resident() - before
}

/// Runs the named test anew, alone, with the case told by its environment.
fn alone(test: &str, case: impl FnOnce()) {
    if std::env::var(CASE).is_ok_and(|it| it == test) {
        return case();
    }
    let name = format!("limit::tests::memory::{test}");
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name.as_str(), "--exact", "--nocapture", "--test-threads=1"])
        .env(CASE, test)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "no such test ran: {text}");
    print!("{text}");
}

#[test]
fn a_key_that_was_used_takes_less_than_400_bytes() {
    alone("a_key_that_was_used_takes_less_than_400_bytes", || {
        const KEYS: i64 = 100_000;
        const BUSY_KEYS: i64 = 20_000;
        let clock = Clock::new();
        let meters = Meters::new(1_000_000);
        let four = limits(FOUR);
        let demand = Demand {
            spend: money("0.01"),
            ..tokens(100, 400)
        };
        let use_keys = |numbers: std::ops::Range<i64>, clock: Clock| {
            for number in numbers {
                let name = format!("k{number:011}");
                let meter = [meters
                    .meter(&key(&name), Terms::from(&four), clock.now, clock.wall)
                    .unwrap()];
                let reservation = take(&meter, demand, &clock).unwrap();
                reservation.settle(all_of(tokens(90, 200)), clock.now);
            }
        };
        // The code that runs takes memory too, the first time.
        use_keys(KEYS..KEYS + 1_000, clock);
        let once = grown(|| use_keys(0..KEYS, clock)) / KEYS;
        println!("a key that was used in one slice of time: {once} bytes");
        assert!(once < 400, "{once} bytes a key");
        // Used in every slice of a minute: the most that two of its rates can keep.
        let often = grown(|| {
            let mut clock = clock;
            for _ in 0..15 {
                clock.pass(Duration::from_nanos(1 << 32));
                use_keys(0..BUSY_KEYS, clock);
            }
        });
        println!(
            "a key that is used all the time: {} bytes",
            once + often / BUSY_KEYS
        );
        assert!(once + often / BUSY_KEYS < 1_600);
    });
}

#[test]
fn keys_that_are_never_used_cost_nothing() {
    let clock = Clock::new();
    let meters = Meters::new(1_000_000);
    for number in 0..1_000 {
        assert!(meters.find(&key(&number.to_string())).is_none());
        let none = Limits::default();
        assert!(
            meters
                .meter(
                    &key(&number.to_string()),
                    Terms::from(&none),
                    clock.now,
                    clock.wall
                )
                .is_none()
        );
    }
    assert_eq!(meters.count(), 0);
}

#[test]
fn a_million_addresses_do_not_grow_the_process() {
    alone("a_million_addresses_do_not_grow_the_process", || {
        let mut clock = Clock::new();
        let meters = Meters::new(1_000);
        let limits = limits(r#"{"requests_per_minute":60,"concurrency":8}"#);
        let mut visit = |numbers: std::ops::Range<u32>| {
            for number in numbers {
                let subject = Subject::Address(IpAddr::V4(Ipv4Addr::from_bits(
                    number.wrapping_mul(2_654_435_761),
                )));
                let meter = [meters
                    .meter(&subject, Terms::from(&limits), clock.now, clock.wall)
                    .unwrap()];
                drop(take(&meter, Demand::default(), &clock));
                clock.pass(Duration::from_millis(2));
            }
        };
        visit(0..50_000);
        let bytes = grown(|| visit(50_000..1_000_000));
        println!("950,000 more addresses: {bytes} bytes");
        // A byte for each would be as much as this; the smallest entry for each, sixteen times that.
        assert!(bytes < 950_000, "{bytes} bytes");
        assert_eq!(meters.count(), 0);
    });
}

#[test]
fn a_million_users_do_not_grow_the_process() {
    alone("a_million_users_do_not_grow_the_process", || {
        let mut clock = Clock::new();
        let meters = Meters::new(10_000);
        let four = limits(FOUR);
        let kept = meter_in(&meters, &key("kept"), FOUR, &clock);
        let running = take(std::slice::from_ref(&kept), tokens(1, 1), &clock).unwrap();
        let mut visit = |numbers: std::ops::Range<u32>| {
            for number in numbers {
                let name = format!("user-{number}");
                let subject = Subject::User("acme".into(), name.as_str().into());
                let meter = [meters
                    .meter(&subject, Terms::from(&four), clock.now, clock.wall)
                    .unwrap()];
                drop(take(&meter, tokens(1, 1), &clock));
                clock.pass(Duration::from_micros(50));
            }
        };
        visit(0..50_000);
        let bytes = grown(|| visit(50_000..1_000_000));
        println!(
            "950,000 more users: {bytes} bytes, {} meters",
            meters.count()
        );
        assert!(bytes < 4 << 20, "{bytes} bytes");
        assert!(meters.count() <= 10_100, "{} meters", meters.count());
        // What runs is not forgotten.
        drop(running);
        let found = meters.find(&key("kept")).unwrap();
        assert!(Arc::ptr_eq(&found, &kept));
        assert!(meters.held().is_nothing());
    });
}

#[test]
fn those_with_money_stay_and_the_idle_go_first() {
    let mut clock = Clock::new();
    let meters = Meters::new(64 * 8);
    let budget = serde_json::from_str(r#"{"amount":"5","per":"month"}"#).unwrap();
    let none = Limits::default();
    let terms = Terms {
        limits: &none,
        budget: Some(&budget),
        credit: None,
    };
    let rich = Subject::Tenant("rich".into());
    let spent = [meters.meter(&rich, terms, clock.now, clock.wall).unwrap()];
    drop(
        take(&spent, spends(7), &clock)
            .unwrap()
            .settle(all_of(spends(7)), clock.now),
    );
    drop(spent);
    for number in 0..10_000 {
        let meter = meter_in(&meters, &key(&number.to_string()), FOUR, &clock);
        drop(take(&[meter], tokens(1, 1), &clock).unwrap());
    }
    let found = meters.find(&rich).unwrap();
    assert_eq!(found.budget(clock.wall).unwrap().spent.nanos(), 7);
    assert!(meters.count() <= 64 * 8 + 1, "{}", meters.count());
    clock.pass(Duration::from_secs(2 * 86_400));
    meters.drop_idle(clock.now);
    assert_eq!(meters.count(), 1);
}
