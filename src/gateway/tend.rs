//! What runs in the background for each upstream, as long as it is configured: looking its addresses up, probing it, learning
//! its models.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::{UpstreamModels, UpstreamStatus};
use crate::ledger::retention::Retention;
use crate::upstream::{self, Endpoint, LearnProgress, Upstream};

use super::{Gateway, Phase};

/// Addresses that never change are not looked at again; whether the upstream is still configured is.
const LOOK: Duration = Duration::from_secs(60);
/// Upstreams that are new together begin one after the other with so much between them: the first probes of a thousand at
/// once would hold up the exchanges that run for tens of milliseconds, and so would each round of probes after them.
const BEGIN_APART: Duration = Duration::from_millis(2);

/// How often snapshots that are no longer in force are looked at.
const TAKE_APART: Duration = Duration::from_secs(1);

/// How often it is seen whether an issuer's keys are to be fetched, and what is idle can go.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How often plans are looked at.
const BOOKS_LOOK: Duration = Duration::from_secs(60);
/// So much after a period's end the next one is opened.
const AFTER_END: Duration = Duration::from_millis(10);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The least time between two times of learning, however often it is said that something has changed.
const LEARN_PAUSE: Duration = Duration::from_secs(1);

/// Tells operators that an upstream's addresses cannot be looked up, and that they can again.
fn tell_of_addresses(upstream: &Upstream, problem: Option<&str>) {
    let name = &upstream.config.name;
    let known = upstream.endpoints().len();
    match (problem, known) {
        (None, _) => info!(upstream = %name, known, "its addresses are found again"),
        (Some(error), 0) => {
            warn!(upstream = %name, error, "cannot find its address; looking again until it is found");
        }
        (Some(error), kept) => {
            warn!(upstream = %name, error, kept, "cannot look its addresses up; those that are known stay, until they are found again");
        }
    }
}

async fn later(after: Duration, task: impl Future<Output = ()>) {
    tokio::time::sleep(after).await;
    task.await;
}

impl Gateway {
    /// Starts everything that runs in the background.
    pub fn start(self: &Arc<Self>) {
        self.tend(&self.snapshot().upstreams);
        tokio::spawn(self.clone().keep_catalog());
        tokio::spawn(self.clone().keep_taking_apart());
        tokio::spawn(self.clone().keep_accounting());
        tokio::spawn(self.clone().keep_books());
    }

    /// Starts what runs for each of these upstreams. It ends when the upstream is replaced, or nothing holds it any more.
    pub(super) fn tend(self: &Arc<Self>, upstreams: &[Arc<Upstream>]) {
        let mut after = Duration::ZERO;
        for upstream in upstreams {
            let weak = Arc::downgrade(upstream);
            upstream.run(later(after, self.clone().keep_resolving(weak.clone())));
            upstream.run(later(after, self.clone().keep_learning(weak.clone())));
            upstream.run(later(after, self.clone().keep_probing(weak)));
            after += BEGIN_APART;
        }
    }

    /// Fetches the keys of issuers when it is time, and gives back the meters of those who are gone.
    async fn keep_accounting(self: Arc<Self>) {
        while self.phase() < Phase::Ending {
            self.accounting.issuers.refresh(&self.connector).await;
            self.accounting.tidy(Instant::now());
            tokio::time::sleep(LOOK_AFTER).await;
        }
    }

    /// Opens the periods of plans, closes days that are over and forgets what is older than is to be kept, each in its time.
    async fn keep_books(self: Arc<Self>) {
        let Some(books) = &self.accounting.books else {
            return;
        };
        let mut daily: Option<Instant> = None;
        while self.phase() < Phase::Ending {
            self.renew_plans().await;
            if daily.is_none_or(|last| last.elapsed() >= DAY) {
                daily = Some(Instant::now());
                let days = self
                    .snapshot()
                    .config
                    .store
                    .as_ref()
                    .map(|store| store.retention_days);
                let retention = Retention {
                    rows_days: days,
                    totals_days: None,
                };
                let forgotten = books.ledger.forget(retention).await;
                let closed = books.ledger.close_days().await;
                match (forgotten, closed) {
                    (Ok(_), Ok(_)) => {}
                    (Err(error), _) | (_, Err(error)) => {
                        warn!(%error, "old rows cannot be forgotten; trying again tomorrow");
                    }
                }
            }
            sleep(self.until_plans_end()).await;
        }
    }

    /// The store may be waited for: not by threads that serve.
    async fn renew_plans(self: &Arc<Self>) {
        let gateway = self.clone();
        let renewed = tokio::task::spawn_blocking(move || gateway.accounting.renew_plans());
        if let Ok(Err(error)) = renewed.await {
            warn!(%error, "plans cannot be renewed; trying again");
        }
    }

