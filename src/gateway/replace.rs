//! A new configuration takes the place of the one in force: built beside it, swapped in one step.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::access::seal::Seal;
use crate::config::Config;
use crate::route::RetryBudgets;
use crate::upstream::{Registry, Upstream};

use super::{Changes, Gateway, Guards, Snapshot, plugins};

impl Gateway {
    /// Puts `config` in force for all exchanges that begin from now on. To be called off the threads that serve: with many
    /// upstreams it takes a while.
    ///
    /// # Errors
    /// When an upstream cannot be built; nothing has changed then.
    pub fn replace(self: &Arc<Self>, config: Config) -> Result<Changes, String> {
        let _one_at_a_time = self.replacing.lock();
        let seal = self.accounting.seal_of(&config)?;
        let config = self.checked(config, &seal)?;
        let changes = self.swap(&config, || self.accounting.configure(&config, seal))?;
        self.accounting.reseal_and_tell(&config);
        Ok(changes)
    }

    /// Takes the upstream keys that the store holds now, under the configuration in force. To be called as [`Gateway::replace`].
    ///
    /// # Errors
    /// When an upstream cannot be built with them; nothing has changed then.
    pub fn renew_stored_keys(self: &Arc<Self>) -> Result<Changes, String> {
        let _one_at_a_time = self.replacing.lock();
        let config = Config::clone(&self.snapshot().config);
        let config = self.checked(config, &self.accounting.seal())?;
        self.swap(&config, || Ok(()))
    }

    /// Swaps the snapshot. `last` is what can still fail when all else is ready.
    fn swap(
        self: &Arc<Self>,
        config: &Arc<Config>,
        last: impl FnOnce() -> Result<(), String>,
    ) -> Result<Changes, String> {
        let before = self.snapshot();
        let guards = self.loaded(config, &before)?;
        let learnt = self.learnt.count();
        let next = before.next(
            config.clone(),
            guards.clone(),
            &self.registry,
            &self.surroundings,
            &self.retries,
        )?;
        last()?;
        let fresh: Vec<Arc<Upstream>> = added(&before, &next).cloned().collect();
        let replaced: Vec<Arc<Upstream>> = gone(&before, &next).cloned().collect();
        let mut changes = Changes::between(&before.config, config);
        for upstream in &fresh {
            // The same settings, but another certificate in a file that they name.
            changes.upstreams.also_altered(&upstream.config.name);
        }
        said_status_ends(&before, &next);
        self.retries.set(&config.failover, Instant::now());
        self.buffers.set_bytes_max(config.limits.buffered_bytes);
        drop(before);
        self.plugins.forget_others(guards.set());
        self.retired.add(self.snapshot.swap(Arc::new(next)));
        self.generation.fetch_add(1, Ordering::Relaxed);
        replaced.iter().for_each(|upstream| upstream.end_tasks());
        self.tend(&fresh);
        // What was learnt between building and swapping is not in the catalog yet.
        if self.learnt.count() != learnt {
            self.learnt.note();
        }
        Ok(changes)
    }

    /// What [`Gateway::replace`] would change.
    ///
    /// # Errors
    /// As [`Gateway::replace`].
    pub fn would_change(&self, config: Config) -> Result<Changes, String> {
        let seal = self.accounting.seal_of(&config)?;
        let config = self.checked(config, &seal)?;
        let before = self.snapshot();
        self.loaded(&config, &before)?;
        Ok(Changes::between(&before.config, &config))
    }

    /// Its plugins; those that are the same are taken over from what serves.
    fn loaded(&self, config: &Config, before: &Snapshot) -> Result<Arc<Guards>, String> {
        let previous = Some(before.guards.set());
        plugins::load(&self.plugins, config, previous).map(Arc::new)
    }

    /// A configuration with the keys of the store, built beside everything that runs. What is known of upstreams takes in their new
    /// settings as they are built on it, so that a configuration which cannot be built must be found out before.
    fn checked(&self, config: Config, seal: &Seal) -> Result<Arc<Config>, String> {
        self.accounting.check_sealed(&config, seal)?;
        let config = Arc::new(self.accounting.with_stored_keys(config, seal));
        let (registry, budgets) = (Registry::default(), RetryBudgets::default());
        let guards = Arc::default();
        Snapshot::first(
            config.clone(),
            guards,
            &registry,
            &self.surroundings,
            &budgets,
        )?;
        Ok(config)
    }
}

/// Upstreams that were not there before as they are now.
fn added<'a>(before: &'a Snapshot, next: &'a Snapshot) -> impl Iterator<Item = &'a Arc<Upstream>> {
    next.upstreams.iter().filter(|upstream| {
        let known = before.upstream(&upstream.config.name);
        known.is_none_or(|known| !Arc::ptr_eq(known, upstream))
    })
}

/// Upstreams that are no longer there as they were.
fn gone<'a>(before: &'a Snapshot, next: &'a Snapshot) -> impl Iterator<Item = &'a Arc<Upstream>> {
    added(next, before)
}

/// What an operator said of an upstream's status holds until its configuration says something new.
fn said_status_ends(before: &Snapshot, next: &Snapshot) {
    for upstream in &next.upstreams {
        let known = before.upstream(&upstream.config.name);
        if known.is_some_and(|known| known.config.status != upstream.config.status) {
            upstream.state.say_status(None);
        }
    }
}
