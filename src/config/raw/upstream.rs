//! Shapes of `upstreams`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auto, Draft, RawAuth, RawDialect, RawHeader, RawKey, RawUpstreamHealth, seconds};
use crate::config::scalar::{RawDuration, RawEndpoint};
use crate::config::{HttpVersion, Kind, Rotation, UpstreamStatus};
use crate::terms::Limits;

/// A server, or a provider account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Upstream")]
pub(in crate::config) struct RawUpstream {
    /// Unique; lower-case letters, digits, `.`, `_` and `-`. Also the first path segment of its pass-through (`/<name>/…`).
    #[schemars(required, length(max = 64), regex(pattern = "^[a-z0-9][a-z0-9._-]*$"))]
    pub name: Option<String>,
    /// What it runs.
    #[schemars(required)]
    pub kind: Option<Kind>,
    /// With `kind: adapter`: the plugin that speaks its dialect, by its name under `plugins.items`.
    pub adapter: Option<String>,
    /// For people.
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// For people, such as `eu` or `a100`.
    pub tags: Option<Vec<Option<String>>>,
    #[serde(default = "default_status")]
    pub status: Option<UpstreamStatus>,
    /// `http://host:port` or `https://host/path`. Needed for kinds that every operator runs on their own; the
    /// vendor's URL otherwise. A path in it is the path of the OpenAI API; without one it is the kind's (`/v1`).
    pub url: Option<String>,
    /// Path of the OpenAI API, in place of that of the URL; `/` where it has none.
    #[schemars(regex(pattern = "^/"))]
    pub api_path: Option<String>,
    /// Where its addresses come from, each an endpoint with a health of its own: `dns` resolves the host of the URL;
    /// `static` lists them; `file` names a file with one `address:port` a line, read again when it changes.
    #[serde(default = "default_discovery")]
    pub discovery: Option<RawDiscovery>,
    /// Of this upstream. Default: those of `health:` at the top.
    pub health: Option<RawUpstreamHealth>,
    /// Credentials that weir holds for it; requests are spread over them by `rotation`.
    #[schemars(extend("x-weir-secret" = true))]
    pub keys: Option<Vec<Option<RawKey>>>,
    /// How requests prove who asks. Default: a key goes into the header that the kind wants it in.
    pub auth: Option<RawAuth>,
    /// How the keys take turns.
    #[serde(default = "default_rotation")]
    pub rotation: Option<Rotation>,
    pub key_cooldown: Option<RawKeyCooldown>,
    /// A client may bring its own key for this upstream, in a header of this name; it goes before `keys`.
    pub own_keys: Option<RawOwnKeys>,
    /// Of all requests to it together.
    pub limits: Option<Draft<Limits>>,
    /// Headers of every request to it, in place of the client's.
    #[schemars(extend("x-weir-secret" = true))]
    pub headers: Option<BTreeMap<String, Option<RawHeader>>>,
    /// Request headers of the client's that pass although they carry credentials, such as `authorization`.
    pub forward_credentials: Option<Vec<Option<String>>>,
    /// `auto` learns them from the upstream's own list; or name them. Default: `auto`, unless `models:` at the top
    /// names this upstream as a target: then those.
    pub models: Option<RawUpstreamModels>,
    #[serde(default = "default_http")]
    pub http: Option<HttpVersion>,
    pub tls: Option<RawUpstreamTls>,
    /// Waits on this upstream. Default: those of `timeouts:` at the top.
    pub timeouts: Option<RawUpstreamTimeouts>,
    /// How long an idle connection is kept.
    #[serde(default = "default_idle_connection")]
    pub idle_connection: Option<RawDuration>,
    /// Streams on one HTTP/2 connection.
    #[serde(default = "default_http2_streams")]
    #[schemars(range(min = 1, max = 10_000))]
    pub http2_streams: Option<usize>,
    /// What it speaks, the best first: a client's own dialect passes untouched if it is among them, and is translated to the
    /// first otherwise. Default: as the kind has it.
    #[schemars(length(min = 1))]
    pub dialects: Option<Vec<Option<RawDialect>>>,
    /// Whether weir asks for the usage of streams (`stream_options.include_usage`). Default: `ask`, but `leave` for
    /// kinds that refuse the field or send usage unasked.
    pub stream_usage: Option<RawStreamUsage>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawDiscovery {
    Dns(Dns),
    Elsewhere(RawAddresses),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Dns {
    Dns,
}

/// Addresses that do not come from DNS; the URL still gives scheme, `Host` and paths.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Addresses")]
#[schemars(extend("oneOf" = [{"required": ["static"]}, {"required": ["file"]}]))]
pub(in crate::config) struct RawAddresses {
    /// IP addresses with ports.
    #[schemars(length(min = 1, max = 1000))]
    #[serde(rename = "static")]
    pub fixed: Option<Vec<Option<RawEndpoint>>>,
    /// One `address:port` a line; `#` begins a comment. Relative to the configuration's folder.
    pub file: Option<PathBuf>,
}

/// How long a key rests after the upstream has refused it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "KeyCooldown")]
pub(in crate::config) struct RawKeyCooldown {
    /// After a 429 that does not say for how long; doubles each time, with jitter.
    pub first: Option<RawDuration>,
    pub max: Option<RawDuration>,
    /// After a 402 or `insufficient_quota`.
    pub quota: Option<RawDuration>,
}

impl Default for RawKeyCooldown {
    fn default() -> Self {
        Self {
            first: seconds(2),
            max: seconds(300),
            quota: seconds(3600),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawUpstreamModels {
    Auto(Auto),
    Listed(Vec<Option<String>>),
    AutoWith(RawAutoModels),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AutoModels")]
pub(in crate::config) struct RawAutoModels {
    #[schemars(required)]
    pub auto: Option<RawRefresh>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Refresh")]
pub(in crate::config) struct RawRefresh {
    /// How often the list is read again.
    pub refresh: Option<RawDuration>,
}

impl Default for RawRefresh {
    fn default() -> Self {
        Self {
            refresh: seconds(30),
        }
    }
}

/// TLS towards this upstream; only for `https` URLs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "UpstreamTls")]
pub(in crate::config) struct RawUpstreamTls {
    /// PEM file of the CAs to trust in place of the system's. Relative to the configuration's folder.
    pub ca_file: Option<PathBuf>,
    /// Name to send and verify. Default: the host of the URL.
    pub server_name: Option<String>,
    /// Verify certificate and name.
    pub verify: Option<bool>,
    /// PEM file of the certificate chain that is shown to an upstream that asks for one, leaf first.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub client_key_file: Option<PathBuf>,
}

impl Default for RawUpstreamTls {
    fn default() -> Self {
        Self {
            ca_file: None,
            server_name: None,
            verify: Some(true),
            client_cert_file: None,
            client_key_file: None,
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "UpstreamTimeouts")]
pub(in crate::config) struct RawUpstreamTimeouts {
    /// TCP and TLS together.
    pub connect: Option<RawDuration>,
    /// From the last request byte to the first meaningful event of a stream.
    pub first_byte: Option<RawDuration>,
    /// Between two pieces of a stream.
    pub idle: Option<RawDuration>,
    /// The whole of a non-streamed exchange.
    pub total: Option<RawDuration>,
}

/// Keys of this upstream that clients bring.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OwnKeys")]
pub(in crate::config) struct RawOwnKeys {
    /// Where a client puts it; it is taken out of the request, and goes where this upstream wants its keys.
    #[schemars(required)]
    pub header: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum RawStreamUsage {
    Ask,
    Leave,
}

fn default_status() -> Option<UpstreamStatus> {
    Some(UpstreamStatus::Online)
}

fn default_discovery() -> Option<RawDiscovery> {
    Some(RawDiscovery::Dns(Dns::Dns))
}

fn default_rotation() -> Option<Rotation> {
    Some(Rotation::Weighted)
}

fn default_http() -> Option<HttpVersion> {
    Some(HttpVersion::Auto)
}

fn default_idle_connection() -> Option<RawDuration> {
    seconds(60)
}

fn default_http2_streams() -> Option<usize> {
    Some(100)
}
