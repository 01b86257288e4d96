//! The configuration: raw YAML shapes in, one checked and immutable [`Config`] out, or every problem at once.
//! Defaults live here and nowhere else; nothing here opens a socket or reads a clock.

mod base_url;
mod check;
mod credential;
mod env;
mod form;
mod kind;
mod listen;
mod models;
mod path;
mod places;
mod problem;
mod raw;
mod scalar;
mod schema;
mod secret;
mod shape;
mod units;
mod upstream;
mod warning;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use kind::{AuthShape, Kind, KindFacts};
pub use path::FieldPath;
pub use problem::{Place, Problem, Problems};
pub use schema::json_schema;
pub use secret::Secret;

/// One checked configuration. Immutable: an exchange keeps the one that it began with.
#[derive(Debug)]
pub struct Config {
    /// Where clients connect; at least one.
    pub listen: Vec<Listener>,
    /// Where operators and Prometheus connect; `None` turns the admin listener off.
    pub admin: Option<SocketAddr>,
    pub limits: Limits,
    pub server: Server,
    pub log: Log,
    /// In the order of the file; names are unique.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Models that the file names. Models that upstreams report themselves are learnt at run time.
    pub models: BTreeMap<String, Model>,
    /// Short names for models, of this file or learnt: alias → model.
    pub aliases: BTreeMap<String, String>,
    /// Takes every model that nothing else serves, under the name that the client used.
    pub default_upstream: Option<String>,
}

/// An address that clients connect to. HTTP/1.1 and HTTP/2 are both served on it.
#[derive(Debug, Clone)]
pub struct Listener {
    pub address: SocketAddr,
    /// `None` serves cleartext (HTTP/2 by prior knowledge).
    pub tls: Option<ListenerTls>,
}

#[derive(Debug, Clone)]
pub struct ListenerTls {
    /// PEM, leaf first.
    pub cert_file: PathBuf,
    /// PEM, PKCS#8, PKCS#1 or SEC1.
    pub key_file: PathBuf,
}

/// Bounds on what one client, and all of them together, may make weir hold.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One request body, decoded, in bytes. Default 64 MiB. Above it: 413.
    pub body_bytes: usize,
    /// All buffered request bodies together, in bytes. Default 1 GiB. Above it: 503 with Retry-After.
    pub buffered_bytes: usize,
    /// How long a client may take between two pieces of its request body. Default 60 s. Above it: 408.
    pub body_read: Duration,
    /// How long a write to a client that does not read may wait. Default 60 s. Above it the exchange ends.
    pub client_write: Duration,
    /// One response that must be held whole or one event of a stream, in bytes. Default 16 MiB.
    pub event_bytes: usize,
}

#[derive(Debug, Clone)]
pub struct Server {
    /// Worker threads. Default: one a core.
    pub threads: usize,
    /// Idle connections kept to all upstreams together. Default 1024.
    pub upstream_idle_connections: usize,
    /// From SIGTERM to the end of accepting, so that load balancers notice. Default 0 s.
    pub shutdown_delay: Duration,
    /// How long running exchanges may take to finish after that. Default 60 s.
    pub shutdown_grace: Duration,
    /// `x-weir-upstream` and `x-weir-attempts` on answers. Default true.
    pub response_headers: bool,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// One line an exchange on standard output. Default true.
    pub access: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A server, or a provider account.
#[derive(Debug)]
pub struct Upstream {
    /// `[a-z0-9][a-z0-9._-]*`, unique; also the first path segment of its pass-through.
    pub name: String,
    pub kind: Kind,
    pub base: BaseUrl,
    /// Credentials; empty for servers that want none.
    pub keys: Vec<UpstreamKey>,
    /// Added to every request to this upstream, replacing what the client sent under the same name.
    pub headers: Vec<(http::HeaderName, Secret)>,
    /// Request headers of the client's that pass although they carry credentials (e.g. `authorization`). Default none.
    pub forward_credentials: Vec<http::HeaderName>,
    pub models: UpstreamModels,
    pub http: HttpVersion,
    pub tls: UpstreamTls,
    pub timeouts: Timeouts,
    /// How long an idle connection is kept. Default 60 s.
    pub idle_connection: Duration,
    /// Streams on one HTTP/2 connection. Default 100.
    pub http2_streams: usize,
    /// Whether weir asks for the usage of streams with `stream_options.include_usage`. Default: as the kind has it.
    pub stream_usage_on_request: bool,
}

/// Where an upstream's endpoints are. `https://api.groq.com/openai/v1` has the API path `/openai/v1`
/// and the root path `/openai`: the API path without its version, to which pass-through paths are appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    pub tls: bool,
    /// Host name or IP literal, without brackets.
    pub host: String,
    pub port: u16,
    /// `Host` header and `:authority`: host, and the port where it is not the scheme's own.
    pub authority: String,
    /// Prefix of OpenAI-dialect endpoints (`/v1`), without a slash at its end.
    pub api_path: String,
    /// Prefix of everything else (empty, or `/openai`), without a slash at its end.
    pub root_path: String,
}

