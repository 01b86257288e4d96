//! Shapes of `models`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Draft, RawFilter, RawLoss, RawRouteRule, RawRouter, default_one};
use crate::config::scalar::RawDuration;
use crate::config::{Policy, Sticky};
use crate::expr::RawExpression;
use crate::terms::{Limits, Price};

/// The ways to serve a model, and their order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Model")]
pub(in crate::config) struct RawModel {
    /// How the targets of one tier are ordered. Those that cannot answer now come last in any case.
    #[serde(default = "default_policy")]
    pub policy: Option<Policy>,
    /// With `policy: split`: what makes requests of one caller go the same way. Default: each goes by chance.
    pub sticky: Option<Sticky>,
    /// Models that answer, in this order, when no target can; weir never answers with a model that is not named.
    #[schemars(length(min = 1))]
    pub fallbacks: Option<Vec<Option<String>>>,
    /// Models that are asked, in this order, when the request is too long for this one.
    #[schemars(length(min = 1))]
    pub context_fallbacks: Option<Vec<Option<String>>>,
    /// From the request's head; no attempt begins after it. Default: that of `failover`.
    pub deadline: Option<RawDuration>,
    /// Of requests for this model, in place of `translation.loss`.
    pub loss: Option<RawLoss>,
    /// Of all requests for this model together.
    pub limits: Option<Draft<Limits>>,
    /// A condition in CEL over `req`, `caller` and `now` that its exchanges have to fulfil; others are refused with 403.
    pub authorize: Option<RawExpression>,
    /// Other models that answer in its place: the first whose condition holds.
    #[schemars(length(min = 1, max = 64))]
    pub route: Option<Vec<Option<RawRouteRule>>>,
    /// Tags of its exchanges, each a text in CEL over `req`, `caller` and `now`.
    #[schemars(extend("maxProperties" = 32))]
    pub tags: Option<BTreeMap<String, Option<RawExpression>>>,
    /// Guards, by name, that its exchanges pass in this order, after those of `filters` at the top.
    pub filters: Option<Vec<Option<RawFilter>>>,
    /// A plugin that orders its candidates, in place of `policy`; those that cannot answer now come last in any case.
    pub router: Option<RawRouter>,
    #[schemars(required, length(min = 1))]
    pub targets: Option<Vec<Option<RawTarget>>>,
}

/// One way to serve a model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Target")]
pub(in crate::config) struct RawTarget {
    /// Name of an upstream of this file.
    #[schemars(required)]
    pub upstream: Option<String>,
    /// That upstream's own name for the model. Default: the public name.
    pub model: Option<String>,
    /// 1 is tried first; the next tier only when no target of this one can.
    #[serde(default = "default_one")]
    #[schemars(range(min = 1, max = 100))]
    pub tier: Option<u32>,
    /// Share of the requests, relative to the tier's other targets, for the policies `weighted` and `split`.
    #[serde(default = "default_one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<u32>,
    /// What it costs here; the same as a price under `prices.upstreams`. Also for the policy `cost`.
    pub price: Option<Draft<Price>>,
}

fn default_policy() -> Option<Policy> {
    Some(Policy::Health)
}
