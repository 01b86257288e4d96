//! What `weir check` says of one upstream: a line, and further ones for its endpoints and keys.
//! It must not show a secret.

use super::time;
use crate::config::{
    Discovery, KeyCaps, Quota, QuotaPeriod, Rotation, Upstream, UpstreamKey, UpstreamModels,
    UpstreamStatus, utc_text,
};

pub(super) fn lines(upstream: &Upstream) -> Vec<String> {
    let kind = upstream.kind.facts().name;
    let first = format!(
        "{}  {kind}  {}  {}, {}",
        upstream.name,
        upstream.base,
        keys(upstream),
        models(upstream)
    );
    let about = [
        status(upstream.status),
        description(upstream),
        Some(endpoints(upstream)),
        rotation(upstream),
        own_keys(upstream),
    ];
    let keys = upstream.keys.iter().filter_map(key);
    let further = about.into_iter().flatten().chain(keys);
    let further = further.map(|line| format!("  {line}"));
    std::iter::once(first).chain(further).collect()
}

fn keys(upstream: &Upstream) -> String {
    let given = upstream.keys.iter();
    let given = given.map(|key| match key.weight {
        1 => key.label.clone(),
        weight => format!("{}×{weight}", key.label),
    });
    let stored = upstream.stored_keys.iter();
    let stored = stored.map(|key| format!("{} (stored as {})", key.label(), key.name));
    let keys: Vec<_> = given.chain(stored).collect();
    match keys.is_empty() {
        true => "no keys".to_owned(),
        false => format!("keys {}", keys.join(", ")),
    }
}

fn own_keys(upstream: &Upstream) -> Option<String> {
    let header = upstream.own_key_header.as_ref()?;
    Some(format!("a client may bring its own key in {header}"))
}

fn models(upstream: &Upstream) -> String {
    match &upstream.models {
        UpstreamModels::Auto { refresh } => {
            format!("models learnt from it every {}", time(*refresh))
        }
        UpstreamModels::Listed(models) => format!("models {}", models.join(", ")),
        UpstreamModels::Targets => "models as under `models`".to_owned(),
    }
}

fn status(status: UpstreamStatus) -> Option<String> {
    match status {
        UpstreamStatus::Online => None,
        UpstreamStatus::Offline => Some("offline: takes no requests".to_owned()),
        UpstreamStatus::Maintenance => {
            Some("in maintenance: takes no requests, and is still probed".to_owned())
        }
    }
}

fn description(upstream: &Upstream) -> Option<String> {
    let tags = upstream.tags.join(", ");
    match (upstream.description.is_empty(), tags.is_empty()) {
        (true, true) => None,
        (true, false) => Some(tags),
        (false, true) => Some(upstream.description.clone()),
        (false, false) => Some(format!("{} ({tags})", upstream.description)),
    }
}

fn endpoints(upstream: &Upstream) -> String {
    let addresses = match &upstream.discovery {
        Discovery::Dns => "addresses by DNS".to_owned(),
        Discovery::File(file) => format!("addresses from {}", file.display()),
        Discovery::Static(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("addresses {}", addresses.join(", "))
        }
    };
    let health = &upstream.health;
    let probes = health
        .probe
        .as_ref()
        .map_or("not probed".to_owned(), |probe| {
            format!(
                "probed at {}{} every {}",
                upstream.base.root_path,
                probe.path,
                time(probe.interval)
            )
        });
    format!(
        "{addresses}; {probes}; out for {} to {} after {} failures",
        time(health.breaker.eject),
        time(health.breaker.eject_max),
        health.breaker.failures
    )
}

/// Where there is more than one key to take turns.
fn rotation(upstream: &Upstream) -> Option<String> {
    let order = match upstream.rotation {
        Rotation::RoundRobin => "in turn",
        Rotation::Weighted => "by weight",
        Rotation::LeastUsed => "the least used first",
        Rotation::Failover => "the first that can",
    };
    (upstream.keys.len() > 1).then(|| format!("keys: {order}"))
}

/// What bounds a key, if anything does.
fn key(key: &UpstreamKey) -> Option<String> {
    let caps = caps(&key.caps);
    let expires = key
        .expires
        .map(|expires| format!("until {}", utc_text(expires)));
    let models: Vec<_> = key.models.iter().map(|pattern| pattern.text()).collect();
    let models = (!models.is_empty()).then(|| format!("for {}", models.join(", ")));
    let bounds: Vec<_> = caps.into_iter().chain(expires).chain(models).collect();
    (!bounds.is_empty()).then(|| format!("key {}: {}", key.label, bounds.join("; ")))
}

fn caps(caps: &KeyCaps) -> Option<String> {
    let count = |count: Option<u64>, unit: &str| count.map(|count| format!("{count} {unit}"));
    let quota = |quota: &Quota| {
        let period = match quota.period {
            QuotaPeriod::Day => "a day",
            QuotaPeriod::Month => "a month",
        };
        [
            count(quota.requests, &format!("requests {period}")),
            count(quota.tokens, &format!("tokens {period}")),
        ]
    };
    let bounds: Vec<String> = [
        count(caps.requests_per_minute, "requests a minute"),
        count(caps.tokens_per_minute, "tokens a minute"),
        count(caps.concurrency, "at once"),
    ]
    .into_iter()
    .chain(caps.quota.iter().flat_map(quota))
    .flatten()
    .collect();
    (!bounds.is_empty()).then(|| format!("at most {}", bounds.join(", ")))
}
