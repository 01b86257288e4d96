//! Checks the upstreams: names and URLs here, and with the modules of this folder all that belongs to one.
//! It must not connect to any of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::base_url::UrlError;
use super::check::Context;
use super::models::CheckedModels;
use super::path::FieldPath;
use super::plugins::PluginNames;
use super::problem::did_you_mean;
use super::raw::{RawHealth, RawKeyCooldown, RawStreamUsage, RawUpstream, RawUpstreamTls};
use super::{
    BaseUrl, KeyCooldown, Kind, KindFacts, Timeouts, Upstream, UpstreamTls, aws, certificates,
    credential, discovery, health, rates, served, translation,
};

/// First path segments that weir serves itself: an upstream of such a name could not be passed through to.
const RESERVED_NAMES: [&str; 21] = [
    "api",
    "audio",
    "chat",
    "classify",
    "completions",
    "detokenize",
    "embeddings",
    "health",
    "images",
    "messages",
    "metrics",
    "models",
    "moderations",
    "pooling",
    "realtime",
    "rerank",
    "responses",
    "score",
    "tokenize",
    "v1",
    "v1beta",
];

/// What upstreams have that do not say otherwise themselves.
pub(super) struct Common<'c> {
    pub timeouts: Option<Timeouts>,
    pub health: RawHealth,
    pub plugins: &'c PluginNames,
}

/// The names that targets may use.
pub(super) struct Names {
    /// In the order of the file.
    names: Vec<String>,
    known: HashSet<String>,
    /// Whether every upstream has a usable name: only then a name that is not here is wrong.
    complete: bool,
}

/// The names of all upstreams, before anything else of them is checked.
pub(super) fn names(raw: Option<&[Option<RawUpstream>]>) -> Names {
    let found: Option<Vec<_>> = raw.map(|raw| {
        raw.iter()
            .map(|raw| raw.as_ref().and_then(|raw| raw.name.clone()))
            .collect()
    });
    let complete = found
        .as_ref()
        .is_some_and(|names| names.iter().all(Option::is_some));
    let names: Vec<String> = found.into_iter().flatten().flatten().collect();
    Names {
        known: names.iter().cloned().collect(),
        names,
        complete,
    }
}

impl Names {
    /// What is wrong with a reference to an upstream, if anything.
    pub fn problem_with(&self, name: &str, shown: &str) -> Option<String> {
        if !self.complete || self.known.contains(name) {
            return None;
        }
        let way_out = match did_you_mean(name, self.names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the upstreams are {}", self.names.join(", ")),
        };
        Some(format!("there is no upstream {shown}; {way_out}"))
    }
}

/// All upstreams, in the file's order.
pub(super) fn upstreams(
    context: &mut Context<'_, '_>,
    raw: Option<Vec<Option<RawUpstream>>>,
    models: &CheckedModels,
    common: &Common<'_>,
) -> Option<Vec<Arc<Upstream>>> {
    let path = FieldPath::root().key("upstreams");
    let mut taken = HashMap::new();
    let upstreams: Vec<_> = raw?
        .into_iter()
        .enumerate()
        .map(|(index, raw)| {
            let path = path.index(index);
            let raw = raw?;
            let name = raw.name.as_deref()?;
            check_name(context, &path, name, taken.insert(name.to_owned(), index));
            upstream(context, &path, raw, models, common).map(Arc::new)
        })
        .collect();
    upstreams.into_iter().collect()
}

fn check_name(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    name: &str,
    taken_by: Option<usize>,
) {
    let is_sound = name
        .starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        });
    let problem = match (is_sound, taken_by) {
        (false, _) => "is not a name for an upstream; use lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or digit".to_owned(),
        (true, Some(index)) => format!("is the name of upstreams[{index}]; names are unique"),
        (true, None) if RESERVED_NAMES.contains(&name) => {
            format!("is taken: weir serves `/{name}` itself, and `/<upstream>/…` passes through")
        }
        (true, None) => return,
    };
    let path = path.key("name");
    let shown = context.report.shown(&path);
    context.report.value(&path, format!("{shown} {problem}"));
}

