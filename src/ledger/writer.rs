//! The one thread that writes: takes what is queued, makes one commit of it, and does so again; a commit that fails is tried until it succeeds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Books;
use super::errand::Errand;
use super::queue::{Item, Queue, Waiter};
use super::{Clock, Settings};
use crate::store::{Store, StoreError, Write};

/// Most items in one commit, so that a backlog does not become one commit that takes seconds.
pub(super) const COMMIT_ITEMS_MAX: usize = 4096;
/// Between tries of a commit that fails.
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
const BACK_OFF_LAST: Duration = Duration::from_secs(2);

pub(super) struct Writer {
    pub queue: Arc<Queue>,
    pub store: Arc<dyn Store>,
    pub books: Books,
    pub settings: Settings,
    pub clock: Clock,
}

/// What has been taken from the queue and is not durable.
struct Commit {
    items: Vec<Item>,
    rows: u64,
    count: usize,
    bytes: usize,
    waiters: Vec<Waiter>,
    /// Done once this is durable.
    errand: Option<Errand>,
}

impl Writer {
    /// Until it is told to close and everything is written, or the time for that is over.
    pub fn run(mut self) {
        let ended = Ended(self.queue.clone());
        let mut last_began = None;
        loop {
            let is_idle = self.queue.lock().items.is_empty();
            if is_idle {
                self.queue.sleep(self.alarm());
            }
            // What comes after a quiet moment is written at once; what follows it closely is gathered.
            if let Some(began) = last_began {
                self.queue.gather(began + self.settings.gather);
            }
            last_began = Some(Instant::now());
            let is_done = self.commit();
            if is_done {
                break;
            }
        }
        drop(ended);
    }

    /// When to wake though nothing comes that wakes: progress is queued quietly.
    fn alarm(&self) -> Option<Instant> {
        let is_needed = self.books.holds.len() > 0;
        is_needed.then(|| {
            self.books
                .progress_due()
                .max(Instant::now() + self.settings.gather)
        })
    }

    /// One commit of what is queued now, tried until it succeeds. Returns whether the end has come.
    fn commit(&mut self) -> bool {
        let (mut commit, oldest) = self.take();
        let mut writes: Option<Vec<Write>> = None;
        let mut back_off = BACK_OFF_FIRST;
        loop {
            match self.try_once(&mut commit, &mut writes) {
                Ok(()) => break,
                Err(error) => {
                    self.has_failed(&error, &mut commit);
                    if self.is_out_of_time() {
                        return true;
                    }
                    self.queue.back_off(back_off);
                    back_off = (back_off * 2).min(BACK_OFF_LAST);
                }
            }
        }
        let has_written = writes.is_some_and(|writes| !writes.is_empty());
        let errand = commit.errand.take();
        let is_done = self.has_succeeded(commit, oldest, has_written);
        let has_changed_sums = errand.is_some_and(|errand| errand.run(&*self.store));
        if has_changed_sums {
            self.books.forget_sums();
        }
        is_done
    }

    fn take(&self) -> (Commit, Option<Instant>) {
        let mut inbox = self.queue.lock();
        let items = inbox.take(COMMIT_ITEMS_MAX);
        let waiters = inbox.take_waiters();
        let errand = inbox.take_errand();
        let oldest = inbox.writing_since;
        drop(inbox);
        let rows = items.iter().filter(|item| matches!(item, Item::Row(_)));
        let commit = Commit {
            rows: rows.count() as u64,
            count: items.len(),
            bytes: items.iter().map(Item::bytes).sum(),
            items,
            waiters,
            errand,
        };
        (commit, oldest)
    }

    /// The writes are made once: a second try writes the same.
    fn try_once(
        &mut self,
        commit: &mut Commit,
        writes: &mut Option<Vec<Write>>,
    ) -> Result<(), StoreError> {
        let made = match writes {
            Some(made) => made,
            None => writes.insert(self.books.take_in(&mut commit.items, Instant::now())?),
        };
        if !made.is_empty() {
            self.store.commit(made.clone())?;
        }
        self.books.committed();
        Ok(())
    }

    fn has_failed(&self, error: &StoreError, commit: &mut Commit) {
        let mut inbox = self.queue.lock();
        inbox.figures.commits_failed += 1;
        let since = match inbox.failing.take() {
            Some((since, _)) => since,
            None => {
                tracing::error!(%error, "the ledger cannot be written; it is tried again, and what is settled meanwhile is kept in memory");
                (self.clock)()
            }
        };
        inbox.failing = Some((since, error.to_string()));
        let mut waiters = std::mem::take(&mut commit.waiters);
        waiters.append(&mut inbox.waiters);
        let errands = std::mem::take(&mut inbox.errands);
        drop(inbox);
        for errand in commit.errand.take().into_iter().chain(errands) {
            errand.refuse(error.clone());
        }
        for waiter in waiters {
            // One that no longer waits need not be told.
            let _ = waiter.send(Err(error.clone()));
        }
    }

    fn is_out_of_time(&self) -> bool {
        let closing = self.queue.lock().closing;
        closing.is_some_and(|closing| Instant::now() >= closing)
    }

    fn has_succeeded(&self, commit: Commit, oldest: Option<Instant>, has_written: bool) -> bool {
        let mut inbox = self.queue.lock();
        inbox.writing_since = None;
        let figures = &mut inbox.figures;
        figures.rows_written += commit.rows;
        figures.queued_items -= commit.count;
        figures.queued_bytes -= commit.bytes;
        figures.holds_open = self.books.holds.len();
        if has_written {
            figures.commits += 1;
            figures.last_interval = oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed());
            figures.longest_interval = figures.longest_interval.max(figures.last_interval);
        }
        let recovered = inbox.failing.take();
        let is_done = inbox.closing.is_some() && inbox.items.is_empty() && inbox.errands.is_empty();
        drop(inbox);
        if let Some((since, why)) = recovered {
            let failed_for = (self.clock)().duration_since(since).unwrap_or_default();
            tracing::info!(?failed_for, why, "the ledger is written again");
        }
        for waiter in commit.waiters {
            // As above.
            let _ = waiter.send(Ok(()));
        }
        is_done
    }
}

/// Tells, even after a panic, that nobody writes any more.
struct Ended(Arc<Queue>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Who waits hears of it by what is dropped here, outside of the lock.
        let waiting = self.0.ring(|inbox| {
            inbox.has_ended = true;
            let waiters = std::mem::take(&mut inbox.waiters);
            (waiters, std::mem::take(&mut inbox.errands))
        });
        drop(waiting);
    }
}
