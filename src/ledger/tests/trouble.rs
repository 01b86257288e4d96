//! A store that is slow, full, gone, or says no when it means yes: nothing is lost, nothing doubled, and it goes on by itself.

use super::*;
use crate::store::{Failing, Memory, Mood, StoreError};

fn full() -> StoreError {
    StoreError::Full {
        path: "/var/lib/weir".into(),
        detail: "No space left on device".to_owned(),
    }
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

fn is_failing(ledger: &Ledger) -> bool {
    matches!(ledger.state(), State::Failing { .. })
}

#[test]
fn what_is_settled_while_the_store_fails_is_written_when_it_is_well_again() {
    for mood in [
        Mood::Refusing(full()),
        Mood::Lying(full()),
        Mood::Gone(full()),
    ] {
        let store = Arc::new(Failing::new(Memory::new()));
        let ledger = open(store.clone(), Settings::default());
        ledger.hold(hold(3)).unwrap();
        for number in 0..3 {
            ledger.settle(row(number)).unwrap();
        }
        flushed(&ledger).unwrap();
        store.set(mood.clone());
        for number in 3..100 {
            ledger.settle(row(number)).unwrap();
        }
        let refused = flushed(&ledger).unwrap_err();
        assert_eq!(refused, LedgerError::Store(full()));
        assert!(refused.to_string().contains("/var/lib/weir"));
        wait_until(|| ledger.figures().commits_failed > 1);
        let State::Failing { why, .. } = ledger.state() else {
            panic!("{:?}", ledger.state());
        };
        assert!(why.contains("no space left"), "{why}");
        assert!(ledger.behind_by() > Duration::ZERO);
        for number in 100..200 {
            ledger.settle(row(number)).unwrap();
        }
        store.set(Mood::Well);
        wait_until(|| ledger.state() == State::Healthy);
        flushed(&ledger).unwrap();
        assert_eq!(checked_rows(&*store).len(), 200, "{mood:?}");
        assert_eq!(ledger.figures().rows_lost, 0);
        assert_eq!(ledger.figures().holds_open, 0);
    }
}

#[test]
fn the_queue_has_a_bound_that_is_told() {
    let store = Arc::new(Failing::new(Memory::new()));
    let settings = Settings {
        queue_items_max: 100,
        ..Settings::default()
    };
    let ledger = open(store.clone(), settings);
    store.set(Mood::Refusing(full()));
    ledger.settle(row(0)).unwrap();
    wait_until(|| is_failing(&ledger));
    let held = (1..).take_while(|number| ledger.hold(hold(*number)).is_ok());
    assert_eq!(held.count(), 49, "holds may take half of it");
    ledger.progress(id(1), 5);
    let settled = (1..).take_while(|number| ledger.settle(row(*number)).is_ok());
    assert_eq!(settled.count(), 50, "rows may take all of it");
    let figures = ledger.figures();
    assert_eq!((figures.queued_items, figures.rows_lost), (100, 1));
    assert_eq!(ledger.release(id(1)), Err(Full));

    store.set(Mood::Well);
    wait_until(|| ledger.figures().queued_items == 0);
    ledger.hold(hold(1_000)).unwrap();
    flushed(&ledger).unwrap();
    assert_eq!(checked_rows(&*store).len(), 51);
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let store = Arc::new(Failing::new(Memory::new()));
    let settings = Settings {
        queue_bytes_max: 100_000,
        ..Settings::default()
    };
    let ledger = open(store.clone(), settings);
    store.set(Mood::Refusing(full()));
    let mut settled = 0;
    while ledger.settle(row(settled)).is_ok() {
        settled += 1;
    }
    let figures = ledger.figures();
    assert!(figures.queued_bytes <= 100_000, "{figures:?}");
    assert!(settled > 100, "{settled}");
    store.set(Mood::Well);
}

#[test]
fn a_slow_store_is_told_of_and_keeps_up_in_the_end() {
    let store = Arc::new(Failing::new(Memory::new()));
    let ledger = open(store.clone(), Settings::default());
    store.set(Mood::Slow(BEHIND_AFTER + Duration::from_millis(300)));
    for number in 0..10 {
        ledger.settle(row(number)).unwrap();
    }
    wait_until(|| matches!(ledger.state(), State::Behind { .. }));
    assert!(ledger.behind_by() > BEHIND_AFTER);
    store.set(Mood::Well);
    wait_until(|| ledger.state() == State::Healthy);
    flushed(&ledger).unwrap();
    assert_eq!(checked_rows(&*store).len(), 10);
}

#[test]
fn closing_writes_what_it_can_and_says_what_it_could_not() {
    let store = Arc::new(Failing::new(Memory::new()));
    let ledger = open(store.clone(), Settings::default());
    ledger.settle(row(1)).unwrap();
    ledger.close(Duration::from_secs(10)).unwrap();
    assert_eq!(checked_rows(&*store).len(), 1);

    let ledger = open(store.clone(), Settings::default());
    store.set(Mood::Refusing(full()));
    ledger.settle(row(2)).unwrap();
    ledger.settle(row(3)).unwrap();
    let said = ledger
        .close(Duration::from_millis(50))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("2 rows") && said.contains("no space left"),
        "{said}"
    );
}

#[test]
fn a_store_that_cannot_be_read_opens_no_ledger() {
    let store = Arc::new(Failing::new(Memory::new()));
    store.set(Mood::Gone(full()));
    let clock: Clock = Arc::new(SystemTime::now);
    let opened = Ledger::open(store, Settings::default(), clock, &mut charge);
    assert_eq!(opened.err(), Some(LedgerError::Store(full())));
}
