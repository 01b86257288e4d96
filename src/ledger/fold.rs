//! Rows of one piece of the log on their way into the tables: blocks of them, and the sums that they change.
//!
//! It takes many commits, small ones: a large one would take the embedded store's memory. Cut short and begun again, from the same piece of the log, it comes to the same:
//! the same rows make the same blocks under the same keys, each sum says which pieces it has, and the last commit says that the whole piece is in the tables.

use std::sync::Arc;

use super::codec::Block;
use super::hash::QuickMap;
use super::row::Row;
use super::totals::{Day, PurseSum, Sum, UsageKey, UsageSum, added_to, day_of, purse_key};
use crate::store::{Store, StoreError, Table, Write};

/// Where the number of the first piece of the log lies that the tables do not have.
const LOG_FROM: &[u8] = b"ledger_log_from";
/// Writes in one commit; few in tests, so that what takes many is cut short there too.
const COMMIT_WRITES: usize = if cfg!(test) { 4 } else { 256 };
/// Memory for an entry in a map of sums and for a row in a block, about, in bytes.
const SUM_BYTES: usize = 300;
const ROW_BYTES: usize = 80;

/// What a row may come to take here, about: every sum that it adds to may be new. In bytes.
pub(super) fn bytes_most(row: &Row) -> usize {
    ROW_BYTES + (1 + row.charges.len()) * SUM_BYTES
}

/// Rows that are not in the tables yet.
#[derive(Debug, Default)]
pub(super) struct Fold {
    /// Keys and values of the full blocks.
    full: Vec<(Vec<u8>, Vec<u8>)>,
    block: Option<Block>,
    usage: QuickMap<UsageKey, UsageSum>,
    purses: QuickMap<(Day, Arc<str>), PurseSum>,
    pub rows: u64,
    /// Memory that it takes, about.
    pub bytes: usize,
}

/// The first piece of the log that the tables do not have.
///
/// # Errors
/// Where the store cannot be read.
pub(super) fn log_from(store: &dyn Store) -> Result<u64, StoreError> {
    let value = store.get(Table::Meta, LOG_FROM)?;
    let number = value.and_then(|value| Some(u64::from_be_bytes(value.try_into().ok()?)));
    Ok(number.unwrap_or(0))
}

impl Fold {
    /// Adds the rows of one record: all of them at once, for they are sorted here.
    pub fn add<R: AsRef<Row>>(&mut self, rows: &mut [R]) {
        rows.sort_by_key(|row| row.as_ref().at);
        for row in rows {
            self.add_row(row.as_ref());
        }
    }

    fn add_row(&mut self, row: &Row) {
        match &mut self.block {
            Some(block) if block.takes(row) => block.push(row),
            block => {
                let full = block.replace(Block::begin(row));
                self.full.extend(full.map(|full| full.entry()));
            }
        }
        let before = self.usage.len() + self.purses.len();
        self.usage.entry(UsageKey::of(row)).or_default().add(row);
        let day = day_of(row.at);
        for charge in &row.charges {
            let key = (day, charge.purse.clone());
            self.purses.entry(key).or_default().add(charge);
        }
        self.rows += 1;
        let sums = self.usage.len() + self.purses.len() - before;
        self.bytes += ROW_BYTES + sums * SUM_BYTES;
    }

    /// Brings it all into the tables, which have the log up to this piece then. Nothing happens where they have it already.
    ///
    /// # Errors
    /// Where the store cannot be read or written. It is to be tried again.
    pub fn write(&self, store: &dyn Store, log_end: u64) -> Result<(), StoreError> {
        if log_from(store)? >= log_end {
            return Ok(());
        }
        let mut commit = Commit {
            store,
            writes: Vec::new(),
        };
        let last = self.block.as_ref().map(Block::entry);
        for (key, value) in self.full.iter().chain(&last) {
            commit.push(Write::put(Table::Rows, key.clone(), value.clone()))?;
        }
        // In order of keys, which the embedded store likes.
        let mut usage: Vec<_> = self.usage.iter().collect();
        usage.sort_unstable_by_key(|(key, _)| *key);
        for (key, added) in usage {
            commit.add(key.encoded(), added, log_end)?;
        }
        let mut purses: Vec<_> = self.purses.iter().collect();
        purses.sort_unstable_by_key(|((day, purse), _)| (purse, day));
        for ((day, purse), added) in purses {
            commit.add(purse_key(purse, *day), added, log_end)?;
        }
        commit
            .writes
            .push(Write::put(Table::Meta, LOG_FROM, log_end.to_be_bytes()));
        store.commit(commit.writes)
    }
}

struct Commit<'a> {
    store: &'a dyn Store,
    writes: Vec<Write>,
}

impl Commit<'_> {
    fn push(&mut self, write: Write) -> Result<(), StoreError> {
        self.writes.push(write);
        if self.writes.len() < COMMIT_WRITES {
            return Ok(());
        }
        self.store.commit(std::mem::take(&mut self.writes))
    }

    fn add<S: Sum>(&mut self, key: Vec<u8>, added: &S, log_end: u64) -> Result<(), StoreError> {
        let value = self.store.get(Table::Totals, &key)?;
        let sum = added_to(value.as_deref(), added, log_end).or_else(|error| {
            tracing::error!(key = ?key, error = error.0, "a sum of the ledger cannot be read; it begins anew");
            added_to(None, added, log_end)
        });
        match sum {
            Ok(Some(sum)) => self.push(Write::put(Table::Totals, key, sum)),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}
