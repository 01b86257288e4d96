//! Upstreams at run time: their endpoints, the connections to them, their keys and the models that they report.
//! Which of them an exchange goes to is for `route`.

mod account;
mod adapt;
mod connection;
mod connector;
mod discovery;
mod endpoint;
pub mod errand;
mod fetch;
mod head;
pub mod health;
mod http1;
mod http2;
pub mod keys;
mod learn;
mod peer;
mod pool;
mod probe;
mod signer;
pub mod sigv4;
mod state;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora_load_balancing::{Backend, Backends, HealthRegistry};
use tokio::task::JoinSet;

use crate::config::{self, UpstreamModels, UpstreamStatus};

pub use account::{Account, Chosen, Lease, present};
pub use adapt::Adapt;
pub use connection::{Broken, Connection};
pub use connector::Connector;
pub use discovery::Resolver;
pub use endpoint::{Endpoint, InFlight, Place};
pub use head::Credential;
pub use health::{Change, Harm, Health, Standing, View};
pub use keys::KeyVerdict;
pub use learn::{LearnProgress, Learnt, Unlearnt, learn};
pub use probe::is_loading;
pub use signer::Payload;
pub use state::{LookUps, Registry, State};

use discovery::Discover;
use peer::PeerTemplate;
use probe::Prober;
use state::LastFound;

/// One upstream of the configuration, ready for use.
pub struct Upstream {
    pub config: Arc<config::Upstream>,
    pub account: Arc<Account>,
    /// What outlives this configuration of it.
    pub state: Arc<State>,
    template: PeerTemplate,
    endpoints: Arc<ArcSwap<Vec<Arc<Endpoint>>>>,
    /// Membership, and the verdicts of probes.
    view: Backends,
    prober: Option<Arc<Prober>>,
    discover: Arc<Discover>,
    /// One look-up at a time: the others wait for its answer. Why the last one failed; it holds until the next is due, so that
    /// those who waited need not each try again.
    refreshing: tokio::sync::Mutex<Option<Broken>>,
    /// What runs in the background for it, and ends with it.
    tasks: Mutex<JoinSet<()>>,
}

/// What upstreams are built with.
#[derive(Clone)]
pub struct Surroundings {
    pub connector: Arc<Connector>,
    pub resolver: Arc<Resolver>,
}

impl Upstream {
    /// An upstream, with what earlier configurations knew of it.
    ///
    /// # Errors
    /// When a certificate, a key or a header cannot be used; the text names it.
    pub fn new(
        config: Arc<config::Upstream>,
        state: Arc<State>,
        surroundings: &Surroundings,
    ) -> Result<Upstream, String> {
        let account = Arc::new(Account::new(&config, &state)?);
        let template = PeerTemplate::new(&config)?;
        let endpoints: Arc<ArcSwap<Vec<Arc<Endpoint>>>> = Arc::default();
        let resolver = surroundings.resolver.clone();
        let last = state.last_found(&config.discovery);
        let discover = Arc::new(Discover::new(&config, resolver, last));
        let registry = Arc::new(HealthRegistry::new());
        let prober = config.health.probe.as_ref().map(|probe| {
            let prober = Prober::new(probe, endpoints.clone(), surroundings.connector.clone());
            let prober = Arc::new(prober);
            registry.set_health_check(Box::new(probe::Shared(prober.clone())));
            prober
        });
        let view = Backends::new_with_health_registry(
            Box::new(discovery::Shared(discover.clone())),
            registry,
        );
        let upstream = Upstream {
            config,
            account,
            state,
            template,
            endpoints,
            view,
            prober,
            discover,
            refreshing: tokio::sync::Mutex::new(None),
            tasks: Mutex::default(),
        };
        upstream.adopt_what_is_at_hand();
        Ok(upstream)
    }

