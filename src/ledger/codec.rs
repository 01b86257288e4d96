//! How rows lie in the store: several in one value, a *block*, under the time and id of the first.
//!
//! A block is a version byte and rows, one after the other; text that has come before in the block is not written again. Blocks keep rows small
//! (some 60 bytes instead of 300) and the store's keys few. A block grows until it is full or old, and is then left alone.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::bytes::{Reader, Writer};
use super::record::take_shared_who;
use super::row::{Charge, End, ExchangeId, Label, Row, Who, micros_of, time_of};
use crate::store::{Store, StoreError, Table};
use crate::terms::Money;
use crate::wire::Usage;

pub use super::bytes::DecodeError;

const VERSION: u8 = 1;
/// A block that is longer takes no more rows, in bytes. Longer ones make for pages that the embedded store's cache does not count soon enough.
pub(super) const BLOCK_BYTES: usize = 2 << 10;
/// Most tags, and most charges, that a row keeps.
const TAGS_MAX: usize = 16;
const CHARGES_MAX: usize = 32;
/// All rows of a block were settled within this time of the first, in microseconds.
pub(super) const BLOCK_MICROS: u64 = 10_000_000;

const STREAM: u64 = 1;
const ESTIMATED: u64 = 2;
const PRICED: u64 = 4;

/// Rows that become one value of [`Table::Rows`].
#[derive(Debug)]
pub(super) struct Block {
    first: u64,
    key: Vec<u8>,
    writer: Writer,
    last_who: Option<Arc<Who>>,
}

impl Block {
    pub fn begin(row: &Row) -> Block {
        let first = micros_of(row.at);
        let mut writer = Writer::default();
        writer.raw(&[VERSION]);
        let mut block = Block {
            first,
            key: row_key(first, row.id),
            writer,
            last_who: None,
        };
        block.push(row);
        block
    }

    pub fn takes(&self, row: &Row) -> bool {
        let at = micros_of(row.at);
        self.writer.bytes.len() < BLOCK_BYTES
            && (self.first..self.first + BLOCK_MICROS).contains(&at)
    }

    pub fn push(&mut self, row: &Row) {
        let writer = &mut self.writer;
        writer.raw(&row.id);
        writer.number(micros_of(row.at).saturating_sub(self.first));
        let is_same = self.last_who.as_ref().is_some_and(|last| *last == row.who);
        writer.number(u64::from(is_same));
        if !is_same {
            put_who(writer, &row.who);
            self.last_who = Some(row.who.clone());
        }
        put_row(writer, row);
    }

    /// Key and value of the block as it is now.
    pub fn entry(&self) -> (Vec<u8>, Vec<u8>) {
        (self.key.clone(), self.writer.bytes.clone())
    }
}

fn row_key(at: u64, id: ExchangeId) -> Vec<u8> {
    let mut key = at.to_be_bytes().to_vec();
    key.extend_from_slice(&id);
    key
}

pub(super) fn put_who(writer: &mut Writer, who: &Who) {
    writer.text(&who.tenant);
    writer.optional(who.project.as_deref());
    writer.optional(who.user.as_deref());
    writer.optional(who.key_id.as_deref());
    writer.optional(who.key_label.as_deref());
    writer.number(who.tags.len().min(TAGS_MAX) as u64);
    for (name, value) in who.tags.iter().take(TAGS_MAX) {
        writer.text(name);
        writer.text(value);
    }
}

pub(super) fn take_who(reader: &mut Reader<'_>) -> Result<Who, DecodeError> {
    let mut who = Who {
        tenant: reader.text()?,
        project: reader.optional()?,
        user: reader.optional()?,
        key_id: reader.optional()?,
        key_label: reader.optional()?,
        ..Who::default()
    };
    for _ in 0..reader.number()? {
        let name = reader.text()?;
        who.tags
            .insert(name.as_ref().to_owned(), reader.text()?.as_ref().to_owned());
    }
    Ok(who)
}

pub(super) fn put_row(writer: &mut Writer, row: &Row) {
    writer.number(row.client_request_id.is_some().into());
    if let Some(id) = &row.client_request_id {
        writer.once(id);
    }
    writer.text(&row.dialect);
    writer.text(&row.operation);
    writer.text(&row.model);
    writer.text(&row.upstream);
    writer.text(&row.upstream_model);
    writer.optional(row.upstream_key_label.as_deref());
    writer.number(row.attempts.into());
    writer.number(row.status.into());
    writer.optional(row.fault.as_deref());
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let flags =
        flag(row.stream, STREAM) | flag(row.estimated, ESTIMATED) | flag(row.priced, PRICED);
    writer.number(flags);
    writer.number(end_number(row.end));
    put_usage(writer, &row.usage);
    writer.signed(row.cost.nanos());
    writer.number(row.charges.len().min(CHARGES_MAX) as u64);
    for charge in row.charges.iter().take(CHARGES_MAX) {
        writer.text(&charge.purse);
        writer.signed(charge.money.nanos());
        writer.number(charge.tokens);
    }
    writer.number(row.duration_ms.into());
    writer.number(row.first_byte_ms.map_or(0, |ms| u64::from(ms) + 1));
}

