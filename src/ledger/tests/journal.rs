//! Holds, and what the log says of them: one that is settled in time costs nothing, one that is left is settled at the next start, once.

use super::super::holds::Holds;
use super::super::record::{Event, RecordWriter, read_record, record_number};
use super::*;
use crate::store::Memory;

/// What a record tells, in short.
fn told(record: RecordWriter) -> Vec<String> {
    let mut told = Vec::new();
    read_record(&record.bytes(), &mut |event| {
        told.push(match event {
            Event::Opened(hold, output) => {
                format!("{} opened {} {output:?}", number(hold.id), hold.upstream)
            }
            Event::Advanced(id, output) => format!("{} advanced {output}", number(id)),
            Event::Released(id) => format!("{} released", number(id)),
            Event::Settled(row) => format!("{} settled", number(row.id)),
        });
    })
    .unwrap();
    told
}

fn tell(holds: &mut Holds, is_progress_due: bool) -> Vec<String> {
    let mut record = RecordWriter::begin(7);
    holds.tell(is_progress_due, &mut record);
    told(record)
}

#[test]
fn what_is_settled_before_it_is_written_is_never_written() {
    let mut holds = Holds::default();
    for number in 0..100 {
        holds.open(Box::new(hold(number)));
        holds.advance(id(number), 5);
        if number % 2 == 0 {
            holds.settle(id(number));
        } else {
            holds.release(id(number));
        }
    }
    holds.release(id(1_000));
    holds.settle(id(1_001));
    holds.advance(id(1_002), 3);
    assert!(tell(&mut holds, true).is_empty());
    assert_eq!(holds.len(), 0);
}

#[test]
fn what_has_changed_is_told_once() {
    let mut holds = Holds::default();
    for number in 0..4 {
        holds.open(Box::new(hold(number)));
    }
    holds.advance(id(0), 1);
    assert_eq!(
        tell(&mut holds, false),
        [
            "0 opened gpu Some(1)",
            "1 opened gpu None",
            "2 opened gpu None",
            "3 opened gpu None"
        ]
    );
    assert!(tell(&mut holds, true).is_empty());

    holds.release(id(1));
    holds.advance(id(2), 7);
    holds.advance(id(2), 9);
    holds.settle(id(3));
    // The upstream changes: told again, and its progress kept.
    let mut again = hold(0);
    again.upstream = "other".into();
    holds.open(Box::new(again));
    assert_eq!(
        tell(&mut holds, false),
        ["0 opened other Some(1)", "1 released"]
    );
    assert!(holds.has_advanced());
    assert_eq!(tell(&mut holds, true), ["2 advanced 9"]);
    assert!(!holds.has_advanced());

    let mut record = RecordWriter::begin(8);
    holds.tell_all(&mut record);
    let mut all = told(record);
    all.sort();
    assert_eq!(all, ["0 opened other Some(1)", "2 opened gpu Some(9)"]);
}

#[test]
fn a_record_comes_back_as_it_was() {
    let mut record = RecordWriter::begin(99);
    assert!(record.is_empty());
    record.opened(&hold(1), Some(0));
    record.settled(&row(2));
    record.settled(&row(2));
    record.opened(&hold(3), None);
    let bytes = record.bytes();
    assert_eq!(record_number(&bytes), Ok(99));
    let mut events = Vec::new();
    read_record(&bytes, &mut |event| events.push(event)).unwrap();
    let [
        Event::Opened(first, Some(0)),
        Event::Settled(second),
        Event::Settled(third),
        Event::Opened(fourth, None),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((&**first, &**fourth), (&hold(1), &hold(3)));
    assert_eq!((&**second, &**third), (&row(2), &row(2)));
    for cut in 3..bytes.len() {
        let mut whole = 0;
        let read = read_record(&bytes[..cut], &mut |_| whole += 1);
        assert!(read.is_err() || whole < 4, "cut at {cut}");
    }
}

#[test]
fn what_a_process_leaves_open_is_settled_at_the_next_start() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let log = store.log();
    log.begin(3).unwrap();
    let mut holds = Holds::default();
    for number in 0..10_000 {
        holds.open(Box::new(hold(number)));
    }
    let mut record = RecordWriter::begin(0);
    holds.tell(false, &mut record);
    let record = record.bytes();
    log.add(&record).unwrap();
    for number in (0..10_000).step_by(2) {
        holds.advance(id(number), 8);
    }
    holds.release(id(1));
    let mut second = RecordWriter::begin(1);
    second.settled(&row(0));
    holds.settle(id(0));
    holds.tell(true, &mut second);
    let second = second.bytes();
    // As after a failure that was none, twice.
    log.add(&second).unwrap();
    log.add(&second).unwrap();

    drop(open(store.clone(), Settings::default()));
    let rows = checked_rows(&*store);
    assert_eq!(rows.len(), 9_999);
    assert_eq!(rows[&0], row(0));
    for (number, row) in rows.iter().skip(1) {
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
