//! The configuration: raw YAML shapes in, one checked and immutable [`Config`] out, or every problem at once.
//! Defaults live here and nowhere else; nothing here opens a socket or reads a clock.

mod aws;
mod base_url;
mod callers;
mod certificates;
mod check;
mod credential;
mod discovery;
mod env;
mod form;
mod health;
mod key;
mod kind;
mod known;
mod listen;
mod model;
mod models;
mod money;
mod path;
mod places;
mod plugins;
mod problem;
mod rates;
mod raw;
mod scalar;
mod schema;
mod secret;
mod sections;
mod served;
mod shape;
mod source;
mod store;
mod translation;
mod units;
mod upstream;
mod utc;
mod warning;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms;
use crate::wire::Dialect;

pub use aws::SigV4;
pub use callers::{
    Access, Account, Allow, ClaimNames, ClientKey, DEFAULT_TENANT, Project, Signing, Tenant,
    TokenAlgorithm, TokenIssuer, User,
};
pub use key::{KeyCaps, KeyCooldown, Quota, QuotaPeriod, Rotation, StoredKey, UpstreamKey};
pub use kind::{AuthShape, Kind, KindFacts};
pub use model::{Model, Policy, Price, Sticky, Target};
pub use money::{
    OnUpstreamCut, Plan, PlanOrder, PriceSettings, UnknownPrice, UsageSettings, Webhook, Webhooks,
};
pub use path::FieldPath;
pub use plugins::{
    Builtin, Filter, Grants, Instance, InstanceMode, OnError, Plugin, PluginLimits, PluginSource,
    Plugins, Rule, Rules,
};
pub use problem::{Place, Problem, Problems};
pub use rates::Rates;
pub use schema::json_schema;
pub use secret::Secret;
pub use store::{Failing, MasterKey, OnCorruption, OnFailure, StoreSettings};
pub use translation::{CapabilityChanges, Translation};
pub use units::duration as parse_duration;
pub use utc::text as utc_text;

pub use crate::terms::ModelPattern;

/// One checked configuration. Immutable: an exchange keeps the one that it began with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect; at least one.
    pub listen: Vec<Listener>,
    /// Where operators and Prometheus connect; `None` turns the admin listener off.
    pub admin: Option<AdminListener>,
    pub reload: Reload,
    pub limits: Limits,
    /// Limits of scopes that have no entry of their own.
    pub rates: Rates,
    /// `None`: nothing of keys, accounts and usage outlives the process.
    pub store: Option<StoreSettings>,
    pub access: Access,
    /// By id. Those that keys and tokens name are all here, unless there is a store, which may have others.
    pub tenants: BTreeMap<String, Tenant>,
    /// By name.
    pub plans: BTreeMap<String, Plan>,
    pub prices: PriceSettings,
    pub usage: UsageSettings,
    pub webhooks: Webhooks,
    pub plugins: Plugins,
    pub failover: Failover,
    pub server: Server,
    pub log: Log,
    pub translation: Translation,
    /// In the order of the file; names are unique.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Models that the file names. Models that upstreams report themselves are learnt at run time.
    pub models: BTreeMap<String, Model>,
    /// Short names for models, of this file or learnt: alias → model.
    pub aliases: BTreeMap<String, String>,
    /// Takes every model that nothing else serves, under the name that the client used.
    pub default_upstream: Option<String>,
    /// What this was read from: the configuration itself first, then the certificates, credentials and host lists that it
    /// names. Each once, relative as they are named.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Whether any exchange is held against rules.
    pub fn has_rules(&self) -> bool {
        let of_models = self.models.values();
        !self.plugins.rules.is_empty() || of_models.into_iter().any(|model| !model.rules.is_empty())
    }

    /// Whether there is anybody to be told from anybody else: a key, an issuer of tokens, or a store that may hold keys.
    pub fn tells_callers_apart(&self) -> bool {
        let access = &self.access;
        access.required
            || !access.keys.is_empty()
            || !access.tokens.is_empty()
            || access.plugin.is_some()
            || self.store.is_some()
    }

    /// Whether an exchange that cannot be written down is refused: one that costs, or any.
    pub fn refuses_unheld(&self, costs: bool) -> bool {
        let on_failure = self.store.as_ref().map(|store| store.on_failure);
        on_failure.is_some_and(|on_failure| {
            (costs && on_failure.money == Failing::Closed) || on_failure.limits == Failing::Closed
        })
    }

    /// Whether anything that exchanges use is limited, paid for or written down.
    pub fn counts(&self) -> bool {
        let rates = &self.rates;
        let common = [
            &rates.global,
            &rates.each_tenant,
            &rates.each_user,
            &rates.each_key,
            &rates.each_address,
            &rates.anonymous,
        ];
        self.tells_callers_apart()
            || common.into_iter().any(|limits| !limits.is_empty())
            || rates.endpoints.values().any(|limits| !limits.is_empty())
            || self.models.values().any(|model| !model.limits.is_empty())
            || self
                .upstreams
                .iter()
                .any(|upstream| !upstream.limits.is_empty())
            || self.prices.header
    }
}

