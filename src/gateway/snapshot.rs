//! One checked configuration and what was built on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{self, Config};
use crate::route::Catalog;
use crate::upstream::{Registry, Standing, Surroundings, Upstream};

/// One checked configuration and what was built on it. Immutable; an exchange keeps the one that it began with.
pub struct Snapshot {
    pub config: Arc<Config>,
    /// In the order of the configuration.
    pub upstreams: Vec<Arc<Upstream>>,
    by_name: Arc<HashMap<String, Arc<Upstream>>>,
    pub catalog: Catalog,
    /// Upstreams that had not told their models yet when the catalog was built.
    untold: Vec<Arc<Upstream>>,
    /// Whether at least one upstream's models were known when the catalog was built.
    pub is_usable: bool,
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
    ) -> Result<Snapshot, String> {
        let built = config
            .upstreams
            .iter()
            .map(|upstream| build(upstream, registry, surroundings));
        let upstreams = built.collect::<Result<_, _>>()?;
        Ok(Snapshot::of(config, upstreams))
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
    ) -> Result<Snapshot, String> {
        let built = config.upstreams.iter().map(|upstream| {
            let fresh = build(upstream, registry, surroundings)?;
            let known = self.upstream(&upstream.name);
            let same = known.filter(|known| known.is_same(&fresh));
            Ok(same.cloned().unwrap_or(fresh))
        });
        let upstreams = built.collect::<Result<_, String>>()?;
        Ok(Snapshot::of(config, upstreams))
    }

    fn of(config: Arc<Config>, upstreams: Vec<Arc<Upstream>>) -> Snapshot {
        let named = upstreams
            .iter()
            .map(|upstream| (upstream.config.name.clone(), upstream.clone()));
        let untold = untold(&upstreams);
        Snapshot {
            is_usable: untold.len() < upstreams.len(),
            untold,
            catalog: Catalog::build(&config, &upstreams),
            by_name: Arc::new(named.collect()),
            config,
            upstreams,
        }
    }

    /// The same, with the catalog built on what upstreams report now.
    pub(super) fn with_catalog_anew(&self) -> Snapshot {
        let untold = untold(&self.upstreams);
        Snapshot {
            config: self.config.clone(),
            upstreams: self.upstreams.clone(),
            by_name: self.by_name.clone(),
            is_usable: untold.len() < self.upstreams.len(),
            untold,
            catalog: Catalog::build(&self.config, &self.upstreams),
        }
    }

    /// Upstreams whose models the catalog lacks, and of which a host is loading.
    pub fn loading(&self) -> Vec<Arc<Upstream>> {
        let now = Instant::now();
        let is_loading = |upstream: &&Arc<Upstream>| {
            let endpoints = upstream.endpoints();
            let mut standings = endpoints.iter().map(|known| known.health.standing(now));
            standings.any(|standing| standing == Standing::Loading)
        };
        self.untold.iter().filter(is_loading).cloned().collect()
    }

    /// Whether the catalog lacks the models of any of `upstreams`.
    pub fn lacks_any(&self, upstreams: &[Arc<Upstream>]) -> bool {
        let lacks = |upstream: &Arc<Upstream>| {
            let name = &upstream.config.name;
            self.untold.iter().any(|known| known.config.name == *name)
        };
        upstreams.iter().any(lacks)
    }

    /// The upstream of that name.
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.by_name.get(name)
    }
}

/// To be asked before the catalog is built: what is told in between is then both untold and in it, and soon only in it.
fn untold(upstreams: &[Arc<Upstream>]) -> Vec<Arc<Upstream>> {
    let untold = upstreams.iter().filter(|upstream| !upstream.is_known());
    untold.cloned().collect()
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
