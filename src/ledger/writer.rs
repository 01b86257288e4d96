//! The thread that writes things down: takes what is queued, adds one record of it to the log, and does so again; a record that cannot be added is tried until it can.
//! It never waits for the disk: what was added outlives the process, and another thread (`syncer`) makes it durable. From time to time it begins a new piece of the log
//! and has what the old one says brought into the tables (`keeper`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::errand::Errand;
use super::holds::Holds;
use super::keeper::{Cut, Desk};
use super::queue::{Item, Queue, Settled, Unsynced, Waiter};
use super::record::RecordWriter;
use super::{Clock, Settings};
use crate::store::{Log, StoreError};

/// Most items in one record, so that a backlog does not become one that takes seconds.
const RECORD_ITEMS_MAX: usize = 4096;
/// A piece of the log that is longer is ended, in bytes: rows are not all that it has.
const PIECE_BYTES_MAX: usize = 32 << 20;
/// Of the interval, this part is gathered however late the last records were.
const GATHER_LEAST_SHARE: u32 = 4;
/// Between tries of what fails.
pub(super) const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
pub(super) const BACK_OFF_LAST: Duration = Duration::from_secs(2);

pub(super) struct Writer {
    pub queue: Arc<Queue>,
    pub desk: Arc<Desk>,
    pub log: Arc<dyn Log>,
    pub holds: Holds,
    pub progress_written: Instant,
    pub next_record: u64,
    pub piece: Piece,
    pub settings: Settings,
    pub clock: Clock,
}

/// The piece of the log that is being written.
#[derive(Debug)]
pub(super) struct Piece {
    pub number: u64,
    rows: usize,
    bytes: usize,
    began: Instant,
}

impl Piece {
    pub fn begin(number: u64) -> Piece {
        Piece {
            number,
            rows: 0,
            bytes: 0,
            began: Instant::now(),
        }
    }
}

/// How long is gathered: on a busy machine a thread is woken late and interrupted, by as much as the interval itself. What it was late by, it gathers
/// for less, so that what comes is still written within the interval, about.
#[derive(Debug, Default)]
struct Pace {
    late: Duration,
}

impl Pace {
    fn gather(&self, interval: Duration) -> Duration {
        interval
            .saturating_sub(self.late)
            .max(interval / GATHER_LEAST_SHARE)
    }

    /// So late was a record written.
    fn note(&mut self, late: Duration) {
        self.late = late.max(self.late / 8 * 7);
    }
}

/// What has been taken from the queue.
struct Taken {
    items: Vec<Item>,
    count: usize,
    /// Memory of all but rows, which go on to the keeper.
    other_bytes: usize,
    oldest: Option<Instant>,
    waiters: Vec<Waiter>,
    errands: VecDeque<Errand>,
    is_closing: bool,
}

impl Writer {
    /// Until it is told to close and everything is written, or the time for that is over.
    pub fn run(mut self) {
        let ended = Ended(self.queue.clone(), self.desk.clone());
        let mut last_began = None;
        let mut pace = Pace::default();
        loop {
            let is_idle = self.queue.lock().items.is_empty();
            if is_idle {
                self.queue.sleep(self.alarm());
            }
            // What comes after a quiet moment is written at once; what follows it closely is gathered.
            let due = last_began.map(|began: Instant| began + pace.gather(self.settings.gather));
            let due = due.filter(|due| *due > Instant::now());
            if let Some(due) = due {
                self.queue.gather(due);
            }
            last_began = Some(Instant::now());
            if self.turn() {
                break;
            }
            pace.note(due.map_or(Duration::ZERO, |due| due.elapsed()));
        }
        drop(ended);
    }

    /// When to wake though nothing comes that wakes.
    fn alarm(&self) -> Option<Instant> {
        // Progress is queued quietly.
        let progress = (self.holds.len() > 0).then(|| self.progress_due());
        let fold = (self.piece.rows > 0).then(|| self.piece.began + self.settings.fold_every);
        let soonest = [progress, fold].into_iter().flatten().min();
        soonest.map(|soonest| soonest.max(Instant::now() + self.settings.gather))
    }

