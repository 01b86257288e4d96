//! Walking over rows from any place among them, and the pages of a listing.
//! It must not know what the rows are wanted for.

use std::ops::ControlFlow;
use std::time::SystemTime;

use super::question::Question;
use super::scope::Visible;
use crate::ledger::codec::{BLOCK_MICROS, read_block};
use crate::ledger::row::{Row, micros_of};
use crate::store::{Store, StoreError, Table};

/// Rows that one page may have.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Rows that are looked at for one page, so that a page comes soon however few rows a filter admits.
pub const PAGE_LOOKED_MAX: usize = 200_000;
/// Longest key of a block in a cursor, in bytes.
const KEY_BYTES_MAX: usize = 64;

/// Where a row lies: the key of its block, and its number there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    block: Vec<u8>,
    row: u32,
}

impl Cursor {
    pub fn text(&self) -> String {
        let hex = |byte: &u8| format!("{byte:02x}");
        let block: String = self.block.iter().map(hex).collect();
        format!("{block}-{}", self.row)
    }

    /// # Errors
    /// What is wrong, for a sentence that begins with the value.
    pub fn parse(text: &str) -> Result<Cursor, String> {
        let read = || {
            let (block, row) = text.split_once('-')?;
            let is_hex = block.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_hex
                || block.len() % 2 != 0
                || block.is_empty()
                || block.len() > 2 * KEY_BYTES_MAX
            {
                return None;
            }
            let bytes = (0..block.len()).step_by(2);
            let bytes = bytes.map(|at| u8::from_str_radix(&block[at..at + 2], 16).ok());
            Some(Cursor {
                block: bytes.collect::<Option<Vec<u8>>>()?,
                row: row.parse().ok()?,
            })
        };
        read().ok_or_else(|| "is no cursor; take it from `next` of the page before".to_owned())
    }
}

/// What a listing shows at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// About in the order of time. There may be none though a next page has some.
    pub rows: Vec<Visible<Row>>,
    /// None at the end.
    pub next: Option<Cursor>,
}

/// One page of the rows that a question picks.
///
/// # Errors
/// Where the store cannot be read.
pub fn page(
    store: &dyn Store,
    question: &Question,
    after: Option<&Cursor>,
    rows_max: usize,
) -> Result<Page, StoreError> {
    let rows_max = rows_max.clamp(1, PAGE_ROWS_MAX);
    let mut rows = Vec::new();
    let mut looked = 0;
    let mut last = None;
    let mut is_cut = false;
    walk(store, question, after, &mut |cursor, row| {
        if rows.len() == rows_max || looked == PAGE_LOOKED_MAX {
            is_cut = true;
            return ControlFlow::Break(());
        }
        looked += 1;
        if question.picks(&row).is_some() {
            rows.extend(question.scope().see(row));
        }
        last = Some(cursor);
        ControlFlow::Continue(())
    })?;
    Ok(Page {
        rows,
        next: last.filter(|_| is_cut),
    })
}

/// Visits all rows that a question picks, one at a time.
///
/// # Errors
/// Where the store cannot be read. Rows that cannot be read are logged and left out.
pub fn each_row(
    store: &dyn Store,
    question: &Question,
    visit: &mut dyn FnMut(Visible<&Row>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    walk(
        store,
        question,
        None,
        &mut |_, row| match question.picks(&row) {
            Some(seen) => visit(seen),
            None => ControlFlow::Continue(()),
        },
    )
}

/// Visits the rows of a question's time behind a place, whether it picks them or not.
fn walk(
    store: &dyn Store,
    question: &Question,
    after: Option<&Cursor>,
    visit: &mut dyn FnMut(Cursor, Row) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let filter = question.filter();
    let bounds = (filter.from, filter.to);
    // Rows of a block are as much later than its key as a block lasts.
    let first = filter
        .from
        .map_or(0, micros_of)
        .saturating_sub(BLOCK_MICROS);
    let first = first.to_be_bytes();
    let from = after
        .map_or(&first[..], |after| after.block.as_slice())
        .max(&first);
    let end = filter.to.map(|to| micros_of(to).to_be_bytes());
    let end = end.as_ref().map(|end| end.as_slice());
    store.scan(Table::Rows, from, end, &mut |key, value| {
        let skipped = match after {
            Some(after) if after.block == key => after.row.saturating_add(1),
            _ => 0,
        };
        let mut number = 0_u32;
        let read = read_block(key, value, &mut |row| {
            let own = number;
            number = number.saturating_add(1);
            if own < skipped || !is_within(row.at, bounds) {
                return ControlFlow::Continue(());
            }
            let cursor = Cursor {
                block: key.to_vec(),
                row: own,
            };
            visit(cursor, row)
        });
        read.unwrap_or_else(|error| {
            tracing::error!(key = ?key, error = error.0, "a block of the ledger cannot be read");
            ControlFlow::Continue(())
        })
    })
}

fn is_within(at: SystemTime, (from, to): (Option<SystemTime>, Option<SystemTime>)) -> bool {
    from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
}
