//! All models that can be asked for: those that the configuration names, and those that upstreams report.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::{Config, Policy, UpstreamModels};
use crate::upstream::Endpoint;

use super::policy;

/// Models and the ways to serve them; built anew when the configuration or a learnt list changes.
pub struct Catalog {
    routes: BTreeMap<Arc<str>, Route>,
    /// Alias → model; every alias leads to a model of its own in one step.
    aliases: BTreeMap<String, String>,
    default: Option<Arc<Endpoint>>,
}

struct Route {
    policy: Policy,
    /// By number, lowest first; each has at least one candidate.
    tiers: BTreeMap<u32, Vec<Candidate>>,
    turn: AtomicUsize,
}

/// One way to serve a model.
#[derive(Clone)]
pub struct Candidate {
    pub endpoint: Arc<Endpoint>,
    /// The upstream's own name for the model; `None` sends the client's.
    pub model: Option<Arc<str>>,
}

/// What an exchange goes by: where to try, in order.
pub struct Plan {
    /// The public name of the model, for logs and metrics; `None` where only the default upstream may know it.
    pub model: Option<Arc<str>>,
    /// At least one.
    pub candidates: Vec<Candidate>,
}

impl Catalog {
    /// Builds the catalog out of a configuration and what its upstreams have reported so far.
    pub fn build(config: &Config, endpoints: &[Arc<Endpoint>]) -> Catalog {
        let by_name: HashMap<&str, &Arc<Endpoint>> = endpoints
            .iter()
            .map(|endpoint| (endpoint.upstream.name.as_str(), endpoint))
            .collect();
        let mut routes = BTreeMap::new();
        for endpoint in endpoints {
            for model in reported(endpoint) {
                let route = routes
                    .entry(model.clone())
                    .or_insert_with(|| Route::new(Policy::LeastInflight));
                route.add(
                    1,
                    Candidate {
                        endpoint: endpoint.clone(),
                        model: Some(model),
                    },
                );
            }
        }
        // What the configuration says of a model replaces what upstreams say of it.
        for (name, model) in &config.models {
            let mut route = Route::new(model.policy);
            for target in &model.targets {
                let Some(endpoint) = by_name.get(target.upstream.as_str()) else {
                    continue;
                };
                let model = Some(Arc::from(target.model.as_str()));
                route.add(
                    target.tier,
                    Candidate {
                        endpoint: Arc::clone(endpoint),
                        model,
                    },
                );
            }
            routes.insert(Arc::from(name.as_str()), route);
        }
        Catalog {
            routes,
            aliases: config.aliases.clone(),
            default: config
                .default_upstream
                .as_deref()
                .and_then(|name| by_name.get(name))
                .map(|found| Arc::clone(found)),
        }
    }

    /// Where to try for `model`; `None` where nothing serves it.
    pub fn plan(&self, model: &str) -> Option<Plan> {
        let name = self.aliases.get(model).map_or(model, String::as_str);
        if let Some((name, route)) = self.routes.get_key_value(name) {
            return Some(Plan {
                model: Some(name.clone()),
                candidates: route.candidates(),
            });
        }
        self.default_plan()
    }

    /// Where requests go that name no model, or one that only the default upstream may know.
    pub fn default_plan(&self) -> Option<Plan> {
        let endpoint = self.default.clone()?;
        Some(Plan {
            model: None,
            candidates: vec![Candidate {
                endpoint,
                model: None,
            }],
        })
    }

    /// Whether a request for `model` would be tried anywhere by its name.
    pub fn knows(&self, model: &str) -> bool {
        self.routes.contains_key(model) || self.aliases.contains_key(model)
    }

    /// All public names with the first upstream behind each, sorted.
    pub fn models(&self) -> impl Iterator<Item = (&str, &str)> {
        let routes = self
            .routes
            .iter()
            .map(|(name, route)| (name.as_ref(), route.owner()));
        let aliases = self.aliases.iter().filter_map(|(alias, model)| {
            let route = self.routes.get(model.as_str())?;
            Some((alias.as_str(), route.owner()))
        });
        routes.chain(aliases)
    }
}

impl Route {
    fn new(policy: Policy) -> Route {
        Route {
            policy,
            tiers: BTreeMap::new(),
            turn: AtomicUsize::new(0),
        }
    }

    fn add(&mut self, tier: u32, candidate: Candidate) {
        self.tiers.entry(tier).or_default().push(candidate);
    }

    fn candidates(&self) -> Vec<Candidate> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut candidates = Vec::with_capacity(self.tiers.values().map(Vec::len).sum());
        for tier in self.tiers.values() {
            let in_flight: Vec<usize> = tier
                .iter()
                .map(|candidate| candidate.endpoint.in_flight())
                .collect();
            let order = policy::order(self.policy, turn, &in_flight);
            candidates.extend(order.into_iter().map(|index| tier[index].clone()));
        }
        candidates
    }

    fn owner(&self) -> &str {
        self.tiers
            .values()
            .next()
            .map_or("", |tier| tier[0].endpoint.upstream.name.as_str())
    }
}

/// The models that an upstream serves by its own word or by the configuration's list.
fn reported(endpoint: &Endpoint) -> Vec<Arc<str>> {
    match &endpoint.upstream.models {
        UpstreamModels::Listed(models) => models
            .iter()
            .map(|model| Arc::from(model.as_str()))
            .collect(),
        UpstreamModels::Targets => Vec::new(),
        UpstreamModels::Auto { .. } => {
            let learnt = endpoint.state.learnt.load();
            let models = learnt.iter().flat_map(|learnt| &learnt.models);
            models.map(|model| Arc::from(model.as_str())).collect()
        }
    }
}