    fn progress_due(&self) -> Instant {
        self.progress_written + self.settings.progress_every
    }

    /// Writes what is queued now. Returns whether the end has come.
    fn turn(&mut self) -> bool {
        let mut taken = self.take();
        let (record, rows) = self.record(&mut taken.items);
        let has_record = !record.is_empty();
        if has_record {
            let record = record.bytes();
            let log = self.log.clone();
            if !self.insist(&mut taken, &mut |_| log.add(&record)) {
                return true;
            }
            self.next_record += 1;
            self.piece.rows += rows.len();
            self.piece.bytes += record.len();
        }
        self.is_written(&taken, rows.len(), has_record);
        self.desk.hand_rows(rows);
        let is_urgent = taken.is_closing || !taken.waiters.is_empty() || !taken.errands.is_empty();
        if (is_urgent || self.is_piece_full()) && !self.cut(&mut taken) {
            return true;
        }
        taken.is_closing && self.queue.lock().is_empty()
    }

    fn take(&self) -> Taken {
        let mut inbox = self.queue.lock();
        let items = inbox.take(RECORD_ITEMS_MAX);
        let others = items.iter().filter(|item| !matches!(item, Item::Row(_)));
        Taken {
            other_bytes: others.map(Item::bytes).sum(),
            count: items.len(),
            items,
            oldest: inbox.writing_since,
            waiters: inbox.take_waiters(),
            errands: inbox.take_errands(),
            is_closing: inbox.closing.is_some(),
        }
    }

    /// The record of what was taken, and the rows in it.
    fn record(&mut self, items: &mut Vec<Item>) -> (RecordWriter, Vec<Settled>) {
        let mut record = RecordWriter::begin(self.next_record);
        let mut rows = Vec::new();
        for item in items.drain(..) {
            match item {
                Item::Hold(hold) => self.holds.open(hold),
                Item::Progress { id, output } => self.holds.advance(id, output),
                Item::Release(id) => self.holds.release(id),
                Item::Row(row) => {
                    self.holds.settle(row.id);
                    record.settled(&row);
                    rows.push(row);
                }
            }
        }
        let now = Instant::now();
        let is_progress_due = self.holds.has_advanced() && now >= self.progress_due();
        if is_progress_due {
            self.progress_written = now;
        }
        self.holds.tell(is_progress_due, &mut record);
        (record, rows)
    }

    fn is_piece_full(&self) -> bool {
        let piece = &self.piece;
        let is_full = piece.rows >= self.settings.fold_rows
            || piece.bytes >= PIECE_BYTES_MAX
            || (piece.rows > 0 && piece.began.elapsed() >= self.settings.fold_every);
        is_full && !self.desk.is_busy()
    }

    /// Ends the piece and has it brought into the tables. Returns false where the end has come first.
    fn cut(&mut self, taken: &mut Taken) -> bool {
        let is_needed = self.piece.rows > 0 || self.piece.bytes >= PIECE_BYTES_MAX;
        // The same number that a start would find, whatever becomes of the next piece.
        let log_end = self.piece.number + 1;
        if is_needed && !self.insist(taken, &mut Writer::begin_piece) {
            return false;
        }
        self.queue
            .lock()
            .folding_since
            .get_or_insert_with(Instant::now);
        self.desk.hand_cut(Cut {
            log_end: is_needed.then_some(log_end),
            waiters: std::mem::take(&mut taken.waiters),
            errands: std::mem::take(&mut taken.errands),
        });
        true
    }

    /// The new piece begins with all that is open: the pieces before will be removed.
    fn begin_piece(&mut self) -> Result<(), StoreError> {
        let number = self.piece.number + 1;
        let begun = self.log.begin(number);
        // A number is used once, whatever has become of it.
        self.piece.number = number;
        begun?;
        let mut record = RecordWriter::begin(self.next_record);
        self.holds.tell_all(&mut record);
        if !record.is_empty() {
            self.log.add(&record.bytes())?;
            self.next_record += 1;
        }
        self.piece = Piece::begin(number);
        Ok(())
    }

