//! A disk that is slow, full, gone, or says no when it means yes, under the log or under the tables: nothing is lost, nothing doubled, and it goes on by itself.

use super::super::record::{Event, read_record};
use super::*;
use crate::store::{Failing, Memory, Mood, StoreError, Table, Write};

type Troubled = Arc<Failing<Memory>>;

fn full() -> StoreError {
    StoreError::Full {
        path: "/var/lib/weir".into(),
        detail: "No space left on device".to_owned(),
    }
}

fn moods() -> [Mood; 3] {
    [
        Mood::Refusing(full()),
        Mood::Lying(full()),
        Mood::Gone(full()),
    ]
}

fn troubled(settings: Settings) -> (Troubled, Ledger) {
    let store = Arc::new(Failing::new(Memory::new()));
    let ledger = open(store.clone(), settings);
    (store, ledger)
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

/// The state is told, and the flush refused.
fn assert_failing(ledger: &Ledger) {
    let refused = flushed(ledger).unwrap_err();
    assert_eq!(refused, LedgerError::Store(full()));
    assert!(refused.to_string().contains("/var/lib/weir"));
    let State::Failing { why, .. } = ledger.state() else {
        panic!("{:?}", ledger.state());
    };
    assert!(why.contains("no space left"), "{why}");
}

#[test]
fn what_is_settled_while_the_log_fails_is_written_when_it_is_well_again() {
    for mood in moods() {
        let (store, ledger) = troubled(Settings::default());
        ledger.hold(hold(3)).unwrap();
        for number in 0..3 {
            ledger.settle(row(number)).unwrap();
        }
        flushed(&ledger).unwrap();
        store.set_log(mood.clone());
        for number in 3..100 {
            ledger.settle(row(number)).unwrap();
        }
        assert_failing(&ledger);
        wait_until(|| ledger.figures().commits_failed > 1);
        assert!(ledger.behind_by() > Duration::ZERO);
        for number in 100..200 {
            ledger.settle(row(number)).unwrap();
        }
        store.set_log(Mood::Well);
        wait_until(|| ledger.state() == State::Healthy);
        flushed(&ledger).unwrap();
        assert_eq!(checked_rows(&*store).len(), 200, "{mood:?}");
        assert_eq!(ledger.figures().rows_lost, 0);
        assert_eq!(ledger.figures().holds_open, 0);
    }
}

#[test]
fn a_disk_that_confirms_nothing_keeps_nobody_from_writing() {
    for mood in moods() {
        let (store, ledger) = troubled(Settings::default());
        store.set_sync(mood.clone());
        for number in 0..100 {
            ledger.settle(row(number)).unwrap();
        }
        wait_until(|| ledger.figures().commits_failed > 1);
        // A process that is killed now loses nothing; a machine without power may.
        assert_eq!(ledger.figures().rows_written, 0);
        wait_until(|| logged_rows(&*store) == 100);
        assert_eq!(ledger.figures().queued_items, 100);
        assert!(ledger.behind_by() > Duration::ZERO);
        assert_failing(&ledger);
        store.set_sync(Mood::Well);
        wait_until(|| ledger.state() == State::Healthy);
        flushed(&ledger).unwrap();
        assert_eq!(ledger.behind_by(), Duration::ZERO);
        let figures = ledger.figures();
        assert_eq!((figures.rows_written, figures.queued_items), (100, 0));
        assert_eq!(checked_rows(&*store).len(), 100, "{mood:?}");
    }
}

#[test]
fn a_disk_that_is_slow_to_confirm_holds_up_no_record() {
    let (store, ledger) = troubled(Settings::default());
    store.set_sync(Mood::Slow(Duration::from_millis(400)));
    ledger.settle(row(0)).unwrap();
    let begun = Instant::now();
    for number in 1..50 {
        ledger.settle(row(number)).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    wait_until(|| logged_rows(&*store) == 50 || begun.elapsed() > Duration::from_millis(350));
    assert_eq!(logged_rows(&*store), 50);
    wait_until(|| ledger.figures().rows_written == 50);
    let figures = ledger.figures();
    assert!(figures.longest_interval >= Duration::from_millis(400));
    assert!(figures.longest_written_after < figures.longest_interval);
}

/// Rows that a start would find in the log.
fn logged_rows(store: &dyn Store) -> usize {
    let mut rows = 0;
    let read = store.log().read(0, &mut |_, record| {
        read_record(record, &mut |event| {
            rows += usize::from(matches!(event, Event::Settled(_)));
        })
        .unwrap();
    });
    read.unwrap();
    rows
}

#[test]
fn what_is_settled_while_the_tables_fail_is_safe_in_the_log() {
    for mood in moods() {
        for is_closed in [false, true] {
            let (store, ledger) = troubled(Settings::default());
            ledger.settle(row(0)).unwrap();
            flushed(&ledger).unwrap();
            store.set(mood.clone());
            for number in 1..100 {
                ledger.settle(row(number)).unwrap();
            }
            assert_failing(&ledger);
            for number in 100..200 {
                ledger.settle(row(number)).unwrap();
            }
            wait_until(|| ledger.figures().rows_written == 200);
            assert_eq!(ledger.behind_by(), Duration::ZERO, "it is durable");
            if is_closed {
                ledger.close(Duration::from_millis(20)).unwrap();
                drop(ledger);
                store.set(Mood::Well);
                drop(open(store.clone(), Settings::default()));
            } else {
                store.set(Mood::Well);
                wait_until(|| ledger.state() == State::Healthy);
                flushed(&ledger).unwrap();
                assert_eq!(ledger.figures().rows_unfolded, 0);
            }
            assert_eq!(checked_rows(&*store).len(), 200, "{mood:?}");
        }
    }
}

#[test]
fn the_queue_has_a_bound_that_is_told() {
    let (store, ledger) = troubled(Settings {
        queue_items_max: 100,
        ..Settings::default()
    });
    store.set_log(Mood::Refusing(full()));
    ledger.settle(row(0)).unwrap();
    wait_until(|| matches!(ledger.state(), State::Failing { .. }));
    let held = (1..).take_while(|number| ledger.hold(hold(*number)).is_ok());
    assert_eq!(held.count(), 49, "holds may take half of it");
    ledger.progress(id(1), 5);
    let settled = (1..).take_while(|number| ledger.settle(row(*number)).is_ok());
    assert_eq!(settled.count(), 50, "rows may take all of it");
    let figures = ledger.figures();
    assert_eq!((figures.queued_items, figures.rows_lost), (100, 1));
    assert_eq!(ledger.release(id(1)), Err(Full));

    store.set_log(Mood::Well);
    wait_until(|| ledger.figures().queued_items == 0);
    ledger.hold(hold(1_000)).unwrap();
    flushed(&ledger).unwrap();
    assert_eq!(checked_rows(&*store).len(), 51);
}

#[test]
fn memory_is_bounded_whatever_fails() {
    for is_log in [true, false] {
        let (store, ledger) = troubled(Settings {
            queue_bytes_max: 100_000,
            fold_rows: 10,
            ..Settings::default()
        });
        match is_log {
            true => store.set_log(Mood::Refusing(full())),
            false => store.set(Mood::Refusing(full())),
        }
        // Rows in the log take less memory than those that wait for it, but some.
        let mut settled = 0;
        while ledger.settle(row(settled)).is_ok() || ledger.figures().queued_items > 0 && !is_log {
            settled += 1;
        }
        let figures = ledger.figures();
        assert!(figures.queued_bytes <= 100_000, "{figures:?}");
        assert!(settled > 100, "{settled}");
        store.set_log(Mood::Well);
        store.set(Mood::Well);
        let written = settled - (figures.rows_lost - 1);
        wait_until(|| flushed(&ledger).is_ok());
        assert_eq!(checked_rows(&*store).len() as u64, written);
        assert_eq!(ledger.figures().queued_bytes, 0);
    }
}

#[test]
fn a_slow_disk_is_told_of_and_keeps_up_in_the_end() {
    let (store, ledger) = troubled(Settings::default());
    store.set_log(Mood::Slow(BEHIND_AFTER + Duration::from_millis(300)));
    for number in 0..10 {
        ledger.settle(row(number)).unwrap();
    }
    wait_until(|| matches!(ledger.state(), State::Behind { .. }));
    assert!(ledger.behind_by() > BEHIND_AFTER);
    store.set_log(Mood::Well);
    wait_until(|| ledger.state() == State::Healthy);
    flushed(&ledger).unwrap();
    assert_eq!(checked_rows(&*store).len(), 10);
}

#[test]
fn slow_tables_keep_nobody_from_settling() {
    let (store, ledger) = troubled(Settings {
        fold_rows: 1,
        ..Settings::default()
    });
    store.set(Mood::Slow(Duration::from_secs(1)));
    for number in 0..100 {
        ledger.settle(row(number)).unwrap();
    }
    wait_until(|| ledger.figures().rows_written == 100);
    assert!(ledger.figures().rows_unfolded > 0 || ledger.figures().folds == 0);
    store.set(Mood::Well);
    flushed(&ledger).unwrap();
    assert_eq!(checked_rows(&*store).len(), 100);
}

#[test]
fn closing_writes_what_it_can_and_says_what_it_could_not() {
    let (store, ledger) = troubled(Settings::default());
    ledger.settle(row(1)).unwrap();
    ledger.close(Duration::from_secs(10)).unwrap();
    assert_eq!(checked_rows(&*store).len(), 1);

    let ledger = open(store.clone(), Settings::default());
    store.set_log(Mood::Refusing(full()));
    ledger.settle(row(2)).unwrap();
    ledger.settle(row(3)).unwrap();
    let closed = ledger.close(Duration::from_millis(50));
    let said = closed.unwrap_err().to_string();
    assert!(
        said.contains("2 rows") && said.contains("no space left"),
        "{said}"
    );
}

#[test]
fn a_ledger_in_another_form_is_refused_and_left_as_it_is() {
    let cases = [
        (
            Write::put(Table::Rows, *b"0123456789abcdef", *b"?"),
            "an earlier",
        ),
        (Write::put(Table::Totals, *b"t", *b"?"), "an earlier"),
        (Write::put(Table::Meta, *b"ledger_form", [9]), "a later"),
    ];
    for (write, version) in cases {
        let store = Arc::new(Memory::new());
        store.commit(vec![write]).unwrap();
        let clock: Clock = Arc::new(SystemTime::now);
        let opened = Ledger::open(store.clone(), Settings::default(), clock, &mut charge);
        let said = opened.err().unwrap().to_string();
        assert!(
            said.contains(version) && said.contains("store.path"),
            "{said}"
        );
        assert_eq!(
            store.log().read(0, &mut |_, _| ()).unwrap(),
            0,
            "nothing was begun"
        );
    }
    let store = Arc::new(Memory::new());
    store
        .commit(vec![Write::put(Table::Tenants, *b"acme", *b"{}")])
        .unwrap();
    drop(open(store.clone(), Settings::default()));
    drop(open(store, Settings::default()));
}

#[test]
fn a_store_that_cannot_be_read_opens_no_ledger() {
    let store = Arc::new(Failing::new(Memory::new()));
    store.set(Mood::Gone(full()));
    let clock: Clock = Arc::new(SystemTime::now);
    let opened = Ledger::open(store, Settings::default(), clock, &mut charge);
    assert_eq!(opened.err(), Some(LedgerError::Store(full())));
}
