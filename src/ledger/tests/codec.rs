//! What is written is read again, whatever it is; what was never written is refused, and nothing worse.

use std::ops::ControlFlow;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::super::codec::{Block, read_block};
use super::*;
use crate::store::{Memory, Table, Write};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,2}", "\\PC{0,40}"]
}

fn shared() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

prop_compose! {
    fn any_who()(
        tenant in shared(),
        project in option::of(shared()),
        user in option::of(shared()),
        key_id in option::of(shared()),
        key_label in option::of(shared()),
        tags in btree_map(text(), text(), 0..4),
    ) -> Arc<Who> {
        Arc::new(Who { tenant, project, user, key_id, key_label, tags })
    }
}

prop_compose! {
    fn any_charge()(purse in shared(), money in any::<i64>(), tokens in any::<u64>()) -> Charge {
        Charge { purse, money: Money::from_nanos(money), tokens }
    }
}

prop_compose! {
    fn any_usage()(counts in any::<[u64; 5]>()) -> Usage {
        let [input_uncached, cache_read, cache_write, output, reasoning] = counts;
        Usage { input_uncached, cache_read, cache_write, output, reasoning, ..Usage::default() }
    }
}

prop_compose! {
    fn any_row()(
        (id, client_request_id, at, who) in (any::<[u8; 16]>(), option::of(text()), 0..20_000_000u64, any_who()),
        (dialect, operation, fault) in (text(), text(), option::of(text())),
        (model, upstream, upstream_model, key) in (shared(), shared(), shared(), option::of(shared())),
        (attempts, status, duration_ms, first_byte) in (any::<u32>(), any::<u16>(), any::<u32>(), option::of(0..u32::MAX)),
        (stream, estimated, priced) in any::<(bool, bool, bool)>(),
        end in prop::sample::select(End::ALL.to_vec()),
        usage in any_usage(),
        cost in any::<i64>(),
        charges in vec(any_charge(), 0..4),
    ) -> Row {
        Row {
            id,
            client_request_id: client_request_id.map(Into::into),
            at: time_of(at),
            who,
            dialect: dialect.into(),
            operation: operation.into(),
            model,
            upstream,
            upstream_model,
            upstream_key_label: key,
            attempts,
            status,
            fault: fault.map(Into::into),
            stream,
            end,
            usage,
            estimated,
            priced,
            cost: Money::from_nanos(cost),
            charges,
            duration_ms,
            first_byte_ms: first_byte,
        }
    }
}

fn read(key: &[u8], value: &[u8]) -> Result<Vec<Row>, DecodeError> {
    let mut rows = Vec::new();
    let visited = read_block(key, value, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    });
    visited.map(|_| rows)
}

proptest! {
    #[test]
    fn rows_come_back_as_they_were(mut written in vec(any_row(), 1..8)) {
        let first = written[0].at;
        for row in &mut written {
            row.at = row.at.max(first);
        }
        let mut block = Block::begin(&written[0]);
        for row in &written[1..] {
            block.push(row);
        }
        let (key, value) = block.entry();
        prop_assert_eq!(read(&key, &value).unwrap(), written);
    }

    #[test]
    fn what_breaks_off_is_refused(row in any_row(), cut in any::<prop::sample::Index>()) {
        let (key, value) = Block::begin(&row).entry();
        let cut = 2 + cut.index(value.len() - 2);
        prop_assert!(read(&key, &value[..cut]).is_err());
    }

    #[test]
    fn anything_else_is_read_or_refused(value in vec(any::<u8>(), 0..200), key in vec(any::<u8>(), 0..30)) {
        let _ = read(&key, &value);
        let mut versioned = vec![1];
        versioned.extend(value);
        let _ = read(&[0; 24], &versioned);
        let _ = UsageSum::decoded(&versioned);
        let _ = PurseSum::decoded(&versioned);
    }

    #[test]
    fn sums_come_back_as_they_were(numbers in any::<[u64; 5]>(), usage in any_usage(), money in any::<i64>()) {
        let [exchanges, incomplete, estimated, unpriced, duration_ms] = numbers;
        let cost = Money::from_nanos(money);
        let sum = UsageSum { exchanges, incomplete, estimated, unpriced, usage, cost, duration_ms };
        prop_assert_eq!(UsageSum::decoded(&sum.encoded()).unwrap(), sum);
        let sum = PurseSum { exchanges, money: cost, tokens: incomplete };
        prop_assert_eq!(PurseSum::decoded(&sum.encoded()).unwrap(), sum);
    }
}

