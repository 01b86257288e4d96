//! The shapes of the YAML file, as people write it: what `json_schema` shows to editors and `shape` checks.
//! The documentation of every setting and its default are here and nowhere else; what values mean together is not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scalar::{Off, RawAddress, RawDelay, RawDuration, RawSize};
use super::{HttpVersion, Kind, LogFormat, Policy};

/// Marks, in the schema, values that no message may show.
pub(super) const SECRET_MARK: &str = "x-weir-secret";

/// The configuration of weir.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Configuration")]
#[schemars(extend("patternProperties" = {"^x-": {"description": "Ignored: a place for YAML anchors."}}))]
pub(super) struct RawConfig {
    /// Where clients connect: `127.0.0.1:8080`, or a list of such addresses or of objects with `address` and `tls`.
    /// Port 0 takes any free port.
    #[serde(default = "default_listen")]
    pub listen: Option<RawListen>,
    /// Where operators and Prometheus connect, or `off`.
    #[serde(default = "default_admin")]
    pub admin: Option<RawAdmin>,
    pub limits: Option<RawLimits>,
    pub server: Option<RawServer>,
    pub log: Option<RawLog>,
    /// Waits on every upstream that does not set its own.
    pub timeouts: Option<RawTimeouts>,
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

/// One address, or several.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum RawListen {
    Address(RawAddress),
    Many(Vec<Option<RawListener>>),
    One(RawListenerObject),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum RawListener {
    Address(RawAddress),
    Object(RawListenerObject),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Listener")]
pub(super) struct RawListenerObject {
    #[schemars(required)]
    pub address: Option<RawAddress>,
    pub tls: Option<RawListenerTls>,
}

/// Serve TLS (HTTP/2 and HTTP/1.1 by ALPN) in place of cleartext.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenerTls")]
pub(super) struct RawListenerTls {
    /// PEM file of the certificate chain, leaf first. Relative to the configuration's folder.
    #[schemars(required)]
    pub cert_file: Option<PathBuf>,
    /// PEM file of the private key (PKCS#8, PKCS#1 or SEC1). Relative to the configuration's folder.
    #[schemars(required)]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum RawAdmin {
    Off(Off),
    Address(RawAddress),
}

/// Bounds on what one client, and all of them together, may make weir hold.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub(super) struct RawLimits {
    /// One request body, decoded. Above it: 413.
    pub body_bytes: Option<RawSize>,
    /// All buffered request bodies together. Above it: 503 with Retry-After.
    pub buffered_bytes: Option<RawSize>,
    /// How long a client may take between two pieces of its request body. Above it: 408.
    pub body_read: Option<RawDuration>,
    /// How long a write to a client that does not read may wait. Above it the exchange ends.
    pub client_write: Option<RawDuration>,
    /// One response that must be held whole, or one event of a stream.
    pub event_bytes: Option<RawSize>,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            body_bytes: Some(RawSize(64 << 20)),
            buffered_bytes: Some(RawSize(1 << 30)),
            body_read: seconds(60),
            client_write: seconds(60),
            event_bytes: Some(RawSize(16 << 20)),
        }
    }
}

