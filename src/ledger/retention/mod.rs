//! Forgetting: rows that are old enough are deleted in small batches, and so may be the totals of old days.
//! It must not know who decides how long things are kept. Nothing here waits or sleeps: the thread that writes asks for one
//! batch, commits it, serves others, and asks again.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use super::codec::BLOCK_MICROS;
use super::query::moment;
use super::row::{micros_of, time_of};
use super::totals::{self, UsageKey, day_of};
use crate::store::{Store, StoreError, Table, Write};

/// Blocks of rows, or totals, that one batch deletes.
pub const BATCH: usize = 256;
/// Where the time stands before which rows were deleted, in the table of the store's own facts.
const ROWS_FROM: &[u8] = b"ledger_rows_from";
/// The same for totals.
const TOTALS_FROM: &[u8] = b"ledger_totals_from";

/// How long things are kept, in days. None keeps them for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    pub rows_days: Option<u32>,
    pub totals_days: Option<u32>,
}

/// One batch of deletions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub writes: Vec<Write>,
    /// Whether there may be more to delete.
    pub is_full: bool,
}

/// The next batch of what is older than is to be kept. Empty when there is nothing more.
///
/// # Errors
/// Where the store cannot be read.
pub fn batch(
    store: &dyn Store,
    retention: &Retention,
    now: SystemTime,
    max: usize,
) -> Result<Batch, StoreError> {
    let mut writes = Vec::new();
    if let Some(days) = retention.rows_days {
        old_rows(store, days_before(now, days), max, &mut writes)?;
    }
    let left = max.saturating_sub(writes.len());
    if let Some(days) = retention.totals_days {
        old_totals(store, days_before(now, days), left, &mut writes)?;
    }
    Ok(Batch {
        is_full: writes.len() >= max,
        writes,
    })
}

/// Before this time rows were deleted; none where all are there.
///
/// # Errors
/// Where the store cannot be read.
pub fn rows_from(store: &dyn Store) -> Result<Option<SystemTime>, StoreError> {
    mark(store, ROWS_FROM)
}

/// Before this time totals were deleted; none where all are there.
///
/// # Errors
/// Where the store cannot be read.
pub fn totals_from(store: &dyn Store) -> Result<Option<SystemTime>, StoreError> {
    mark(store, TOTALS_FROM)
}

fn mark(store: &dyn Store, name: &[u8]) -> Result<Option<SystemTime>, StoreError> {
    let value = store.get(Table::Meta, name)?;
    let micros = value.and_then(|value| Some(u64::from_be_bytes(value.try_into().ok()?)));
    Ok(micros.map(time_of))
}

fn days_before(now: SystemTime, days: u32) -> SystemTime {
    let span = Duration::from_secs(u64::from(days) * 86_400);
    now.checked_sub(span).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Blocks all of whose rows are older than `before`.
fn old_rows(
    store: &dyn Store,
    before: SystemTime,
    max: usize,
    writes: &mut Vec<Write>,
) -> Result<(), StoreError> {
    // A block is named by its first row; its last may be as much later as a block lasts.
    let end = micros_of(before).saturating_sub(BLOCK_MICROS);
    let mut last = None;
    store.scan(Table::Rows, &[], Some(&end.to_be_bytes()), &mut |key, _| {
        if writes.len() == max {
            return ControlFlow::Break(());
        }
        writes.push(Write::delete(Table::Rows, key));
        last = key.first_chunk().map(|first| u64::from_be_bytes(*first));
        ControlFlow::Continue(())
    })?;
    if let Some(last) = last {
        // Said for as far as this batch goes, and in the same commit: an answer never takes what is gone for what never was.
        let from = last.saturating_add(BLOCK_MICROS);
        writes.push(Write::put(Table::Meta, ROWS_FROM, from.to_be_bytes()));
    }
    Ok(())
}

/// Totals of days that were over before `before`.
fn old_totals(
    store: &dyn Store,
    before: SystemTime,
    max: usize,
    writes: &mut Vec<Write>,
) -> Result<(), StoreError> {
    let mut last = None;
    let mut found = 0;
    totals::scan_usage(store, 0, day_of(before), None, &mut |key: UsageKey, _| {
        if found == max {
            return ControlFlow::Break(());
        }
        found += 1;
        last = Some(key.day);
        writes.push(Write::delete(Table::Totals, key.encoded()));
        ControlFlow::Continue(())
    })?;
    if let Some(last) = last {
        let from = micros_of(moment::day_start(last.saturating_add(1)));
        writes.push(Write::put(Table::Meta, TOTALS_FROM, from.to_be_bytes()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