/// An address that clients connect to. HTTP/1.1 and HTTP/2 are both served on it.
#[derive(Debug, Clone)]
pub struct Listener {
    pub address: SocketAddr,
    /// `None` serves cleartext (HTTP/2 by prior knowledge).
    pub tls: Option<ListenerTls>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// At least one. A client's server name chooses among them; the first serves names that none is for.
    pub certificates: Vec<CertificateFiles>,
    /// Whether clients show a certificate. Default: they need not.
    pub clients: Option<ClientCertificates>,
    /// Default 1.2.
    pub min_version: TlsVersion,
}

/// A certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub cert_file: PathBuf,
    /// PEM, PKCS#8, PKCS#1 or SEC1.
    pub key_file: PathBuf,
}

/// Which certificates clients may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM of the CAs that sign them.
    pub ca_file: PathBuf,
    /// Whether a client without one is refused.
    pub required: bool,
}

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// Where operators and Prometheus connect.
#[derive(Debug, Clone)]
pub struct AdminListener {
    pub address: SocketAddr,
    /// What callers must show as `Authorization: Bearer <token>`. Needed unless the address is a loopback one;
    /// `/healthz` and `/readyz` are answered without it.
    pub token: Option<Secret>,
}

/// When the configuration is read again, beside SIGHUP and the admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// The configuration, and the certificates and credentials that it names, are watched; they are read again when they
    /// have changed and then stayed the same for this long. `None` (the default) does not watch.
    pub watch: Option<Duration>,
}

/// How failed attempts are made good, before the client has been told anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failover {
    /// Tries of one exchange at one model, the first among them; a fallback has as many again. Default 5.
    pub attempts: u32,
    /// From the request's head; no attempt begins after it. Default 300 s.
    pub deadline: Duration,
    /// Retries that are allowed for each model, as a share of its requests. Default 0.2.
    pub budget: f64,
    /// Retries a second that are allowed for each model whatever the share. Default 10.
    pub budget_floor: u32,
    /// How often one exchange goes through its endpoints again when all have failed in a way that may pass. Default 0.
    pub same_endpoint: u32,
    /// Wait before the same endpoint is tried again; doubles each time, with jitter. Default 100 ms.
    pub backoff: Duration,
    /// Default 2 s.
    pub backoff_max: Duration,
    /// Whether a request that an upstream may have begun to work on is sent again elsewhere, while nothing of an answer has
    /// reached the client. Default true.
    pub repeat_sent: bool,
    /// How long a request waits for an upstream key when all are used up. Above it: 429 with Retry-After. Default 2 s.
    pub key_wait: Duration,
    /// How long a request waits for hosts that are still loading, or have listed no models yet, when no other serves its
    /// model. Above it: 503 with Retry-After. Default 30 s.
    pub cold_start_wait: Duration,
}