    /// Does something until it succeeds. Returns false where it has not by the time to close; those who wait are told of each failure.
    fn insist(
        &mut self,
        taken: &mut Taken,
        act: &mut dyn FnMut(&mut Writer) -> Result<(), StoreError>,
    ) -> bool {
        let mut back_off = BACK_OFF_FIRST;
        while let Err(error) = act(self) {
            self.has_failed(&error, taken);
            let closing = self.queue.lock().closing;
            if closing.is_some_and(|closing| Instant::now() >= closing) {
                return false;
            }
            self.queue.back_off(back_off);
            back_off = (back_off * 2).min(BACK_OFF_LAST);
        }
        let recovered = self.queue.lock().failing.take();
        if let Some((since, why)) = recovered {
            let failed_for = (self.clock)().duration_since(since).unwrap_or_default();
            tracing::info!(?failed_for, why, "the ledger's log is written again");
        }
        true
    }

    fn has_failed(&self, error: &StoreError, taken: &mut Taken) {
        let mut inbox = self.queue.lock();
        inbox.figures.commits_failed += 1;
        let since = match inbox.failing.take() {
            Some((since, _)) => since,
            None => {
                tracing::error!(%error, "the ledger's log cannot be written; it is tried again, and what is settled meanwhile is kept in memory");
                (self.clock)()
            }
        };
        inbox.failing = Some((since, error.to_string()));
        let (waiters, errands) = inbox.take_all_who_wait();
        drop(inbox);
        refuse(
            std::mem::take(&mut taken.waiters),
            std::mem::take(&mut taken.errands),
            error,
        );
        refuse(waiters, errands, error);
    }

    fn is_written(&self, taken: &Taken, rows: usize, has_record: bool) {
        self.queue.leave_unsynced(|inbox| {
            inbox.writing_since = None;
            let figures = &mut inbox.figures;
            figures.queued_bytes -= taken.other_bytes;
            figures.holds_open = self.holds.len();
            if !has_record {
                figures.queued_items -= taken.count;
                return;
            }
            figures.commits += 1;
            let after = taken
                .oldest
                .map_or(Duration::ZERO, |oldest| oldest.elapsed());
            figures.last_written_after = after;
            figures.longest_written_after = figures.longest_written_after.max(after);
            inbox.unsynced.add(Unsynced {
                items: taken.count,
                rows,
                oldest: taken.oldest,
            });
        });
    }
}

/// Tells those who wait what went wrong.
pub(super) fn refuse(waiters: Vec<Waiter>, errands: VecDeque<Errand>, error: &StoreError) {
    for errand in errands {
        errand.refuse(error.clone());
    }
    for waiter in waiters {
        // One that no longer waits need not be told.
        let _ = waiter.send(Err(error.clone()));
    }
}

/// Tells, even after a panic, that nobody writes any more.
struct Ended(Arc<Queue>, Arc<Desk>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Who waits hears of it by what is dropped here, outside of the lock.
        let waiting = self.0.ring(|inbox| {
            inbox.has_ended = true;
            inbox.take_all_who_wait()
        });
        drop(waiting);
        self.1.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_late_gathers_less_and_in_time_again_as_much_as_before() {
        let interval = Duration::from_millis(10);
        let mut pace = Pace::default();
        assert_eq!(pace.gather(interval), interval);
        pace.note(Duration::from_millis(4));
        assert_eq!(pace.gather(interval), Duration::from_millis(6));
        pace.note(Duration::from_secs(5));
        assert_eq!(pace.gather(interval), interval / 4);
        (0..100).for_each(|_| pace.note(Duration::ZERO));
        assert!(pace.gather(interval) > interval * 99 / 100);
    }
}
