//! One checked configuration and what was built on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{self, Config};
use crate::route::{Catalog, RetryBudgets};
use crate::upstream::{Registry, Surroundings, Upstream};

/// One checked configuration and what was built on it. Immutable; an exchange keeps the one that it began with.
pub struct Snapshot {
    pub config: Arc<Config>,
    /// In the order of the configuration.
    pub upstreams: Vec<Arc<Upstream>>,
    by_name: Arc<HashMap<String, Arc<Upstream>>>,
    pub catalog: Catalog,
    /// Upstreams that list their models themselves and had listed none when the catalog was built.
    unlisted: Vec<Arc<Upstream>>,
    /// Whether at least one upstream's models were known when the catalog was built.
    pub is_usable: bool,
    /// Whether there is anybody to be told from anybody else.
    pub tells_callers_apart: bool,
    /// Whether anything that exchanges use is limited, paid for or written down.
    pub counts: bool,
}

impl Snapshot {
    /// The snapshot of a process's first configuration.
    ///
    /// # Errors
    /// When an upstream cannot be built; the text names it.
    pub(super) fn first(
        config: Arc<Config>,
        registry: &Registry,
        surroundings: &Surroundings,
        budgets: &RetryBudgets,
    ) -> Result<Snapshot, String> {
        let built = config
            .upstreams
            .iter()
            .map(|upstream| build(upstream, registry, surroundings));
        let upstreams = built.collect::<Result<_, _>>()?;
        Ok(Snapshot::of(config, upstreams, budgets))
    }

    /// The snapshot that follows this one; upstreams that are the same are taken over, with all that runs for them.
    ///
    /// # Errors
    /// As [`Snapshot::first`].
    pub(super) fn next(
        &self,
        config: Arc<Config>,
        registry: &Registry,
        surroundings: &Surroundings,
        budgets: &RetryBudgets,
    ) -> Result<Snapshot, String> {
        let built = config.upstreams.iter().map(|upstream| {
            let fresh = build(upstream, registry, surroundings)?;
            let known = self.upstream(&upstream.name);
            let same = known.filter(|known| known.is_same(&fresh));
            Ok(same.cloned().unwrap_or(fresh))
        });
        let upstreams = built.collect::<Result<_, String>>()?;
        Ok(Snapshot::of(config, upstreams, budgets))
    }

    fn of(config: Arc<Config>, upstreams: Vec<Arc<Upstream>>, budgets: &RetryBudgets) -> Snapshot {
        let named = upstreams
            .iter()
            .map(|upstream| (upstream.config.name.clone(), upstream.clone()));
        Snapshot {
            is_usable: is_usable(&upstreams),
            unlisted: unlisted(&upstreams),
            catalog: Catalog::build(&config, &upstreams, budgets, Instant::now()),
            by_name: Arc::new(named.collect()),
            tells_callers_apart: config.tells_callers_apart(),
            counts: config.counts(),
            config,
            upstreams,
        }
    }

    /// The same, with the catalog built on what upstreams report now.
    pub(super) fn with_catalog_anew(&self, budgets: &RetryBudgets) -> Snapshot {
        Snapshot {
            is_usable: is_usable(&self.upstreams),
            unlisted: unlisted(&self.upstreams),
            tells_callers_apart: self.tells_callers_apart,
            counts: self.counts,
            config: self.config.clone(),
            upstreams: self.upstreams.clone(),
            by_name: self.by_name.clone(),
            catalog: Catalog::build(&self.config, &self.upstreams, budgets, Instant::now()),
        }
    }

    /// Whether a model that the catalog lacks may yet be listed: by an upstream that has listed none so far, or that has done so
    /// since the catalog was built.
    pub fn awaits_models(&self, now: Instant) -> bool {
        let mut unlisted = self.unlisted.iter();
        unlisted.any(|upstream| upstream.may_yet_list(now))
    }

    /// The upstream of that name.
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.by_name.get(name)
    }
}

fn is_usable(upstreams: &[Arc<Upstream>]) -> bool {
    upstreams.iter().any(|upstream| upstream.is_known())
}

/// To be asked before the catalog is built: what is listed in between is then both unlisted and in it, and soon only in it.
fn unlisted(upstreams: &[Arc<Upstream>]) -> Vec<Arc<Upstream>> {
    let unlisted = upstreams.iter().filter(|upstream| upstream.lists_none());
    unlisted.cloned().collect()
}

fn build(
    upstream: &Arc<config::Upstream>,
    registry: &Registry,
    surroundings: &Surroundings,
) -> Result<Arc<Upstream>, String> {
    let state = registry.state(upstream);
    Upstream::new(upstream.clone(), state, surroundings)
        .map(Arc::new)
        .map_err(|problem| format!("upstream `{}`: {problem}", upstream.name))
}