fn upstream(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawUpstream,
    models: &CheckedModels,
    common: &Common<'_>,
) -> Option<Upstream> {
    let name = raw.name?;
    let facts = raw.kind.map(Kind::facts);
    let adapter = adapter(context, path, raw.kind, raw.adapter, common.plugins);
    let base = facts.and_then(|facts| {
        let (url, api_path) = (raw.url.as_deref(), raw.api_path.as_deref());
        base_url(context, path, facts, url, api_path)
    });
    let is_signed = raw.auth.is_some();
    let keys_path = path.key("keys");
    aws::check_raw(context, &keys_path, is_signed, raw.keys.as_deref());
    let sigv4 = aws::sigv4(context, &path.key("auth"), raw.auth);
    let credentials = credential::credentials(
        context,
        path,
        raw.kind,
        raw.keys.unwrap_or_default(),
        raw.headers.unwrap_or_default(),
        raw.forward_credentials.unwrap_or_default(),
        raw.own_keys,
    );
    if let (true, Some(credentials)) = (is_signed, &credentials) {
        aws::check(context, &keys_path, &credentials.keys);
    }
    let own_health = raw.health.unwrap_or_default();
    let health_path = path.key("health");
    let health = health::of_upstream(context, &health_path, &common.health, own_health, facts);
    let discovery = discovery::discovery(context, &path.key("discovery"), raw.discovery);
    let tags = context.names(&path.key("tags"), raw.tags.unwrap_or_default());
    let raw_cooldown = raw.key_cooldown.unwrap_or_default();
    let key_cooldown = key_cooldown(context, &path.key("key_cooldown"), &raw_cooldown);
    let is_tls = base.as_ref().is_none_or(|base| base.tls);
    let tls = tls(context, &path.key("tls"), raw.tls, is_tls);
    let is_target = models.targets_upstream(&name);
    let models = served::models(context, &path.key("models"), raw.models, facts, is_target);
    let dialects = raw
        .dialects
        .map(|raw| translation::dialects(context, &path.key("dialects"), raw));
    let credentials = credentials?;
    Some(Upstream {
        name,
        kind: raw.kind?,
        adapter: adapter?,
        description: raw.description.unwrap_or_default(),
        tags: tags?,
        status: raw.status?,
        base: base?,
        discovery: discovery?,
        health: health?,
        keys: credentials.keys.given,
        stored_keys: credentials.keys.stored,
        sigv4: sigv4?,
        own_key_header: credentials.own_key_header,
        limits: rates::limits(raw.limits),
        rotation: raw.rotation?,
        key_cooldown: key_cooldown?,
        headers: credentials.headers,
        forward_credentials: credentials.forwarded,
        models: models?,
        http: raw.http?,
        tls: tls?,
        timeouts: common.timeouts?.with(&raw.timeouts.unwrap_or_default()),
        idle_connection: raw.idle_connection?.0,
        http2_streams: raw.http2_streams?,
        dialects: match dialects {
            Some(dialects) => dialects?,
            None => facts?.dialects.to_vec(),
        },
        stream_usage_on_request: match raw.stream_usage {
            Some(RawStreamUsage::Ask) => true,
            Some(RawStreamUsage::Leave) => false,
            None => facts?.stream_usage_on_request,
        },
    })
}

/// The plugin that speaks its dialect; the inner `None`: weir does.
fn adapter(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    kind: Option<Kind>,
    raw: Option<String>,
    plugins: &PluginNames,
) -> Option<Option<String>> {
    let path = path.key("adapter");
    match (kind?, raw) {
        (Kind::Adapter, None) => {
            let message = "is missing; name a plugin of `plugins.items` that speaks its dialect";
            context.report.value(&path, message);
            None
        }
        (Kind::Adapter, name) => plugins.known(context, &path, name).map(Some),
        (_, None) => Some(None),
        (_, Some(_)) => {
            let message = "has no effect with this kind; write `kind: adapter`, or remove it";
            context.report.key(&path, message);
            None
        }
    }
}

fn base_url(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    facts: &KindFacts,
    url: Option<&str>,
    api_path: Option<&str>,
) -> Option<BaseUrl> {
    let url_path = path.key("url");
    let Some(url) = url.or(facts.url) else {
        let message = format!(
            "is missing; {} has no URL of its own, write for example `{}`",
            facts.name, facts.url_example
        );
        context.report.value(&url_path, message);
        return None;
    };
    if api_path.is_some_and(|path| !path.starts_with('/') || path.contains(['?', '#', ' '])) {
        let api_path = path.key("api_path");
        let shown = context.report.shown(&api_path);
        context.report.value(
            &api_path,
            format!("{shown} is not a path; write for example `/v1`, or `/` for none"),
        );
    }
    BaseUrl::parse(url, api_path, facts)
        .map_err(|error| {
            let message = match error {
                UrlError::Shown(message) => {
                    format!("{} {message}", context.report.shown(&url_path))
                }
                UrlError::Withheld(message) => format!("this URL {message}"),
            };
            context.report.value(&url_path, message);
        })
        .ok()
}

fn tls(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<RawUpstreamTls>,
    is_tls: bool,
) -> Option<UpstreamTls> {
    if raw.is_some() && !is_tls {
        context.report.key(
            path,
            "has no effect on an `http://` URL; write `https://`, or remove it",
        );
    }
    let raw = raw.unwrap_or_default();
    let names = ["client_cert_file", "client_key_file"];
    let (cert_file, key_file) = (raw.client_cert_file, raw.client_key_file);
    let identity = certificates::pair(context, path, names, cert_file, key_file);
    let ca_file = match raw.ca_file {
        None => Some(None),
        Some(name) => context.readable_file(&path.key("ca_file"), &name).map(Some),
    };
    if let Some(name) = &raw.server_name
        && url::Host::parse(name).is_err()
    {
        let path = path.key("server_name");
        let shown = context.report.shown(&path);
        context
            .report
            .value(&path, format!("{shown} is not a host name"));
    }
    Some(UpstreamTls {
        ca_file: ca_file?,
        server_name: raw.server_name,
        verify: raw.verify?,
        identity: identity?,
    })
}

fn key_cooldown(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: &RawKeyCooldown,
) -> Option<KeyCooldown> {
    let first = ("first", raw.first.map(|first| first.0));
    let most = ("max", raw.max.map(|most| most.0));
    context.check_order(path, first, most);
    Some(KeyCooldown {
        first: raw.first?.0,
        max: raw.max?.0,
        quota: raw.quota?.0,
    })
}