#[test]
fn a_row_is_small() {
    let mut block = Block::begin(&row(1));
    let mut count = 1;
    while block.takes(&row(count + 1)) {
        count += 1;
        block.push(&row(count));
    }
    let bytes = block.entry().1.len() as u64 / count;
    assert!(bytes < 75, "{bytes} bytes a row, {count} rows a block");
}

#[test]
fn the_longest_row_is_short_enough_for_a_value() {
    let long = |number: usize| format!("{number}{}", "x".repeat(5000));
    let mut longest = row(1);
    longest.client_request_id = Some(long(1).into());
    longest.model = long(2).into();
    longest.upstream = long(3).into();
    longest.upstream_model = long(4).into();
    longest.who = Arc::new(Who {
        tenant: long(5).into(),
        tags: (0..100).map(|tag| (long(tag), long(tag + 500))).collect(),
        ..Who::default()
    });
    longest.charges = (0..100)
        .map(|purse| Charge {
            purse: long(purse + 1000).into(),
            money: Money::MAX,
            tokens: u64::MAX,
        })
        .collect();
    let (key, value) = Block::begin(&longest).entry();
    // A block that is almost full may get it besides.
    assert!(
        value.len() < crate::store::VALUE_BYTES_MAX - 4096,
        "{}",
        value.len()
    );
    assert_eq!(read(&key, &value).unwrap()[0].cost, longest.cost);
}

#[test]
fn rows_are_found_by_time_and_broken_blocks_left_out() {
    let store = Memory::new();
    let mut writes = Vec::new();
    for first in [0, 5_000, 9_999, 20_000] {
        let mut block = Block::begin(&row(first));
        for later in [1, 3_000, 9_000] {
            assert!(block.takes(&row(first + later)));
            block.push(&row(first + later));
        }
        assert!(!block.takes(&row(first + 10_000)));
        assert!(first == 0 || !block.takes(&row(first - 1)));
        let (key, value) = block.entry();
        writes.push(Write::put(Table::Rows, key, value));
    }
    writes.push(Write::put(Table::Rows, *b"short", *b"?"));
    writes.push(Write::put(Table::Rows, at_key(4_000), [9, 9, 9]));
    store.commit(writes).unwrap();
    let mut found = Vec::new();
    scan_rows(&store, at(5_000), at(14_000), &mut |row| {
        found.push(number(row.id));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(found, [9_000, 5_000, 5_001, 8_000, 9_999, 10_000, 12_999]);
}

fn at_key(milliseconds: u64) -> Vec<u8> {
    let mut key = micros_of(at(milliseconds)).to_be_bytes().to_vec();
    key.extend([0; 16]);
    key
}

#[test]
fn usage_is_found_by_day_and_tenant() {
    let store = Memory::new();
    let mut writes = Vec::new();
    for (number, tenant) in [(1, "a"), (2, "ab"), (20_000, "a"), (3, "b"), (4, "")] {
        let mut one = row(number);
        one.who = Arc::new(Who {
            tenant: tenant.into(),
            ..Who::default()
        });
        let mut sum = UsageSum::default();
        sum.add(&one);
        let key = UsageKey::of(&one).encoded();
        writes.push(Write::put(Table::Totals, key, sum.encoded()));
    }
    store.commit(writes).unwrap();
    let found = |from: Day, to: Day, tenant: Option<&str>| {
        let mut found = Vec::new();
        scan_usage(&store, from, to, tenant, &mut |key, sum| {
            assert_eq!(sum.exchanges, 1);
            found.push((key.day, key.tenant.to_string()));
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    };
    let first = day_of(at(0));
    assert_eq!(day_of(at(20_000)), first + 1);
    let all = found(0, Day::MAX, None);
    let named = |day: Day, tenant: &str| (day, tenant.to_owned());
    assert_eq!(
        all,
        [
            named(first, ""),
            named(first, "a"),
            named(first, "ab"),
            named(first, "b"),
            named(first + 1, "a")
        ]
    );
    assert_eq!(found(first, first + 1, None).len(), 4);
    assert_eq!(
        found(first, first + 2, Some("a")),
        [named(first, "a"), named(first + 1, "a")]
    );
    assert_eq!(found(first, first + 2, Some("")), [named(first, "")]);
}
