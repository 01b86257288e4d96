//! Rows, holds and sums on their way into the store.

use super::super::record::{Event, read_record};
use super::*;
use crate::store::Memory;
use crate::store::tests::Folder;

/// All that the log has.
fn events(store: &dyn Store) -> Vec<Event> {
    let mut events = Vec::new();
    store
        .log()
        .read(0, &mut |_, record| {
            read_record(record, &mut |event| events.push(event)).unwrap();
        })
        .unwrap();
    events
}

/// Nothing is written before it is asked for, but what comes first.
fn patient() -> Settings {
    Settings {
        gather: Duration::from_secs(3600),
        ..Settings::default()
    }
}

/// Has the writer begin its long wait.
fn settle_first(ledger: &Ledger) {
    ledger.settle(row(0)).unwrap();
    while ledger.figures().rows_written == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn rows_are_there_once_flushed_and_their_sums_with_them() {
    let store = Arc::new(Memory::new());
    let ledger = open(store.clone(), Settings::default());
    for number in 0..5_000 {
        ledger.settle(row(number)).unwrap();
    }
    flushed(&ledger).unwrap();
    let kept = checked_rows(&*store);
    assert_eq!(kept.len(), 5_000);
    for (number, kept) in kept {
        assert_eq!(kept, row(number));
    }
    assert_eq!(ledger.state(), State::Healthy);
    assert_eq!(ledger.behind_by(), Duration::ZERO);
    let figures = ledger.figures();
    assert_eq!(figures.rows_written, 5_000);
    assert_eq!((figures.queued_items, figures.queued_bytes), (0, 0));
    assert!(events(&*store).is_empty(), "the log is not needed any more");
}

#[test]
fn many_exchanges_are_one_record_and_short_holds_none() {
    let store = Arc::new(Memory::new());
    let ledger = open(store.clone(), patient());
    settle_first(&ledger);
    for number in 1..1_000 {
        ledger.hold(hold(number)).unwrap();
        ledger.progress(id(number), 1);
        ledger.settle(row(number)).unwrap();
    }
    ledger.hold(hold(1_000)).unwrap();
    flushed(&ledger).unwrap();
    assert_eq!(ledger.figures().commits, 2);
    assert_eq!(ledger.figures().folds, 1);
    assert_eq!(checked_rows(&*store).len(), 1_000);
    let left = events(&*store);
    assert!(
        matches!(&left[..], [Event::Opened(one, None)] if **one == hold(1_000)),
        "{left:?}"
    );
}

#[test]
fn rows_come_into_the_tables_though_nobody_asks() {
    let by_number = Settings {
        fold_rows: 100,
        fold_every: Duration::from_secs(3600),
        ..Settings::default()
    };
    let by_time = Settings {
        fold_every: Duration::from_millis(20),
        ..Settings::default()
    };
    for settings in [by_number, by_time] {
        let store = Arc::new(Memory::new());
        let ledger = open(store.clone(), settings);
        for number in 0..100 {
            ledger.settle(row(number)).unwrap();
        }
        while rows(&*store).len() < 100 || ledger.figures().rows_unfolded > 0 {
            std::thread::yield_now();
        }
        assert_eq!(checked_rows(&*store).len(), 100);
        assert_eq!(ledger.state(), State::Healthy);
    }
}

#[test]
fn a_row_waits_for_no_more_than_the_gathering_and_a_write() {
    let store = Arc::new(Memory::new());
    let gather = Duration::from_millis(5);
    let ledger = open(
        store.clone(),
        Settings {
            gather,
            ..Settings::default()
        },
    );
    for number in 0..200 {
        ledger.settle(row(number)).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    flushed(&ledger).unwrap();
    let figures = ledger.figures();
    assert!(figures.commits > 10, "{figures:?}");
    // The machine may be busy with other things; a forgotten wake would be an hour.
    assert!(
        figures.longest_interval < Duration::from_secs(2),
        "{figures:?}"
    );
}

#[test]
fn sums_go_on_from_where_an_earlier_process_has_left_them() {
    let folder = Folder::new();
    for round in 0..4 {
        let store = Arc::new(crate::store::tests::open(&folder.0));
        let ledger = open(store.clone(), Settings::default());
        for number in 0..500 {
            ledger.settle(row(round * 500 + number)).unwrap();
            if number == 250 {
                flushed(&ledger).unwrap();
            }
        }
        ledger.close(Duration::from_secs(10)).unwrap();
        assert_eq!(ledger.settle(row(1)), Err(Full));
        assert_eq!(flushed(&ledger), Err(LedgerError::Closed));
        drop(ledger);
        assert_eq!(checked_rows(&*store).len() as u64, (round + 1) * 500);
    }
}

#[test]
fn those_who_settle_at_once_get_one_row_each() {
    let store = Arc::new(Memory::new());
    let ledger = open(store.clone(), Settings::default());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let ledger = &ledger;
            scope.spawn(move || {
                for number in 0..500 {
                    let number = thread * 500 + number;
                    ledger.hold(hold(number)).unwrap();
                    ledger.settle(row(number)).unwrap();
                    if number % 100 == 0 {
                        flushed(ledger).unwrap();
                    }
                }
            });
        }
    });
    flushed(&ledger).unwrap();
    assert_eq!(checked_rows(&*store).len(), 4_000);
    assert_eq!(ledger.figures().holds_open, 0);
}

#[test]
fn a_hold_that_is_released_leaves_nothing() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let ledger = open(store.clone(), Settings::default());
    ledger.hold(hold(1)).unwrap();
    flushed(&ledger).unwrap();
    assert_eq!(ledger.figures().holds_open, 1);
    ledger.release(id(1)).unwrap();
    flushed(&ledger).unwrap();
    drop(ledger);
    drop(open(store.clone(), Settings::default()));
    assert!(checked_rows(&*store).is_empty());
}

#[test]
fn progress_is_written_though_nothing_else_happens() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let settings = Settings {
        progress_every: Duration::from_millis(20),
        ..Settings::default()
    };
    let ledger = open(store.clone(), settings);
    ledger.hold(hold(1)).unwrap();
    flushed(&ledger).unwrap();
    ledger.progress(id(1), 77);
    let is_noted = |event: &Event| matches!(event, Event::Advanced(_, 77));
    while !events(&*store).iter().any(is_noted) {
        std::thread::yield_now();
    }
    drop(ledger);
    drop(open(store.clone(), Settings::default()));
    assert_eq!(checked_rows(&*store)[&1].usage.output, 77);
}

#[test]
fn a_flush_waits_for_what_came_before_and_not_for_what_comes_after() {
    let store = Arc::new(Memory::new());
    let ledger = open(store, Settings::default());
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let is_over = &is_over;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // More than anybody can write.
            for number in 0.. {
                if is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                let _ = ledger.settle(row(number % 1_000));
            }
        });
        for _ in 0..3 {
            flushed(&ledger).unwrap();
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
