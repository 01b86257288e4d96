//! What `weir check` says of who may call, what they may use and what it costs: names and counts, and no secret.

use serde_json::Value;

use super::time;
use crate::config::{ClientKey, Config, Failing, OnCorruption, Tenant, UnknownPrice};
use crate::terms::{Budget, KeyState, Limits};

/// Entries of one kind that are told one by one; more are only counted.
const TOLD_MAX: usize = 20;

pub(super) fn access(config: &Config) -> Vec<String> {
    if !config.tells_callers_apart() {
        return Vec::new();
    }
    let access = &config.access;
    let needed = match access.required {
        true => "every request needs a key or a token",
        false => "requests without a key are served",
    };
    let mut lines = vec![needed.to_owned()];
    lines.extend(few(&access.keys, key));
    lines.extend(few(&access.tokens, |issuer| {
        format!(
            "tokens of {}  for {}",
            issuer.issuer,
            issuer.audiences.join(", ")
        )
    }));
    if access.signing.required {
        let window = time(access.signing.window);
        lines.push(format!("every request is signed, within {window}"));
    }
    lines
}

fn key(key: &ClientKey) -> String {
    let state = match key.state {
        KeyState::Active => "",
        KeyState::Disabled => ", disabled",
        KeyState::Revoked => ", revoked",
    };
    let signed = match key.signing_secret {
        Some(_) => ", signs its requests",
        None => "",
    };
    let bounds = bounds(&key.limits, key.budget.as_ref());
    let (label, tenant) = (&key.label, &key.tenant);
    format!("key {label}  of {tenant}{state}{signed}{bounds}")
}

pub(super) fn tenants(config: &Config) -> Vec<String> {
    let all: Vec<_> = config.tenants.iter().collect();
    few(&all, |(id, tenant)| self::tenant(id, tenant))
}

fn tenant(id: &str, tenant: &Tenant) -> String {
    let parts = [
        (!tenant.active).then(|| "not active".to_owned()),
        count(tenant.projects.len(), "project"),
        count(tenant.users.len(), "user"),
        tenant
            .account
            .map(|account| format!("prepaid, credit {}", account.credit)),
        tenant.plan.as_ref().map(|plan| format!("plan {plan}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let bounds = bounds(&tenant.limits, tenant.budget.as_ref());
    format!("{id}  {}{bounds}", parts.join(", "))
        .trim_end()
        .to_owned()
}

pub(super) fn plans(config: &Config) -> Vec<String> {
    let all: Vec<_> = config.plans.iter().collect();
    few(&all, |(name, plan)| {
        let tokens = plan.included_tokens;
        let parts = [
            tokens.map(|tokens| format!("{tokens} tokens")),
            plan.included_money.map(|money| format!("{money} of money")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        format!("{name}  {} for {}", parts.join(" and "), plan.price)
    })
}

pub(super) fn limits(config: &Config) -> Vec<String> {
    let rates = &config.rates;
    let common = [
        ("global", &rates.global),
        ("each tenant", &rates.each_tenant),
        ("each user", &rates.each_user),
        ("each key", &rates.each_key),
        ("each address", &rates.each_address),
        ("anonymous", &rates.anonymous),
    ];
    let endpoints = rates.endpoints.iter().map(|(name, limits)| (*name, limits));
    let told = common.into_iter().chain(endpoints);
    told.filter(|(_, limits)| !limits.is_empty())
        .map(|(name, limits)| format!("{name}  {}", rules(limits)))
        .collect()
}

pub(super) fn prices(config: &Config) -> Vec<String> {
    let prices = &config.prices;
    let own = prices.models.len() + prices.upstreams.len();
    if !config.counts() {
        return Vec::new();
    }
    let table = match prices.currency.as_str() {
        "USD" => "and those of the table",
        _ => "and none of the table, which is in USD",
    };
    let unknown = match prices.unknown {
        UnknownPrice::Free => "what has none is free, and marked",
        UnknownPrice::Refuse => "what has none is refused",
    };
    let header = if prices.header {
        "; x-weir-cost on answers"
    } else {
        ""
    };
    let currency = &prices.currency;
    vec![format!(
        "{own} of this file {table}, in {currency}; {unknown}{header}"
    )]
}

pub(super) fn store(config: &Config) -> Vec<String> {
    let Some(store) = &config.store else {
        return Vec::new();
    };
    let sealed = match store.master_key {
        Some(_) => ", with a master key",
        None => ", without a master key",
    };
    let failing = |failing| match failing {
        Failing::Open => "goes on",
        Failing::Closed => "is refused",
    };
    let damaged = match store.on_corruption {
        OnCorruption::Refuse => "a damaged one stops the start",
        OnCorruption::SetAside => "a damaged one is set aside",
    };
    let on_failure = &store.on_failure;
    vec![
        format!("{}{sealed}; {damaged}", store.path.display()),
        format!(
            "written within {}, kept for {} days",
            time(store.commit_interval),
            store.retention_days
        ),
        format!(
            "while it fails for longer than {}: what is only limited {}, what costs {}",
            time(on_failure.grace),
            failing(on_failure.limits),
            failing(on_failure.money)
        ),
    ]
}

/// `usage` and `webhooks`.
pub(super) fn usage(config: &Config) -> Vec<String> {
    let headers = config.usage.tag_headers.iter();
    let headers: Vec<_> = headers.map(|name| name.as_str()).collect();
    let tags = (!headers.is_empty()).then(|| format!("tags from {}", headers.join(", ")));
    let hook = config.webhooks.budget.as_ref();
    let hook = hook.map(|hook| {
        let signed = if hook.secret.is_some() {
            ", signed"
        } else {
            ""
        };
        // A path may hold a token.
        let host = hook.url.host_str().unwrap_or_default();
        format!("budgets are told to {host}{signed}")
    });
    tags.into_iter().chain(hook).collect()
}

/// The first ones, and how many more there are.
fn few<T>(all: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let more = all.len().saturating_sub(TOLD_MAX);
    let rest = (more > 0).then(|| format!("and {more} more"));
    let first = all.iter().take(TOLD_MAX).map(line);
    first.chain(rest).collect()
}

fn count(count: usize, what: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    }
}

fn bounds(limits: &Limits, budget: Option<&Budget>) -> String {
    let limits = (!limits.is_empty()).then(|| format!(", {}", rules(limits)));
    let budget = budget.map(|budget| format!(", budget {}", budget.amount));
    [limits, budget].into_iter().flatten().collect()
}

/// `requests_per_minute 60, concurrency 8`
fn rules(limits: &Limits) -> String {
    // As they are written.
    let written = serde_json::to_value(limits).unwrap_or_default();
    let written = written.as_object().cloned().unwrap_or_default();
    let told = written.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        value => format!("{name} {value}"),
    });
    told.collect::<Vec<_>>().join(", ")
}
