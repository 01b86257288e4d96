//! Shapes of `access`: how callers prove who they are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draft, RawSource, seconds};
use crate::config::TokenAlgorithm;
use crate::config::scalar::{RawDelay, RawDuration, RawNetwork, RawTime};
use crate::terms::{Budget, KeyState, Limits, Priority, Scope};

/// How callers prove who they are. A key is taken from `Authorization: Bearer`, `x-api-key`, `api-key`, `x-goog-api-key` or
/// `?key=`, in every dialect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Access")]
pub(in crate::config) struct RawAccess {
    /// Whether a request without a key or token is refused with 401. Default: true where there are `keys`, `tokens` or a `store`.
    pub required: Option<bool>,
    /// Keys the hashes of keys in memory. Default: made anew by each process; with a store, kept in it.
    #[schemars(extend("x-weir-secret" = true))]
    pub pepper: Option<RawSource>,
    /// Addresses of proxies whose `Forwarded` and `X-Forwarded-For` are believed: `10.0.0.0/8`, or one address. Default: none.
    #[schemars(length(max = 1000))]
    pub trusted_proxies: Option<Vec<Option<RawNetwork>>>,
    /// Keys of callers. More are made at run time (`weir keys create`), where there is a store.
    #[schemars(length(max = 10_000), extend("x-weir-secret" = true))]
    pub keys: Option<Vec<Option<RawClientKey>>>,
    /// Issuers of bearer tokens (JWT) that are taken in place of keys.
    #[schemars(length(max = 16))]
    pub tokens: Option<Vec<Option<RawTokenIssuer>>>,
    pub signing: Option<RawSigning>,
    /// A plugin that is asked who calls, where no key or token of weir's own says it; by its name under `plugins.items`.
    pub plugin: Option<String>,
}

/// A key of a caller: the key itself by exactly one of `env`, `file` and `value`, or its `hash`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ClientKey")]
#[schemars(extend("oneOf" = [
    {"required": ["env"]}, {"required": ["file"]}, {"required": ["value"]}, {"required": ["hash"]}
]))]
pub(in crate::config) struct RawClientKey {
    /// Names it in logs, metrics and usage. Default: `key-1`, `key-2`, …
    #[schemars(length(max = 64), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub label: Option<String>,
    /// Name of the environment variable that holds the key.
    pub env: Option<String>,
    /// File that holds it; line ends at its end are dropped. Relative to the configuration's folder.
    pub file: Option<PathBuf>,
    /// The key itself. Better kept out of this file.
    pub value: Option<String>,
    /// `sha256:` and the hexadecimal SHA-256 of the key: `printf %s "$KEY" | sha256sum`.
    pub hash: Option<String>,
    /// Id of the tenant that it belongs to.
    #[serde(default = "default_tenant")]
    #[schemars(extend("x-weir-secret" = false))]
    pub tenant: Option<String>,
    /// Id of a project of that tenant.
    #[schemars(extend("x-weir-secret" = false))]
    pub project: Option<String>,
    /// Id of a user of that tenant.
    #[schemars(extend("x-weir-secret" = false))]
    pub user: Option<String>,
    /// Refused from then on: `2027-01-31T12:00:00Z`, or `2027-01-31` for the midnight (UTC) with which that day begins.
    #[schemars(extend("x-weir-secret" = false))]
    pub expires: Option<RawTime>,
    /// `active`, `disabled` or `revoked`.
    #[serde(default = "default_state")]
    #[schemars(extend("x-weir-secret" = false))]
    pub state: Option<KeyState>,
    /// Models that it may ask for, by their public names: names, globs (`llama-*`) or regular expressions between slashes.
    /// Default: all.
    #[schemars(length(min = 1), extend("x-weir-secret" = false))]
    pub models: Option<Vec<Option<String>>>,
    /// What it may ask for: `chat`, `embeddings`, …, or patterns of such names. Default: everything.
    #[schemars(length(min = 1), extend("x-weir-secret" = false))]
    pub operations: Option<Vec<Option<String>>>,
    /// Where it may be used from: `192.0.2.0/24`, or one address. Default: everywhere.
    #[schemars(length(min = 1), extend("x-weir-secret" = false))]
    pub addresses: Option<Vec<Option<RawNetwork>>>,
    #[schemars(extend("x-weir-secret" = false))]
    pub limits: Option<Draft<Limits>>,
    #[schemars(extend("x-weir-secret" = false))]
    pub budget: Option<Draft<Budget>>,
    /// `interactive`, `normal` or `batch`; nothing goes by it yet. Default: that of the tenant.
    #[schemars(extend("x-weir-secret" = false))]
    pub priority: Option<Priority>,
    /// Name of a routing preset; nothing goes by it yet. Default: that of the tenant.
    #[schemars(length(max = 64), extend("x-weir-secret" = false))]
    pub profile: Option<String>,
    /// For usage reports, such as `team: search`.
    #[schemars(extend("x-weir-secret" = false))]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// What it may do: `inference`, `usage_read` (of its tenant), `keys_manage` (of its tenant), `admin`. Default: `inference`.
    #[schemars(length(min = 1), extend("x-weir-secret" = false))]
    pub scopes: Option<Vec<Option<Scope>>>,
    /// What its requests must be signed with, if they must.
    pub signing_secret: Option<RawSource>,
}

