//! The holds that are open, and their journal in the store.
//!
//! What opens, closes and advances is written as one short value a commit, whatever its number: an exchange that begins and ends costs no write of its own.
//! When the journal has grown well beyond what is open, what is open is written anew and the rest deleted, in one commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use super::bytes::{DecodeError, Reader, Writer};
use super::codec::{put_who, take_label, take_who};
use super::hold::{Hold, Orphan};
use super::row::{ExchangeId, micros_of, time_of};
use crate::store::{Store, StoreError, Table, Write};
use crate::terms::Money;

const VERSION: u8 = 1;
const OPENED: u8 = 1;
const ADVANCED: u8 = 2;
const CLOSED: u8 = 3;
/// A value of the journal that is longer is ended, in bytes.
const ENTRY_BYTES: usize = 4 << 10;
/// The journal may be this much, and this many times as long as what is open, before it is written anew.
const JOURNAL_BYTES_MIN: usize = 256 << 10;
const JOURNAL_TIMES: usize = 4;

#[derive(Debug)]
struct Open {
    hold: Box<Hold>,
    output: Option<u64>,
    /// Whether the journal has it. One that is settled before is never written.
    is_written: bool,
    has_advanced: bool,
}

/// All open holds; the writer's own.
#[derive(Debug, Default)]
pub(super) struct Holds {
    open: HashMap<ExchangeId, Open>,
    /// Opened since the last entry, some of them closed since.
    opened: Vec<ExchangeId>,
    advanced: Vec<ExchangeId>,
    closed: Vec<ExchangeId>,
    /// The number of the next entry; entries from `first` on exist.
    next: u64,
    first: u64,
    journal_bytes: usize,
    /// What is open took this much when it was last written anew.
    open_bytes: usize,
}

impl Holds {
    /// Reads the journal: what is open in it was not settled by the process that wrote it.
    ///
    /// # Errors
    /// Where the store cannot be read. An entry that cannot be read is logged and left out.
    pub fn load(store: &dyn Store) -> Result<Holds, StoreError> {
        let mut holds = Holds::default();
        let mut first = None;
        store.scan(Table::Holds, &[], None, &mut |key, value| {
            let number = key
                .first_chunk()
                .map_or(0, |number| u64::from_be_bytes(*number));
            first.get_or_insert(number);
            holds.next = number + 1;
            holds.journal_bytes += value.len();
            if let Err(error) = holds.read_entry(value) {
                tracing::error!(
                    number,
                    error = error.0,
                    "an entry of the journal of holds cannot be read"
                );
            }
            ControlFlow::Continue(())
        })?;
        holds.first = first.unwrap_or(0);
        Ok(holds)
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn orphans(&self) -> Vec<Orphan> {
        let orphan = |open: &Open| Orphan {
            hold: (*open.hold).clone(),
            output: open.output,
        };
        let mut orphans: Vec<Orphan> = self.open.values().map(orphan).collect();
        orphans.sort_by_key(|orphan| (orphan.hold.at, orphan.hold.id));
        orphans
    }

    pub fn open(&mut self, hold: Box<Hold>) {
        self.opened.push(hold.id);
        match self.open.entry(hold.id) {
            Entry::Occupied(mut known) => {
                known.get_mut().hold = hold;
            }
            Entry::Vacant(place) => {
                place.insert(Open {
                    hold,
                    output: None,
                    is_written: false,
                    has_advanced: false,
                });
            }
        }
    }

    pub fn advance(&mut self, id: ExchangeId, output: u64) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.output = Some(output);
        if open.is_written && !open.has_advanced {
            open.has_advanced = true;
            self.advanced.push(id);
        }
    }

    /// An exchange has been settled, or never came about.
    pub fn close(&mut self, id: ExchangeId) {
        if self.open.remove(&id).is_some_and(|open| open.is_written) {
            self.closed.push(id);
        }
    }

    /// Whether there is progress that the journal does not have.
    pub fn has_advanced(&self) -> bool {
        !self.advanced.is_empty()
    }

    /// What brings the journal up to now; progress only where it is due.
    pub fn write(&mut self, is_progress_due: bool, writes: &mut Vec<Write>) {
        let bound = JOURNAL_BYTES_MIN.max(self.open_bytes * JOURNAL_TIMES);
        if self.journal_bytes > bound {
            return self.write_anew(writes);
        }
        let mut entries = Entries::default();
        for id in std::mem::take(&mut self.opened) {
            if let Some(open) = self.open.get_mut(&id) {
                entries.opened(open);
            }
        }
        if is_progress_due {
            for id in std::mem::take(&mut self.advanced) {
                if let Some(open) = self.open.get_mut(&id) {
                    entries.advanced(id, open);
                }
            }
        }
        for id in std::mem::take(&mut self.closed) {
            entries.closed(id);
        }
        self.journal_bytes += self.put(entries, writes);
    }