/// A credential that weir holds for an upstream.
#[derive(Debug)]
pub struct UpstreamKey {
    /// Names the key in logs and metrics; unique in its upstream.
    pub label: String,
    pub secret: Secret,
    /// Share of the requests, relative to the other keys. At least 1.
    pub weight: u32,
}

/// Which models an upstream serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamModels {
    /// Learnt from the upstream's own list, and again every `refresh`. Default for upstreams that no model names as a target.
    Auto { refresh: Duration },
    /// Exactly these.
    Listed(Vec<String>),
    /// Only what `models:` names as targets. Default for those, and for kinds that have no list to learn from.
    Targets,
}

/// How weir speaks to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum HttpVersion {
    /// HTTP/2 where TLS negotiates it (ALPN), HTTP/1.1 otherwise. Default.
    Auto,
    Http1,
    /// HTTP/2 without negotiation, also in cleartext (prior knowledge).
    Http2,
}

#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// PEM of the CAs to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Name to send and verify; default the host of the URL.
    pub server_name: Option<String>,
    /// Verify certificate and name. Default true.
    pub verify: bool,
}

/// Waits on one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS together. Default 5 s.
    pub connect: Duration,
    /// From the last request byte to the first meaningful event of a stream. Default 120 s.
    pub first_byte: Duration,
    /// Between two pieces of a stream. Default 60 s.
    pub idle: Duration,
    /// The whole of a non-streamed exchange. Default 600 s. Streams have no total bound.
    pub total: Duration,
}

/// A public model name and the ways to serve it.
#[derive(Debug)]
pub struct Model {
    pub policy: Policy,
    /// At least one; sorted by tier, in the file's order within a tier.
    pub targets: Vec<Target>,
}

/// One way to serve a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name of an upstream of this file.
    pub upstream: String,
    /// That upstream's own name for the model.
    pub model: String,
    /// 1 is tried first; the next tier only when no target of this one can.
    pub tier: u32,
}

/// How the targets of one tier are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Policy {
    /// In turn.
    RoundRobin,
    /// Fewest exchanges in flight first, ties in turn. Default.
    LeastInflight,
}

impl Config {
    /// Reads and checks a file. `environment` answers for `${NAME}`; files that the configuration names
    /// (secrets, certificates) are read relative to its own folder.
    ///
    /// # Errors
    /// All problems at once, each with its place in the file.
    pub fn load(
        path: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Problems> {
        check::load(path, environment)
    }

    /// Checks a text as if it stood in the file `path`, which need not exist.
    ///
    /// # Errors
    /// All problems at once, each with its place in the text.
    pub fn parse(
        text: &str,
        path: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Problems> {
        check::parse(text, path, environment)
    }

    /// What works, but may not be what was meant, or is not safe: one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        warning::warnings(self)
    }
}