/// An issuer of bearer tokens (OpenID Connect, or any JWT signed with a private key).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TokenIssuer")]
pub(in crate::config) struct RawTokenIssuer {
    /// The claim `iss`, letter by letter; an `https` URL.
    #[schemars(required)]
    pub issuer: Option<String>,
    /// Values of the claim `aud` that are meant for weir.
    #[schemars(required, length(min = 1, max = 16))]
    pub audiences: Option<Vec<Option<String>>>,
    /// Where the issuer's keys are. Default: as `<issuer>/.well-known/openid-configuration` says.
    pub jwks_url: Option<String>,
    /// Signatures that are taken.
    #[serde(default = "default_algorithms")]
    #[schemars(length(min = 1))]
    pub algorithms: Option<Vec<Option<TokenAlgorithm>>>,
    /// By how much the issuer's clock may differ.
    #[serde(default = "default_leeway")]
    pub leeway: Option<RawDelay>,
    pub claims: Option<RawClaims>,
    /// The tenant of tokens that name none. Default: `default` where `claims` has no `tenant`; such tokens are refused otherwise.
    pub default_tenant: Option<String>,
    /// How often the issuer's keys are fetched again, unless it says that they are good for less; for a key that is not known yet
    /// they are, too, half a minute after the last time.
    #[serde(default = "default_refresh")]
    pub refresh: Option<RawDuration>,
}

/// Which claims say what. A name with dots leads into objects.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Claims")]
pub(in crate::config) struct RawClaims {
    pub tenant: Option<String>,
    pub user: Option<String>,
    pub project: Option<String>,
    /// A list, or names with spaces between: `weir:usage_read` is the scope `usage_read`, what does not begin so means nothing
    /// here. Default: every token may do `inference`.
    pub scopes: Option<String>,
    /// A list, or names with spaces between, of models as keys have them. Default: all models.
    pub models: Option<String>,
    /// Tag → claim.
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

impl Default for RawClaims {
    fn default() -> Self {
        Self {
            tenant: None,
            user: Some("sub".to_owned()),
            project: None,
            scopes: None,
            models: None,
            tags: None,
        }
    }
}

/// Signatures over requests (HMAC-SHA256), beside the key.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Signing")]
pub(in crate::config) struct RawSigning {
    /// Whether every request with a key must be signed. Otherwise those of keys with a `signing_secret`.
    pub required: Option<bool>,
    /// How old a signature may be; none is taken twice within it.
    pub window: Option<RawDuration>,
}

impl Default for RawSigning {
    fn default() -> Self {
        Self {
            required: Some(false),
            window: seconds(300),
        }
    }
}

fn default_tenant() -> Option<String> {
    Some(crate::config::DEFAULT_TENANT.to_owned())
}

fn default_state() -> Option<KeyState> {
    Some(KeyState::Active)
}

fn default_algorithms() -> Option<Vec<Option<TokenAlgorithm>>> {
    Some(vec![
        Some(TokenAlgorithm::RS256),
        Some(TokenAlgorithm::ES256),
    ])
}

fn default_leeway() -> Option<RawDelay> {
    super::delay(60_000)
}

fn default_refresh() -> Option<RawDuration> {
    seconds(600)
}
