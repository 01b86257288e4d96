//! What a token says, once its signature has been verified: when it is valid, for whom it is, and what it grants.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::terms::{ModelPattern, Scope};

use super::super::ids::check_id;
use super::super::records::Tags;
use super::super::scope::Scopes;
use super::super::token::{hex, sha256};
use super::{IssuerSettings, TokenFault};

/// Steps of a claim's path.
const STEPS_MAX: usize = 8;
/// Characters of a value that becomes a tag.
const TAG_CHARACTERS_MAX: usize = 256;
/// Patterns that a token may bring; each is compiled when it is verified.
const MODELS_MAX: usize = 64;
const PATTERN_CHARACTERS_MAX: usize = 256;

/// Where in a token things stand: a claim's name, or a path with dots into objects and lists (`org.id`, `groups.0`). A claim whose
/// whole name is the path comes first, as names with dots in them are usual (`https://example.com/tenant`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimMap {
    /// The tenant's id. Default: no claim; `default_tenant` is the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The project's id. Default: no claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The user. Default: `sub`.
    pub user: String,
    /// A text with spaces between, or a list. Default: no claim; the token's scope is `inference`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
    /// Patterns of models: a text or a list. Default: no claim; the token narrows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<String>,
    /// Tags, and the claims that their values come from.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Default for ClaimMap {
    fn default() -> ClaimMap {
        ClaimMap {
            tenant: None,
            project: None,
            user: "sub".to_owned(),
            scopes: None,
            models: None,
            tags: BTreeMap::new(),
        }
    }
}

impl ClaimMap {
    pub(super) fn check(&self) -> Vec<String> {
        let single = [&self.tenant, &self.project, &self.scopes, &self.models];
        let paths = single
            .into_iter()
            .flatten()
            .chain([&self.user])
            .chain(self.tags.values());
        let bad = paths.filter(|path| path.is_empty() || path.split('.').count() > STEPS_MAX);
        bad.map(|path| format!("`claims`: `{path}` is not a path of up to {STEPS_MAX} steps"))
            .collect()
    }
}

/// What a verified token grants.
#[derive(Debug, Clone)]
pub struct Grant {
    pub issuer: String,
    /// As the token has it, if there; else the issuer's default.
    pub tenant: Option<String>,
    /// Taken where `tenant` is not known.
    pub default_tenant: Option<String>,
    pub project: Option<String>,
    /// An id: the claim itself where it is one, else `sub-` and the beginning of a hash of it.
    pub user: String,
    /// The claim as it is.
    pub subject: String,
    pub scopes: Scopes,
    /// `None`: the token narrows nothing. An empty list allows no model.
    pub models: Option<Box<[ModelPattern]>>,
    pub tags: Tags,
    /// Unix seconds from which on it is not taken any more, leeway included.
    pub ends: u64,
}

/// What somebody else vouches for, who knows a caller that has neither a key nor a token of an issuer.
#[derive(Debug, Clone, Default)]
pub struct Vouched {
    /// Who vouches.
    pub by: String,
    pub subject: String,
    pub tenant: Option<String>,
    pub project: Option<String>,
    pub scopes: Scopes,
    /// Names or patterns; empty: nothing is narrowed.
    pub models: Vec<String>,
    pub tags: Tags,
}

impl Grant {
    /// The grant of a caller that is vouched for, for this one request.
    ///
    /// # Errors
    /// The pattern of models that is none.
    pub fn vouched(vouched: Vouched, default_tenant: &str) -> Result<Grant, String> {
        let models = vouched.models.iter().map(|text| ModelPattern::parse(text));
        let models = models.collect::<Result<Box<[_]>, _>>()?;
        Ok(Grant {
            issuer: vouched.by,
            tenant: vouched.tenant,
            default_tenant: Some(default_tenant.to_owned()),
            project: vouched.project,
            user: user_id(&vouched.subject),
            subject: vouched.subject,
            scopes: vouched.scopes,
            models: (!models.is_empty()).then_some(models),
            tags: vouched.tags,
            ends: u64::MAX,
        })
    }

    pub fn allows_model(&self, model: &str) -> bool {
        let models = self.models.as_deref();
        models.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(model)))
    }
}

/// The grant of a token whose signature is good.
pub(super) fn grant(
    settings: &IssuerSettings,
    claims: &Map<String, Value>,
    now: u64,
) -> Result<Grant, TokenFault> {
    let ends = valid_until(settings, claims, now)?;
    check_audience(&settings.audiences, claims)?;
    let map = &settings.claims;
    let text = |path: &Option<String>| -> Result<Option<String>, TokenFault> {
        let Some((path, value)) = path
            .as_ref()
            .and_then(|path| Some((path, find(claims, path)?)))
        else {
            return Ok(None);
        };
        let text = value.as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| TokenFault::Claim(path.clone()))?;
        Ok(Some(text.to_owned()))
    };
    let subject = text(&Some(map.user.clone()))?;
    let subject = subject.ok_or_else(|| TokenFault::Claim(map.user.clone()))?;
    Ok(Grant {
        issuer: settings.issuer.clone(),
        tenant: text(&map.tenant)?,
        default_tenant: settings.default_tenant.clone(),
        project: text(&map.project)?,
        user: user_id(&subject),
        subject,
        scopes: scopes(settings, claims)?,
        models: models(map.models.as_deref(), claims)?,
        tags: tags(&map.tags, claims),
        ends,
    })
}

