//! What makes durable what was added to the log: a thread of its own, so that a disk that is slow to confirm holds up nobody who writes.
//! What is not confirmed is tried until it is. It must not know what a record says.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Clock;
use super::queue::{Queue, Unsynced};
use super::writer::{BACK_OFF_FIRST, BACK_OFF_LAST};
use crate::store::{Log, StoreError};

pub(super) struct Syncer {
    queue: Arc<Queue>,
    log: Arc<dyn Log>,
    clock: Clock,
    /// From the beginning of one sync to that of the next, at least.
    every: Duration,
    /// Held while one syncs: two of them would not know what is whose.
    one_at_a_time: Mutex<()>,
}

impl Syncer {
    pub fn new(queue: Arc<Queue>, log: Arc<dyn Log>, clock: Clock, every: Duration) -> Syncer {
        Syncer {
            queue,
            log,
            clock,
            every,
            one_at_a_time: Mutex::new(()),
        }
    }

    /// Until the writer has ended and all is durable, or the time for that is over.
    pub fn run(&self) {
        let mut back_off = BACK_OFF_FIRST;
        let mut not_before = Instant::now();
        while self.queue.wait_for_unsynced(not_before) {
            not_before = Instant::now() + self.every;
            if self.sync().is_ok() {
                back_off = BACK_OFF_FIRST;
                continue;
            }
            if self.is_out_of_time() {
                return;
            }
            self.queue.back_off(back_off);
            back_off = (back_off * 2).min(BACK_OFF_LAST);
        }
    }

    /// Makes durable what was added before.
    ///
    /// # Errors
    /// The disk has not confirmed it.
    pub fn sync(&self) -> Result<(), StoreError> {
        let _one = self
            .one_at_a_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        {
            let mut inbox = self.queue.lock();
            inbox.syncing = mem::take(&mut inbox.unsynced);
        }
        let synced = self.log.sync();
        match &synced {
            Ok(()) => self.has_synced(),
            Err(error) => self.has_failed(error),
        }
        synced
    }

    fn has_synced(&self) {
        let mut inbox = self.queue.lock();
        let Unsynced {
            items,
            rows,
            oldest,
        } = mem::take(&mut inbox.syncing);
        let figures = &mut inbox.figures;
        figures.queued_items -= items;
        figures.rows_written += rows as u64;
        if items > 0 {
            figures.last_interval = oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed());
            figures.longest_interval = figures.longest_interval.max(figures.last_interval);
        }
        let recovered = inbox.sync_failing.take();
        drop(inbox);
        if let Some((since, why)) = recovered {
            let failed_for = (self.clock)().duration_since(since).unwrap_or_default();
            tracing::info!(?failed_for, why, "the ledger's log is durable again");
        }
    }

    fn has_failed(&self, error: &StoreError) {
        let mut inbox = self.queue.lock();
        let syncing = mem::take(&mut inbox.syncing);
        inbox.unsynced.add(syncing);
        inbox.figures.commits_failed += 1;
        let since = match inbox.sync_failing.take() {
            Some((since, _)) => since,
            None => {
                tracing::error!(%error, "the disk does not confirm the ledger's log; it is tried again, and a loss of power would lose what was settled since");
                (self.clock)()
            }
        };
        inbox.sync_failing = Some((since, error.to_string()));
    }

    fn is_out_of_time(&self) -> bool {
        let inbox = self.queue.lock();
        let closing = inbox.closing;
        inbox.has_ended && closing.is_none_or(|closing| Instant::now() >= closing)
    }
}