    /// Starts something that runs in the background until it ends by itself, or the upstream does.
    pub fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().spawn(task);
    }

    /// Ends what runs in the background, because another configuration has taken this one's place. Exchanges that began with
    /// it may hold the upstream for long yet.
    pub fn end_tasks(&self) {
        self.tasks.lock().abort_all();
    }

    /// Whether its configuration, and every file that it names, is the same.
    pub fn is_same(&self, other: &Upstream) -> bool {
        self.config == other.config && self.template.is_same(&other.template)
    }

    /// Its endpoints as they are known now; none where its name has not been resolved yet.
    pub fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// Its endpoints, looked up if none is known.
    ///
    /// # Errors
    /// When they cannot be found.
    pub async fn found_endpoints(&self) -> Result<Arc<Vec<Arc<Endpoint>>>, Broken> {
        let known = self.endpoints();
        if known.is_empty() {
            self.refresh().await?;
        }
        Ok(self.endpoints())
    }

    /// Looks its addresses up again, where that is due.
    ///
    /// # Errors
    /// When they cannot be found; those that were known stay.
    pub async fn refresh(&self) -> Result<(), Broken> {
        let mut last = self.refreshing.lock().await;
        if self.discover.due_in().is_none_or(|due| !due.is_zero()) {
            return last.clone().map_or(Ok(()), Err);
        }
        let updated = self.view.update(|backends| self.adopt(&backends)).await;
        *last = match updated {
            Ok(()) => None,
            Err(error) => Some(Broken::Unreachable(error.to_string())),
        };
        self.state
            .note_look_up(last.as_ref().map(Broken::to_string));
        if last.is_none() {
            self.remember();
        }
        last.clone().map_or(Ok(()), Err)
    }

    /// How long its addresses are good for; `None` for good.
    pub fn refresh_in(&self) -> Option<std::time::Duration> {
        self.discover.due_in()
    }

    /// Takes addresses that are known without a look-up: fixed ones, or those that an earlier configuration found last.
    fn adopt_what_is_at_hand(&self) {
        if self.discover.is_at_hand() {
            let updated = self.view.update(|backends| self.adopt(&backends));
            // Nothing is waited for.
            let _ = futures::FutureExt::now_or_never(updated);
        }
    }

    /// Keeps what was found for the configuration that comes after this one.
    fn remember(&self) {
        let endpoints = self.endpoints.load();
        let endpoints = endpoints.iter();
        self.state.remember(LastFound {
            source: self.config.discovery.clone(),
            due: self.discover.due(),
            endpoints: endpoints
                .map(|endpoint| (endpoint.address, endpoint.health.clone()))
                .collect(),
        });
    }

    fn adopt(&self, backends: &BTreeSet<Backend>) {
        let known = self.endpoints.load();
        let adopted = backends.iter().filter_map(|backend| {
            let address = *backend.addr.as_inet()?;
            let same = known.iter().find(|known| known.address == address);
            Some(same.cloned().unwrap_or_else(|| {
                let health = self.state.health(address, &self.config.health);
                let peer = self.template.peer(address);
                let account = self.account.clone();
                Arc::new(Endpoint::new(
                    self.config.clone(),
                    account,
                    address,
                    self.state.clone(),
                    health,
                    peer,
                ))
            }))
        });
        self.endpoints.store(Arc::new(adopted.collect()));
    }

    /// Probes every endpoint once, and waits for the answers. Those whose standing changed, with what changed.
    pub async fn probe(&self) -> Vec<(Arc<Endpoint>, Change)> {
        let Some(prober) = &self.prober else {
            return Vec::new();
        };
        self.view.run_health_check(true).await;
        let now = Instant::now();
        let endpoints = self.endpoints();
        let changes = endpoints.iter().filter_map(|endpoint| {
            let result = prober.result(endpoint.address)?;
            let is_up = self.view.ready(&discovery::backend(endpoint.address));
            let change = endpoint.health.probed(result, is_up, now)?;
            Some((endpoint.clone(), change))
        });
        changes.collect()
    }

    /// Whether it takes requests: by its configuration, or by what an operator said since.
    pub fn status(&self) -> UpstreamStatus {
        self.state.status_said().unwrap_or(self.config.status)
    }

    /// Whether its models are known, so that requests can be planned.
    pub fn is_known(&self) -> bool {
        match self.config.models {
            UpstreamModels::Auto { .. } => self.state.learnt.load().is_some(),
            UpstreamModels::Listed(_) | UpstreamModels::Targets => true,
        }
    }

    /// Whether it is to list its models itself and has listed none.
    pub fn lists_none(&self) -> bool {
        match self.config.models {
            UpstreamModels::Auto { .. } => !self.state.lists_any(),
            UpstreamModels::Listed(_) | UpstreamModels::Targets => false,
        }
    }

    /// Whether requests for models that nobody lists are to wait for this one's list; to be asked of one that listed none a
    /// moment ago. What it lists by now is about to be known.
    pub fn may_yet_list(&self, now: Instant) -> bool {
        let is_loading = || {
            let endpoints = self.endpoints.load();
            let mut standings = endpoints.iter().map(|known| known.health.standing(now));
            standings.any(|standing| standing == Standing::Loading)
        };
        let is_online = self.status() == UpstreamStatus::Online;
        is_online && (self.state.lists_any() || self.state.expects_models(now) || is_loading())
    }

    /// Exchanges in flight here.
    pub fn in_flight(&self) -> usize {
        let endpoints = self.endpoints.load();
        endpoints.iter().map(|endpoint| endpoint.in_flight()).sum()
    }
}