/// `exp` must be there; `nbf`, if it is there, must have come. Both must be numbers: what cannot be read is not as good as absent.
fn valid_until(
    settings: &IssuerSettings,
    claims: &Map<String, Value>,
    now: u64,
) -> Result<u64, TokenFault> {
    let seconds = |name: &str| claims.get(name).map(numeric_date);
    let fault = |name: &str| TokenFault::Claim(name.to_owned());
    let leeway = settings.leeway_seconds;
    let expires = seconds("exp").flatten().ok_or_else(|| fault("exp"))?;
    let ends = expires.saturating_add(leeway);
    if now >= ends {
        return Err(TokenFault::Expired);
    }
    if let Some(begins) = seconds("nbf") {
        let begins = begins.ok_or_else(|| fault("nbf"))?;
        if begins > now.saturating_add(leeway) {
            return Err(TokenFault::NotYet);
        }
    }
    Ok(ends)
}

/// A `NumericDate` (RFC 7519, 2): seconds, which may have a fraction.
fn numeric_date(value: &Value) -> Option<u64> {
    let number = value.as_number()?;
    let fraction = || {
        number
            .as_f64()
            .filter(|seconds| (0.0..1e15).contains(seconds))
    };
    number
        .as_u64()
        .or_else(|| fraction().map(|seconds| seconds as u64))
}

fn check_audience(audiences: &[String], claims: &Map<String, Value>) -> Result<(), TokenFault> {
    let is_ours = |value: &Value| {
        value
            .as_str()
            .is_some_and(|name| audiences.iter().any(|own| own == name))
    };
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(names)) => names.iter().any(is_ours),
        Some(name) => is_ours(name),
        None => false,
    };
    match is_for_us {
        true => Ok(()),
        false => Err(TokenFault::Audience),
    }
}

/// The value at a path.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut steps = path.split('.');
    let first = claims.get(steps.next()?)?;
    steps.try_fold(first, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(entries) => entries.get(step.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// The texts of a list, or the words of a text.
fn words(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(text.split_ascii_whitespace().collect()),
        Value::Array(entries) => entries.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// A name that means nothing here grants nothing. Bare names of weir's scopes mean nothing either: `admin` is other programs' too.
fn scopes(settings: &IssuerSettings, claims: &Map<String, Value>) -> Result<Scopes, TokenFault> {
    let Some(path) = &settings.claims.scopes else {
        return Ok(Scopes::default());
    };
    let Some(value) = find(claims, path) else {
        return Ok(Scopes::NONE);
    };
    let words = words(value).ok_or_else(|| TokenFault::Claim(path.clone()))?;
    let scope = |word: &str| {
        let named = settings.scope_names.get(word).map(String::as_str);
        Scope::parse(named.or_else(|| word.strip_prefix("weir:"))?)
    };
    Ok(words.into_iter().filter_map(scope).collect())
}

/// A pattern that cannot be read refuses the token: it was meant to narrow.
fn models(
    path: Option<&str>,
    claims: &Map<String, Value>,
) -> Result<Option<Box<[ModelPattern]>>, TokenFault> {
    let Some((path, value)) = path.and_then(|path| Some((path, find(claims, path)?))) else {
        return Ok(None);
    };
    let pattern = |text: &str| {
        let is_short = text.len() <= PATTERN_CHARACTERS_MAX;
        is_short.then(|| ModelPattern::parse(text).ok()).flatten()
    };
    let patterns = words(value).filter(|words| words.len() <= MODELS_MAX);
    let patterns = patterns.and_then(|words| words.into_iter().map(pattern).collect());
    patterns
        .map(Some)
        .ok_or_else(|| TokenFault::Claim(path.to_owned()))
}

fn tags(paths: &BTreeMap<String, String>, claims: &Map<String, Value>) -> Tags {
    let tags = paths.iter().filter_map(|(tag, path)| {
        let text = match find(claims, path)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((tag.clone(), text.chars().take(TAG_CHARACTERS_MAX).collect()))
    });
    tags.collect()
}

/// Subjects may be anything (`auth0|5f7c`); ids may not. A hash keeps apart what is apart.
fn user_id(subject: &str) -> String {
    match check_id(subject) {
        Ok(()) => subject.to_owned(),
        Err(_) => format!("sub-{}", &hex(&sha256(subject.as_bytes()))[..24]),
    }
}
