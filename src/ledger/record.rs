//! One record of the log: rows, and what has become of holds, in the order in which it happened.
//! A record has a number; one that comes twice, because its writing failed and did not, counts once.

use std::sync::Arc;

use super::bytes::{DecodeError, Reader, Writer};
use super::codec::{put_row, put_who, take_label, take_row, take_who};
use super::hold::Hold;
use super::row::{ExchangeId, Row, Who, micros_of, time_of};
use crate::terms::Money;

const VERSION: u8 = 1;
const OPENED: u8 = 1;
const ADVANCED: u8 = 2;
const RELEASED: u8 = 3;
const SETTLED: u8 = 4;

/// A record as it is made.
#[derive(Debug)]
pub(super) struct RecordWriter {
    writer: Writer,
    empty: usize,
    last_who: Option<Arc<Who>>,
}

impl RecordWriter {
    pub fn begin(number: u64) -> RecordWriter {
        let mut writer = Writer::default();
        writer.raw(&[VERSION]);
        writer.number(number);
        RecordWriter {
            empty: writer.bytes.len(),
            writer,
            last_who: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.writer.bytes.len() == self.empty
    }

    pub fn bytes(self) -> Vec<u8> {
        self.writer.bytes
    }

    pub fn settled(&mut self, row: &Row) {
        self.event(SETTLED, row.id);
        self.writer.number(micros_of(row.at));
        self.who(&row.who);
        put_row(&mut self.writer, row);
    }

    pub fn opened(&mut self, hold: &Hold, output: Option<u64>) {
        self.event(OPENED, hold.id);
        self.writer.number(micros_of(hold.at));
        self.who(&hold.who);
        let writer = &mut self.writer;
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
        writer.number(output.map_or(0, |output| output.saturating_add(1)));
    }

    pub fn advanced(&mut self, id: ExchangeId, output: u64) {
        self.event(ADVANCED, id);
        self.writer.number(output);
    }

    pub fn released(&mut self, id: ExchangeId) {
        self.event(RELEASED, id);
    }

    fn event(&mut self, kind: u8, id: ExchangeId) {
        self.writer.raw(&[kind]);
        self.writer.raw(&id);
    }

    fn who(&mut self, who: &Arc<Who>) {
        let is_same = self.last_who.as_ref().is_some_and(|last| last == who);
        self.writer.number(is_same.into());
        if !is_same {
            put_who(&mut self.writer, who);
            self.last_who = Some(who.clone());
        }
    }
}

/// What a record tells of.
#[derive(Debug)]
pub(super) enum Event {
    Opened(Box<Hold>, Option<u64>),
    Advanced(ExchangeId, u64),
    Released(ExchangeId),
    Settled(Box<Row>),
}

/// The number of a record.
pub(super) fn record_number(record: &[u8]) -> Result<u64, DecodeError> {
    head(record).map(|(_, number)| number)
}

fn head(record: &[u8]) -> Result<(Reader<'_>, u64), DecodeError> {
    let mut reader = Reader::new(record);
    if reader.byte()? != VERSION {
        return Err(DecodeError("a later version of weir wrote it"));
    }
    let number = reader.number()?;
    Ok((reader, number))
}

/// Visits what a record tells, in order.
///
/// # Errors
/// Where it is none; some may have been visited.
pub(super) fn read_record(record: &[u8], visit: &mut dyn FnMut(Event)) -> Result<(), DecodeError> {
    let (mut reader, _) = head(record)?;
    let mut who = None;
    while !reader.is_at_end() {
        let kind = reader.byte()?;
        let id = reader.id()?;
        visit(match kind {
            OPENED => take_opened(&mut reader, id, &mut who)?,
            ADVANCED => Event::Advanced(id, reader.number()?),
            RELEASED => Event::Released(id),
            SETTLED => {
                let at = time_of(reader.number()?);
                let who = take_shared_who(&mut reader, &mut who)?;
                Event::Settled(Box::new(take_row(&mut reader, id, at, who)?))
            }
            _ => return Err(DecodeError("it tells of something unknown")),
        });
    }
    Ok(())
}

/// Who it is for, or that it is for the same as before.
pub(super) fn take_shared_who(
    reader: &mut Reader<'_>,
    last: &mut Option<Arc<Who>>,
) -> Result<Arc<Who>, DecodeError> {
    let who = match (reader.byte()?, &last) {
        (1, Some(last)) => last.clone(),
        _ => Arc::new(take_who(reader)?),
    };
    *last = Some(who.clone());
    Ok(who)
}

fn take_opened(
    reader: &mut Reader<'_>,
    id: ExchangeId,
    who: &mut Option<Arc<Who>>,
) -> Result<Event, DecodeError> {
    let hold = Hold {
        id,
        at: time_of(reader.number()?),
        who: take_shared_who(reader, who)?,
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
    Ok(Event::Opened(
        Box::new(hold),
        reader.number()?.checked_sub(1),
    ))
}
