//! Checks what upstreams are sent to prove who asks: keys, fixed headers, and headers of the client's that pass.
//! Nothing here may put a secret into a message.

use std::collections::{BTreeMap, HashSet};

use http::HeaderName;

use super::check::Context;
use super::key::{self, Keys};
use super::path::FieldPath;
use super::raw::{RawHeader, RawKey, RawOwnKeys};
use super::source::{self, Source};
use super::{AuthShape, Kind, KindFacts, Secret};

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

/// Headers in which clients prove who they are to weir.
const CLIENT_KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// What an upstream is sent to prove who asks.
pub(super) struct Credentials {
    pub keys: Keys,
    pub own_key_header: Option<HeaderName>,
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
    raw_own_keys: Option<RawOwnKeys>,
) -> Option<Credentials> {
    let has_keys = !raw_keys.is_empty();
    let keys = key::keys(context, &path.key("keys"), raw_keys);
    let headers = headers(context, &path.key("headers"), raw_headers);
    let forwarded = forwarded(context, &path.key("forward_credentials"), raw_forwarded);
    if let (Some(kind), Some(headers), true) = (kind, &headers, has_keys) {
        check_slot(context, path, kind.facts(), headers);
    }
    let own_path = path.key("own_keys").key("header");
    let own_key_header = raw_own_keys.map(|raw| own_key_header(context, &own_path, raw));
    Some(Credentials {
        keys: keys?,
        own_key_header: match own_key_header {
            Some(header) => Some(header?),
            None => None,
        },
        headers: headers?,
        forwarded: forwarded?,
    })
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
        RawHeader::Text(text) => source::sendable(text)
            .map_err(|message| context.report.value(path, message))
            .ok(),
        RawHeader::Source(source) => source::secret(context, path, &Source::from(source)),
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

/// Where a client's own key for the upstream stands. Not where its key for weir may stand: one of the two would hide the other.
fn own_key_header(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawOwnKeys,
) -> Option<HeaderName> {
    let header = header_name(&raw.header?).and_then(|header| {
        match CLIENT_KEY_HEADERS.contains(&header.as_str()) {
            true => Err(
                "is where a client's key for weir stands; write for example `x-upstream-key`"
                    .to_owned(),
            ),
            false => Ok(header),
        }
    });
    header
        .map_err(|message| {
            let shown = context.report.shown(path);
            context.report.value(path, format!("{shown} {message}"));
        })
        .ok()
}

/// A key and a fixed header for the same slot would hide one another.
fn check_slot(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    facts: &KindFacts,
    headers: &[(HeaderName, Secret)],
) {
    let slot = match facts.auth {
        AuthShape::Bearer | AuthShape::Google => "authorization",
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