    fn write_anew(&mut self, writes: &mut Vec<Write>) {
        for number in self.first..self.next {
            writes.push(Write::delete(Table::Holds, number.to_be_bytes()));
        }
        self.first = self.next;
        self.opened.clear();
        self.advanced.clear();
        self.closed.clear();
        let mut entries = Entries::default();
        for open in self.open.values_mut() {
            entries.opened(open);
        }
        self.open_bytes = self.put(entries, writes);
        self.journal_bytes = self.open_bytes;
    }

    /// Returns how many bytes they have.
    fn put(&mut self, entries: Entries, writes: &mut Vec<Write>) -> usize {
        let mut bytes = 0;
        for value in entries.ended() {
            bytes += value.len();
            writes.push(Write::put(Table::Holds, self.next.to_be_bytes(), value));
            self.next += 1;
        }
        bytes
    }

    fn read_entry(&mut self, value: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(value);
        if reader.byte()? != VERSION {
            return Err(DecodeError("a later version of weir wrote it"));
        }
        while !reader.is_at_end() {
            let kind = reader.byte()?;
            let id = reader.id()?;
            match kind {
                OPENED => {
                    let open = take_open(&mut reader, id)?;
                    self.open.insert(id, open);
                }
                ADVANCED => {
                    let output = reader.number()?;
                    if let Some(open) = self.open.get_mut(&id) {
                        open.output = Some(output);
                    }
                }
                CLOSED => {
                    self.open.remove(&id);
                }
                _ => return Err(DecodeError("neither opened, advanced nor closed")),
            }
        }
        Ok(())
    }
}

/// Values of the journal as they are made.
#[derive(Debug, Default)]
struct Entries {
    ended: Vec<Vec<u8>>,
    writer: Writer,
}

impl Entries {
    fn begin(&mut self, kind: u8, id: ExchangeId) -> &mut Writer {
        if self.writer.bytes.len() > ENTRY_BYTES {
            self.ended.push(std::mem::take(&mut self.writer).bytes);
        }
        if self.writer.bytes.is_empty() {
            self.writer.raw(&[VERSION]);
        }
        self.writer.raw(&[kind]);
        self.writer.raw(&id);
        &mut self.writer
    }

    fn opened(&mut self, open: &mut Open) {
        open.is_written = true;
        open.has_advanced = false;
        put_open(self.begin(OPENED, open.hold.id), open);
    }

    fn advanced(&mut self, id: ExchangeId, open: &mut Open) {
        open.has_advanced = false;
        let output = open.output.unwrap_or(0);
        self.begin(ADVANCED, id).number(output);
    }

    fn closed(&mut self, id: ExchangeId) {
        self.begin(CLOSED, id);
    }

    fn ended(mut self) -> Vec<Vec<u8>> {
        if !self.writer.bytes.is_empty() {
            self.ended.push(self.writer.bytes);
        }
        self.ended
    }
}

fn put_open(writer: &mut Writer, open: &Open) {
    let hold = &open.hold;
    writer.number(micros_of(hold.at));
    put_who(writer, &hold.who);
    writer.text(&hold.dialect);
    writer.text(&hold.operation);
    writer.text(&hold.model);
    writer.text(&hold.upstream);
    writer.text(&hold.upstream_model);
    writer.number(hold.stream.into());
    writer.signed(hold.reserved.nanos());
    writer.number(hold.input_estimate);
    writer.number(hold.purses.len() as u64);
    for purse in &hold.purses {
        writer.text(purse);
    }
    writer.number(open.output.map_or(0, |output| output.saturating_add(1)));
}

fn take_open(reader: &mut Reader<'_>, id: ExchangeId) -> Result<Open, DecodeError> {
    let hold = Hold {
        id,
        at: time_of(reader.number()?),
        who: take_who(reader)?.into(),
        dialect: take_label(reader)?,
        operation: take_label(reader)?,
        model: reader.text()?,
        upstream: reader.text()?,
        upstream_model: reader.text()?,
        stream: reader.byte()? != 0,
        reserved: Money::from_nanos(reader.signed()?),
        input_estimate: reader.number()?,
        purses: (0..reader.number()?)
            .map(|_| reader.text())
            .collect::<Result<_, _>>()?,
    };
    Ok(Open {
        hold: Box::new(hold),
        output: reader.number()?.checked_sub(1),
        is_written: true,
        has_advanced: false,
    })
}
