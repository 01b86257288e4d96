//! What use costs and how it is counted, as configured: prices, plans, the rule for broken streams, who is told of budgets.
//! Data only; it must not know the built-in prices, nor what has been spent.

mod plans;
mod prices;
mod usage;

use std::sync::Arc;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Secret;
use crate::terms::{ModelPattern, Money, Period, Price};

pub(super) use plans::plans;
pub(super) use prices::{check_tiers, prices};
pub(super) use usage::{usage, webhooks};

/// Prices that the file gives, and what holds where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceSettings {
    /// Three letters (ISO 4217). weir does not convert: with another than USD the built-in prices do not hold. Default USD.
    pub currency: String,
    /// By public name; those that say more exactly which models they mean come later, and win.
    pub models: Vec<(ModelPattern, Arc<Price>)>,
    /// By upstream and its own name for the model; also what targets say. The more exact come later, and win.
    pub upstreams: Vec<(String, ModelPattern, Arc<Price>)>,
    /// Default free.
    pub unknown: UnknownPrice,
    /// Whether whole answers carry their cost as `x-weir-cost`. Default false.
    pub header: bool,
}

impl PriceSettings {
    /// What the file says of a model: at this upstream, else by its public name.
    pub fn price(
        &self,
        upstream: &str,
        upstream_model: &str,
        public_model: &str,
    ) -> Option<&Arc<Price>> {
        let at_upstream = self
            .upstreams
            .iter()
            .rev()
            .find(|(name, pattern, _)| name == upstream && pattern.matches(upstream_model));
        let by_name = || {
            let mut models = self.models.iter().rev();
            models.find(|(pattern, _)| pattern.matches(public_model))
        };
        at_upstream
            .map(|(_, _, price)| price)
            .or_else(|| by_name().map(|(_, price)| price))
    }
}

/// What happens to a request for a model of which no price is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UnknownPrice {
    /// It costs nothing, and its usage is marked as not priced.
    Free,
    /// It is refused where money is counted: by a budget, a prepaid account or a limit on spending.
    Refuse,
}

/// What a tenant gets for a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub per: Period,
    /// Input and output together. At least one of the two is set.
    pub included_tokens: Option<u64>,
    pub included_money: Option<Money>,
    /// What the plan itself costs each period, taken from the balance of a prepaid tenant. Default: nothing.
    pub price: Money,
    /// Default the plan first.
    pub order: PlanOrder,
    /// Public names that it includes; empty: all.
    pub models: Vec<ModelPattern>,
}

/// What is used first where a tenant has a plan and a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PlanOrder {
    PlanFirst,
    BalanceFirst,
}

/// How use is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSettings {
    /// Tokens of output that are reserved for a request that does not bound its output. Default 4096.
    pub reserve_output_tokens: u64,
    /// Default delivered.
    pub on_upstream_cut: OnUpstreamCut,
    /// Headers of requests whose values become tags of the usage, under the header's name. Default none.
    pub tag_headers: Vec<HeaderName>,
}

/// What is charged for a stream that the upstream has broken off after output began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnUpstreamCut {
    /// The input, and the output that the client was sent.
    Delivered,
    Free,
}

/// Who is told of what happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhooks {
    /// Told when a budget reaches its `warn_at_percent`, and when it is spent.
    pub budget: Option<Webhook>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Gets a POST with a JSON body.
    pub url: Url,
    /// Signs the body (HMAC-SHA256, in `x-weir-signature`). `None`: not signed.
    pub secret: Option<Secret>,
}
