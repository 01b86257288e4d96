//! The thread that keeps the tables: brings into them what the log has, piece by piece, does errands in between, and has the log's pieces removed that it is done with.
//! While the tables do not take anything, rows are safe in the log and gather here.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use super::Clock;
use super::errand::Errand;
use super::fold::Fold;
use super::queue::{Item, Queue, Settled, Waiter};
use super::syncer::Syncer;
use super::writer::{BACK_OFF_FIRST, BACK_OFF_LAST, refuse};
use crate::store::{Store, StoreError};

/// Rows that are left lying before the keeper is woken for them.
const ROWS_WAKE: usize = 4096;

/// Where the writer leaves what is durable.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<Left>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Left {
    handed: VecDeque<Handed>,
    rows: usize,
    /// Cuts that are not done.
    cuts: usize,
    /// Nothing more will be handed.
    has_ended: bool,
    /// Nobody takes anything any more.
    is_left: bool,
}

#[derive(Debug)]
enum Handed {
    Rows(Vec<Settled>),
    Cut(Cut),
}

/// Everything handed before is to be in the tables; then those who wait are told, and errands done.
#[derive(Debug)]
pub(super) struct Cut {
    /// The number after that of the piece of the log that all of it is in; none where nothing has come since the last cut.
    pub log_end: Option<u64>,
    pub waiters: Vec<Waiter>,
    pub errands: VecDeque<Errand>,
}

impl Desk {
    pub fn hand_rows(&self, rows: Vec<Settled>) {
        let mut left = self.lock();
        if rows.is_empty() || left.is_left {
            return;
        }
        left.rows += rows.len();
        let wakes = left.rows >= ROWS_WAKE;
        left.handed.push_back(Handed::Rows(rows));
        drop(left);
        if wakes {
            self.bell.notify_one();
        }
    }

    pub fn hand_cut(&self, cut: Cut) {
        let mut left = self.lock();
        left.cuts += 1;
        if left.is_left {
            // Those who wait hear that nobody is there, from being dropped.
            drop(left);
            return drop(cut);
        }
        left.handed.push_back(Handed::Cut(cut));
        drop(left);
        self.bell.notify_one();
    }

    /// Whether a cut is still to be done.
    pub fn is_busy(&self) -> bool {
        self.lock().cuts > 0
    }

