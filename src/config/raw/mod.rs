//! The shapes of the YAML file, as people write it: what `json_schema` shows to editors and `shape` checks.
//! The documentation of every setting and its default are in this folder and nowhere else; what values mean together is not.

mod access;
mod aws;
mod credential;
mod draft;
mod health;
mod listen;
mod model;
mod money;
mod plugin;
mod process;
mod store;
mod tenant;
mod translation;
mod upstream;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalar::{RawDelay, RawDuration};
use crate::expr::RawExpression;

pub(super) use access::{RawAccess, RawClaims, RawClientKey, RawTokenIssuer};
pub(super) use aws::{RawAuth, RawAwsKeys};
pub(super) use credential::{RawHeader, RawKey, RawQuota, RawSource};
pub(super) use draft::Draft;
pub(super) use health::{RawHealth, RawProbe, RawUpstreamHealth};
pub(super) use listen::{
    RawAdmin, RawCertificate, RawClientAuth, RawListen, RawListener, RawListenerObject,
    RawListenerTls,
};
pub(super) use model::{RawModel, RawTarget};
pub(super) use money::{RawPrices, RawPricesByModel, RawUsage, RawWebhook, RawWebhooks};
pub(super) use plugin::{
    ANY_MARK, RawFilter, RawGrants, RawInstance, RawPlugin, RawPluginLimits, RawPlugins,
    RawRouteRule, RawRouter,
};
pub(super) use process::{
    RawFailover, RawLimits, RawLog, RawReload, RawServer, RawThreads, RawTimeouts,
};
pub(super) use store::{RawMasterKey, RawOnFailure, RawStore};
pub(super) use tenant::{RawPlan, RawProject, RawTenant, RawUser};
pub(super) use translation::{
    RawCapabilities, RawDialect, RawEffort, RawLoss, RawThinking, RawTranslation,
};
pub(super) use upstream::{
    RawDiscovery, RawKeyCooldown, RawOwnKeys, RawRefresh, RawStreamUsage, RawUpstream,
    RawUpstreamModels, RawUpstreamTimeouts, RawUpstreamTls,
};

/// Marks, in the schema, values that no message may show; `false` is for those among them that may be shown.
pub(super) const SECRET_MARK: &str = "x-weir-secret";

/// The configuration of weir.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Configuration")]
#[schemars(extend("patternProperties" = {"^x-": {"description": "Ignored: a place for YAML anchors."}}))]
pub(super) struct RawConfig {
    /// Where clients connect: `127.0.0.1:8080`, or a list of such addresses or of objects with `address` and `tls`.
    /// Port 0 takes any free port.
    #[serde(default = "listen::default_listen")]
    pub listen: Option<RawListen>,
    /// Where operators and Prometheus connect: an address, an object with `address` and `token`, or `off`. Beyond this
    /// machine only with a token.
    #[serde(default = "listen::default_admin")]
    pub admin: Option<RawAdmin>,
    pub reload: Option<RawReload>,
    pub store: Option<RawStore>,
    pub access: Option<RawAccess>,
    /// Organisations that call, by id (letters, digits, `.`, `_`, `@` and `-`). More are made at run time, where there is a store.
    pub tenants: Option<BTreeMap<String, Option<RawTenant>>>,
    /// What tenants can subscribe to, by name.
    pub plans: Option<BTreeMap<String, Option<RawPlan>>>,
    pub prices: Option<RawPrices>,
    pub usage: Option<RawUsage>,
    pub webhooks: Option<RawWebhooks>,
    pub plugins: Option<RawPlugins>,
    /// Guards, by name, that every exchange passes in this order; a model's own `filters` come after them.
    pub filters: Option<Vec<Option<RawFilter>>>,
    /// A condition in CEL over `req`, `caller` and `now` that every exchange has to fulfil; others are refused with 403.
    pub authorize: Option<RawExpression>,
    /// Tags of every exchange, each a text in CEL over `req`, `caller` and `now`: for usage reports, log lines and plugins.
    #[schemars(extend("maxProperties" = 32))]
    pub tags: Option<BTreeMap<String, Option<RawExpression>>>,
    /// Plugins that hear of settled exchanges, by name.
    pub observers: Option<Vec<Option<String>>>,
    pub limits: Option<RawLimits>,
    pub failover: Option<RawFailover>,
    pub server: Option<RawServer>,
    pub log: Option<RawLog>,
    /// Waits on every upstream that does not set its own.
    pub timeouts: Option<RawTimeouts>,
    pub translation: Option<RawTranslation>,
    /// Of every upstream; an upstream's own `health` goes before it, each setting on its own.
    pub health: Option<RawHealth>,
    /// Servers and provider accounts that answer requests.
    #[schemars(required, length(min = 1))]
    pub upstreams: Option<Vec<Option<RawUpstream>>>,
    /// Public model names, each with the ways to serve it. Models that upstreams list themselves need no entry.
    pub models: Option<BTreeMap<String, Option<RawModel>>>,
    /// Short names for models: alias → model.
    pub aliases: Option<BTreeMap<String, Option<String>>>,
    /// Name of the upstream that takes every model that nothing else serves, under the name that the client used.
    pub default_upstream: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Auto {
    Auto,
}

fn seconds(seconds: u64) -> Option<RawDuration> {
    Some(RawDuration(Duration::from_secs(seconds)))
}

fn milliseconds(milliseconds: u64) -> Option<RawDuration> {
    Some(RawDuration(Duration::from_millis(milliseconds)))
}

fn delay(milliseconds: u64) -> Option<RawDelay> {
    Some(RawDelay(Duration::from_millis(milliseconds)))
}

fn default_one() -> Option<u32> {
    Some(1)
}
