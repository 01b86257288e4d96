//! What is sound about callers and money, but may not be meant, or is not safe: one sentence each.

use std::collections::BTreeMap;

use url::Host;

use super::ClientKey;
use crate::config::problem::did_you_mean;
use crate::config::{Config, UnknownPrice};
use crate::terms::{AtEnd, Budget, Limits, Rule};

/// Shorter keys can be guessed.
const KEY_CHARACTERS_MIN: usize = 16;

pub(in crate::config) fn warnings(config: &Config) -> Vec<String> {
    let keys = config.access.keys.iter();
    let short = keys.clone().filter_map(too_short);
    let strange = keys.filter_map(|key| perhaps_misspelt(config, key));
    let told = short
        .chain(strange)
        .chain(pepper(config))
        .chain(nobody_is_anonymous(config))
        .chain(proxies(config))
        .chain(forgotten(config))
        .chain(
            limits(config)
                .into_iter()
                .flat_map(|(of, limits)| contradictions(&of, limits)),
        )
        .chain(downgrades(config))
        .chain(without_effect(config))
        .chain(webhooks(config));
    told.collect()
}

fn too_short(key: &ClientKey) -> Option<String> {
    let is_short = key.characters? < KEY_CHARACTERS_MIN;
    is_short.then(|| {
        format!(
            "access: key {} has fewer than {KEY_CHARACTERS_MIN} characters, and can be guessed; make one with `openssl rand -hex 32`",
            key.label
        )
    })
}

/// A tenant that is not in the file is taken to be in the store; a name that is nearly there looks like a slip.
fn perhaps_misspelt(config: &Config, key: &ClientKey) -> Option<String> {
    if config.tenants.contains_key(&key.tenant) {
        return None;
    }
    let meant = did_you_mean(&key.tenant, config.tenants.keys().map(String::as_str))?;
    Some(format!(
        "access: the tenant {} of the key {} is not in this file, and is looked for in the store; did you mean `{meant}`?",
        key.tenant, key.label
    ))
}

fn pepper(config: &Config) -> Option<String> {
    let is_idle = config.store.is_some() && config.access.pepper.is_some();
    is_idle.then(|| {
        "access: `pepper` has no effect with a store, which keeps one of its own; remove it"
            .to_owned()
    })
}

fn nobody_is_anonymous(config: &Config) -> Option<String> {
    let is_idle = config.access.required && !config.rates.anonymous.is_empty();
    is_idle.then(|| {
        "limits.anonymous: has no effect, because every request needs a key; write `access.required: false`, or remove it".to_owned()
    })
}

fn proxies(config: &Config) -> Option<String> {
    let networks = &config.access.trusted_proxies;
    let all = networks.iter().find(|network| network.prefix_len() == 0)?;
    Some(format!(
        "access.trusted_proxies: {all} is every address, so that any client can pass for another; name the proxies alone"
    ))
}

/// Money that is counted, and lost with the process.
fn forgotten(config: &Config) -> Option<String> {
    if config.store.is_some() {
        return None;
    }
    let of_budgets = budgets(config).into_keys();
    let tenants = config.tenants.iter();
    let of_accounts = tenants
        .filter(|(_, tenant)| tenant.account.is_some() || tenant.plan.is_some())
        .map(|(id, _)| format!("tenant {id}"));
    let mut of: Vec<String> = of_budgets.chain(of_accounts).collect();
    of.sort();
    of.dedup();
    (!of.is_empty()).then(|| {
        format!(
            "store: there is none, and what is spent of budgets, plans and prepaid accounts is forgotten when weir ends ({}); give `store.path`",
            of.join(", ")
        )
    })
}

/// All budgets, by whose they are.
fn budgets(config: &Config) -> BTreeMap<String, &Budget> {
    let mut budgets = BTreeMap::new();
    for (id, tenant) in &config.tenants {
        budgets.extend(tenant.budget.iter().map(|it| (format!("tenant {id}"), it)));
        for (project, entry) in &tenant.projects {
            let of = || format!("project {id}/{project}");
            budgets.extend(entry.budget.iter().map(|it| (of(), it)));
        }
        for (user, entry) in &tenant.users {
            let of = || format!("user {id}/{user}");
            budgets.extend(entry.budget.iter().map(|it| (of(), it)));
        }
    }
    for key in &config.access.keys {
        budgets.extend(
            key.budget
                .iter()
                .map(|it| (format!("key {}", key.label), it)),
        );
    }
    budgets
}

