//! Between those who settle and the one who writes: a bounded queue that nobody waits at, and how the writing stands.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::errand::Errand;
use super::fold::bytes_most;
use super::hold::Hold;
use super::row::{ExchangeId, Row};
use crate::store::StoreError;

/// What a queued item takes in memory besides what it owns on the heap, about, in bytes.
const ITEM_BYTES: usize = 32;

/// A row stays where it was made: it is large, and goes through several hands.
pub(super) type Settled = Box<Row>;

/// Something to be written.
#[derive(Debug)]
pub(super) enum Item {
    Hold(Box<Hold>),
    Progress { id: ExchangeId, output: u64 },
    Release(ExchangeId),
    Row(Settled),
}

impl Item {
    /// Memory that it takes, or will once it is in the log, about, in bytes. What it shares with others is not counted.
    pub fn bytes(&self) -> usize {
        ITEM_BYTES
            + match self {
                Item::Hold(hold) => size_of::<Hold>() + hold.purses.len() * 16,
                Item::Progress { .. } | Item::Release(_) => 0,
                Item::Row(row) => {
                    let id = row.client_request_id.as_ref().map_or(0, |id| id.len());
                    let here = size_of::<Row>() + row.charges.len() * 32 + id;
                    here.max(bytes_most(row))
                }
            }
    }
}

/// The queue is at its bound, or the ledger closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// How the ledger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Healthy,
    /// What was queued at this time is still not durable; nothing has failed.
    Behind {
        since: SystemTime,
    },
    /// Writing has failed since this time, and is tried again and again.
    Failing {
        since: SystemTime,
        why: String,
    },
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Rows made durable by this process.
    pub rows_written: u64,
    /// Records that were added to the log.
    pub commits: u64,
    pub commits_failed: u64,
    /// To the tables.
    pub folds: u64,
    pub folds_failed: u64,
    /// Rows that there was no room for: lost, and logged.
    pub rows_lost: u64,
    /// What is queued, being written to the log or not synced there yet.
    pub queued_items: usize,
    /// Memory of what is queued or not in the tables yet, about.
    pub queued_bytes: usize,
    /// Rows that are durable in the log and not in the tables yet, as of the last look.
    pub rows_unfolded: u64,
    /// Exchanges that run, as of the last commit.
    pub holds_open: usize,
    /// From the queueing of the oldest item of a record to its being written, from when on the end of this process does it no harm: the last record and the longest.
    pub last_written_after: Duration,
    pub longest_written_after: Duration,
    /// The same to its being durable, from when on the end of the machine does it no harm.
    pub last_interval: Duration,
    pub longest_interval: Duration,
}

/// What was added to the log and is not durable yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unsynced {
    pub items: usize,
    pub rows: usize,
    /// When the oldest of it was queued.
    pub oldest: Option<Instant>,
}

impl Unsynced {
    pub fn add(&mut self, more: Unsynced) {
        self.items += more.items;
        self.rows += more.rows;
        self.oldest = [self.oldest, more.oldest].into_iter().flatten().min();
    }
}

/// Who asked to hear when all that was queued before is durable, and in the tables.
pub(super) type Waiter = oneshot::Sender<Result<(), StoreError>>;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub items: VecDeque<Item>,
    /// Items that have come and that were taken, ever.
    come: u64,
    taken: u64,
    /// With how many items had come when they did: so many must have been taken before.
    waiters: VecDeque<(u64, Waiter)>,
    /// The same. At most [`super::errand::ERRANDS_MAX`].
    errands: VecDeque<(u64, Errand)>,
    /// When the oldest of `items` came.
    first_at: Option<Instant>,
    /// When the oldest of what is being written came.
    pub writing_since: Option<Instant>,
    /// What waits to be synced, and what is being synced.
    pub unsynced: Unsynced,
    pub syncing: Unsynced,
    /// When what is not in the tables yet was to go there.
    pub folding_since: Option<Instant>,
    /// Since when, and why, the log cannot be written.
    pub failing: Option<(SystemTime, String)>,
    /// The same for syncing it.
    pub sync_failing: Option<(SystemTime, String)>,
    /// The same for the tables.
    pub fold_failing: Option<(SystemTime, String)>,
    pub figures: Figures,
    /// By when everything is to be written, once that is asked for.
    pub closing: Option<Instant>,
    pub has_ended: bool,
    is_asleep: bool,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    inbox: Mutex<Inbox>,
    bell: Condvar,
    /// For who syncs.
    sync_bell: Condvar,
}

impl Queue {
    /// Queues an item while there is less than this in the queue.
    pub fn push(&self, item: Item, items_max: usize, bytes_max: usize) -> Result<(), Full> {
        let bytes = item.bytes();
        let mut inbox = self.lock();
        let has_ended = inbox.has_ended;
        let figures = &mut inbox.figures;
        if has_ended
            || figures.queued_items >= items_max
            || figures.queued_bytes + bytes > bytes_max
        {
            return Err(Full);
        }
        figures.queued_items += 1;
        figures.queued_bytes += bytes;
        if inbox.first_at.is_none() {
            inbox.first_at = Some(Instant::now());
        }
        let wakes = inbox.is_asleep && !matches!(item, Item::Progress { .. });
        inbox.items.push_back(item);
        inbox.come += 1;
        if wakes {
            inbox.is_asleep = false;
            drop(inbox);
            self.bell.notify_one();
        }
        Ok(())
    }