/// Visits the rows of one value of [`Table::Rows`], in the order in which they were settled.
///
/// # Errors
/// Where it is none; some rows may have been visited.
pub(super) fn read_block(
    key: &[u8],
    value: &[u8],
    visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, DecodeError> {
    let first = key_micros(key)?;
    let mut reader = Reader::new(value);
    if reader.byte()? != VERSION {
        return Err(DecodeError("a later version of weir wrote it"));
    }
    let mut who: Option<Arc<Who>> = None;
    while !reader.is_at_end() {
        let id = reader.id()?;
        let at = time_of(first.saturating_add(reader.number()?));
        let shared = take_shared_who(&mut reader, &mut who)?;
        if visit(take_row(&mut reader, id, at, shared)?).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The time in a key of [`Table::Rows`], in microseconds since 1970.
pub(super) fn key_micros(key: &[u8]) -> Result<u64, DecodeError> {
    let time = key.first_chunk().ok_or(DecodeError("its key is short"))?;
    Ok(u64::from_be_bytes(*time))
}

pub(super) fn take_row(
    reader: &mut Reader<'_>,
    id: ExchangeId,
    at: std::time::SystemTime,
    who: Arc<Who>,
) -> Result<Row, DecodeError> {
    let client_request_id = match reader.byte()? {
        0 => None,
        _ => Some(reader.once()?.into()),
    };
    let dialect = take_label(reader)?;
    let operation = take_label(reader)?;
    let model = reader.text()?;
    let upstream = reader.text()?;
    let upstream_model = reader.text()?;
    let upstream_key_label = reader.optional()?;
    let attempts = reader.small()?;
    let status = reader.small()?;
    let fault = reader.optional()?;
    let flags = reader.number()?;
    let end = take_end(reader)?;
    let usage = take_usage(reader)?;
    let cost = Money::from_nanos(reader.signed()?);
    let mut charges = Vec::new();
    for _ in 0..reader.number()? {
        charges.push(Charge {
            purse: reader.text()?,
            money: Money::from_nanos(reader.signed()?),
            tokens: reader.number()?,
        });
    }
    let duration_ms = reader.small()?;
    let first_byte_ms = match reader.small::<u32>()? {
        0 => None,
        more => Some(more - 1),
    };
    Ok(Row {
        id,
        client_request_id,
        at,
        who,
        dialect,
        operation,
        model,
        upstream,
        upstream_model,
        upstream_key_label,
        attempts,
        status,
        fault: fault.map(|fault| Label::Owned(fault.as_ref().to_owned())),
        stream: flags & STREAM != 0,
        end,
        usage,
        estimated: flags & ESTIMATED != 0,
        priced: flags & PRICED != 0,
        cost,
        charges,
        duration_ms,
        first_byte_ms,
    })
}

pub(super) fn take_label(reader: &mut Reader<'_>) -> Result<Label, DecodeError> {
    Ok(Label::Owned(reader.text()?.as_ref().to_owned()))
}

const fn end_number(end: End) -> u64 {
    match end {
        End::Complete => 0,
        End::ClientGone => 1,
        End::UpstreamCut => 2,
        End::ErrorEvent => 3,
        End::Refused => 4,
        End::Failed => 5,
        End::Orphaned => 6,
    }
}

fn take_end(reader: &mut Reader<'_>) -> Result<End, DecodeError> {
    let number = reader.number()?;
    let end = End::ALL.into_iter().find(|end| end_number(*end) == number);
    end.ok_or(DecodeError("it ended in an unknown way"))
}

/// How many there are, and the counts: a later version may know more of them.
pub(super) fn put_usage(writer: &mut Writer, usage: &Usage) {
    let Usage {
        input_uncached,
        cache_read,
        cache_write,
        output,
        reasoning,
        cache_write_1h,
        audio_input,
        audio_output,
        images,
        searches,
        audio_milliseconds,
        image_input,
        image_output,
        characters,
    } = *usage;
    let counts = [
        input_uncached,
        cache_read,
        cache_write,
        output,
        reasoning,
        cache_write_1h,
        audio_input,
        audio_output,
        images,
        searches,
        audio_milliseconds,
        image_input,
        image_output,
        characters,
    ];
    // Most exchanges have none of the rarer counts.
    let known = counts.iter().rposition(|count| *count > 0);
    let counts = &counts[..known.map_or(0, |last| last + 1)];
    writer.number(counts.len() as u64);
    for count in counts {
        writer.number(*count);
    }
}

pub(super) fn take_usage(reader: &mut Reader<'_>) -> Result<Usage, DecodeError> {
    let mut usage = Usage::default();
    for place in 0..reader.number()? {
        let count = reader.number()?;
        match place {
            0 => usage.input_uncached = count,
            1 => usage.cache_read = count,
            2 => usage.cache_write = count,
            3 => usage.output = count,
            4 => usage.reasoning = count,
            5 => usage.cache_write_1h = count,
            6 => usage.audio_input = count,
            7 => usage.audio_output = count,
            8 => usage.images = count,
            9 => usage.searches = count,
            10 => usage.audio_milliseconds = count,
            11 => usage.image_input = count,
            12 => usage.image_output = count,
            13 => usage.characters = count,
            _ => return Err(DecodeError("it counts something unknown")),
        }
    }
    Ok(usage)
}

/// Visits the rows settled from `from` (inclusive) to `to` (exclusive), about in order of time: rows of one block, a few seconds at most, are together.
/// What is still in the ledger's queue is not seen.
///
/// # Errors
/// Where the store cannot be read. A block that cannot be read is logged and left out.
pub fn scan_rows(
    store: &dyn Store,
    from: std::time::SystemTime,
    to: std::time::SystemTime,
    visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let first = micros_of(from).saturating_sub(BLOCK_MICROS).to_be_bytes();
    let end = micros_of(to).to_be_bytes();
    store.scan(Table::Rows, &first, Some(&end), &mut |key, value| {
        let read = read_block(key, value, &mut |row| {
            if row.at < from || row.at >= to {
                return ControlFlow::Continue(());
            }
            visit(row)
        });
        read.unwrap_or_else(|error| {
            tracing::error!(key = ?key, error = error.0, "a block of the ledger cannot be read");
            ControlFlow::Continue(())
        })
    })
}
