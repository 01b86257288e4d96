//! Settled exchanges on their way to an observer: gathered, handed over in batches, off the exchanges' own path. What an observer
//! makes of them is not known here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use weir_plugin::Outcome;

use crate::plugin::{Called, Observer};

/// Exchanges that wait for an observer; what comes on top is not observed.
const WAITING_MAX: usize = 4096;
/// Exchanges in one batch.
const BATCH_MAX: usize = 256;
/// How long the first of a batch waits for others.
const BATCH_WAIT: Duration = Duration::from_millis(500);

/// The way to one observer.
pub struct Feed {
    observer: Arc<Observer>,
    /// Made with the first exchange, which is told within the runtime.
    sender: OnceLock<Sender<Arc<Outcome>>>,
    lost: Arc<AtomicU64>,
}

impl Feed {
    pub fn new(observer: Arc<Observer>) -> Feed {
        Feed {
            observer,
            sender: OnceLock::new(),
            lost: Arc::default(),
        }
    }

    /// Tells of an exchange, unless too many wait already.
    pub fn tell(&self, outcome: Arc<Outcome>) {
        let sender = self.sender.get_or_init(|| {
            let (sender, receiver) = channel(WAITING_MAX);
            let (observer, lost) = (self.observer.clone(), self.lost.clone());
            // Ends when the last snapshot that names the observer is gone, and what waits has been told.
            drop(tokio::spawn(hand_over(receiver, observer, lost)));
            sender
        });
        if sender.try_send(outcome).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn hand_over(
    mut waiting: Receiver<Arc<Outcome>>,
    observer: Arc<Observer>,
    lost: Arc<AtomicU64>,
) {
    while let Some(first) = waiting.recv().await {
        let until = Instant::now() + BATCH_WAIT;
        let mut batch = vec![Outcome::clone(&first)];
        while batch.len() < BATCH_MAX {
            match timeout_at(until, waiting.recv()).await {
                Ok(Some(outcome)) => batch.push(Outcome::clone(&outcome)),
                Ok(None) | Err(_) => break,
            }
        }
        let exchanges = batch.len();
        if !matches!(observer.on_log(&batch).await, Called::Answered(())) {
            warn!(
                plugin = observer.name(),
                exchanges, "a batch of exchanges is lost to its observer"
            );
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            warn!(
                plugin = observer.name(),
                exchanges = lost,
                "exchanges were not observed: the observer is too slow"
            );
        }
    }
}
