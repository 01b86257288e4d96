//! Checks the keys of callers that stand in the file. A key itself is hashed here and kept nowhere.
//! Nothing here may put a secret into a message.

use std::collections::HashMap;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::allow::{RawAllow, allow, budget, tags};
use super::{ClientKey, Names};
use crate::config::check::Context;
use crate::config::key::Labels;
use crate::config::path::FieldPath;
use crate::config::rates;
use crate::config::raw::RawClientKey;
use crate::config::source::{self, Source};
use crate::config::store::hex;
use crate::terms::Scope;

const HASH_PREFIX: &str = "sha256:";

/// A key's SHA-256, and how many characters the key has where that is known.
type Proof = ([u8; SHA256_OUTPUT_LEN], Option<usize>);

/// The keys of `access.keys`: labels and secrets are unique.
pub(super) fn keys(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<RawClientKey>>,
    names: &Names<'_>,
    must_sign: bool,
) -> Option<Vec<ClientKey>> {
    let mut labels = Labels::of("another key; usage and logs could not tell them apart");
    let mut taken = HashMap::new();
    let keys: Vec<_> = raw
        .into_iter()
        .enumerate()
        .map(|(index, raw)| {
            let path = path.index(index);
            let raw = raw?;
            let label = labels.label(context, &path, index, raw.label.as_deref());
            let proof = proof(context, &path, &raw);
            if let Some(first) = proof.and_then(|(sha256, _)| taken.insert(sha256, index)) {
                let message = format!(
                    "is the same key as access.keys[{first}]; a request could not be told to belong to one of them"
                );
                context.report.value(&path, message);
            }
            if must_sign && raw.signing_secret.is_none() {
                // It could never be used.
                let message = "is missing, and `access.signing.required` refuses requests that are not signed; give it, or set that to false";
                context.report.value(&path.key("signing_secret"), message);
            }
            key(context, &path, raw, label, proof, names)
        })
        .collect();
    keys.into_iter().collect()
}

fn proof(context: &mut Context<'_, '_>, path: &FieldPath, raw: &RawClientKey) -> Option<Proof> {
    if let Some(hash) = &raw.hash {
        let digits = hash.strip_prefix(HASH_PREFIX).and_then(hex);
        let sha256 = digits.and_then(|bytes| bytes.try_into().ok());
        if sha256.is_none() {
            let message = "is not a hash; write `sha256:` and 64 hexadecimal digits, as `printf %s \"$KEY\" | sha256sum` prints them";
            context.report.value(&path.key("hash"), message);
        }
        return Some((sha256?, None));
    }
    let secret = source::secret(context, path, &Source::from(raw))?;
    let hashed = digest(&SHA256, secret.expose().as_bytes());
    let mut sha256 = [0; SHA256_OUTPUT_LEN];
    sha256.copy_from_slice(hashed.as_ref());
    Some((sha256, Some(secret.expose().chars().count())))
}

fn key(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawClientKey,
    label: Option<String>,
    proof: Option<Proof>,
    names: &Names<'_>,
) -> Option<ClientKey> {
    if let Some(tenant) = &raw.tenant {
        names.check_tenant(context, &path.key("tenant"), tenant);
        if let Some(project) = &raw.project {
            names.check_project(context, &path.key("project"), tenant, project);
        }
        if let Some(user) = &raw.user {
            names.check_user(context, &path.key("user"), tenant, user);
        }
    }
    let lists = RawAllow {
        models: raw.models,
        operations: raw.operations,
        addresses: raw.addresses,
    };
    let allow = allow(context, path, lists, names);
    let tags = tags(context, &path.key("tags"), raw.tags);
    let signing_path = path.key("signing_secret");
    let signing_secret = raw
        .signing_secret
        .map(|raw| source::secret(context, &signing_path, &Source::from(&raw)));
    let budget = budget(context, &path.key("budget"), raw.budget, names);
    let (sha256, characters) = proof?;
    Some(ClientKey {
        label: label?,
        sha256,
        characters,
        tenant: raw.tenant?,
        project: raw.project,
        user: raw.user,
        expires: raw.expires.map(|expires| expires.0),
        state: raw.state?,
        allow: allow?,
        limits: rates::limits(raw.limits),
        budget,
        priority: raw.priority,
        profile: raw.profile,
        tags: tags?,
        scopes: scopes(raw.scopes)?,
        signing_secret: match signing_secret {
            Some(secret) => Some(secret?),
            None => None,
        },
    })
}

/// Each once, in the order of the file.
fn scopes(raw: Option<Vec<Option<Scope>>>) -> Option<Vec<Scope>> {
    let Some(raw) = raw else {
        return Some(vec![Scope::Inference]);
    };
    let mut scopes = Vec::new();
    for scope in raw {
        let scope = scope?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Some(scopes)
}