/// Bounds on what one client, and all of them together, may make weir hold.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Name servers to ask in place of the machine's. Default none.
    pub dns_servers: Vec<SocketAddr>,
    /// `x-weir-upstream` and `x-weir-attempts` on answers. Default true.
    pub response_headers: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// `[a-z0-9][a-z0-9._-]*`, unique; also the first path segment of its pass-through.
    pub name: String,
    pub kind: Kind,
    /// With [`Kind::Adapter`], the plugin that speaks its dialect.
    pub adapter: Option<String>,
    /// For people; empty by default.
    pub description: String,
    /// For people and policies; empty by default.
    pub tags: Vec<String>,
    /// Default online.
    pub status: UpstreamStatus,
    pub base: BaseUrl,
    pub discovery: Discovery,
    pub health: HealthSettings,
    /// Credentials; empty for servers that want none.
    pub keys: Vec<UpstreamKey>,
    /// Credentials that the store holds, as far as it has them.
    pub stored_keys: Vec<StoredKey>,
    /// Requests are signed, with pairs of AWS keys. Default: a key goes into a header.
    pub sigv4: Option<SigV4>,
    /// Where a client may bring its own credential, which goes before `keys`.
    pub own_key_header: Option<http::HeaderName>,
    pub limits: terms::Limits,
    pub rotation: Rotation,
    pub key_cooldown: KeyCooldown,
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
    /// What it speaks, the best first. Default: as the kind has it.
    pub dialects: Vec<Dialect>,
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

/// Whether an upstream takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UpstreamStatus {
    Online,
    /// Takes none, and is left alone.
    Offline,
    /// Takes none, finishes what runs, and is still probed.
    Maintenance,
}

/// Where an upstream's addresses come from. Each address is an endpoint with a health of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// The host of the URL, resolved again when its records' time to live is over. Default.
    Dns,
    /// These; the URL gives scheme, `Host` and paths.
    Static(Vec<SocketAddr>),
    /// One `address:port` a line (`#` begins a comment), read again when the file changes.
    File(PathBuf),
}

/// How the health of an upstream's endpoints is found out, and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthSettings {
    /// `None` turns active probes off.
    pub probe: Option<Probe>,
    pub breaker: BreakerSettings,
    /// How long an endpoint that comes back takes to get its full share. Default 30 s.
    pub slow_start: Duration,
}

/// A request that costs no inference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Below the root path; begins with a slash. Default: the kind's.
    pub path: String,
    /// Between two probes, with a tenth of jitter. Default 5 s.
    pub interval: Duration,
    /// Default 2 s.
    pub timeout: Duration,
    /// Probes in a row that make an endpoint come back. Default 2.
    pub rise: u32,
    /// Probes in a row that take an endpoint out. Default 3.
    pub fall: u32,
}

/// When live traffic takes an endpoint out, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row. Default 5.
    pub failures: u32,
    /// Share of failures among recent attempts, 0 to 1. Default 0.5.
    pub error_rate: f64,
    /// Recent attempts that the share needs to mean something. Default 20.
    pub samples: u32,
    /// How long an endpoint is out at first; doubles each time. Default 10 s.
    pub eject: Duration,
    /// Default 300 s.
    pub eject_max: Duration,
    /// Share of a model's endpoints that may be out at once, 0 to 1; one may always be out where there are two. Default 0.5.
    pub ejected_share: f64,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM of the CAs to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Name to send and verify; default the host of the URL.
    pub server_name: Option<String>,
    /// Verify certificate and name. Default true.
    pub verify: bool,
    /// What weir shows an upstream that asks for a certificate.
    pub identity: Option<CertificateFiles>,
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

    /// Keys that are past their time at `now`: one sentence each.
    pub fn expired_keys(&self, now: SystemTime) -> Vec<String> {
        warning::expired_keys(self, now)
    }
}
