//! Checks the upstreams: names, URLs, credentials, TLS, and which models each serves.
//! It must not connect to any of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::base_url::UrlError;
use super::check::Context;
use super::models::CheckedModels;
use super::path::FieldPath;
use super::problem::did_you_mean;
use super::raw::{RawRefresh, RawStreamUsage, RawUpstream, RawUpstreamModels, RawUpstreamTls};
use super::{BaseUrl, Kind, Timeouts, Upstream, UpstreamModels, UpstreamTls, credential};

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

/// The names that targets may use.
pub(super) struct Names {
    names: Vec<String>,
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
    Names {
        complete: found
            .as_ref()
            .is_some_and(|names| names.iter().all(Option::is_some)),
        names: found.into_iter().flatten().flatten().collect(),
    }
}

impl Names {
    /// What is wrong with a reference to an upstream, if anything.
    pub fn problem_with(&self, name: &str, shown: &str) -> Option<String> {
        if !self.complete || self.names.iter().any(|known| known == name) {
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
    timeouts: Option<Timeouts>,
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
            upstream(context, &path, raw, models, timeouts).map(Arc::new)
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
    timeouts: Option<Timeouts>,
) -> Option<Upstream> {
    let name = raw.name?;
    let base = raw.kind.and_then(|kind| {
        base_url(
            context,
            path,
            kind,
            raw.url.as_deref(),
            raw.api_path.as_deref(),
        )
    });
    let credentials = credential::credentials(
        context,
        path,
        raw.kind,
        raw.keys.unwrap_or_default(),
        raw.headers.unwrap_or_default(),
        raw.forward_credentials.unwrap_or_default(),
    );
    let is_tls = base.as_ref().is_none_or(|base| base.tls);
    let tls = tls(context, &path.key("tls"), raw.tls, is_tls);
    let is_target = models.targets_upstream(&name);
    let models = upstream_models(
        context,
        &path.key("models"),
        raw.models,
        raw.kind,
        is_target,
    );
    let credentials = credentials?;
    Some(Upstream {
        name,
        kind: raw.kind?,
        base: base?,
        keys: credentials.keys,
        headers: credentials.headers,
        forward_credentials: credentials.forwarded,
        models: models?,
        http: raw.http?,
        tls: tls?,
        timeouts: timeouts?.with(&raw.timeouts.unwrap_or_default()),
        idle_connection: raw.idle_connection?.0,
        http2_streams: raw.http2_streams?,
        stream_usage_on_request: match raw.stream_usage {
            Some(RawStreamUsage::Ask) => true,
            Some(RawStreamUsage::Leave) => false,
            None => raw.kind?.facts().stream_usage_on_request,
        },
    })
}

fn base_url(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    kind: Kind,
    url: Option<&str>,
    api_path: Option<&str>,
) -> Option<BaseUrl> {
    let facts = kind.facts();
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
    })
}

/// Without a word in the file, models are learnt, unless `models:` names this upstream as a target already,
/// or its kind has no list to learn from.
fn upstream_models(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<RawUpstreamModels>,
    kind: Option<Kind>,
    is_target: bool,
) -> Option<UpstreamModels> {
    let lists_models = kind?.facts().lists_models;
    let auto = |refresh: Duration| Some(UpstreamModels::Auto { refresh });
    let default_refresh = RawRefresh::default().refresh?.0;
    match raw {
        None if is_target || !lists_models => Some(UpstreamModels::Targets),
        None | Some(RawUpstreamModels::Auto(_)) => auto(default_refresh),
        Some(RawUpstreamModels::AutoWith(raw)) => auto(raw.auto?.refresh?.0),
        Some(RawUpstreamModels::Listed(names)) => listed(context, path, names),
    }
}

fn listed(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    names: Vec<Option<String>>,
) -> Option<UpstreamModels> {
    if names.is_empty() {
        context
            .report
            .value(path, "is empty; name models, or write `auto`");
        return None;
    }
    let mut listed = Vec::new();
    // An absent name is one that the schema has refused, and that is reported already.
    let names = names.into_iter().enumerate();
    for (index, name) in names.filter_map(|(index, name)| Some((index, name?))) {
        let problem = match (name.is_empty(), listed.contains(&name)) {
            (true, _) => Some("is empty".to_owned()),
            (false, true) => Some("is listed already".to_owned()),
            (false, false) => None,
        };
        if let Some(problem) = problem {
            let path = path.index(index);
            let shown = context.report.shown(&path);
            context.report.value(&path, format!("{shown} {problem}"));
        }
        listed.push(name);
    }
    Some(UpstreamModels::Listed(listed))
}