    pub fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that the writer is to see at once.
    pub fn ring<T>(&self, change: impl FnOnce(&mut Inbox) -> T) -> T {
        let changed = change(&mut self.lock());
        self.bell.notify_all();
        self.sync_bell.notify_all();
        changed
    }

    /// Leaves what was added to the log to who syncs.
    pub fn leave_unsynced(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut self.lock());
        self.sync_bell.notify_one();
    }

    /// Waits until there is something to sync, and until this time unless all is to be written. Returns false where nothing is, and nothing more will come.
    pub fn wait_for_unsynced(&self, not_before: Instant) -> bool {
        let mut inbox = self.lock();
        loop {
            let left = not_before.saturating_duration_since(Instant::now());
            let is_last = inbox.has_ended || inbox.closing.is_some();
            let has_some = inbox.unsynced.items > 0;
            if has_some && (is_last || left.is_zero()) {
                return true;
            }
            if inbox.has_ended {
                return false;
            }
            inbox = match has_some {
                true => {
                    let waited = self.sync_bell.wait_timeout(inbox, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                false => {
                    let waited = self.sync_bell.wait(inbox);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Sleeps until there is something to do, or this time has come.
    pub fn sleep(&self, until: Option<Instant>) {
        let mut inbox = self.lock();
        inbox.is_asleep = true;
        while inbox.is_asleep && inbox.items.is_empty() && !inbox.is_urgent() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            inbox = match left {
                Some(Duration::ZERO) => break,
                Some(left) => self.wait(inbox, left),
                None => self
                    .bell
                    .wait(inbox)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
        inbox.is_asleep = false;
    }

    /// Lets more come until this time; those who queue wake nobody meanwhile.
    pub fn gather(&self, until: Instant) {
        let mut inbox = self.lock();
        while !inbox.is_urgent() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inbox = self.wait(inbox, left);
        }
    }

    /// Waits after a failure, but not beyond the time by which everything is to be written.
    pub fn back_off(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut inbox = self.lock();
        loop {
            let end = inbox.closing.map_or(until, |closing| closing.min(until));
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            inbox = self.wait(inbox, left);
        }
    }

    fn wait<'a>(&self, inbox: MutexGuard<'a, Inbox>, left: Duration) -> MutexGuard<'a, Inbox> {
        let (inbox, _) = self
            .bell
            .wait_timeout(inbox, left)
            .unwrap_or_else(PoisonError::into_inner);
        inbox
    }
}

impl Inbox {
    /// Whether somebody waits for the writer.
    pub fn is_urgent(&self) -> bool {
        !self.waiters.is_empty() || !self.errands.is_empty() || self.closing.is_some()
    }

    /// Whether nothing is left to write and nobody waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.waiters.is_empty() && self.errands.is_empty()
    }

    /// Takes at most so many items for a commit.
    pub fn take(&mut self, items_max: usize) -> Vec<Item> {
        self.writing_since = self.first_at.take();
        let count = self.items.len().min(items_max);
        let taken = self.items.drain(..count).collect();
        self.taken += count as u64;
        if self.items.is_empty() {
            // A burst's room is given back.
            if self.items.capacity() > 4 * items_max {
                self.items = VecDeque::new();
            }
        } else {
            self.first_at = self.writing_since;
        }
        taken
    }

    pub fn wait(&mut self, waiter: Waiter) {
        self.waiters.push_back((self.come, waiter));
    }

    pub fn errands(&self) -> usize {
        self.errands.len()
    }

    pub fn add_errand(&mut self, errand: Errand) {
        self.errands.push_back((self.come, errand));
    }

    /// Those who wait for no more than what has been taken.
    pub fn take_waiters(&mut self) -> Vec<Waiter> {
        take_ripe(&mut self.waiters, self.taken).collect()
    }

    /// The errands that wait for no more than that.
    pub fn take_errands(&mut self) -> VecDeque<Errand> {
        take_ripe(&mut self.errands, self.taken).collect()
    }

    /// All who wait, for whatever.
    pub fn take_all_who_wait(&mut self) -> (Vec<Waiter>, VecDeque<Errand>) {
        let waiters = mem::take(&mut self.waiters).into_iter();
        let errands = mem::take(&mut self.errands).into_iter();
        (
            waiters.map(|(_, waiter)| waiter).collect(),
            errands.map(|(_, errand)| errand).collect(),
        )
    }

    /// When the oldest thing came that is not durable.
    pub fn oldest(&self) -> Option<Instant> {
        let times = [
            self.syncing.oldest,
            self.unsynced.oldest,
            self.writing_since,
            self.first_at,
        ];
        times.into_iter().flatten().min()
    }
}

fn take_ripe<T>(waiting: &mut VecDeque<(u64, T)>, taken: u64) -> impl Iterator<Item = T> + '_ {
    let ripe = waiting.partition_point(|(after, _)| *after <= taken);
    waiting.drain(..ripe).map(|(_, one)| one)
}
