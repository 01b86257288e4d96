//! Rows, holds and sums on their way into the store.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::tests::Folder;
use crate::store::{Memory, StoreError, Table, Visit, Write};

/// Counts what is written.
#[derive(Default)]
struct Counted {
    store: Memory,
    commits: AtomicUsize,
    holds: AtomicUsize,
}

impl Store for Counted {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.store.scan(table, from, to, visit)
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let is_hold = |write: &&Write| {
            matches!(
                write,
                Write::Put {
                    table: Table::Holds,
                    ..
                }
            )
        };
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.holds
            .fetch_add(writes.iter().filter(is_hold).count(), Ordering::Relaxed);
        self.store.commit(writes)
    }

    fn bytes(&self) -> Option<u64> {
        None
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
}

#[test]
fn many_exchanges_are_one_commit_and_short_holds_none() {
    let store = Arc::new(Counted::default());
    let ledger = open(
        store.clone(),
        Settings {
            // Nothing is written before the flush but what comes first.
            gather: Duration::from_secs(3600),
            ..Settings::default()
        },
    );
    ledger.settle(row(0)).unwrap();
    while ledger.figures().rows_written == 0 {
        std::thread::yield_now();
    }
    for number in 1..1_000 {
        ledger.hold(hold(number)).unwrap();
        ledger.progress(id(number), 1);
        ledger.settle(row(number)).unwrap();
    }
    flushed(&ledger).unwrap();
    assert_eq!(store.commits.load(Ordering::Relaxed), 2);
    assert_eq!(store.holds.load(Ordering::Relaxed), 0);
    assert_eq!(checked_rows(&*store).len(), 1_000);
}

#[test]
fn a_row_waits_for_no_more_than_the_gathering_and_a_commit() {
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
    let noted = || {
        let orphans = super::super::holds::Holds::load(&*store).unwrap().orphans();
        orphans[0].output
    };
    while noted() != Some(77) {
        std::thread::yield_now();
    }
}
