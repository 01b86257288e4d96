//! What is old goes in batches, what is not stays, and answers know what is gone.

use super::*;
use crate::ledger::query::sample::{at, rows, store};
use crate::ledger::query::scope::Scope;
use crate::ledger::query::{Answer, Dimension, Filter, Question, answer, each_row};
use crate::ledger::row::Row;
use crate::store::Memory;

fn sweep(store: &Memory, retention: Retention, now: SystemTime, max: usize) -> usize {
    let mut batches = 0;
    loop {
        let batch = batch(store, &retention, now, max).unwrap();
        assert!(batch.writes.len() <= max + 2, "{}", batch.writes.len());
        if batch.writes.is_empty() {
            return batches;
        }
        batches += 1;
        store.commit(batch.writes).unwrap();
        if !batch.is_full {
            return batches;
        }
    }
}

fn kept(store: &Memory) -> Vec<Row> {
    let everything = Question::new(Scope::Everything, Filter::default(), Vec::new());
    let mut kept = Vec::new();
    each_row(store, &everything, &mut |row| {
        kept.push(row.into_inner().clone());
        ControlFlow::Continue(())
    })
    .unwrap();
    kept
}

fn ask(store: &Memory, by: &str, from: Option<&str>) -> Answer {
    let filter = Filter {
        from: from.map(at),
        ..Filter::default()
    };
    let by = Dimension::parse_list(by).unwrap();
    answer(
        store,
        &Question::new(Scope::Everything, filter, by),
        at("2027-01-21"),
    )
    .unwrap()
}

#[test]
fn old_rows_go_in_batches_and_totals_stay() {
    let rows = rows();
    let store = store(&rows);
    let before = ask(&store, "day,tenant", None);
    let retention = Retention {
        rows_days: Some(5),
        totals_days: None,
    };
    let now = at("2027-01-20T12:00:00Z");
    assert!(sweep(&store, retention, now, 7) > 5);
    let kept = kept(&store);
    // Rows of one time alone make one block here: all that is older is gone, and nothing that is younger.
    let border = at("2027-01-15T12:00:00Z") - Duration::from_secs(10);
    let expected: Vec<Row> = rows
        .iter()
        .filter(|row| row.at >= border)
        .cloned()
        .collect();
    assert_eq!(kept, expected);
    assert_eq!(
        ask(&store, "day,tenant", None),
        before,
        "totals have not changed"
    );
    assert_eq!(sweep(&store, retention, now, 7), 0, "there is nothing more");

    let by_hour = ask(&store, "hour", None);
    assert!(
        by_hour
            .incomplete_before
            .is_some_and(|gone| gone <= border + Duration::from_secs(10))
    );
    assert_eq!(
        ask(&store, "hour", Some("2027-01-16")).incomplete_before,
        None
    );
}

#[test]
fn old_totals_go_by_whole_days() {
    let rows = rows();
    let store = store(&rows);
    let retention = Retention {
        rows_days: None,
        totals_days: Some(5),
    };
    sweep(&store, retention, at("2027-01-20T12:00:00Z"), 10);
    let days = ask(&store, "day", None);
    assert_eq!(days.groups[0].values, ["2027-01-15"]);
    assert_eq!(days.incomplete_before, Some(at("2027-01-15")));
    assert_eq!(
        ask(&store, "day", Some("2027-01-15")).incomplete_before,
        None
    );
    assert_eq!(kept(&store).len(), rows.len());
}

#[test]
fn what_is_to_be_kept_for_ever_is() {
    let rows = rows();
    let store = store(&rows);
    assert_eq!(sweep(&store, Retention::default(), at("2099-01-01"), 10), 0);
    let all = Retention {
        rows_days: Some(0),
        totals_days: Some(0),
    };
    sweep(&store, all, at("2099-01-01"), 10);
    assert_eq!(kept(&store), []);
    assert_eq!(ask(&store, "", None).groups, []);
}
