//! Shapes of `tenants` and `plans`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Draft;
use crate::config::PlanOrder;
use crate::config::scalar::RawNetwork;
use crate::terms::{Budget, Limits, Money, Period, Priority, UserKind};

/// An organisation that calls, with what it has agreed to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tenant")]
pub(in crate::config) struct RawTenant {
    /// For people. Default: its id.
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// Whether its keys work.
    #[serde(default = "default_true")]
    pub active: Option<bool>,
    /// Of all its requests together. Default: `limits.each_tenant`, each setting on its own.
    pub limits: Option<Draft<Limits>>,
    pub budget: Option<Draft<Budget>>,
    /// Makes it prepaid: its requests are refused with 402 when what was paid in, and the credit, is used up.
    pub account: Option<RawAccount>,
    /// Name of one of the `plans`.
    pub plan: Option<String>,
    /// Models that it may ask for, by their public names: names, globs or regular expressions between slashes. Default: all.
    #[schemars(length(min = 1))]
    pub models: Option<Vec<Option<String>>>,
    /// What it may ask for: `chat`, `embeddings`, …, or patterns of such names. Default: everything.
    #[schemars(length(min = 1))]
    pub operations: Option<Vec<Option<String>>>,
    /// Where its keys may be used from: `192.0.2.0/24`, or one address. Default: everywhere.
    #[schemars(length(min = 1))]
    pub addresses: Option<Vec<Option<RawNetwork>>>,
    /// `interactive`, `normal` or `batch`; nothing goes by it yet. Default: `normal`.
    pub priority: Option<Priority>,
    /// Name of a routing preset; nothing goes by it yet.
    #[schemars(length(max = 64))]
    pub profile: Option<String>,
    /// For usage reports.
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// Projects or teams, by id.
    pub projects: Option<BTreeMap<String, Option<RawProject>>>,
    /// Persons and services, by id.
    pub users: Option<BTreeMap<String, Option<RawUser>>>,
}

/// A prepaid account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Account")]
pub(in crate::config) struct RawAccount {
    /// How far below zero its balance may go, in the currency of `prices`.
    #[serde(default = "default_credit")]
    pub credit: Option<Money>,
}

/// A project or team.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Project")]
pub(in crate::config) struct RawProject {
    /// For people. Default: its id.
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// Whether its keys work.
    #[serde(default = "default_true")]
    pub active: Option<bool>,
    pub limits: Option<Draft<Limits>>,
    pub budget: Option<Draft<Budget>>,
    /// In addition to what its tenant may use: a request must fit both.
    #[schemars(length(min = 1))]
    pub models: Option<Vec<Option<String>>>,
    #[schemars(length(min = 1))]
    pub operations: Option<Vec<Option<String>>>,
    #[schemars(length(min = 1))]
    pub addresses: Option<Vec<Option<RawNetwork>>>,
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// A person or a service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "User")]
pub(in crate::config) struct RawUser {
    /// For people. Default: its id.
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// `person` or `service`.
    #[serde(default = "default_kind")]
    pub kind: Option<UserKind>,
    /// Id of a project of the same tenant.
    pub project: Option<String>,
    /// Whether its keys work.
    #[serde(default = "default_true")]
    pub active: Option<bool>,
    /// Default: `limits.each_user`, each setting on its own.
    pub limits: Option<Draft<Limits>>,
    pub budget: Option<Draft<Budget>>,
    /// In addition to what its tenant and project may use: a request must fit all.
    #[schemars(length(min = 1))]
    pub models: Option<Vec<Option<String>>>,
    #[schemars(length(min = 1))]
    pub operations: Option<Vec<Option<String>>>,
    #[schemars(length(min = 1))]
    pub addresses: Option<Vec<Option<RawNetwork>>>,
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// What a tenant gets for each period: tokens, money, or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Plan")]
pub(in crate::config) struct RawPlan {
    /// `day`, `week`, `month`, so many days (`30d`), or `ever`.
    #[schemars(required)]
    pub per: Option<Period>,
    /// Input and output together.
    #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
    pub included_tokens: Option<u64>,
    pub included_money: Option<Money>,
    /// What the plan itself costs each period, taken from the balance of a prepaid tenant.
    #[serde(default = "default_credit")]
    pub price: Option<Money>,
    /// What is used first where there is a balance, too: `plan_first` or `balance_first`.
    #[serde(default = "default_order")]
    pub order: Option<PlanOrder>,
    /// Models that it includes, by their public names. Default: all.
    #[schemars(length(min = 1))]
    pub models: Option<Vec<Option<String>>>,
}

fn default_true() -> Option<bool> {
    Some(true)
}

fn default_credit() -> Option<Money> {
    Some(Money::ZERO)
}

fn default_kind() -> Option<UserKind> {
    Some(UserKind::Person)
}

fn default_order() -> Option<PlanOrder> {
    Some(PlanOrder::PlanFirst)
}
