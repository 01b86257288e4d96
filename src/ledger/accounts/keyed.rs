//! Idempotency: the same request under the same key is answered as the first time and does nothing.
//! It must not know what requests do. Keys are kept for [`KEY_DAYS`] at least, and at most [`KEYS_MAX`] at a time.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::entry::Entered;
use super::{json, keys};
use crate::ledger::query::moment;
use crate::store::{Store, StoreError, Table, Write};

/// Days for which a key is kept.
pub const KEY_DAYS: u64 = 30;
/// Keys that are kept at once. While there are as many, requests with new keys are refused.
pub const KEYS_MAX: u64 = 1_000_000;
/// Where their number stands in the table of the store's own facts.
const COUNT: &[u8] = b"account_entry_keys";

/// What a key was used for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Used {
    #[serde(with = "moment::as_text")]
    pub at: SystemTime,
    /// The request, in one form for all ways to write it.
    pub request: String,
    pub answer: Entered,
}

/// What the key was used for, if it was.
pub(super) fn find(
    store: &dyn Store,
    account: &str,
    key: &str,
) -> Result<Option<Used>, StoreError> {
    let place = keys::idempotency(account, key);
    let value = store.get(Table::Entries, &place)?;
    Ok(value.and_then(|value| super::decoded(&place, &value)))
}

pub(super) fn count(store: &dyn Store) -> Result<u64, StoreError> {
    let value = store.get(Table::Meta, COUNT)?;
    let number = value.and_then(|value| Some(u64::from_be_bytes(value.try_into().ok()?)));
    Ok(number.unwrap_or(0))
}

/// Keeps a key; `count` is how many there are before.
pub(super) fn keep(account: &str, key: &str, used: &Used, count: u64) -> Vec<Write> {
    let place = keys::idempotency(account, key);
    vec![
        Write::put(Table::Entries, keys::age(used.at, &place), Vec::new()),
        Write::put(Table::Entries, place, json(used)),
        put_count(count + 1),
    ]
}

/// Forgets keys that are old enough, at most `max` of them; says how many it found. To be done by the thread that writes,
/// and again while it finds `max`.
///
/// # Errors
/// Where the store cannot be read.
pub fn sweep(
    store: &dyn Store,
    now: SystemTime,
    max: usize,
) -> Result<(usize, Vec<Write>), StoreError> {
    let oldest = now
        .checked_sub(Duration::from_secs(KEY_DAYS * 86_400))
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let from = keys::ages_before(SystemTime::UNIX_EPOCH);
    let to = keys::ages_before(oldest);
    let mut writes = Vec::new();
    let mut found = 0;
    store.scan(Table::Entries, &from, Some(&to), &mut |age, _| {
        if found == max {
            return ControlFlow::Break(());
        }
        found += 1;
        writes.push(Write::delete(Table::Entries, age));
        if let Some(place) = keys::aged(age) {
            writes.push(Write::delete(Table::Entries, place));
        }
        ControlFlow::Continue(())
    })?;
    if found > 0 {
        let gone = u64::try_from(found).unwrap_or(u64::MAX);
        writes.push(put_count(count(store)?.saturating_sub(gone)));
    }
    Ok((found, writes))
}

fn put_count(count: u64) -> Write {
    Write::put(Table::Meta, COUNT, count.to_be_bytes())
}
