//! One checked configuration and what was built on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderName;

use crate::config::{self, Config};
use crate::route::{Catalog, RetryBudgets};
use crate::upstream::{Registry, Surroundings, Upstream};

use super::accounting::Common;
use super::guards::Guards;

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
    /// The plugins that exchanges meet.
    pub guards: Arc<Guards>,
    /// Whether the configuration has rules that exchanges are held against.
    pub has_rules: bool,
    /// Whether there is anybody to be told from anybody else.
    pub tells_callers_apart: bool,
    /// Whether anything that exchanges use is limited, paid for or written down.
    pub counts: bool,
    /// Where clients bring keys of their own for upstreams; no other upstream may see them.
    pub own_key_headers: Arc<[HeaderName]>,
    /// What bounds exchanges, whoever calls.
    pub common: Arc<Common>,
}

impl Snapshot {
    /// The snapshot of a process's first configuration.
    ///
    /// # Errors
    /// When an upstream cannot be built; the text names it.
    pub(super) fn first(
        config: Arc<Config>,
        guards: Arc<Guards>,
        registry: &Registry,
        surroundings: &Surroundings,
        budgets: &RetryBudgets,
    ) -> Result<Snapshot, String> {
        let built = config
            .upstreams
            .iter()
            .map(|upstream| build(upstream, registry, surroundings));
        let upstreams = built.collect::<Result<_, _>>()?;
        Ok(Snapshot::of(config, guards, upstreams, budgets))
    }

    /// The snapshot that follows this one; upstreams that are the same are taken over, with all that runs for them.
    ///
    /// # Errors
    /// As [`Snapshot::first`].
    pub(super) fn next(
        &self,
        config: Arc<Config>,
        guards: Arc<Guards>,
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
        Ok(Snapshot::of(config, guards, upstreams, budgets))
    }

    fn of(
        config: Arc<Config>,
        guards: Arc<Guards>,
        upstreams: Vec<Arc<Upstream>>,
        budgets: &RetryBudgets,
    ) -> Snapshot {
        let named = upstreams
            .iter()
            .map(|upstream| (upstream.config.name.clone(), upstream.clone()));
        Snapshot {
            is_usable: is_usable(&upstreams),
            guards,
            has_rules: config.has_rules(),
            unlisted: unlisted(&upstreams),
            catalog: Catalog::build(&config, &upstreams, budgets, Instant::now()),
            by_name: Arc::new(named.collect()),
            tells_callers_apart: config.tells_callers_apart(),
            counts: config.counts(),
            own_key_headers: own_key_headers(&config),
            common: Arc::new(Common::new(&config)),
            config,
            upstreams,
        }
    }

    /// The same, with the catalog built on what upstreams report now.
    pub(super) fn with_catalog_anew(&self, budgets: &RetryBudgets) -> Snapshot {
        Snapshot {
            is_usable: is_usable(&self.upstreams),
            guards: self.guards.clone(),
            has_rules: self.has_rules,
            unlisted: unlisted(&self.upstreams),
            tells_callers_apart: self.tells_callers_apart,
            counts: self.counts,
            own_key_headers: self.own_key_headers.clone(),
            common: self.common.clone(),
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

/// Each once.
fn own_key_headers(config: &Config) -> Arc<[HeaderName]> {
    let mut names: Vec<HeaderName> = Vec::new();
    for upstream in &config.upstreams {
        let name = upstream.own_key_header.as_ref();
        names.extend(name.filter(|name| !names.contains(name)).cloned());
    }
    names.into()
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
