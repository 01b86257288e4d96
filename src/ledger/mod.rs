//! What every exchange has used and cost, written down once and never lost: rows of settled exchanges, holds of those that run, and the sums that queries, budgets and balances are read from.
//!
//! Whoever settles only puts a row into a queue, and waits for nothing. One thread (`writer`) writes what is queued into the store's log, a record for all that came within some
//! milliseconds; a second (`syncer`) makes that durable; a third (`keeper`) brings it from the log into the tables, many rows at a time. Reading goes past them, straight to the tables:
//! [`scan_rows`], [`totals`].
//! It must not know how requests are served, nor what a price or a limit is.

pub mod accounts;
mod bytes;
mod codec;
mod errand;
pub mod export;
mod fold;
mod format;
mod hash;
mod hold;
mod holds;
mod keeper;
mod orphans;
pub mod plans;
pub mod query;
mod queue;
pub mod reconcile;
mod record;
pub mod retention;
mod row;
mod syncer;
pub mod totals;
mod upkeep;
mod writer;

pub use codec::{DecodeError, scan_rows};
pub use hold::{Hold, Orphan};
pub use orphans::Charged;
pub use queue::{Figures, Full, State};
pub use row::{Charge, End, ExchangeId, Label, Row, Who, micros_of, time_of};
pub use upkeep::{Booked, Forgotten, Moved};

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use self::fold::Fold;
use self::holds::Holds;
use self::keeper::{Desk, Keeper};
use self::queue::{Item, Queue};
use self::syncer::Syncer;
use self::writer::{Piece, Writer};
use crate::store::{Store, StoreError};

/// The time of day, from outside.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What is queued for longer than this makes the state [`State::Behind`].
const BEHIND_AFTER: Duration = Duration::from_secs(1);
/// So does what was to go into the tables and is not there after this.
const FOLD_BEHIND_AFTER: Duration = Duration::from_secs(10);
/// How long a ledger that is dropped without [`Ledger::close`] tries to write what it has.
const DROP_WAIT: Duration = Duration::from_secs(5);

/// How the ledger writes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// From the beginning of one record of the log to that of the next, while there is something to write. This much a killed process may lose; a machine without power, the time of two syncs more.
    pub gather: Duration,
    /// How long, and how many, rows may be in the log and not in the tables: the log that a start has to read, and how far queries lag behind that do not ask for a flush.
    pub fold_every: Duration,
    pub fold_rows: usize,
    /// How often the progress of what runs is written.
    pub progress_every: Duration,
    /// What may be queued, in rows and holds, while the log cannot be written, and the memory for that and for rows that are not in the tables yet.
    /// New exchanges find the queue full at half of it; the other half is for settling those that run.
    pub queue_items_max: usize,
    pub queue_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            gather: Duration::from_millis(10),
            fold_every: Duration::from_secs(30),
            fold_rows: 200_000,
            progress_every: Duration::from_secs(1),
            queue_items_max: 200_000,
            queue_bytes_max: 128 << 20,
        }
    }
}