/// The process: threads, connections, shutdown.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Server")]
pub(super) struct RawServer {
    /// Worker threads; `auto` takes one a core.
    pub threads: Option<RawThreads>,
    /// Idle connections kept to all upstreams together.
    #[schemars(range(min = 1, max = 100_000))]
    pub upstream_idle_connections: Option<usize>,
    /// From SIGTERM to the end of accepting, so that load balancers in front notice.
    pub shutdown_delay: Option<RawDelay>,
    /// How long running exchanges may take to finish after that.
    pub shutdown_grace: Option<RawDelay>,
    /// Whether answers carry `x-weir-upstream` and `x-weir-attempts`.
    pub response_headers: Option<bool>,
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            threads: Some(RawThreads::Auto(Auto::Auto)),
            upstream_idle_connections: Some(1024),
            shutdown_delay: Some(RawDelay(Duration::ZERO)),
            shutdown_grace: Some(RawDelay(Duration::from_secs(60))),
            response_headers: Some(true),
        }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum RawThreads {
    Auto(Auto),
    Count(#[schemars(range(min = 1, max = 1024))] usize),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Auto {
    Auto,
}

/// What weir writes on standard output.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Log")]
pub(super) struct RawLog {
    /// `json`: one object a line; `text`: for people.
    pub format: Option<LogFormat>,
    /// One line an exchange.
    pub access: Option<bool>,
}

impl Default for RawLog {
    fn default() -> Self {
        Self {
            format: Some(LogFormat::Json),
            access: Some(true),
        }
    }
}

/// Waits on upstreams.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Timeouts")]
pub(super) struct RawTimeouts {
    /// TCP and TLS together.
    pub connect: Option<RawDuration>,
    /// From the last request byte to the first meaningful event of a stream.
    pub first_byte: Option<RawDuration>,
    /// Between two pieces of a stream.
    pub idle: Option<RawDuration>,
    /// The whole of a non-streamed exchange. Streams have no total bound.
    pub total: Option<RawDuration>,
}

impl Default for RawTimeouts {
    fn default() -> Self {
        Self {
            connect: seconds(5),
            first_byte: seconds(120),
            idle: seconds(60),
            total: seconds(600),
        }
    }
}

/// A server, or a provider account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Upstream")]
pub(super) struct RawUpstream {
    /// Unique; lower-case letters, digits, `.`, `_` and `-`. Also the first path segment of its pass-through (`/<name>/…`).
    #[schemars(required, length(max = 64), regex(pattern = "^[a-z0-9][a-z0-9._-]*$"))]
    pub name: Option<String>,
    /// What it runs.
    #[schemars(required)]
    pub kind: Option<Kind>,
    /// `http://host:port` or `https://host/path`. Needed for kinds that every operator runs on their own; the
    /// vendor's URL otherwise. A path in it is the path of the OpenAI API; without one it is the kind's (`/v1`).
    pub url: Option<String>,
    /// Path of the OpenAI API, in place of that of the URL; `/` where it has none.
    #[schemars(regex(pattern = "^/"))]
    pub api_path: Option<String>,
    /// Credentials that weir holds for it; requests are spread over them by weight.
    #[schemars(extend("x-weir-secret" = true))]
    pub keys: Option<Vec<Option<RawKey>>>,
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
    /// Whether weir asks for the usage of streams (`stream_options.include_usage`). Default: `ask`, but `leave` for
    /// kinds that refuse the field or send usage unasked.
    pub stream_usage: Option<RawStreamUsage>,
}

/// One credential: its text comes from exactly one of `env`, `file` and `value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Key")]
#[schemars(extend("oneOf" = exactly_one_source()))]
pub(super) struct RawKey {
    /// Names the key in logs and metrics. Default: `key-1`, `key-2`, …
    #[schemars(length(max = 64), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub label: Option<String>,
    /// Name of the environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it; line ends at its end are dropped. Relative to the configuration's folder.
    pub file: Option<PathBuf>,
    /// The credential itself. Better kept out of this file.
    pub value: Option<String>,
    /// Share of the requests, relative to the other keys.
    #[serde(default = "default_one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<u32>,
}

/// A header's value: text, or where it comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum RawHeader {
    Text(String),
    Source(RawHeaderSource),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HeaderSource")]
#[schemars(extend("oneOf" = exactly_one_source()))]
pub(super) struct RawHeaderSource {
    /// Name of the environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it; line ends at its end are dropped. Relative to the configuration's folder.
    pub file: Option<PathBuf>,
    /// The value itself.
    pub value: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum RawUpstreamModels {
    Auto(Auto),
    Listed(Vec<Option<String>>),
    AutoWith(RawAutoModels),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AutoModels")]
pub(super) struct RawAutoModels {
    #[schemars(required)]
    pub auto: Option<RawRefresh>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Refresh")]
pub(super) struct RawRefresh {
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
pub(super) struct RawUpstreamTls {
    /// PEM file of the CAs to trust in place of the system's. Relative to the configuration's folder.
    pub ca_file: Option<PathBuf>,
    /// Name to send and verify. Default: the host of the URL.
    pub server_name: Option<String>,
    /// Verify certificate and name.
    pub verify: Option<bool>,
}

impl Default for RawUpstreamTls {
    fn default() -> Self {
        Self {
            ca_file: None,
            server_name: None,
            verify: Some(true),
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "UpstreamTimeouts")]
pub(super) struct RawUpstreamTimeouts {
    /// TCP and TLS together.
    pub connect: Option<RawDuration>,
    /// From the last request byte to the first meaningful event of a stream.
    pub first_byte: Option<RawDuration>,
    /// Between two pieces of a stream.
    pub idle: Option<RawDuration>,
    /// The whole of a non-streamed exchange.
    pub total: Option<RawDuration>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum RawStreamUsage {
    Ask,
    Leave,
}

/// The ways to serve a model, and their order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Model")]
pub(super) struct RawModel {
    /// How the targets of one tier are ordered.
    #[serde(default = "default_policy")]
    pub policy: Option<Policy>,
    #[schemars(required, length(min = 1))]
    pub targets: Option<Vec<Option<RawTarget>>>,
}

/// One way to serve a model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Target")]
pub(super) struct RawTarget {
    /// Name of an upstream of this file.
    #[schemars(required)]
    pub upstream: Option<String>,
    /// That upstream's own name for the model. Default: the public name.
    pub model: Option<String>,
    /// 1 is tried first; the next tier only when no target of this one can.
    #[serde(default = "default_one")]
    #[schemars(range(min = 1, max = 100))]
    pub tier: Option<u32>,
}

fn seconds(seconds: u64) -> Option<RawDuration> {
    Some(RawDuration(Duration::from_secs(seconds)))
}

fn default_listen() -> Option<RawListen> {
    let address = RawAddress(SocketAddr::from(([127, 0, 0, 1], 8080)));
    Some(RawListen::Address(address))
}

fn default_admin() -> Option<RawAdmin> {
    let address = RawAddress(SocketAddr::from(([127, 0, 0, 1], 9090)));
    Some(RawAdmin::Address(address))
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

fn default_one() -> Option<u32> {
    Some(1)
}

fn default_policy() -> Option<Policy> {
    Some(Policy::LeastInflight)
}

fn exactly_one_source() -> serde_json::Value {
    json!([{"required": ["env"]}, {"required": ["file"]}, {"required": ["value"]}])
}