    /// Nothing more will be handed.
    pub fn end(&self) {
        self.lock().has_ended = true;
        self.bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was handed, once it is worth it or this time has come; and whether nothing more will be.
    fn take(&self, until: Option<Instant>) -> (VecDeque<Handed>, bool) {
        let mut left = self.lock();
        loop {
            let has_cut = matches!(left.handed.back(), Some(Handed::Cut(_)));
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            if has_cut
                || left.rows >= ROWS_WAKE
                || left.has_ended
                || wait.is_some_and(|wait| wait.is_zero())
            {
                left.rows = 0;
                return (mem::take(&mut left.handed), left.has_ended);
            }
            left = match wait {
                Some(wait) => {
                    let waited = self.bell.wait_timeout(left, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.bell.wait(left).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

pub(super) struct Keeper {
    pub queue: Arc<Queue>,
    pub desk: Arc<Desk>,
    pub store: Arc<dyn Store>,
    pub syncer: Arc<Syncer>,
    pub clock: Clock,
    /// What gathers for the next cut.
    pub fold: Fold,
    pub cuts: VecDeque<(Fold, Cut)>,
}

impl Keeper {
    /// Until the writer has ended and everything is in the tables, or the time for that is over.
    pub fn run(mut self) {
        let _leaves = Leaves(self.queue.clone(), self.desk.clone());
        let mut back_off = BACK_OFF_FIRST;
        let mut until = None;
        loop {
            let (handed, has_ended) = self.desk.take(until);
            for handed in handed {
                match handed {
                    Handed::Rows(rows) => self.add(rows),
                    Handed::Cut(cut) => {
                        self.cuts.push_back((mem::take(&mut self.fold), cut));
                    }
                }
            }
            let is_done = self.do_cuts();
            self.queue.lock().figures.rows_unfolded = self.rows_unfolded();
            until = if is_done {
                back_off = BACK_OFF_FIRST;
                None
            } else {
                let until = Instant::now() + back_off;
                back_off = (back_off * 2).min(BACK_OFF_LAST);
                Some(until)
            };
            if has_ended && (is_done || self.is_out_of_time()) {
                return;
            }
            if has_ended && let Some(until) = until {
                self.queue
                    .back_off(until.saturating_duration_since(Instant::now()));
            }
        }
    }

    fn add(&mut self, mut rows: Vec<Settled>) {
        let before = self.fold.bytes;
        self.fold.add(&mut rows);
        let freed: usize = rows.into_iter().map(|row| Item::Row(row).bytes()).sum();
        let mut inbox = self.queue.lock();
        let figures = &mut inbox.figures;
        let with_new = figures.queued_bytes + self.fold.bytes - before;
        figures.queued_bytes = with_new.saturating_sub(freed);
    }

    /// Does the cuts in order. Returns false where one has failed; it is to be tried again.
    fn do_cuts(&mut self) -> bool {
        while let Some((fold, cut)) = self.cuts.front_mut() {
            let (waiters, errands) = (mem::take(&mut cut.waiters), mem::take(&mut cut.errands));
            let written = match cut.log_end {
                Some(log_end) => fold.write(&*self.store, log_end),
                None => Ok(()),
            };
            // What is open is in the next piece alone once this one is removed.
            if let Err(error) = written.and_then(|()| self.syncer.sync()) {
                self.has_failed(&error, waiters, errands);
                return false;
            }
            let (bytes, log_end) = (fold.bytes, cut.log_end);
            self.cuts.pop_front();
            self.desk.lock().cuts -= 1;
            self.has_succeeded(bytes, log_end);
            for errand in errands {
                errand.run(&*self.store);
            }
            for waiter in waiters {
                // One that no longer waits need not be told.
                let _ = waiter.send(Ok(()));
            }
        }
        true
    }

    fn has_failed(&mut self, error: &StoreError, waiters: Vec<Waiter>, errands: VecDeque<Errand>) {
        {
            let mut inbox = self.queue.lock();
            inbox.figures.folds_failed += 1;
            let since = match inbox.fold_failing.take() {
                Some((since, _)) => since,
                None => {
                    tracing::error!(%error, "the ledger's tables cannot be written; it is tried again, and what is settled meanwhile is safe in the log");
                    (self.clock)()
                }
            };
            inbox.fold_failing = Some((since, error.to_string()));
        }
        refuse(waiters, errands, error);
        for (_, cut) in &mut self.cuts {
            refuse(
                mem::take(&mut cut.waiters),
                mem::take(&mut cut.errands),
                error,
            );
        }
    }

    fn has_succeeded(&self, bytes: usize, log_end: Option<u64>) {
        if let Some(log_end) = log_end {
            self.store.log().remove_before(log_end);
        }
        let mut inbox = self.queue.lock();
        inbox.figures.folds += u64::from(log_end.is_some());
        inbox.figures.queued_bytes = inbox.figures.queued_bytes.saturating_sub(bytes);
        inbox.figures.rows_unfolded = self.rows_unfolded();
        if self.cuts.is_empty() {
            inbox.folding_since = None;
        }
        let recovered = inbox.fold_failing.take();
        drop(inbox);
        if let Some((since, why)) = recovered {
            let failed_for = (self.clock)().duration_since(since).unwrap_or_default();
            tracing::info!(?failed_for, why, "the ledger's tables are written again");
        }
    }

    fn rows_unfolded(&self) -> u64 {
        let waiting = self.cuts.iter().map(|(fold, _)| fold.rows);
        waiting.sum::<u64>() + self.fold.rows
    }

    fn is_out_of_time(&self) -> bool {
        let closing = self.queue.lock().closing;
        closing.is_none_or(|closing| Instant::now() >= closing)
    }
}

/// Tells, even after a panic, that nobody keeps the tables any more. Rows stay in the log, for the next start.
struct Leaves(Arc<Queue>, Arc<Desk>);

impl Drop for Leaves {
    fn drop(&mut self) {
        let handed = {
            let mut left = self.1.lock();
            left.is_left = true;
            mem::take(&mut left.handed)
        };
        drop(handed);
        if std::thread::panicking() {
            self.0.ring(|inbox| {
                let why =
                    "the thread that keeps the tables has panicked; start weir again".to_owned();
                inbox.fold_failing = Some((SystemTime::now(), why));
            });
        }
    }
}
