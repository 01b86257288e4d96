//! Shapes of what upstreams are sent to prove who asks, and of where secrets come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{RawAwsKeys, default_one};
use crate::config::QuotaPeriod;
use crate::config::scalar::RawTime;

/// One credential: its text comes from exactly one of `env`, `file` and `value`, or from the store; or it is a pair of AWS keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Key")]
#[schemars(extend("oneOf" = [
    {"required": ["env"]}, {"required": ["file"]}, {"required": ["value"]}, {"required": ["stored"]}, {"required": ["aws"]}
]))]
pub(in crate::config) struct RawKey {
    /// Names the key in logs and metrics. Default: `key-1`, `key-2`, …
    #[schemars(length(max = 64), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub label: Option<String>,
    /// Name of the environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it; line ends at its end are dropped. Relative to the configuration's folder.
    pub file: Option<PathBuf>,
    /// The credential itself. Better kept out of this file.
    pub value: Option<String>,
    /// Name under which it lives in the store, sealed with `store.master_key` (`weir keys seal`).
    #[schemars(length(max = 64), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub stored: Option<String>,
    /// A pair of AWS keys, in place of one text, for `auth: {sigv4: …}`.
    pub aws: Option<RawAwsKeys>,
    /// Share of the requests, relative to the other keys.
    #[serde(default = "default_one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<u32>,
    /// Not used from then on: `2027-01-31T12:00:00Z`, or `2027-01-31` for the midnight (UTC) with which that day begins.
    #[schemars(extend("x-weir-secret" = false))]
    pub expires: Option<RawTime>,
    /// The most that it may be used for, as weir counts. Default: no bound.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64), extend("x-weir-secret" = false))]
    pub requests_per_minute: Option<u64>,
    /// Input and output together.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64), extend("x-weir-secret" = false))]
    pub tokens_per_minute: Option<u64>,
    /// Exchanges at once.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-weir-secret" = false))]
    pub concurrency: Option<u64>,
    #[schemars(extend("x-weir-secret" = false))]
    pub quota: Option<RawQuota>,
    /// Models that it may be used for, by the upstream's own names: a name, a glob (`gpt-4*`) or a regular expression
    /// between slashes (`/^o[13]/`). Default: all.
    #[schemars(length(min = 1), extend("x-weir-secret" = false))]
    pub models: Option<Vec<Option<String>>>,
}

/// A bound over a calendar period (UTC), on tokens, on requests, or on both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Quota")]
pub(in crate::config) struct RawQuota {
    /// Input and output together.
    #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
    pub tokens: Option<u64>,
    #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
    pub requests: Option<u64>,
    /// `day` or `month`.
    #[schemars(required)]
    pub per: Option<QuotaPeriod>,
}

/// A header's value: text, or where it comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawHeader {
    Text(String),
    Source(RawSource),
}

/// Where a secret comes from: exactly one of the three.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Source")]
#[schemars(extend("oneOf" = exactly_one_source()))]
pub(in crate::config) struct RawSource {
    /// Name of the environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it; line ends at its end are dropped. Relative to the configuration's folder.
    pub file: Option<PathBuf>,
    /// The value itself.
    pub value: Option<String>,
}

fn exactly_one_source() -> serde_json::Value {
    json!([{"required": ["env"]}, {"required": ["file"]}, {"required": ["value"]}])
}
