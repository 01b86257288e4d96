//! Checks the keys of an upstream: labels, expiry, caps, and which models each is for.
//! Nothing here may put a secret into a message.

use std::collections::HashSet;

use super::check::Context;
use super::path::FieldPath;
use super::raw::{RawKey, RawQuota};
use super::source::{self, Source};
use super::{KeyCaps, ModelPattern, Quota, UpstreamKey};

/// The keys of an upstream, labelled.
pub(super) fn keys(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<RawKey>>,
) -> Option<Vec<UpstreamKey>> {
    let mut labels = HashSet::new();
    let keys: Vec<_> = raw
        .into_iter()
        .enumerate()
        .map(|(index, raw)| {
            let path = path.index(index);
            let raw = raw?;
            let label = label(context, &path, index, raw.label.as_deref(), &mut labels);
            key(context, &path, label, raw)
        })
        .collect();
    keys.into_iter().collect()
}

fn key(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    label: Option<String>,
    raw: RawKey,
) -> Option<UpstreamKey> {
    let secret = source::secret(context, path, &Source::from(&raw));
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

fn label(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    index: usize,
    label: Option<&str>,
    labels: &mut HashSet<String>,
) -> Option<String> {
    let path = path.key("label");
    let (label, shown) = match label {
        None => (
            format!("key-{}", index + 1),
            format!("`key-{}`, its default,", index + 1),
        ),
        Some(label) => (label.to_owned(), context.report.shown(&path)),
    };
    let is_sound = !label.is_empty()
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let problem = match is_sound {
        false => Some("is not a label; use letters, digits, `.`, `_` and `-`".to_owned()),
        true if !labels.insert(label.clone()) => Some(
            "is the label of another key of this upstream; logs could not tell them apart"
                .to_owned(),
        ),
        true => None,
    };
    match problem {
        Some(problem) => {
            context.report.value(&path, format!("{shown} {problem}"));
            None
        }
        None => Some(label),
    }
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
fn patterns(
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
