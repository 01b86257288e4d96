//! Shapes of `prices`, `usage` and `webhooks`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draft, RawSource};
use crate::config::{OnUpstreamCut, UnknownPrice};
use crate::terms::Price;

/// Name, glob or `/regex/` → price.
pub(in crate::config) type RawPricesByModel = BTreeMap<String, Option<Draft<Price>>>;

/// What use costs. weir knows the list prices of public models, in USD; these go before them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Prices")]
pub(in crate::config) struct RawPrices {
    /// The one currency that all amounts are in (ISO 4217). weir does not convert: with another than USD its list of prices is
    /// not used.
    #[serde(default = "default_currency")]
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: Option<String>,
    /// By public name, glob or `/regex/`; a name goes before patterns, and a longer pattern before a shorter.
    pub models: Option<RawPricesByModel>,
    /// By upstream, then by its own name for the model, glob or `/regex/`. These go before those of `models`.
    /// By upstream, then by its own name for the model, glob or `/regex/`. These go before those of `models`.
    pub upstreams: Option<BTreeMap<String, Option<RawPricesByModel>>>,
    /// A model of which no price is known: `free`, or `refuse` where money is counted.
    #[serde(default = "default_unknown")]
    pub unknown: Option<UnknownPrice>,
    /// Whether whole answers carry their cost as `x-weir-cost`; what a stream costs is known at its end.
    #[serde(default = "default_false")]
    pub header: Option<bool>,
}

impl Default for RawPrices {
    fn default() -> Self {
        Self {
            currency: default_currency(),
            models: None,
            upstreams: None,
            unknown: default_unknown(),
            header: default_false(),
        }
    }
}

/// How use is counted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Usage")]
pub(in crate::config) struct RawUsage {
    /// Tokens of output that are reserved for a request that does not bound its output itself.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub reserve_output_tokens: Option<u64>,
    /// What is charged for a stream that the upstream breaks off: what was `delivered`, or nothing (`free`).
    pub on_upstream_cut: Option<OnUpstreamCut>,
    /// Headers of requests whose values become tags of their usage, under the header's name.
    #[schemars(length(max = 16))]
    pub tag_headers: Option<Vec<Option<String>>>,
}

impl Default for RawUsage {
    fn default() -> Self {
        Self {
            reserve_output_tokens: Some(4096),
            on_upstream_cut: Some(OnUpstreamCut::Delivered),
            tag_headers: Some(Vec::new()),
        }
    }
}

/// Who is told of what happens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Webhooks")]
pub(in crate::config) struct RawWebhooks {
    /// Told when a budget reaches its `warn_at_percent`, and when it is spent.
    pub budget: Option<RawWebhook>,
}

/// Where a POST with a JSON body goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Webhook")]
pub(in crate::config) struct RawWebhook {
    /// Such as `https://ops.example.com/weir`.
    #[schemars(required)]
    pub url: Option<String>,
    /// Signs the body: HMAC-SHA256, in the header `x-weir-signature`. Default: not signed.
    #[schemars(extend("x-weir-secret" = true))]
    pub secret: Option<RawSource>,
}

fn default_currency() -> Option<String> {
    Some("USD".to_owned())
}

fn default_unknown() -> Option<UnknownPrice> {
    Some(UnknownPrice::Free)
}

fn default_false() -> Option<bool> {
    Some(false)
}
