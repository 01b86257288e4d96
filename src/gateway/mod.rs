//! Everything that exchanges share: one snapshot of the configuration and what was built on it, behind a pointer that is
//! swapped whole; and what lives longer than a snapshot.

mod accounting;
mod changes;
mod gauges;
mod feed;
mod guards;
mod learnt;
mod plugins;
mod reasoning;
mod replace;
mod retired;
mod snapshot;
mod tend;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::limit::ByteBudget;
use crate::log::AccessLog;
use crate::metrics::Metrics;
use crate::plugin::PluginHost;
use crate::route::RetryBudgets;
use crate::upstream::health::Trial;
use crate::upstream::{Change, Connector, Endpoint, Harm, Registry, Resolver, Surroundings};

pub use accounting::{
    Accounting, Books, Bounding, Bounds, Common, Concerned, PlanStanding, Plans, Priced, Share,
    Taken, UpstreamKey, charges_with, exchange_id, name_of, plan_of, price_key, purse_name,
    put_upstream_key, subject_of, who,
};
pub use changes::{Changed, Changes, FixedSettings};
pub use guards::Guards;
pub use snapshot::Snapshot;

use learnt::Learnt;
use reasoning::ReasoningMemory;
use retired::Retired;

/// The state of one process.
pub struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    pub connector: Arc<Connector>,
    pub metrics: Metrics,
    pub buffers: Arc<ByteBudget>,
    pub access_log: AccessLog,
    retries: RetryBudgets,
    plugins: PluginHost,
    pub reasoning: ReasoningMemory,
    pub accounting: Accounting,
    named_tenants: usage::NamedTenants,
    /// Texts that are still being counted for exchanges that have ended.
    counting: Arc<()>,
    registry: Registry,
    surroundings: Surroundings,
    phase: watch::Sender<Phase>,
    /// One replacement of the configuration at a time.
    replacing: Mutex<()>,
    /// One reader of the metrics at a time: gauges are emptied and filled again for each.
    filling_gauges: Mutex<()>,
    learnt: Learnt,
    retired: Retired<Snapshot>,
    /// How often the configuration was replaced, the first among them.
    generation: AtomicU64,
}

/// Where the process stands between its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// Still serving, but no longer ready.
    Draining,
    /// Time is up: what still runs ends now.
    Ending,
}

impl Gateway {
    /// Builds the state for a configuration. Nothing runs in the background until [`Gateway::start`].
    ///
    /// # Errors
    /// When an upstream cannot be built: its CA file, a key or a header.
    pub fn new(config: Config) -> Result<Gateway, String> {
        let metrics = Metrics::default();
        let accounting = Accounting::open(&config)?;
        let seal = accounting.seal();
        accounting.check_sealed(&config, &seal)?;
        accounting.reseal_and_tell(&config);
        let config = accounting.with_stored_keys(config, &seal);
        let connector = Arc::new(Connector::new(config.server.upstream_idle_connections));
        let surroundings = Surroundings {
            connector: connector.clone(),
            resolver: Arc::new(Resolver::new(&config.server.dns_servers)),
        };
        let registry = Registry::default();
        let access_log = AccessLog::new(&config.log, metrics.log_lines_dropped.clone());
        let buffers = ByteBudget::new(config.limits.buffered_bytes);
        let retries = RetryBudgets::default();
        let plugins = plugins::host(&connector, &metrics.plugins);
        let guards = Arc::new(plugins::load(&plugins, &config, None)?);
        let config = Arc::new(config);
        let snapshot = Snapshot::first(config, guards, &registry, &surroundings, &retries)?;
        Ok(Gateway {
            buffers,
            connector,
            snapshot: ArcSwap::from_pointee(snapshot),
            metrics,
            access_log,
            retries,
            plugins,
            reasoning: ReasoningMemory::default(),
            accounting,
            named_tenants: usage::NamedTenants::default(),
            counting: Arc::default(),
            registry,
            surroundings,
            phase: watch::Sender::new(Phase::Serving),
            replacing: Mutex::new(()),
            filling_gauges: Mutex::new(()),
            learnt: Learnt::default(),
            retired: Retired::default(),
            generation: AtomicU64::new(1),
        })
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// How often a configuration has come into force, the first among them.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Held while what an exchange has used is still being counted.
    pub fn counting(&self) -> Arc<()> {
        self.counting.clone()
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Moves on; a phase never goes back.
    pub fn enter_phase(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let later = phase > *current;
            *current = phase.max(*current);
            later
        });
    }

    /// Waits until `phase` is reached.
    pub async fn reached(&self, phase: Phase) {
        let mut changes = self.phase.subscribe();
        // The sender lives as long as the gateway, so that the wait cannot fail.
        let _ = changes.wait_for(|current| *current >= phase).await;
    }

    /// Whether at least one upstream's models are known.
    pub fn is_usable(&self) -> bool {
        self.snapshot.load().is_usable
    }

    /// Exchanges that have begun and are not settled.
    pub fn in_flight(&self) -> i64 {
        self.metrics.in_flight.get()
    }

    /// An attempt ended well: its endpoint is told.
    pub fn report_served(&self, endpoint: &Endpoint, trial: Option<Trial>) {
        let now = Instant::now();
        let change = match trial {
            Some(trial) => trial.served(now),
            None => endpoint.health.served(now),
        };
        if let Some(change) = change {
            self.note_change(endpoint, change);
        }
    }

    /// An attempt failed by its endpoint's fault: the endpoint is told, and taken out where it is time and can be spared.
    pub fn report_harm(
        &self,
        snapshot: &Snapshot,
        endpoint: &Endpoint,
        harm: Harm,
        trial: Option<Trial>,
    ) {
        let labels = [endpoint.upstream.name.as_str(), harm.label()];
        self.metrics.upstream_harm.with_label_values(&labels).inc();
        let share = endpoint.upstream.health.breaker.ejected_share;
        let can_spare = || snapshot.catalog.can_spare(endpoint, share);
        let now = Instant::now();
        let jitter = fastrand::f64();
        let change = match trial {
            Some(trial) => trial.failed(harm, now, jitter),
            None => endpoint.health.failed(harm, now, jitter, can_spare),
        };
        if let Some(change) = change {
            self.note_change(endpoint, change);
        }
    }

    /// Tells operators of a change of an endpoint's standing, and learns anew what a restarted host serves.
    pub fn note_change(&self, endpoint: &Endpoint, change: Change) {
        if change == Change::Restarted {
            endpoint.state.expect_models(Instant::now());
            endpoint.state.learn_now.notify_one();
        }
        let upstream = endpoint.upstream.name.as_str();
        let labels = [upstream, change.label()];
        self.metrics
            .endpoint_changes
            .with_label_values(&labels)
            .inc();
        let endpoint = endpoint.name.as_str();
        match change {
            Change::Ejected { time, ejections } => {
                warn!(
                    upstream,
                    endpoint,
                    ?time,
                    ejections,
                    "endpoint ejected: too many failures"
                );
            }
            Change::Down => warn!(upstream, endpoint, "endpoint down: its probes fail"),
            Change::Loading => info!(upstream, endpoint, "endpoint is loading its model"),
            Change::Recovered => info!(upstream, endpoint, "endpoint has recovered"),
            Change::Restarted => info!(
                upstream,
                endpoint, "endpoint is back; what was known of it is forgotten"
            ),
        }
    }
}
