//! A model as the configuration serves it: targets, their order, and what exchanges for it pass.
//! Data only.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Filter, Rules};
use crate::terms::{self, Money};

/// A public model name and the ways to serve it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub policy: Policy,
    /// What makes requests go the same way under [`Policy::Split`]; `None`: each by chance.
    pub sticky: Option<Sticky>,
    /// At least one; sorted by tier, in the file's order within a tier.
    pub targets: Vec<Target>,
    /// Models that answer, in this order, when no target can; aliases are followed. Nothing falls back that is not named
    /// here. Default none.
    pub fallbacks: Vec<String>,
    /// Models that are asked when the request is too long for this one. Default none.
    pub context_fallbacks: Vec<String>,
    /// In place of [`super::Failover::deadline`].
    pub deadline: Option<Duration>,
    /// In place of [`super::Translation::loss`].
    pub loss: Option<crate::wire::neutral::Policy>,
    pub limits: terms::Limits,
    /// Guards of its own, after those of [`super::Plugins::filters`].
    pub filters: Vec<Filter>,
    /// The plugin that orders its candidates.
    pub router: Option<String>,
    pub rules: Rules,
}

/// One way to serve a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Name of an upstream of this file.
    pub upstream: String,
    /// That upstream's own name for the model.
    pub model: String,
    /// 1 is tried first; the next tier only when no target of this one can.
    pub tier: u32,
    /// Share of the requests relative to the tier's other targets, for [`Policy::Weighted`] and [`Policy::Split`]. Default 1.
    pub weight: u32,
    /// For [`Policy::Cost`]: its own price, else that of [`super::Config::prices`].
    pub price: Option<Price>,
}

/// What tokens cost as a policy compares it: a million of them, in the currency of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub input: Money,
    pub output: Money,
}

/// How the targets of one tier are ordered. Whatever it is, those that cannot answer now come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Policy {
    /// The better score of two taken by chance. Default.
    Health,
    /// In turn.
    RoundRobin,
    /// As often as their weights say.
    Weighted,
    /// By chance.
    Random,
    /// Fewest exchanges in flight first, ties in turn.
    LeastInflight,
    /// Shortest time to the first byte first, ties in turn.
    Latency,
    /// Lowest price first, ties by score.
    Cost,
    /// By weight, as shares of the traffic; the same caller goes the same way where `sticky` is set.
    Split,
}

impl Policy {
    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Health => "health",
            Policy::RoundRobin => "round_robin",
            Policy::Weighted => "weighted",
            Policy::Random => "random",
            Policy::LeastInflight => "least_inflight",
            Policy::Latency => "latency",
            Policy::Cost => "cost",
            Policy::Split => "split",
        }
    }
}

/// What tells callers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Sticky {
    /// The client's credential.
    Key,
    /// The body's `user` (or `safety_identifier`).
    User,
    /// The header `x-session-id` or `session_id`, or the body's `prompt_cache_key`.
    Session,
}
