//! Holds: one that is settled in time costs nothing, one that is left is settled at the next start, once.

use super::super::holds::Holds;
use super::*;
use crate::store::{Memory, Table, Write};

fn written(holds: &mut Holds, is_progress_due: bool) -> Vec<Write> {
    let mut writes = Vec::new();
    holds.write(is_progress_due, &mut writes);
    writes
}

#[test]
fn what_is_settled_before_it_is_written_is_never_written() {
    let mut holds = Holds::default();
    for number in 0..100 {
        holds.open(Box::new(hold(number)));
        holds.advance(id(number), 5);
        holds.close(id(number));
    }
    holds.close(id(1_000));
    assert!(written(&mut holds, true).is_empty());
    assert_eq!(holds.len(), 0);
}

#[test]
fn the_journal_says_what_is_open() {
    let store = Memory::new();
    let mut holds = Holds::default();
    for number in 0..4 {
        holds.open(Box::new(hold(number)));
    }
    holds.advance(id(0), 1);
    let writes = written(&mut holds, false);
    assert_eq!(writes.len(), 1, "one value for all");
    store.commit(writes).unwrap();

    holds.close(id(1));
    holds.advance(id(2), 7);
    holds.advance(id(2), 9);
    // The upstream changes: told again, and its progress kept.
    let mut again = hold(2);
    again.upstream = "other".into();
    holds.open(Box::new(again));
    store.commit(written(&mut holds, false)).unwrap();
    assert!(!holds.has_advanced() || written(&mut holds, false).is_empty());
    holds.advance(id(3), 11);
    store.commit(written(&mut holds, true)).unwrap();
    assert!(!holds.has_advanced());

    let orphans = Holds::load(&store).unwrap().orphans();
    let found: Vec<_> = orphans
        .iter()
        .map(|orphan| {
            (
                number(orphan.hold.id),
                orphan.output,
                orphan.hold.upstream.to_string(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (0, Some(1), "gpu".to_owned()),
            (2, Some(9), "other".to_owned()),
            (3, Some(11), "gpu".to_owned())
        ]
    );
    assert_eq!(orphans[0].hold, hold(0));
}

#[test]
fn the_journal_does_not_grow_without_end() {
    let store = Memory::new();
    let mut holds = Holds::default();
    holds.open(Box::new(hold(1 << 32)));
    let mut longest = 0;
    for round in 0..400 {
        for number in 0..100 {
            holds.open(Box::new(hold(round * 100 + number)));
            if round > 0 {
                holds.close(id((round - 1) * 100 + number));
            }
        }
        store.commit(written(&mut holds, true)).unwrap();
        let mut bytes = 0;
        store
            .scan(Table::Holds, &[], None, &mut |_, value| {
                bytes += value.len();
                ControlFlow::Continue(())
            })
            .unwrap();
        longest = longest.max(bytes);
    }
    assert!(longest < 300 << 10, "{longest} bytes");
    let again = Holds::load(&store).unwrap();
    assert_eq!(again.len(), 101);
    assert_eq!(again.orphans().len(), holds.orphans().len());
}

#[test]
fn what_a_process_leaves_open_is_settled_at_the_next_start() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut journal = Holds::default();
    for number in 0..10_000 {
        journal.open(Box::new(hold(number)));
        if number % 2 == 0 {
            journal.advance(id(number), 8);
        }
    }
    store.commit(written(&mut journal, true)).unwrap();

    drop(open(store.clone(), Settings::default()));
    let rows = checked_rows(&*store);
    assert_eq!(rows.len(), 10_000);
    for (number, row) in &rows {
        assert_eq!(row.end, End::Orphaned);
        assert!(row.estimated);
        let output = if number % 2 == 0 { 8 } else { 0 };
        assert_eq!((row.usage.input(), row.usage.output), (42, output));
        assert_eq!(row.cost, Money::from_nanos(42 + output as i64));
        assert_eq!(row.charges[0].purse.as_ref(), "account/tenant-1");
        assert_eq!(row.who, who(*number));
    }
    drop(open(store.clone(), Settings::default()));
    assert_eq!(checked_rows(&*store), rows, "settled a second time");
}
