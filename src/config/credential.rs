//! Checks what upstreams are sent to prove who asks: keys, fixed headers, and headers of the client's that pass.
//! Nothing here may put a secret into a message.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};

use super::check::Context;
use super::env::is_variable_name;
use super::path::FieldPath;
use super::raw::{RawHeader, RawKey};
use super::{AuthShape, Kind, KindFacts, Secret, UpstreamKey};

/// No credential is longer, and servers refuse longer headers.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Headers that belong to one connection or that weir works out itself (RFC 9110 §7.6.1).
const OWN_HEADERS: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
    "http2-settings",
];

/// Where a secret's text is to come from.
struct Source<'s> {
    env: Option<&'s str>,
    file: Option<&'s PathBuf>,
    value: Option<&'s str>,
}

/// What an upstream is sent to prove who asks.
pub(super) struct Credentials {
    pub keys: Vec<UpstreamKey>,
    pub headers: Vec<(HeaderName, Secret)>,
    pub forwarded: Vec<HeaderName>,
}

/// The credentials of the upstream at `path`.
pub(super) fn credentials(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    kind: Option<Kind>,
    raw_keys: Vec<Option<RawKey>>,
    raw_headers: BTreeMap<String, Option<RawHeader>>,
    raw_forwarded: Vec<Option<String>>,
) -> Option<Credentials> {
    let has_keys = !raw_keys.is_empty();
    let keys = keys(context, &path.key("keys"), raw_keys);
    let headers = headers(context, &path.key("headers"), raw_headers);
    let forwarded = forwarded(context, &path.key("forward_credentials"), raw_forwarded);
    if let (Some(kind), Some(headers), true) = (kind, &headers, has_keys) {
        check_slot(context, path, kind.facts(), headers);
    }
    Some(Credentials {
        keys: keys?,
        headers: headers?,
        forwarded: forwarded?,
    })
}

/// The keys of an upstream, labelled.
fn keys(
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
            let source = Source {
                env: raw.env.as_deref(),
                file: raw.file.as_ref(),
                value: raw.value.as_deref(),
            };
            let secret = secret(context, &path, &source);
            Some(UpstreamKey {
                label: label?,
                secret: secret?,
                weight: raw.weight?,
            })
        })
        .collect();
    keys.into_iter().collect()
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

/// Headers of every request to an upstream.
fn headers(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: BTreeMap<String, Option<RawHeader>>,
) -> Option<Vec<(HeaderName, Secret)>> {
    let mut seen = HashSet::new();
    let headers: Vec<_> = raw
        .into_iter()
        .map(|(name, raw)| {
            let path = path.key(&name);
            let header = header_name(&name).map_err(|message| context.report.key(&path, message));
            if header
                .as_ref()
                .is_ok_and(|header| !seen.insert(header.clone()))
            {
                context
                    .report
                    .key(&path, "is set already, in other letters; keep one of them");
            }
            let value = header_value(context, &path, raw?);
            Some((header.ok()?, value?))
        })
        .collect();
    headers.into_iter().collect()
}

fn header_value(context: &mut Context<'_, '_>, path: &FieldPath, raw: RawHeader) -> Option<Secret> {
    match &raw {
        RawHeader::Text(text) => sendable(text)
            .map_err(|message| context.report.value(path, message))
            .ok(),
        RawHeader::Source(source) => {
            let source = Source {
                env: source.env.as_deref(),
                file: source.file.as_ref(),
                value: source.value.as_deref(),
            };
            secret(context, path, &source)
        }
    }
}

/// Names of the client's headers that pass to an upstream.
fn forwarded(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<String>>,
) -> Option<Vec<HeaderName>> {
    let names: Vec<_> = raw
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            header_name(&name?)
                .map_err(|message| {
                    let path = path.index(index);
                    let shown = context.report.shown(&path);
                    context.report.value(&path, format!("{shown} {message}"));
                })
                .ok()
        })
        .collect();
    names.into_iter().collect()
}

/// A key and a fixed header for the same slot would hide one another.
fn check_slot(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    facts: &KindFacts,
    headers: &[(HeaderName, Secret)],
) {
    let slot = match facts.auth {
        AuthShape::Bearer => "authorization",
        AuthShape::Header(name) => name,
    };
    if headers.iter().any(|(name, _)| name == slot) {
        context.report.key(
            &path.key("headers").key(slot),
            format!("`keys` fill the header `{slot}` already; keep one of the two"),
        );
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    let header =
        HeaderName::try_from(name).map_err(|_| "is not the name of a header".to_owned())?;
    match OWN_HEADERS.contains(&header.as_str()) {
        true => Err("is a header that weir sets itself, for each connection; remove it".to_owned()),
        false => Ok(header),
    }
}

fn secret(context: &mut Context<'_, '_>, path: &FieldPath, source: &Source<'_>) -> Option<Secret> {
    let (key, text) = match source {
        Source {
            env: Some(name), ..
        } => ("env", variable(context, &path.key("env"), name)),
        Source {
            file: Some(name), ..
        } => {
            let text = file_text(&context.folder.join(name));
            let about = |problem: String| context.about_file(&path.key("file"), name, &problem);
            ("file", text.map_err(about))
        }
        Source {
            value: Some(text), ..
        } => ("value", Ok((*text).to_owned())),
        Source {
            env: None,
            file: None,
            value: None,
        } => return None,
    };
    text.and_then(|text| sendable(&text))
        .map_err(|message| context.report.value(&path.key(key), message))
        .ok()
}

/// The value of the variable that `env:` names. What looks like a credential in its place is not repeated.
fn variable(context: &Context<'_, '_>, path: &FieldPath, name: &str) -> Result<String, String> {
    if context
        .report
        .written(path)
        .is_some_and(|written| written.contains("${"))
    {
        return Err(
            "takes the variable's name alone, without `${}`; or write `value: ${NAME}`".into(),
        );
    }
    let conventional =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    match (context.environment)(name) {
        Some(text) if is_variable_name(name) => Ok(text),
        _ if name.bytes().all(conventional) && is_variable_name(name) => {
            Err(format!("environment variable {name} is not set"))
        }
        _ if is_variable_name(name) => {
            Err("the environment variable of this name is not set".into())
        }
        _ => Err(
            "is not the name of an environment variable; a credential itself belongs under `value`"
                .into(),
        ),
    }
}

fn file_text(file: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    if file.is_dir() {
        return Err("is a folder; name a file in it".into());
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err("is larger than 64 KiB; is it a credential?".into());
    }
    let text =
        String::from_utf8(bytes).map_err(|_| "is not text; is it a credential?".to_owned())?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A text that can be a header's value. The message never holds it.
fn sendable(text: &str) -> Result<Secret, String> {
    if text.trim().is_empty() {
        return Err("is empty".into());
    }
    if text.trim() != text {
        return Err("begins or ends with white space; remove it".into());
    }
    match HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok()) {
        true => Ok(Secret::new(text)),
        false => Err(
            "holds a character that no header can carry (a line break, or one outside ASCII)"
                .into(),
        ),
    }
}
