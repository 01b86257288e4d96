//! Rows for tests, and a store that has them as the writer would have left them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::moment;
use crate::ledger::codec::Block;
use crate::ledger::row::{End, Row, Who};
use crate::ledger::totals::{UsageKey, UsageSum};
use crate::store::{Memory, Store, Table, Write};
use crate::terms::Money;
use crate::wire::Usage;

pub fn at(text: &str) -> SystemTime {
    moment::parse(text).unwrap()
}

/// A row of a tenant; everything else about it follows from its number.
pub fn row(number: u8, tenant: &str, time: &str) -> Row {
    let tags = BTreeMap::from([("team".to_owned(), format!("t{}", number % 2))]);
    let who = Who {
        tenant: tenant.into(),
        project: (number.is_multiple_of(3)).then(|| "search".into()),
        user: Some(format!("u{}", number % 4).into()),
        key_id: Some("ab12cd34ef56".into()),
        key_label: Some("laptop".into()),
        tags,
    };
    let is_good = !number.is_multiple_of(5);
    Row {
        id: [number; 16],
        client_request_id: None,
        at: at(time),
        who: Arc::new(who),
        dialect: "openai".into(),
        operation: if number.is_multiple_of(7) {
            "embeddings"
        } else {
            "chat"
        }
        .into(),
        model: format!("m{}", number % 3).into(),
        upstream: "here".into(),
        upstream_model: format!("real-m{}", number % 3).into(),
        upstream_key_label: None,
        attempts: 1,
        status: if is_good { 200 } else { 502 },
        fault: (!is_good).then(|| "upstream_closed".into()),
        stream: true,
        end: if is_good { End::Complete } else { End::Failed },
        usage: Usage {
            input_uncached: 10 * u64::from(number),
            cache_read: 3,
            cache_write: 2,
            output: u64::from(number),
            reasoning: 1,
            ..Usage::default()
        },
        estimated: number.is_multiple_of(4),
        priced: true,
        cost: Money::from_nanos(i64::from(number) * 1_000),
        charges: Vec::new(),
        duration_ms: 1_500,
        first_byte_ms: Some(200),
    }
}

/// Two hundred rows of two tenants and of none, over ten days, two hours apart in turn.
pub fn rows() -> Vec<Row> {
    let tenants = ["acme", "beta", ""];
    let rows = (0..200_u8).map(|number| {
        let tenant = tenants[usize::from(number) % tenants.len()];
        let mut row = row(number, tenant, "2027-01-10T00:30:00Z");
        row.at += Duration::from_secs(u64::from(number) * 4_320);
        row
    });
    rows.collect()
}

/// A store with these rows in blocks of three, and their totals.
pub fn store(rows: &[Row]) -> Memory {
    let store = Memory::new();
    let mut sums: BTreeMap<UsageKey, UsageSum> = BTreeMap::new();
    let mut writes = Vec::new();
    for three in rows.chunks(3) {
        let mut block = Block::begin(&three[0]);
        for row in &three[1..] {
            if block.takes(row) {
                block.push(row);
            } else {
                writes.push(put(&block));
                block = Block::begin(row);
            }
        }
        writes.push(put(&block));
    }
    for row in rows {
        sums.entry(UsageKey::of(row)).or_default().add(row);
    }
    let sums = sums.iter();
    writes.extend(sums.map(|(key, sum)| Write::put(Table::Totals, key.encoded(), sum.encoded())));
    store.commit(writes).unwrap();
    store
}

fn put(block: &Block) -> Write {
    let (key, value) = block.entry();
    Write::put(Table::Rows, key, value)
}
