//! What one commit writes: blocks of rows, the sums that they change, the journal of holds. All of it absolute, so that a commit that is tried again changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bytes::DecodeError;
use super::codec::Block;
use super::holds::Holds;
use super::queue::Item;
use super::row::Row;
use super::totals::{PurseSum, UsageKey, UsageSum, day_of, purse_key};
use crate::store::{Store, StoreError, Table, Write};

/// Sums that are kept in memory after a commit; more are read from the store again.
const SUMS_KEPT: usize = 20_000;

/// The ledger as it will be once everything that was taken in has been committed. Belongs to the one writer.
pub(super) struct Books {
    store: Arc<dyn Store>,
    pub holds: Holds,
    progress_every: Duration,
    progress_written: Instant,
    block: Option<Block>,
    usage: HashMap<Vec<u8>, UsageSum>,
    purses: HashMap<Vec<u8>, PurseSum>,
}

impl Books {
    pub fn load(
        store: Arc<dyn Store>,
        progress_every: Duration,
        now: Instant,
    ) -> Result<Books, StoreError> {
        let holds = Holds::load(&*store)?;
        Ok(Books {
            store,
            holds,
            progress_every,
            progress_written: now,
            block: None,
            usage: HashMap::new(),
            purses: HashMap::new(),
        })
    }

    /// When progress that nobody has written yet is to be written.
    pub fn progress_due(&self) -> Instant {
        self.progress_written + self.progress_every
    }

    /// Takes items in and says what to write for them. Nothing is to be taken in again before that has been committed.
    ///
    /// # Errors
    /// Where the store cannot be read; nothing has been taken in then.
    pub fn take_in(
        &mut self,
        items: &mut Vec<Item>,
        now: Instant,
    ) -> Result<Vec<Write>, StoreError> {
        self.fetch_sums(items)?;
        let mut rows = Vec::new();
        for item in items.drain(..) {
            match item {
                Item::Hold(hold) => self.holds.open(hold),
                Item::Progress { id, output } => self.holds.advance(id, output),
                Item::Release(id) => self.holds.close(id),
                Item::Row(row) => {
                    self.holds.close(row.id);
                    rows.push(row);
                }
            }
        }
        let mut writes = Vec::new();
        self.write_rows(rows, &mut writes);
        let is_progress_due = self.holds.has_advanced() && now >= self.progress_due();
        if is_progress_due {
            self.progress_written = now;
        }
        self.holds.write(is_progress_due, &mut writes);
        Ok(writes)
    }

    /// To be called after each commit that succeeded.
    pub fn committed(&mut self) {
        if self.usage.len() + self.purses.len() > SUMS_KEPT {
            self.usage = HashMap::new();
            self.purses = HashMap::new();
        }
    }

    /// To be called when somebody else has changed sums.
    pub fn forget_sums(&mut self) {
        self.usage = HashMap::new();
        self.purses = HashMap::new();
    }

    /// Sums of which rows are about to change are read where they are not known.
    fn fetch_sums(&mut self, items: &[Item]) -> Result<(), StoreError> {
        for item in items {
            let Item::Row(row) = item else { continue };
            fetch(
                &*self.store,
                &mut self.usage,
                usage_key(row),
                UsageSum::decoded,
            )?;
            for charge in &row.charges {
                let key = purse_key(&charge.purse, day_of(row.at));
                fetch(&*self.store, &mut self.purses, key, PurseSum::decoded)?;
            }
        }
        Ok(())
    }

    // They come boxed out of the queue; a row is large, and sorting would move it about.
    #[expect(clippy::vec_box)]
    fn write_rows(&mut self, mut rows: Vec<Box<Row>>, writes: &mut Vec<Write>) {
        rows.sort_by_key(|row| row.at);
        let (mut usage, mut purses) = (HashSet::new(), HashSet::new());
        for row in &rows {
            self.push(row, writes);
            let key = usage_key(row);
            self.usage.entry(key.clone()).or_default().add(row);
            usage.insert(key);
            for charge in &row.charges {
                let key = purse_key(&charge.purse, day_of(row.at));
                self.purses.entry(key.clone()).or_default().add(charge);
                purses.insert(key);
            }
        }
        if !rows.is_empty() {
            writes.extend(self.block.as_ref().map(write_block));
        }
        writes.extend(usage.into_iter().filter_map(|key| {
            let value = self.usage.get(&key)?.encoded();
            Some(Write::put(Table::Totals, key, value))
        }));
        writes.extend(purses.into_iter().filter_map(|key| {
            let value = self.purses.get(&key)?.encoded();
            Some(Write::put(Table::Totals, key, value))
        }));
    }

    /// Adds a row to the block, or begins another one with it.
    fn push(&mut self, row: &Row, writes: &mut Vec<Write>) {
        match &mut self.block {
            Some(block) if block.takes(row) => block.push(row),
            block => {
                writes.extend(block.as_ref().map(write_block));
                *block = Some(Block::begin(row));
            }
        }
    }
}

fn usage_key(row: &Row) -> Vec<u8> {
    UsageKey::of(row).encoded()
}

fn write_block(block: &Block) -> Write {
    let (key, value) = block.entry();
    Write::put(Table::Rows, key, value)
}

fn fetch<T: Default>(
    store: &dyn Store,
    known: &mut HashMap<Vec<u8>, T>,
    key: Vec<u8>,
    decoded: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<(), StoreError> {
    if known.contains_key(&key) {
        return Ok(());
    }
    let stored = store.get(Table::Totals, &key)?;
    let sum = stored.map_or_else(|| Ok(T::default()), |value| decoded(&value));
    let sum = sum.unwrap_or_else(|error| {
        tracing::error!(key = ?key, error = error.0, "a sum of the ledger cannot be read; it begins anew");
        T::default()
    });
    known.insert(key, sum);
    Ok(())
}