/// The open ledger.
pub struct Ledger {
    queue: Arc<Queue>,
    store: Arc<dyn Store>,
    settings: Settings,
    clock: Clock,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Ledger {
    /// Settles what an earlier process has left open, by `charge`, and begins to write.
    ///
    /// # Errors
    /// Where the store cannot be read or written, or its ledger has another form, or no thread begun.
    pub fn open(
        store: Arc<dyn Store>,
        settings: Settings,
        clock: Clock,
        charge: &mut dyn FnMut(&Orphan) -> Charged,
    ) -> Result<Ledger, LedgerError> {
        format::check(&*store)?;
        let recovered = orphans::recover(&*store, charge)?;
        let log = store.log();
        let log_end = recovered.log_end;
        if recovered.orphans > 0 {
            let exchanges = recovered.orphans;
            tracing::warn!(
                exchanges,
                "exchanges that an earlier process has left open were settled by rule"
            );
        }
        log.remove_before(log_end);
        log.begin(log_end)?;
        let queue = Arc::new(Queue::default());
        let desk = Arc::new(Desk::default());
        let syncer = Syncer::new(queue.clone(), log.clone(), clock.clone(), settings.gather);
        let syncer = Arc::new(syncer);
        let writer = Writer {
            queue: queue.clone(),
            desk: desk.clone(),
            log,
            holds: Holds::default(),
            progress_written: Instant::now(),
            next_record: recovered.next_record,
            piece: Piece::begin(log_end),
            settings: settings.clone(),
            clock: clock.clone(),
        };
        let keeper = Keeper {
            queue: queue.clone(),
            desk: desk.clone(),
            store: store.clone(),
            syncer: syncer.clone(),
            clock: clock.clone(),
            fold: Fold::default(),
            cuts: VecDeque::new(),
        };
        let keeping = thread("ledger-tables", move || keeper.run())?;
        // Without the others, those that run are not needed.
        let end = |_: &LedgerError| {
            queue.ring(|inbox| inbox.has_ended = true);
            desk.end();
        };
        let syncing = thread("ledger-sync", move || syncer.run()).inspect_err(end)?;
        let writing = thread("ledger-log", move || writer.run()).inspect_err(end)?;
        let threads = vec![keeping, syncing, writing];
        Ok(Ledger {
            queue,
            store,
            settings,
            clock,
            threads: Mutex::new(threads),
        })
    }

    /// What rows, sums and everything else is read from.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Keeps what an exchange may cost while it runs. Never waits.
    ///
    /// # Errors
    /// The queue is half full: the store has not taken anything for long, and no exchange that must be paid for should begin.
    pub fn hold(&self, hold: Hold) -> Result<(), Full> {
        self.push(Item::Hold(Box::new(hold)), 2)
    }

    /// Notes how many tokens of output an exchange has had. Never waits; a later note takes the place of an earlier one. Where there is no room it is left out.
    pub fn progress(&self, id: ExchangeId, output: u64) {
        let _ = self.push(Item::Progress { id, output }, 2);
    }

    /// Forgets a hold for which there will be no row. Never waits.
    ///
    /// # Errors
    /// The queue is full. The exchange will be settled by rule at the next start.
    pub fn release(&self, id: ExchangeId) -> Result<(), Full> {
        self.push(Item::Release(id), 1)
    }

    /// Writes down an exchange, in place of its hold. Once for each exchange. Never waits.
    ///
    /// # Errors
    /// The queue is full: the row is lost, counted and logged.
    pub fn settle(&self, row: Row) -> Result<(), Full> {
        let pushed = self.push(Item::Row(Box::new(row)), 1);
        if pushed.is_err() {
            self.lost();
        }
        pushed
    }

    fn push(&self, item: Item, share: usize) -> Result<(), Full> {
        let Settings {
            queue_items_max,
            queue_bytes_max,
            ..
        } = self.settings;
        self.queue
            .push(item, queue_items_max / share, queue_bytes_max / share)
    }

    fn lost(&self) {
        let lost = {
            let mut inbox = self.queue.lock();
            inbox.figures.rows_lost += 1;
            inbox.figures.rows_lost
        };
        if lost.is_power_of_two() {
            tracing::error!(
                lost,
                "the ledger's queue is full: settled exchanges are not written down"
            );
        }
    }

    /// Comes back once all that was queued before is durable, and in the tables.
    ///
    /// # Errors
    /// The store did not take it; it is tried again, whether anybody waits or not.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        let (sender, receiver) = oneshot::channel();
        self.queue.ring(|inbox| {
            if !inbox.has_ended {
                inbox.wait(sender);
            }
        });
        match receiver.await {
            Ok(result) => result.map_err(LedgerError::from),
            Err(_) => Err(LedgerError::Closed),
        }
    }

