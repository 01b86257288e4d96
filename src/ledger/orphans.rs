//! What an earlier process has left in the log: its rows, and exchanges that were not settled, each of which becomes a row, by rule.

use std::sync::Arc;
use std::time::SystemTime;

use super::bytes::DecodeError;
use super::fold::{Fold, log_from};
use super::hold::Orphan;
use super::holds::Holds;
use super::queue::Settled;
use super::record::{Event, read_record, record_number};
use super::row::{Charge, End, Row};
use crate::store::{Store, StoreError};
use crate::terms::Money;
use crate::wire::Usage;

/// What an orphan is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    pub cost: Money,
    /// Whether a price was known.
    pub priced: bool,
    pub charges: Vec<Charge>,
}

impl Orphan {
    /// By the rule: the input as it was estimated, and the output at the last note.
    pub fn usage(&self) -> Usage {
        Usage {
            input_uncached: self.hold.input_estimate,
            output: self.output.unwrap_or(0),
            ..Usage::default()
        }
        .bounded()
    }

    fn row(&self, charged: Charged, now: SystemTime) -> Row {
        let hold = &self.hold;
        let ran = now.duration_since(hold.at).unwrap_or_default();
        Row {
            id: hold.id,
            client_request_id: None,
            at: now,
            who: Arc::clone(&hold.who),
            dialect: hold.dialect.clone(),
            operation: hold.operation.clone(),
            model: hold.model.clone(),
            upstream: hold.upstream.clone(),
            upstream_model: hold.upstream_model.clone(),
            upstream_key_label: None,
            attempts: u32::from(!hold.upstream.is_empty()),
            status: 0,
            fault: None,
            stream: hold.stream,
            end: End::Orphaned,
            usage: self.usage(),
            estimated: true,
            priced: charged.priced,
            cost: charged.cost,
            charges: charged.charges,
            duration_ms: u32::try_from(ran.as_millis()).unwrap_or(u32::MAX),
            first_byte_ms: None,
        }
    }
}

/// What was found in the log.
pub(super) struct Recovered {
    /// The piece that is free behind the log; the tables have all before it.
    pub log_end: u64,
    pub next_record: u64,
    pub orphans: usize,
}

/// Brings into the tables what an earlier process has left in the log. What is open at its end is settled. Cut short and done again, it comes to the same.
///
/// # Errors
/// Where store or log cannot be read or written. A record that cannot be read is logged and left out.
pub(super) fn recover(
    store: &dyn Store,
    charge: &mut dyn FnMut(&Orphan) -> Charged,
) -> Result<Recovered, StoreError> {
    let mut replay = Replay::begin();
    let mut failed = None;
    let read = store.log().read(log_from(store)?, &mut |piece, record| {
        let written = replay.turn_to(piece, store);
        failed = failed.take().or(written.err());
        if failed.is_none()
            && let Err(error) = replay.take_in(record)
        {
            tracing::error!(
                error = error.0,
                "a record of the ledger's log cannot be read"
            );
        }
    });
    let log_end = read?;
    failed.map_or(Ok(()), Err)?;
    let orphans = replay.holds.orphans();
    // They end with the last sign of life, whenever this is done.
    let last_at = replay.last_at;
    let mut rows: Vec<Settled> = orphans
        .iter()
        .map(|orphan| Box::new(orphan.row(charge(orphan), last_at)))
        .collect();
    // With the rows of the last piece: had that one been brought into the tables before, no hold would have been open at its end, or the next one would begin with it.
    replay.fold.add(&mut rows);
    replay.write(store)?;
    Ok(Recovered {
        log_end,
        next_record: replay.next_record,
        orphans: orphans.len(),
    })
}

struct Replay {
    /// Of the piece that is being read.
    fold: Fold,
    piece: Option<u64>,
    holds: Holds,
    next_record: u64,
    last_at: SystemTime,
}

impl Replay {
    fn begin() -> Replay {
        Replay {
            fold: Fold::default(),
            piece: None,
            holds: Holds::default(),
            next_record: 0,
            last_at: SystemTime::UNIX_EPOCH,
        }
    }

    /// Brings a piece into the tables when it is at its end.
    fn turn_to(&mut self, piece: u64, store: &dyn Store) -> Result<(), StoreError> {
        if self.piece == Some(piece) {
            return Ok(());
        }
        self.write(store)?;
        self.fold = Fold::default();
        self.piece = Some(piece);
        Ok(())
    }

    fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        match self.piece {
            Some(piece) => self.fold.write(store, piece + 1),
            None => Ok(()),
        }
    }

    fn take_in(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        let number = record_number(record)?;
        // One that was written twice counts once.
        if number < self.next_record {
            return Ok(());
        }
        self.next_record = number + 1;
        let mut rows = Vec::new();
        let read = read_record(record, &mut |event| self.apply(event, &mut rows));
        self.fold.add(&mut rows);
        read
    }

    fn apply(&mut self, event: Event, rows: &mut Vec<Settled>) {
        match event {
            Event::Opened(hold, output) => {
                let id = hold.id;
                self.last_at = self.last_at.max(hold.at);
                self.holds.open(hold);
                if let Some(output) = output {
                    self.holds.advance(id, output);
                }
            }
            Event::Advanced(id, output) => self.holds.advance(id, output),
            Event::Released(id) => self.holds.release(id),
            Event::Settled(row) => {
                self.last_at = self.last_at.max(row.at);
                self.holds.settle(row.id);
                rows.push(row);
            }
        }
    }
}
