//! Which plugins an exchange meets, as the configuration says it: looked up once for each snapshot. It must not call them.

use std::collections::HashMap;
use std::sync::Arc;

use weir_plugin::Outcome;

use crate::config::{Config, Filter, Rule};
use crate::plugin::{Adapter, Auth, Guard, PluginSet, Router, Unfit};

use super::feed::Feed;

/// A guard at its place.
pub struct Placed {
    pub guard: Arc<Guard>,
    /// The condition under which it is asked; `None`: always.
    pub when: Option<Rule>,
}

/// The plugins of one snapshot, at their places.
#[derive(Default)]
pub struct Guards {
    set: PluginSet,
    all: Vec<Placed>,
    of_models: HashMap<String, Vec<Placed>>,
    routers: HashMap<String, Arc<Router>>,
    /// By upstream.
    adapters: HashMap<String, Arc<Adapter>>,
    feeds: Vec<Feed>,
    auth: Option<Arc<Auth>>,
}

impl Guards {
    /// Finds every plugin its place.
    ///
    /// # Errors
    /// A plugin that is not of the kind that its place wants.
    pub fn of(config: &Config, set: PluginSet) -> Result<Guards, Unfit> {
        let guards = |filters: &[Filter]| -> Result<Vec<_>, Unfit> {
            let placed = filters.iter().map(|filter| {
                let guard = Arc::new(set.guard(&filter.plugin)?);
                let when = filter.when.clone();
                Ok(Placed { guard, when })
            });
            placed.collect()
        };
        let all = guards(&config.plugins.filters)?;
        let mut of_models = HashMap::new();
        let mut routers = HashMap::new();
        for (name, model) in &config.models {
            if !model.filters.is_empty() {
                of_models.insert(name.clone(), guards(&model.filters)?);
            }
            if let Some(router) = &model.router {
                routers.insert(name.clone(), Arc::new(set.router(router)?));
            }
        }
        let mut adapters = HashMap::new();
        for upstream in &config.upstreams {
            if let Some(adapter) = &upstream.adapter {
                let adapter = Arc::new(set.adapter(adapter)?);
                adapters.insert(upstream.name.clone(), adapter);
            }
        }
        let observers = config.plugins.observers.iter();
        let feeds = observers.map(|name| Ok(Feed::new(Arc::new(set.observer(name)?))));
        let feeds = feeds.collect::<Result<_, Unfit>>()?;
        let auth = config.access.plugin.as_ref();
        let auth = auth.map(|name| set.auth(name)).transpose()?;
        Ok(Guards {
            all,
            of_models,
            routers,
            adapters,
            feeds,
            auth: auth.map(Arc::new),
            set,
        })
    }

    /// All plugins, also those that stand nowhere.
    pub fn set(&self) -> &PluginSet {
        &self.set
    }

    /// Whether no exchange meets any.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
            && self.of_models.is_empty()
            && self.routers.is_empty()
            && self.adapters.is_empty()
            && self.feeds.is_empty()
    }

    /// Guards of every exchange, in their order.
    pub fn of_all(&self) -> &[Placed] {
        &self.all
    }

    /// Guards of a model's own exchanges, which come after those.
    pub fn of_model(&self, model: &str) -> &[Placed] {
        self.of_models.get(model).map_or(&[], Vec::as_slice)
    }

    /// Who speaks an upstream's dialect, where weir does not.
    pub fn adapter(&self, upstream: &str) -> Option<&Arc<Adapter>> {
        self.adapters.get(upstream)
    }

    /// Who is asked who calls, where weir does not know.
    pub fn auth(&self) -> Option<&Arc<Auth>> {
        self.auth.as_ref()
    }

    /// Whether anybody hears of settled exchanges.
    pub fn observes(&self) -> bool {
        !self.feeds.is_empty()
    }

    /// Tells of a settled exchange.
    pub fn tell(&self, outcome: &Arc<Outcome>) {
        for feed in &self.feeds {
            feed.tell(outcome.clone());
        }
    }

    /// Who orders a model's candidates.
    pub fn router(&self, model: &str) -> Option<&Arc<Router>> {
        self.routers.get(model)
    }
}