    pub fn state(&self) -> State {
        let inbox = self.queue.lock();
        let failing = inbox
            .failing
            .as_ref()
            .or(inbox.sync_failing.as_ref())
            .or(inbox.fold_failing.as_ref());
        if let Some((since, why)) = failing {
            return State::Failing {
                since: *since,
                why: why.clone(),
            };
        }
        let oldest = inbox.oldest();
        if inbox.has_ended {
            let why = "nothing writes any more".to_owned();
            return State::Failing {
                since: self.ago(oldest),
                why,
            };
        }
        let late = |since: Option<Instant>, after| since.filter(|since| since.elapsed() > after);
        let late = late(oldest, BEHIND_AFTER).or(late(inbox.folding_since, FOLD_BEHIND_AFTER));
        match late {
            Some(_) => State::Behind {
                since: self.ago(late),
            },
            None => State::Healthy,
        }
    }

    fn ago(&self, time: Option<Instant>) -> SystemTime {
        let now = (self.clock)();
        let ago = time.map_or(Duration::ZERO, |time| time.elapsed());
        now.checked_sub(ago).unwrap_or(now)
    }

    /// For how long the oldest thing in the queue has not been durable: what `grace` is compared with. Zero where nothing is queued.
    pub fn behind_by(&self) -> Duration {
        let oldest = self.queue.lock().oldest();
        oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed())
    }

    pub fn figures(&self) -> Figures {
        self.queue.lock().figures
    }

    /// Writes what is queued, brings it into the tables and ends the threads. Waits at most so long, and a write more.
    ///
    /// # Errors
    /// What could not be made durable. What is in the log but not in the tables is brought there at the next start.
    pub fn close(&self, within: Duration) -> Result<(), LedgerError> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = std::mem::take(&mut *threads);
        if threads.is_empty() {
            return Ok(());
        }
        self.queue
            .ring(|inbox| inbox.closing = Some(Instant::now() + within));
        let mut panicked = 0;
        for thread in threads.into_iter().rev() {
            panicked += usize::from(thread.join().is_err());
        }
        let inbox = self.queue.lock();
        if panicked > 0 || inbox.figures.queued_items > 0 {
            let failing = inbox.failing.as_ref().or(inbox.sync_failing.as_ref());
            let why = failing.map(|(_, why)| why.clone());
            return Err(LedgerError::Unwritten {
                items: inbox.figures.queued_items,
                why: why.unwrap_or_else(|| "a thread of the ledger has panicked".to_owned()),
            });
        }
        Ok(())
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LedgerError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| LedgerError::Thread(error.to_string()))
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Err(error) = self.close(DROP_WAIT) {
            tracing::error!(%error, "the ledger is closed");
        }
    }
}

/// Why the ledger did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerError {
    Store(StoreError),
    /// What is in the store was written by another version of weir, in a form that this one cannot read.
    OtherForm {
        is_later: bool,
    },
    /// No thread to write could be begun.
    Thread(String),
    /// It has been closed.
    Closed,
    /// Too many errands wait for the thread that writes.
    Busy,
    /// It was closed while the store took nothing.
    Unwritten {
        items: usize,
        why: String,
    },
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> LedgerError {
        LedgerError::Store(error)
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerError::Store(error) => error.fmt(formatter),
            LedgerError::OtherForm { is_later } => {
                let version = if *is_later { "a later" } else { "an earlier" };
                write!(
                    formatter,
                    "ledger: {version} version of weir has written this store, in a form that this one cannot read; use that version for it, or set another `store.path` and begin anew"
                )
            }
            LedgerError::Thread(error) => {
                write!(formatter, "ledger: no thread to write: {error}")
            }
            LedgerError::Closed => formatter.write_str("ledger: it has been closed"),
            LedgerError::Busy => {
                formatter.write_str("ledger: too much waits to be done; try again later")
            }
            LedgerError::Unwritten { items, why } => write!(
                formatter,
                "ledger: {items} rows, holds and notes could not be written before the end: {why}"
            ),
        }
    }
}

impl std::error::Error for LedgerError {}

#[cfg(test)]
mod tests;
