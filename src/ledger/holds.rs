//! The holds that are open; the writer's own. What has changed since the last record of the log is told to the next one.
//! An exchange that is settled before its hold has been written costs no write of its own.

use std::collections::hash_map::Entry;

use super::hash::QuickMap;
use super::hold::{Hold, Orphan};
use super::record::RecordWriter;
use super::row::ExchangeId;

#[derive(Debug)]
struct Open {
    hold: Box<Hold>,
    output: Option<u64>,
    is_written: bool,
    has_advanced: bool,
}

#[derive(Debug, Default)]
pub(super) struct Holds {
    open: QuickMap<ExchangeId, Open>,
    /// Opened since the last record, some of them closed since.
    opened: Vec<ExchangeId>,
    advanced: Vec<ExchangeId>,
    closed: Vec<ExchangeId>,
}

impl Holds {
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// What an earlier process has left open, in order of time.
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
            Entry::Occupied(mut known) => known.get_mut().hold = hold,
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

    /// The row that is written says that it is over.
    pub fn settle(&mut self, id: ExchangeId) {
        self.open.remove(&id);
    }

    /// It never came about, and there is no row.
    pub fn release(&mut self, id: ExchangeId) {
        if self.open.remove(&id).is_some_and(|open| open.is_written) {
            self.closed.push(id);
        }
    }

    /// Whether there is progress that the log does not have.
    pub fn has_advanced(&self) -> bool {
        !self.advanced.is_empty()
    }

    /// Tells what has changed since it was told before; progress only where that is due.
    pub fn tell(&mut self, is_progress_due: bool, record: &mut RecordWriter) {
        for id in std::mem::take(&mut self.opened) {
            if let Some(open) = self.open.get_mut(&id) {
                open.tell(record);
            }
        }
        if is_progress_due {
            for id in std::mem::take(&mut self.advanced) {
                if let Some(open) = self.open.get_mut(&id) {
                    open.has_advanced = false;
                    record.advanced(id, open.output.unwrap_or(0));
                }
            }
        }
        for id in std::mem::take(&mut self.closed) {
            record.released(id);
        }
    }

    /// Tells all that is open, as the first record of a piece of the log: the pieces before will be gone.
    pub fn tell_all(&mut self, record: &mut RecordWriter) {
        self.opened.clear();
        self.advanced.clear();
        self.closed.clear();
        for open in self.open.values_mut() {
            open.tell(record);
        }
    }
}

impl Open {
    fn tell(&mut self, record: &mut RecordWriter) {
        self.is_written = true;
        self.has_advanced = false;
        record.opened(&self.hold, self.output);
    }
}
