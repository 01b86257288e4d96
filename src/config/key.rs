//! The keys of an upstream, and their checks: labels, expiry, caps, and which models each is for.
//! Nothing here may put a secret into a message.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Context;
use super::path::FieldPath;
use super::raw::{RawKey, RawQuota};
use super::source::{self, Source};
use super::{ModelPattern, Secret, aws};

/// How an upstream's keys take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Rotation {
    /// One after another.
    RoundRobin,
    /// As often as their weights say. Default.
    Weighted,
    /// The one with most left of its caps and of what the upstream's rate-limit headers say.
    LeastUsed,
    /// The first that can, in the order of the file.
    Failover,
}

/// How long keys rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCooldown {
    /// After a 429 that says nothing of it; doubles each time, with jitter. Default 2 s.
    pub first: Duration,
    /// Default 300 s.
    pub max: Duration,
    /// After a 402 or `insufficient_quota`. Default 3600 s.
    pub quota: Duration,
}

/// A credential that weir holds for an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamKey {
    /// Names the key in logs and metrics; unique in its upstream.
    pub label: String,
    pub secret: Secret,
    /// Share of the requests, relative to the other keys. At least 1.
    pub weight: u32,
    /// Not used from then on.
    pub expires: Option<SystemTime>,
    pub caps: KeyCaps,
    /// Models that it may be used for, by the upstream's own names; empty: all.
    pub models: Vec<ModelPattern>,
}

/// A credential for an upstream that the store holds, sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredKey {
    /// Its name in the store.
    pub name: String,
    /// Where it stands among all keys of its upstream, from 0.
    pub position: usize,
    /// The key but for its secret, which is empty here.
    key: UpstreamKey,
}

impl StoredKey {
    /// Names the key in logs and metrics; unique in its upstream.
    pub fn label(&self) -> &str {
        &self.key.label
    }

    /// Not used from then on.
    pub fn expires(&self) -> Option<SystemTime> {
        self.key.expires
    }

    /// The key, with the secret that the store holds.
    pub fn with(&self, secret: Secret) -> UpstreamKey {
        UpstreamKey {
            secret,
            ..self.key.clone()
        }
    }
}

/// What one key may be used for, as weir itself counts; `None` is no bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyCaps {
    pub requests_per_minute: Option<u64>,
    /// Input and output together.
    pub tokens_per_minute: Option<u64>,
    /// Exchanges at once.
    pub concurrency: Option<u64>,
    pub quota: Option<Quota>,
}

/// A bound over a calendar period (UTC). At least one of the two is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    pub requests: Option<u64>,
    pub tokens: Option<u64>,
    pub period: QuotaPeriod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum QuotaPeriod {
    Day,
    Month,
}

/// The keys of one upstream.
#[derive(Default)]
pub(super) struct Keys {
    pub given: Vec<UpstreamKey>,
    pub stored: Vec<StoredKey>,
}

/// The keys of an upstream, labelled.
pub(super) fn keys(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<RawKey>>,
) -> Option<Keys> {
    let mut labels = Labels::of("another key of this upstream; logs could not tell them apart");
    let mut keys = Some(Keys::default());
    for (position, raw) in raw.into_iter().enumerate() {
        let path = path.index(position);
        let key = raw.and_then(|mut raw| {
            let label = labels.label(context, &path, position, raw.label.as_deref());
            let stored = raw.stored.take();
            Some((key(context, &path, label, raw, stored.is_some())?, stored))
        });
        match (&mut keys, key) {
            (Some(keys), Some((key, None))) => keys.given.push(key),
            (Some(keys), Some((key, Some(name)))) => {
                check_stored(context, &path.key("stored"), &name);
                keys.stored.push(StoredKey {
                    name,
                    position,
                    key,
                });
            }
            (keys, _) => *keys = None,
        }
    }
    keys
}

/// A key can be stored only where there is a store, and a master key to open it with.
fn check_stored(context: &mut Context<'_, '_>, path: &FieldPath, name: &str) {
    if !is_label(name) {
        let shown = context.report.shown(path);
        let message = format!("{shown} is not a name; use letters, digits, `.`, `_` and `-`");
        context.report.value(path, message);
    } else if !context.seals {
        let message =
            "needs a store that can hold sealed keys; give `store.path` and `store.master_key`";
        context.report.value(path, message);
    }
}

fn key(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    label: Option<String>,
    raw: RawKey,
    is_stored: bool,
) -> Option<UpstreamKey> {
    let secret = match (is_stored, &raw.aws) {
        (true, _) => Some(Secret::new("")),
        (false, Some(pair)) => aws::pair(context, &path.key("aws"), pair),
        (false, None) => source::secret(context, path, &Source::from(&raw)),
    };
    let quota = match raw.quota {
        None => Some(None),
        Some(raw) => quota(context, &path.key("quota"), &raw).map(Some),
    };
    let models = patterns(context, &path.key("models"), raw.models.unwrap_or_default());
    Some(UpstreamKey {
        label: label?,
        secret: secret?,
        weight: raw.weight?,
        expires: raw.expires.map(|expires| expires.0),
        caps: KeyCaps {
            requests_per_minute: raw.requests_per_minute,
            tokens_per_minute: raw.tokens_per_minute,
            concurrency: raw.concurrency,
            quota: quota?,
        },
        models: models?,
    })
}

/// The labels of a list of keys, each of which is there once.
pub(super) struct Labels {
    taken: HashSet<String>,
    /// Whose a label is that comes again, and why that will not do.
    twice: &'static str,
}

impl Labels {
    pub fn of(twice: &'static str) -> Self {
        Self {
            taken: HashSet::new(),
            twice,
        }
    }

    /// The label of the key at `path`, or its default.
    pub fn label(
        &mut self,
        context: &mut Context<'_, '_>,
        path: &FieldPath,
        index: usize,
        label: Option<&str>,
    ) -> Option<String> {
        let path = path.key("label");
        let (label, shown) = match label {
            None => (
                format!("key-{}", index + 1),
                format!("`key-{}`, its default,", index + 1),
            ),
            Some(label) => (label.to_owned(), context.report.shown(&path)),
        };
        let problem = match is_label(&label) {
            false => "is not a label; use letters, digits, `.`, `_` and `-`".to_owned(),
            true if !self.taken.insert(label.clone()) => {
                format!("is the label of {}", self.twice)
            }
            true => return Some(label),
        };
        context.report.value(&path, format!("{shown} {problem}"));
        None
    }
}

fn is_label(text: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && text.bytes().all(is_sound)
}

fn quota(context: &mut Context<'_, '_>, path: &FieldPath, raw: &RawQuota) -> Option<Quota> {
    if raw.tokens.is_none() && raw.requests.is_none() && !context.report.tells_below(path) {
        let message = "bounds nothing; write `tokens`, `requests` or both";
        context.report.value(path, message);
    }
    Some(Quota {
        requests: raw.requests,
        tokens: raw.tokens,
        period: raw.per?,
    })
}

/// Patterns of model names. What is absent has been refused by the schema, and is reported already.
pub(super) fn patterns(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<String>>,
) -> Option<Vec<ModelPattern>> {
    let raw = raw.into_iter().enumerate();
    let patterns: Vec<_> = raw
        .map(|(index, text)| {
            ModelPattern::parse(&text?)
                .map_err(|message| {
                    let path = path.index(index);
                    let shown = context.report.shown(&path);
                    context.report.value(&path, format!("{shown} {message}"));
                })
                .ok()
        })
        .collect();
    patterns.into_iter().collect()
}
