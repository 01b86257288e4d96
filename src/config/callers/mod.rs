//! Who may call, as configured: how callers prove who they are, and the tenants, projects and users that keys belong to.
//! Data only; it must not know of callers that come with the store at run time, nor decide about a request.

mod access;
mod allow;
mod keys;
mod names;
mod tenants;
mod tokens;
mod warnings;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Secret;
use crate::terms::{Budget, KeyState, Limits, ModelPattern, Money, Priority, Scope, UserKind};

pub(super) use access::access;
pub(super) use allow::{check_id, models as allowed_models, operation};
pub(super) use names::Names;
pub(super) use tenants::{tenants, with_default};
pub(super) use warnings::warnings;

/// The tenant of keys and tokens that name none. It needs no entry.
pub const DEFAULT_TENANT: &str = "default";

/// How callers prove who they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// Whether a request without a key or token is refused with 401. Default: where there are `keys`, `tokens` or a store.
    pub required: bool,
    /// Keys the hashes of keys in memory, where no store holds one. Default: made anew by each process.
    pub pepper: Option<Secret>,
    /// Proxies whose word on the client's address is believed. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// Labels and secrets are unique.
    pub keys: Vec<ClientKey>,
    /// Issuers are unique.
    pub tokens: Vec<TokenIssuer>,
    pub signing: Signing,
    /// The plugin that is asked who calls, where nothing here says it.
    pub plugin: Option<String>,
}

/// A key of a caller that stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientKey {
    /// Names it in logs, metrics and usage; unique among the keys of the file.
    pub label: String,
    /// SHA-256 of the whole key; the key itself is not kept.
    pub sha256: [u8; 32],
    /// How many characters the key has, where the file led to the key itself and not to its hash alone.
    pub characters: Option<usize>,
    /// In [`super::Config::tenants`], or in the store.
    pub tenant: String,
    pub project: Option<String>,
    pub user: Option<String>,
    /// Refused from then on.
    pub expires: Option<SystemTime>,
    /// Default active.
    pub state: KeyState,
    pub allow: Allow,
    pub limits: Limits,
    pub budget: Option<Budget>,
    /// `None`: that of the tenant.
    pub priority: Option<Priority>,
    /// Name of a routing preset; `None`: that of the tenant. Nothing goes by it yet.
    pub profile: Option<String>,
    /// For usage reports; before those of user, project and tenant.
    pub tags: BTreeMap<String, String>,
    /// Default [`Scope::Inference`] alone; never empty.
    pub scopes: Vec<Scope>,
    /// What its requests are signed with, if they are.
    pub signing_secret: Option<Secret>,
}

/// What a caller may use; an empty list is no bound. What a key, its user, project and tenant say holds together: a request
/// must fit each of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Allow {
    /// Public names.
    pub models: Vec<ModelPattern>,
    /// Of the names that [`crate::wire::Operation::label`] gives; each fits at least one of them.
    pub operations: Vec<ModelPattern>,
    pub addresses: Vec<IpNet>,
}

impl Allow {
    /// Whether it bounds nothing.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty() && self.operations.is_empty() && self.addresses.is_empty()
    }
}

/// An issuer of bearer tokens (JWT) that are taken in place of keys.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenIssuer {
    /// Compared with the claim `iss`, letter by letter.
    pub issuer: String,
    /// One of them must be in the claim `aud`. At least one.
    pub audiences: Vec<String>,
    /// Where its keys are; `None`: named by `<issuer>/.well-known/openid-configuration`.
    pub jwks_url: Option<Url>,
    /// At least one. Default RS256 and ES256.
    pub algorithms: Vec<TokenAlgorithm>,
    /// By how much clocks may differ. Default 60 s.
    pub leeway: Duration,
    pub claims: ClaimNames,
    /// The tenant of tokens that name none; `None`: they are refused.
    pub default_tenant: Option<String>,
    /// How often the issuer's keys are fetched again. Default 10 m.
    pub refresh: Duration,
}

/// How a token may be signed: with a private key of the issuer's, never with a secret that weir would share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Which claims of a token say what. A name with dots leads into objects where no claim has the whole name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    pub tenant: Option<String>,
    /// Default `sub`.
    pub user: String,
    pub project: Option<String>,
    /// A list, or names with spaces between. Only names of [`Scope`] count; a token with none may do inference.
    pub scopes: Option<String>,
    /// A list of model patterns, or names with spaces between.
    pub models: Option<String>,
    /// Tag → claim.
    pub tags: BTreeMap<String, String>,
}

/// Signatures over requests, beside the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signing {
    /// Whether every request with a key must be signed. Default: those of keys that have a signing secret.
    pub required: bool,
    /// How old a signature may be, and how long it is remembered. Default 300 s.
    pub window: Duration,
}

/// An organisation that calls, with what it has agreed to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// For people. Default: its id.
    pub name: String,
    /// Whether its keys work. Default true.
    pub active: bool,
    pub limits: Limits,
    pub budget: Option<Budget>,
    /// `None`: it pays afterwards, and nothing is held against a balance.
    pub account: Option<Account>,
    /// In [`super::Config::plans`], or in the store.
    pub plan: Option<String>,
    pub allow: Allow,
    pub profile: Option<String>,
    /// Default normal.
    pub priority: Option<Priority>,
    pub tags: BTreeMap<String, String>,
    /// By id.
    pub projects: BTreeMap<String, Project>,
    /// By id.
    pub users: BTreeMap<String, User>,
}

/// A prepaid account: what has been paid in, less what has been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// How far below zero the balance may go; not negative.
    pub credit: Money,
}

/// A project or team of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// For people. Default: its id.
    pub name: String,
    pub active: bool,
    pub limits: Limits,
    pub budget: Option<Budget>,
    pub allow: Allow,
    pub tags: BTreeMap<String, String>,
}

/// A person or a service of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// For people. Default: its id.
    pub name: String,
    /// Default person.
    pub kind: UserKind,
    /// Of the same tenant.
    pub project: Option<String>,
    pub active: bool,
    pub limits: Limits,
    pub budget: Option<Budget>,
    pub allow: Allow,
    pub tags: BTreeMap<String, String>,
}

impl Tenant {
    /// One without terms of its own, as that of [`DEFAULT_TENANT`] where nothing else is said of it.
    pub fn plain(id: &str) -> Tenant {
        Tenant {
            name: id.to_owned(),
            active: true,
            limits: Limits::default(),
            budget: None,
            account: None,
            plan: None,
            allow: Allow::default(),
            profile: None,
            priority: None,
            tags: BTreeMap::new(),
            projects: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }
}
