//! One simulated host: its settings and everything that its connections share.
//! It must not know HTTP.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::armory::Armory;
use super::engine::Engine;
use super::fault::{Fault, FaultKind};
use super::options::Options;
use super::prompt_cache::PromptCache;
use super::quirks::{Quirk, Unsupported};
use super::random::Random;
use super::record::{Log, Stats};
use super::transport::Switch;

/// What all connections of a host share.
pub struct Host {
    pub options: Options,
    pub engine: Arc<Engine>,
    pub log: Arc<Log>,
    pub armory: Armory,
    /// Beginnings of prompts that were read before.
    pub prompt_cache: PromptCache,
    started: Instant,
    next_answer: AtomicU64,
    connections: Mutex<HashMap<u64, Weak<Switch>>>,
    /// Orders to the listener.
    outages: mpsc::Sender<Outage>,
}

/// A time in which the host does not listen.
#[derive(Debug)]
pub struct Outage {
    pub lasting: Duration,
    /// Whether open connections are reset, but for the one that ordered it.
    pub drop_connections: bool,
    pub spare_connection: u64,
}

/// Outages that may wait for the one under way.
const OUTAGES_MAX: usize = 4;

impl Host {
    pub fn new(options: Options, served: Option<File>) -> (Arc<Self>, mpsc::Receiver<Outage>) {
        let (outages, orders) = mpsc::channel(OUTAGES_MAX);
        let host = Self {
            engine: Arc::new(Engine::new(options.ttft, options.itl, options.slots)),
            log: Arc::new(Log::writing(served)),
            armory: Armory::new(&options.name, options.fault_rate, options.seed),
            prompt_cache: PromptCache::default(),
            started: Instant::now(),
            next_answer: AtomicU64::new(0),
            connections: Mutex::default(),
            outages,
            options,
        };
        (Arc::new(host), orders)
    }

    /// Arms faults; a refusal to listen begins at once.
    ///
    /// # Errors
    /// Too many faults are armed, or outages wait.
    pub fn arm(&self, faults: Vec<Fault>, connection: u64) -> Result<(), String> {
        let (outages, faults): (Vec<_>, Vec<_>) = faults
            .into_iter()
            .partition(|fault| fault.kind == FaultKind::Refuse);
        for fault in outages.iter().filter(|fault| {
            fault
                .host
                .as_ref()
                .is_none_or(|host| *host == self.options.name)
        }) {
            self.refuse(fault, connection)?;
        }
        self.armory.arm(faults)
    }

    /// Stops listening for a time.
    ///
    /// # Errors
    /// Too many outages wait already.
    pub fn refuse(&self, fault: &Fault, connection: u64) -> Result<(), String> {
        let outage = Outage {
            lasting: fault.lasting.unwrap_or(Duration::from_secs(5)),
            drop_connections: fault.style == "drop",
            spare_connection: connection,
        };
        self.outages
            .try_send(outage)
            .map_err(|_| format!("{OUTAGES_MAX} outages wait already: let them pass first"))
    }

    pub fn has(&self, quirk: Quirk) -> bool {
        self.options.quirks.contains(&quirk)
    }

    /// Whether its models do not support something.
    pub fn refuses(&self, what: Unsupported) -> bool {
        self.options.refuses.contains(&what)
    }

    pub fn is_loading(&self) -> bool {
        self.started.elapsed() < self.options.loading
    }

    /// The id and the time of an answer to what `random` was made of.
    pub fn answer_id(&self, prefix: &str, random: &Random) -> (String, u64) {
        let mut random = random.clone();
        if self.options.fixed_ids {
            return (format!("{prefix}{}", random.hex(32)), FIXED_CREATED);
        }
        let number = self.next_answer.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::of(&[
            self.options.name.as_bytes(),
            &number.to_le_bytes(),
            &random.next().to_le_bytes(),
        ]);
        (format!("{prefix}{}", random.hex(32)), unix_seconds())
    }

    /// Randomness for an answer to a prompt.
    pub fn random(&self, model: &str, prompt: &str, request_seed: Option<i64>) -> Random {
        let request_seed = request_seed.unwrap_or_default().to_le_bytes();
        Random::of(&[
            &self.options.seed.to_le_bytes(),
            &request_seed,
            model.as_bytes(),
            prompt.as_bytes(),
        ])
    }

    pub fn stats(&self) -> Stats {
        self.log.counts.stats(
            &self.options.name,
            self.engine.running(),
            self.engine.waiting(),
        )
    }

    pub fn add_connection(&self, connection: u64, switch: &Arc<Switch>) {
        self.connections()
            .insert(connection, Arc::downgrade(switch));
    }

    pub fn remove_connection(&self, connection: u64) {
        self.connections().remove(&connection);
    }

    /// Resets every connection but one.
    pub fn kill_connections(&self, spare: u64) {
        for (connection, switch) in self.connections().iter() {
            if let Some(switch) = switch.upgrade().filter(|_| *connection != spare) {
                switch.kill();
            }
        }
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Switch>>> {
        self.connections
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// `created` of answers with fixed ids: 14 November 2023.
const FIXED_CREATED: u64 = 1_700_000_000;

pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
