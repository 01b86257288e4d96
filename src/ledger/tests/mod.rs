//! The ledger as its users see it.

mod codec;
mod crash;
mod journal;
mod trouble;
mod writing;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::totals::{Day, PurseSum, UsageKey, UsageSum, day_of, scan_purses, scan_usage};
use super::*;
use crate::store::Store;
use crate::terms::Money;
use crate::wire::Usage;

/// 2026-07-31 23:59:50 UTC and so many milliseconds.
fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_785_542_390_000 + milliseconds)
}

fn id(number: u64) -> ExchangeId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

fn number(id: ExchangeId) -> u64 {
    u64::from_be_bytes(id[8..].try_into().unwrap())
}

fn who(number: u64) -> Arc<Who> {
    Arc::new(Who {
        tenant: format!("tenant-{}", number % 3).into(),
        user: number.is_multiple_of(2).then(|| "joe".into()),
        key_id: Some(format!("key{:09}", number % 5).into()),
        key_label: Some("laptop".into()),
        ..Who::default()
    })
}

fn row(number: u64) -> Row {
    Row {
        id: id(number),
        client_request_id: None,
        at: at(number),
        who: who(number),
        dialect: "chat".into(),
        operation: "chat".into(),
        model: "llama".into(),
        upstream: "gpu".into(),
        upstream_model: "meta/llama".into(),
        upstream_key_label: None,
        attempts: 1,
        status: 200,
        fault: None,
        stream: false,
        end: End::Complete,
        usage: Usage {
            input_uncached: 10 + number % 7,
            output: number % 100,
            ..Usage::default()
        },
        estimated: number.is_multiple_of(4),
        priced: true,
        cost: Money::from_nanos(1_000 + number as i64),
        charges: vec![Charge {
            purse: format!("account/tenant-{}", number % 3).into(),
            money: Money::from_nanos(1_000 + number as i64),
            tokens: 10,
        }],
        duration_ms: 12,
        first_byte_ms: Some(3),
    }
}

fn hold(number: u64) -> Hold {
    Hold {
        id: id(number),
        at: at(number),
        who: who(number),
        dialect: "chat".into(),
        operation: "chat".into(),
        model: "llama".into(),
        upstream: "gpu".into(),
        upstream_model: "meta/llama".into(),
        stream: true,
        reserved: Money::from_nanos(5_000),
        input_estimate: 42,
        purses: vec!["account/tenant-1".into()],
    }
}

/// One nano a token.
fn charge(orphan: &Orphan) -> Charged {
    let usage = orphan.usage();
    let cost = Money::from_nanos((usage.input() + usage.output) as i64);
    let charged = |purse: &Arc<str>| Charge {
        purse: purse.clone(),
        money: cost,
        tokens: usage.output,
    };
    Charged {
        cost,
        priced: true,
        charges: orphan.hold.purses.iter().map(charged).collect(),
    }
}

fn open(store: Arc<dyn Store>, settings: Settings) -> Ledger {
    Ledger::open(store, settings, Arc::new(SystemTime::now), &mut charge).unwrap()
}

fn flushed(ledger: &Ledger) -> Result<(), LedgerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(ledger.flush())
}

fn rows(store: &dyn Store) -> Vec<Row> {
    let mut rows = Vec::new();
    let end = SystemTime::now() + Duration::from_secs(86_400 * 365 * 10);
    let mut visit = |row| {
        rows.push(row);
        ControlFlow::Continue(())
    };
    scan_rows(store, UNIX_EPOCH, end, &mut visit).unwrap();
    rows
}

type Sums = (
    BTreeMap<UsageKey, UsageSum>,
    BTreeMap<(String, Day), PurseSum>,
);

fn kept_sums(store: &dyn Store) -> Sums {
    let (mut usage, mut purses) = (BTreeMap::new(), BTreeMap::new());
    scan_usage(store, 0, Day::MAX, None, &mut |key, sum| {
        usage.insert(key, sum);
        ControlFlow::Continue(())
    })
    .unwrap();
    scan_purses(store, &mut |purse, day, sum| {
        purses.insert((purse.to_owned(), day), sum);
        ControlFlow::Continue(())
    })
    .unwrap();
    (usage, purses)
}

fn sums_of(rows: &[Row]) -> Sums {
    let (mut usage, mut purses) = (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        let sum: &mut UsageSum = usage.entry(UsageKey::of(row)).or_default();
        sum.add(row);
        for charge in &row.charges {
            let key = (charge.purse.as_ref().to_owned(), day_of(row.at));
            let sum: &mut PurseSum = purses.entry(key).or_default();
            sum.add(charge);
        }
    }
    (usage, purses)
}

/// The rows, each once, and sums that are theirs.
fn checked_rows(store: &dyn Store) -> BTreeMap<u64, Row> {
    let rows = rows(store);
    assert!(kept_sums(store) == sums_of(&rows), "sums differ from rows");
    let count = rows.len();
    let by_number: BTreeMap<u64, Row> = rows.into_iter().map(|row| (number(row.id), row)).collect();
    assert_eq!(by_number.len(), count, "an exchange has two rows");
    by_number
}
