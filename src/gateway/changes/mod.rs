//! What a new configuration changes, in words for operators.

mod fixed;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::config::{self, Config};
use crate::terms;

pub use fixed::FixedSettings;

/// What a new configuration changes.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub upstreams: Changed,
    pub models: Changed,
    pub aliases: Changed,
    /// Upstream keys, as `upstream/label`.
    pub keys: Changed,
    /// Keys of callers that stand in the configuration, by their labels.
    pub client_keys: Changed,
    /// Issuers of bearer tokens.
    pub issuers: Changed,
    /// Tenants, their projects as `tenant/projects/id`, their users as `tenant/users/id`.
    pub tenants: Changed,
    pub plans: Changed,
    /// By model, and as `upstream/model`.
    pub prices: Changed,
    /// Other sections that say something else.
    pub settings: Vec<String>,
    /// Settings that keep their old value until weir is started anew.
    pub needs_restart: Vec<String>,
}

/// Names that came, went, or mean something else now; sorted.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub altered: Vec<String>,
}

impl Changes {
    pub fn between(before: &Config, after: &Config) -> Changes {
        Changes {
            upstreams: Changed::between(&upstreams(before), &upstreams(after)),
            models: Changed::between(&models(before), &models(after)),
            aliases: Changed::between(&aliases(before), &aliases(after)),
            keys: Changed::between(&keys(before), &keys(after)),
            client_keys: Changed::between(&client_keys(before), &client_keys(after)),
            issuers: Changed::between(&issuers(before), &issuers(after)),
            tenants: Changed::between(&tenants(before), &tenants(after)),
            plans: Changed::between(&plans(before), &plans(after)),
            prices: Changed::between(&prices(before), &prices(after)),
            settings: settings::differing(before, after),
            needs_restart: FixedSettings::of(before).differing(after),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

impl Changed {
    /// Adds a name that means something else now, unless it is told already.
    pub(super) fn also_altered(&mut self, name: &str) {
        let told = self.added.iter().chain(&self.altered);
        if !told.into_iter().any(|told| told == name) {
            self.altered.push(name.to_owned());
            self.altered.sort();
        }
    }

    fn between<T: PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Changed {
        let added = after.keys().filter(|name| !before.contains_key(*name));
        let removed = before.keys().filter(|name| !after.contains_key(*name));
        let altered = after
            .iter()
            .filter(|(name, now)| before.get(*name).is_some_and(|then| then != *now));
        Changed {
            added: added.cloned().collect(),
            removed: removed.cloned().collect(),
            altered: altered.map(|(name, _)| name.clone()).collect(),
        }
    }
}

type Named<'a, T> = BTreeMap<String, &'a T>;

fn upstreams(config: &Config) -> Named<'_, crate::config::Upstream> {
    let named = config
        .upstreams
        .iter()
        .map(|upstream| (upstream.name.clone(), upstream.as_ref()));
    named.collect()
}

fn models(config: &Config) -> Named<'_, crate::config::Model> {
    let named = config.models.iter();
    named.map(|(name, model)| (name.clone(), model)).collect()
}

fn aliases(config: &Config) -> Named<'_, String> {
    let named = config.aliases.iter();
    named.map(|(name, model)| (name.clone(), model)).collect()
}

fn keys(config: &Config) -> Named<'_, crate::config::UpstreamKey> {
    let named = config.upstreams.iter().flat_map(|upstream| {
        let keys = upstream.keys.iter();
        keys.map(|key| (format!("{}/{}", upstream.name, key.label), key))
    });
    named.collect()
}

fn client_keys(config: &Config) -> Named<'_, config::ClientKey> {
    let keys = config.access.keys.iter();
    keys.map(|key| (key.label.clone(), key)).collect()
}

fn issuers(config: &Config) -> Named<'_, config::TokenIssuer> {
    let issuers = config.access.tokens.iter();
    issuers
        .map(|issuer| (issuer.issuer.clone(), issuer))
        .collect()
}

/// A tenant's own terms, a project's or a user's.
#[derive(PartialEq)]
enum Party<'a> {
    Tenant(Box<config::Tenant>),
    Project(&'a config::Project),
    User(&'a config::User),
}

fn tenants(config: &Config) -> BTreeMap<String, Party<'_>> {
    let mut named = BTreeMap::new();
    for (id, tenant) in &config.tenants {
        // Its projects and users are told by their own names.
        let own = config::Tenant {
            projects: BTreeMap::new(),
            users: BTreeMap::new(),
            ..tenant.clone()
        };
        named.insert(id.clone(), Party::Tenant(Box::new(own)));
        let projects = tenant.projects.iter();
        let projects =
            projects.map(|(name, it)| (format!("{id}/projects/{name}"), Party::Project(it)));
        named.extend(projects);
        let users = tenant.users.iter();
        named.extend(users.map(|(name, it)| (format!("{id}/users/{name}"), Party::User(it))));
    }
    named
}

fn plans(config: &Config) -> Named<'_, config::Plan> {
    let plans = config.plans.iter();
    plans.map(|(name, plan)| (name.clone(), plan)).collect()
}

fn prices(config: &Config) -> Named<'_, Arc<terms::Price>> {
    let models = config.prices.models.iter();
    let models = models.map(|(model, price)| (model.text().to_owned(), price));
    let upstreams = config.prices.upstreams.iter();
    let upstreams =
        upstreams.map(|(upstream, model, price)| (format!("{upstream}/{}", model.text()), price));
    models.chain(upstreams).collect()
}

fn names(sections: &[(&str, bool)]) -> Vec<String> {
    let changed = sections.iter().filter(|(_, changed)| *changed);
    changed.map(|(name, _)| (*name).to_owned()).collect()
}
