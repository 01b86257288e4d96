//! Everything that exchanges share: one snapshot of the configuration and what was built on it, behind a pointer that is
//! swapped whole; and what lives longer than a snapshot.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::{Config, UpstreamModels};
use crate::limit::ByteBudget;
use crate::log::AccessLog;
use crate::metrics::Metrics;
use crate::route::Catalog;
use crate::upstream::{self, Endpoint};

/// The state of one process.
pub struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    pub connector: Connector,
    pub metrics: Metrics,
    pub buffers: Arc<ByteBudget>,
    pub access_log: AccessLog,
    phase: watch::Sender<Phase>,
}

/// One checked configuration and what was built on it. Immutable; an exchange keeps the one that it began with.
pub struct Snapshot {
    pub config: Arc<Config>,
    /// In the order of the configuration.
    pub endpoints: Vec<Arc<Endpoint>>,
    pub catalog: Catalog,
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
    /// Builds the state for a configuration.
    ///
    /// # Errors
    /// When an upstream cannot be built: its CA file, a key or a header.
    pub fn new(config: Config) -> Result<Gateway, String> {
        let config = Arc::new(config);
        let metrics = Metrics::default();
        let options = ConnectorOptions::new(config.server.upstream_idle_connections);
        let endpoints = endpoints(&config)?;
        let access_log = AccessLog::new(config.log.access, metrics.log_lines_dropped.clone());
        Ok(Gateway {
            buffers: ByteBudget::new(config.limits.buffered_bytes),
            connector: Connector::new(Some(options)),
            snapshot: ArcSwap::from_pointee(Snapshot::build(config, endpoints)),
            metrics,
            access_log,
            phase: watch::Sender::new(Phase::Serving),
        })
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
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

    /// Learns the models of one upstream again and again, as long as the process serves.
    pub async fn keep_learning(self: Arc<Self>, endpoint: Arc<Endpoint>) {
        let UpstreamModels::Auto { refresh } = endpoint.upstream.models else {
            return;
        };
        // A host that is not there yet, or still loading, is asked more often.
        let soon = refresh.min(std::time::Duration::from_secs(2));
        let mut known = true;
        while self.phase() < Phase::Ending {
            let learnt = self.learn_once(&endpoint, known).await;
            known = learnt;
            tokio::time::sleep(if learnt { refresh } else { soon }).await;
        }
    }

    /// `tell`: a failure is news, and goes into the log.
    async fn learn_once(&self, endpoint: &Endpoint, tell: bool) -> bool {
        let name = &endpoint.upstream.name;
        let learnt = upstream::learn(endpoint, &self.connector).await;
        let outcome = if learnt.is_ok() { "learnt" } else { "failed" };
        self.metrics
            .model_refreshes
            .with_label_values(&[name.as_str(), outcome])
            .inc();
        let before = endpoint.state.learnt.load_full();
        match learnt {
            Ok(learnt) if before.as_ref().as_ref() == Some(&learnt) => true,
            Ok(learnt) => {
                info!(upstream = %name, models = ?learnt.models, "learnt models");
                endpoint.state.learnt.store(Arc::new(Some(learnt)));
                self.rebuild();
                true
            }
            // What was learnt before stays: a host that is away for a moment must not make its models unknown.
            Err(error) => {
                if tell {
                    warn!(upstream = %name, %error, "could not learn its models; asking again until it answers");
                }
                false
            }
        }
    }

    /// Builds the catalog anew on what upstreams report now.
    fn rebuild(&self) {
        self.snapshot
            .rcu(|current| Snapshot::build(current.config.clone(), current.endpoints.clone()));
    }

    /// Whether at least one upstream's models are known.
    pub fn is_usable(&self) -> bool {
        self.snapshot
            .load()
            .endpoints
            .iter()
            .any(|endpoint| match endpoint.upstream.models {
                UpstreamModels::Auto { .. } => endpoint.state.learnt.load().is_some(),
                UpstreamModels::Listed(_) | UpstreamModels::Targets => true,
            })
    }

    /// Exchanges that have begun and are not settled.
    pub fn in_flight(&self) -> i64 {
        self.metrics.in_flight.get()
    }
}

impl Snapshot {
    fn build(config: Arc<Config>, endpoints: Vec<Arc<Endpoint>>) -> Snapshot {
        let catalog = Catalog::build(&config, &endpoints);
        Snapshot {
            config,
            endpoints,
            catalog,
        }
    }

    /// The upstream of that name.
    pub fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.upstream.name == name)
    }
}

fn endpoints(config: &Config) -> Result<Vec<Arc<Endpoint>>, String> {
    let built = config.upstreams.iter().map(|upstream| {
        let endpoint = Endpoint::new(upstream.clone(), Arc::default());
        endpoint
            .map(Arc::new)
            .map_err(|problem| format!("upstream `{}`: {problem}", upstream.name))
    });
    built.collect()
}
