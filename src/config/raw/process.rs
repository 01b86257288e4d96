//! Shapes of the sections about weir as a whole: `reload`, `limits`, `failover`, `server`, `log`, `timeouts`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auto, Draft, delay, seconds};
use crate::config::LogFormat;
use crate::config::scalar::{RawAddress, RawDelay, RawDuration, RawShare, RawSize};
use crate::terms::Limits;

/// When the configuration is read again, beside SIGHUP and `POST /admin/v1/reload`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Reload")]
pub(in crate::config) struct RawReload {
    /// Whether this file, and the certificates, credentials and host lists that it names, are watched for changes.
    pub watch: Option<bool>,
    /// How long changed files must stay the same before they are read.
    pub debounce: Option<RawDuration>,
}

impl Default for RawReload {
    fn default() -> Self {
        Self {
            watch: Some(false),
            debounce: seconds(1),
        }
    }
}

/// Bounds on what one client, and all of them together, may make weir hold; and limits on how fast and how much callers may
/// ask. Those of tenants, users and keys stand with each; here are those of all of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Bounds")]
pub(in crate::config) struct RawLimits {
    /// One request body, decoded. Above it: 413.
    #[serde(default = "default_body_bytes")]
    pub body_bytes: Option<RawSize>,
    /// All buffered request bodies together. Above it: 503 with Retry-After.
    #[serde(default = "default_buffered_bytes")]
    pub buffered_bytes: Option<RawSize>,
    /// How long a client may take between two pieces of its request body. Above it: 408.
    #[serde(default = "default_client_wait")]
    pub body_read: Option<RawDuration>,
    /// How long a write to a client that does not read may wait. Above it the exchange ends.
    #[serde(default = "default_client_wait")]
    pub client_write: Option<RawDuration>,
    /// One response that must be held whole, or one event of a stream.
    #[serde(default = "default_event_bytes")]
    pub event_bytes: Option<RawSize>,
    /// Of all requests together.
    pub global: Option<Draft<Limits>>,
    /// Of every tenant; its own `limits` go before these, each setting on its own.
    pub each_tenant: Option<Draft<Limits>>,
    /// Of every user; its own `limits` go before these, each setting on its own.
    pub each_user: Option<Draft<Limits>>,
    /// Of every key; its own `limits` go before these, each setting on its own.
    pub each_key: Option<Draft<Limits>>,
    /// Of every client address. Requests and concurrency alone.
    pub each_address: Option<Draft<Limits>>,
    /// Of all callers without a key together.
    pub anonymous: Option<Draft<Limits>>,
    /// Of one kind of request each: `chat`, `embeddings`, …
    pub endpoints: Option<BTreeMap<String, Option<Draft<Limits>>>>,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            body_bytes: default_body_bytes(),
            buffered_bytes: default_buffered_bytes(),
            body_read: default_client_wait(),
            client_write: default_client_wait(),
            event_bytes: default_event_bytes(),
            global: None,
            each_tenant: None,
            each_user: None,
            each_key: None,
            each_address: None,
            anonymous: None,
            endpoints: None,
        }
    }
}

fn default_body_bytes() -> Option<RawSize> {
    Some(RawSize(64 << 20))
}

fn default_buffered_bytes() -> Option<RawSize> {
    Some(RawSize(1 << 30))
}

fn default_client_wait() -> Option<RawDuration> {
    seconds(60)
}

fn default_event_bytes() -> Option<RawSize> {
    Some(RawSize(16 << 20))
}

/// How failed attempts are made good while the client has been told nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Failover")]
pub(in crate::config) struct RawFailover {
    /// Tries of one exchange at one model, the first among them. A fallback has as many again, within the deadline and the
    /// budget.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<u32>,
    /// From the request's head; no attempt begins after it. A model's own `deadline` goes before it.
    pub deadline: Option<RawDuration>,
    /// Retries that are allowed for each model, as a share of its requests.
    pub budget: Option<RawShare>,
    /// Retries a second that are allowed for each model whatever the share.
    #[schemars(range(max = 1_000_000))]
    pub budget_floor: Option<u32>,
    /// How often one exchange goes through its endpoints again when all have failed in a way that may pass.
    #[schemars(range(max = 10))]
    pub same_endpoint: Option<u32>,
    /// Wait before the same endpoint is tried again; doubles each time, with jitter.
    pub backoff: Option<RawDelay>,
    pub backoff_max: Option<RawDelay>,
    /// Whether a request that an upstream may have begun to work on is sent again elsewhere, while nothing of an answer
    /// has reached the client.
    pub repeat_sent: Option<bool>,
    /// How long a request waits for an upstream key when all are used up. Above it: 429 with Retry-After.
    pub key_wait: Option<RawDelay>,
    /// How long a request waits for hosts that are still loading when no other serves its model. Above it: 503 with
    /// Retry-After.
    pub cold_start_wait: Option<RawDelay>,
}

impl Default for RawFailover {
    fn default() -> Self {
        Self {
            attempts: Some(5),
            deadline: seconds(300),
            budget: Some(RawShare(0.2)),
            budget_floor: Some(10),
            same_endpoint: Some(0),
            backoff: delay(100),
            backoff_max: delay(2_000),
            repeat_sent: Some(true),
            key_wait: delay(2_000),
            cold_start_wait: delay(30_000),
        }
    }
}

/// The process: threads, connections, shutdown.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Server")]
pub(in crate::config) struct RawServer {
    /// Worker threads; `auto` takes one a core.
    pub threads: Option<RawThreads>,
    /// Idle connections kept to all upstreams together.
    #[schemars(range(min = 1, max = 100_000))]
    pub upstream_idle_connections: Option<usize>,
    /// From SIGTERM to the end of accepting, so that load balancers in front notice.
    pub shutdown_delay: Option<RawDelay>,
    /// How long running exchanges may take to finish after that.
    pub shutdown_grace: Option<RawDelay>,
    /// Name servers (`address:port`) that upstreams' names are looked up with. Default: the machine's.
    #[schemars(length(max = 8))]
    pub dns_servers: Option<Vec<Option<RawAddress>>>,
    /// Whether answers carry `x-weir-upstream` and `x-weir-attempts`.
    pub response_headers: Option<bool>,
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            threads: Some(RawThreads::Auto(Auto::Auto)),
            upstream_idle_connections: Some(1024),
            shutdown_delay: delay(0),
            shutdown_grace: delay(60_000),
            dns_servers: Some(Vec::new()),
            response_headers: Some(true),
        }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawThreads {
    Auto(Auto),
    Count(#[schemars(range(min = 1, max = 1024))] usize),
}

/// What weir writes on standard output.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Log")]
pub(in crate::config) struct RawLog {
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
pub(in crate::config) struct RawTimeouts {
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