/// All limits, by whose they are.
fn limits(config: &Config) -> Vec<(String, &Limits)> {
    let rates = &config.rates;
    let mut limits = vec![
        ("limits.global".to_owned(), &rates.global),
        ("limits.each_tenant".to_owned(), &rates.each_tenant),
        ("limits.each_user".to_owned(), &rates.each_user),
        ("limits.each_key".to_owned(), &rates.each_key),
        ("limits.each_address".to_owned(), &rates.each_address),
        ("limits.anonymous".to_owned(), &rates.anonymous),
    ];
    let endpoints = rates.endpoints.iter();
    limits.extend(endpoints.map(|(name, it)| (format!("limits.endpoints.{name}"), it)));
    for (id, tenant) in &config.tenants {
        limits.push((format!("tenant {id}"), &tenant.limits));
        let projects = tenant.projects.iter();
        limits.extend(projects.map(|(name, it)| (format!("project {id}/{name}"), &it.limits)));
        let users = tenant.users.iter();
        limits.extend(users.map(|(name, it)| (format!("user {id}/{name}"), &it.limits)));
    }
    let keys = config.access.keys.iter();
    limits.extend(keys.map(|key| (format!("key {}", key.label), &key.limits)));
    let upstreams = config.upstreams.iter();
    limits.extend(upstreams.map(|it| (format!("upstream {}", it.name), &it.limits)));
    let models = config.models.iter();
    limits.extend(models.map(|(name, it)| (format!("model {name}"), &it.limits)));
    limits
}

/// A rate that a slower one of the same measure never lets come true.
fn contradictions(of: &str, limits: &Limits) -> Vec<String> {
    let rules: Vec<Rule> = limits.rules().collect();
    let contradicts = |fast: &Rule, slow: &Rule| {
        fast.measure == slow.measure
            && fast.per.span() < slow.per.span()
            && fast.amount > slow.amount
    };
    let pairs = rules.iter().flat_map(|fast| {
        let slower = rules.iter().filter(|slow| contradicts(fast, slow));
        slower.map(move |slow| (fast, slow))
    });
    let told = pairs.map(|(fast, slow)| {
        let (fast, slow) = (fast.name(), slow.name());
        format!("{of}: `{fast}` is above `{slow}`, which is reached first, and has no effect")
    });
    told.collect()
}

/// Where a price must be known, a budget may lead to a model that has none.
fn downgrades(config: &Config) -> Vec<String> {
    if config.prices.unknown != UnknownPrice::Refuse {
        return Vec::new();
    }
    let told = budgets(config).into_iter().filter_map(|(of, budget)| {
        let Some(AtEnd::Downgrade(model)) = &budget.at_end else {
            return None;
        };
        // Vendors' models have list prices, of which the configuration knows nothing.
        let targets = &config.models.get(model)?.targets;
        let is_own = |name: &str| {
            let mut upstreams = config.upstreams.iter();
            upstreams.any(|it| it.name == name && it.kind.facts().url.is_none())
        };
        let mut unpriced = targets.iter().filter(|target| target.price.is_none());
        unpriced.any(|target| is_own(&target.upstream)).then(|| {
            format!(
                "{of}: its budget ends with `{model}`, of which no price is known, and `prices.unknown: refuse` refuses that; give it a price, which may be 0"
            )
        })
    });
    told.collect()
}

/// What is kept for later, and must not be taken for more.
fn without_effect(config: &Config) -> Option<String> {
    let mut keys = config.access.keys.iter();
    let mut tenants = config.tenants.values();
    let priority = keys.clone().any(|key| key.priority.is_some())
        || tenants.clone().any(|tenant| tenant.priority.is_some());
    let profile =
        keys.any(|key| key.profile.is_some()) || tenants.any(|tenant| tenant.profile.is_some());
    let names = match (priority, profile) {
        (true, true) => "`priority` and `profile` are",
        (true, false) => "`priority` is",
        (false, true) => "`profile` is",
        (false, false) => return None,
    };
    Some(format!(
        "access: {names} kept and shown, and nothing goes by it yet"
    ))
}

fn webhooks(config: &Config) -> Option<String> {
    let url = &config.webhooks.budget.as_ref()?.url;
    let is_local = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "http" && !is_local).then(|| {
        "webhooks.budget: its URL is `http://`, and what it is told goes in cleartext".to_owned()
    })
}
