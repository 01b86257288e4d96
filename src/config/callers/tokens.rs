//! Checks the issuers of bearer tokens: their URLs, and which claim says what.
//! It must not fetch anything.

use std::collections::{BTreeMap, HashSet};

use url::{Host, Url};

use super::{ClaimNames, DEFAULT_TENANT, Names, TokenIssuer};
use crate::config::check::Context;
use crate::config::path::FieldPath;
use crate::config::raw::{RawClaims, RawTokenIssuer};

/// The issuers of `access.tokens`, each once.
pub(super) fn tokens(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<RawTokenIssuer>>,
    names: &Names<'_>,
) -> Option<Vec<TokenIssuer>> {
    let mut seen = HashSet::new();
    let issuers: Vec<_> = raw
        .into_iter()
        .enumerate()
        .map(|(index, raw)| {
            let path = path.index(index);
            let raw = raw?;
            if let Some(issuer) = raw
                .issuer
                .clone()
                .filter(|issuer| !seen.insert(issuer.clone()))
            {
                let path = path.key("issuer");
                let message = format!("`{issuer}` is listed already; give it more `audiences`");
                context.report.value(&path, message);
            }
            token_issuer(context, &path, raw, names)
        })
        .collect();
    issuers.into_iter().collect()
}

fn token_issuer(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawTokenIssuer,
    names: &Names<'_>,
) -> Option<TokenIssuer> {
    let issuer = raw.issuer.as_deref().filter(|_| raw.jwks_url.is_none());
    if let Some(issuer) = issuer {
        // Its keys are found below it.
        check_url(context, &path.key("issuer"), issuer);
    }
    let jwks_url = raw.jwks_url.as_deref();
    let jwks_url = jwks_url.map(|url| check_url(context, &path.key("jwks_url"), url));
    let audiences = context.names(&path.key("audiences"), raw.audiences?);
    if let Some(tenant) = &raw.default_tenant {
        names.check_tenant(context, &path.key("default_tenant"), tenant);
    }
    let claims = claims(context, &path.key("claims"), raw.claims.unwrap_or_default());
    let claims = claims?;
    let default_tenant = match (raw.default_tenant, &claims.tenant) {
        (None, None) => Some(DEFAULT_TENANT.to_owned()),
        (default_tenant, _) => default_tenant,
    };
    Some(TokenIssuer {
        issuer: raw.issuer?,
        audiences: audiences?,
        jwks_url: match jwks_url {
            Some(url) => Some(url?),
            None => None,
        },
        algorithms: raw.algorithms?.into_iter().collect::<Option<_>>()?,
        leeway: raw.leeway?.0,
        claims,
        default_tenant,
        refresh: raw.refresh?.0,
    })
}

/// Keys that are fetched in cleartext could be anyone's, except on this machine.
fn check_url(context: &mut Context<'_, '_>, path: &FieldPath, text: &str) -> Option<Url> {
    let is_safe = |url: &Url| match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    };
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    let url = Url::parse(text).ok();
    let url = url.filter(|url| is_safe(url) && is_plain(url));
    if url.is_none() {
        let message = "is not an `https://` URL, from which the keys of the issuer could be fetched safely; without credentials, write for example `https://login.example.com/keys`";
        context.report.value(path, message);
    }
    url
}

fn claims(context: &mut Context<'_, '_>, path: &FieldPath, raw: RawClaims) -> Option<ClaimNames> {
    let names = [
        ("tenant", &raw.tenant),
        ("user", &raw.user),
        ("project", &raw.project),
        ("scopes", &raw.scopes),
        ("models", &raw.models),
    ];
    for (key, name) in names {
        if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            let message = "is empty; write the name of a claim, or remove it";
            context.report.value(&path.key(key), message);
        }
    }
    let tags = raw.tags.unwrap_or_default();
    let tags: Option<BTreeMap<_, _>> = tags
        .into_iter()
        .map(|(tag, claim)| Some((tag, claim?)))
        .collect();
    Some(ClaimNames {
        tenant: raw.tenant,
        user: raw.user?,
        project: raw.project,
        scopes: raw.scopes,
        models: raw.models,
        tags: tags?,
    })
}
