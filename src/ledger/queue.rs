//! Between those who settle and the one who writes: a bounded queue that nobody waits at, and how the writing stands.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::errand::Errand;
use super::hold::Hold;
use super::row::{ExchangeId, Row};
use crate::store::StoreError;

/// What a queued item takes in memory besides what it owns on the heap, about, in bytes.
const ITEM_BYTES: usize = 32;

/// Something to be written.
#[derive(Debug)]
pub(super) enum Item {
    Hold(Box<Hold>),
    Progress { id: ExchangeId, output: u64 },
    Release(ExchangeId),
    Row(Box<Row>),
}

impl Item {
    /// Memory that it takes, about, in bytes. What it shares with others is not counted.
    pub fn bytes(&self) -> usize {
        ITEM_BYTES
            + match self {
                Item::Hold(hold) => size_of::<Hold>() + hold.purses.len() * 16,
                Item::Progress { .. } | Item::Release(_) => 0,
                Item::Row(row) => {
                    let id = row.client_request_id.as_ref().map_or(0, |id| id.len());
                    size_of::<Row>() + row.charges.len() * 32 + id
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
    pub commits: u64,
    pub commits_failed: u64,
    /// Rows that there was no room for: lost, and logged.
    pub rows_lost: u64,
    /// What is queued or being written.
    pub queued_items: usize,
    pub queued_bytes: usize,
    /// Exchanges that run, as of the last commit.
    pub holds_open: usize,
    /// From the queueing of its oldest item to its durability: the last commit and the longest.
    pub last_interval: Duration,
    pub longest_interval: Duration,
}

/// Who asked to hear when all that was queued before is durable.
pub(super) type Waiter = oneshot::Sender<Result<(), StoreError>>;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub items: VecDeque<Item>,
    pub waiters: Vec<Waiter>,
    /// At most [`super::errand::ERRANDS_MAX`].
    pub errands: VecDeque<Errand>,
    /// When the oldest of `items` came.
    first_at: Option<Instant>,
    /// When the oldest of what is being written came.
    pub writing_since: Option<Instant>,
    pub failing: Option<(SystemTime, String)>,
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
        changed
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

    /// Takes at most so many items for a commit.
    pub fn take(&mut self, items_max: usize) -> Vec<Item> {
        self.writing_since = self.first_at.take();
        let count = self.items.len().min(items_max);
        let taken = self.items.drain(..count).collect();
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

    /// Those who wait for what has been taken, once nothing older is left.
    pub fn take_waiters(&mut self) -> Vec<Waiter> {
        if self.items.is_empty() {
            mem::take(&mut self.waiters)
        } else {
            Vec::new()
        }
    }

    /// One errand, once nothing older is left.
    pub fn take_errand(&mut self) -> Option<Errand> {
        if self.items.is_empty() {
            self.errands.pop_front()
        } else {
            None
        }
    }

    /// When the oldest thing came that is not durable.
    pub fn oldest(&self) -> Option<Instant> {
        [self.writing_since, self.first_at]
            .into_iter()
            .flatten()
            .min()
    }
}