    /// How long nothing is to be done for plans: a minute, or until a period ends.
    fn until_plans_end(&self) -> Duration {
        let now = SystemTime::now();
        let ends = self.accounting.plans.soonest_end(now);
        let left = ends.and_then(|ends| ends.duration_since(now).ok());
        left.map_or(BOOKS_LOOK, |left| (left + AFTER_END).min(BOOKS_LOOK))
    }

    fn held(&self, upstream: &Weak<Upstream>) -> Option<Arc<Upstream>> {
        upstream.upgrade().filter(|_| self.phase() < Phase::Ending)
    }

    /// Looks its addresses up whenever the last answer is no longer good.
    async fn keep_resolving(self: Arc<Self>, upstream: Weak<Upstream>) {
        let mut told = None;
        while let Some(upstream) = self.held(&upstream) {
            let problem = upstream.refresh().await.err();
            let problem = problem.map(|broken| broken.to_string());
            if problem != told {
                tell_of_addresses(&upstream, problem.as_deref());
                told = problem;
            }
            let wait = upstream.refresh_in().unwrap_or(LOOK);
            drop(upstream);
            // Never in a loop without rest, whatever a resolver says.
            sleep(wait.max(Duration::from_millis(100))).await;
        }
    }

    /// Learns the models of an upstream that has a list of them.
    async fn keep_learning(self: Arc<Self>, upstream: Weak<Upstream>) {
        let mut progress = LearnProgress::default();
        while let Some(upstream) = self.held(&upstream) {
            let UpstreamModels::Auto { refresh } = upstream.config.models else {
                return;
            };
            let wait = match upstream.status() {
                UpstreamStatus::Online => {
                    self.learn_once(&upstream, &mut progress).await;
                    progress.next_in(refresh)
                }
                UpstreamStatus::Offline | UpstreamStatus::Maintenance => refresh,
            };
            let state = upstream.state.clone();
            drop(upstream);
            let pause = wait.min(LEARN_PAUSE);
            sleep(pause).await;
            tokio::select! {
                () = sleep(wait - pause) => {}
                () = state.learn_now.notified() => {}
            }
        }
    }

    async fn learn_once(&self, upstream: &Upstream, progress: &mut LearnProgress) {
        let name = &upstream.config.name;
        let note = |endpoint: &Endpoint, change| self.note_change(endpoint, change);
        let learnt = upstream::learn(upstream, &self.connector, &note).await;
        let outcome = if learnt.is_ok() { "learnt" } else { "failed" };
        let labels = [name.as_str(), outcome];
        self.metrics
            .model_refreshes
            .with_label_values(&labels)
            .inc();
        let before = upstream.state.learnt.load_full();
        let known = before.as_ref().as_ref();
        match learnt {
            Ok(learnt) => {
                if progress.learnt(&learnt, known) {
                    info!(upstream = %name, models = ?learnt.models, "learnt models");
                    upstream.state.learnt.store(Arc::new(Some(learnt)));
                    self.learnt.note();
                }
            }
            // What was learnt before stays: a host that is away for a moment must not make its models unknown.
            Err(unlearnt) => {
                if progress.failed(&unlearnt) {
                    let error = &unlearnt.why;
                    warn!(upstream = %name, error, "could not learn its models; asking again until it answers");
                }
            }
        }
        upstream.state.note_no_models(progress.has_answered());
    }

    /// Builds the catalog anew whenever something was learnt.
    async fn keep_catalog(self: Arc<Self>) {
        while self.phase() < Phase::Ending {
            self.learnt.noted().await;
            let gateway = self.clone();
            // With many upstreams it takes a while, and the threads here serve.
            let built = tokio::task::spawn_blocking(move || {
                let snapshot = &gateway.snapshot;
                let before = snapshot.rcu(|current| current.with_catalog_anew(&gateway.retries));
                gateway.retired.add(before);
            });
            let _ = built.await;
        }
    }

    /// Takes snapshots apart once no exchange holds them any more.
    async fn keep_taking_apart(self: Arc<Self>) {
        while self.phase() < Phase::Ending {
            tokio::time::sleep(TAKE_APART).await;
            if !self.retired.is_empty() {
                let gateway = self.clone();
                let _ = tokio::task::spawn_blocking(move || gateway.retired.take_apart()).await;
            }
        }
    }

    /// Probes an upstream's endpoints at its interval, give or take a tenth, so that many do not probe in step.
    async fn keep_probing(self: Arc<Self>, upstream: Weak<Upstream>) {
        while let Some(upstream) = self.held(&upstream) {
            let Some(interval) = upstream
                .config
                .health
                .probe
                .as_ref()
                .map(|probe| probe.interval)
            else {
                return;
            };
            if upstream.status() != UpstreamStatus::Offline {
                self.probe_once(&upstream).await;
            }
            drop(upstream);
            let jitter = 0.9 + 0.2 * fastrand::f64();
            sleep(interval.mul_f64(jitter)).await;
        }
    }

    async fn probe_once(&self, upstream: &Upstream) {
        for (endpoint, change) in upstream.probe().await {
            self.note_change(&endpoint, change);
        }
    }
}
