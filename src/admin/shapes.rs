//! What goes in and out of the admin API where it is no record of its own: the shapes that handlers read and write, and that
//! the OpenAPI document is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Allow, Key, KeyShown, Moment, Scopes, Tags};
use crate::terms::{Budget, Limits, Money};
use crate::terms::{KeyState, Priority};

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Source {
    /// Made while weir runs; changed here.
    Store,
    /// In the configuration; changed there.
    Configuration,
}

/// What of a key can be changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyEdit {
    pub label: String,
    #[serde(default)]
    pub project: Option<String>,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub expires: Option<Moment>,
    /// `revoked` is for ever.
    pub state: KeyState,
    #[serde(default)]
    pub allow: Allow,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub budget: Option<Budget>,
    #[serde(default)]
    pub priority: Option<Priority>,
    #[serde(default)]
    pub profile: Option<String>,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default)]
    pub scopes: Scopes,
}

impl KeyEdit {
    pub(super) fn of(key: &Key) -> KeyEdit {
        let key = key.clone();
        KeyEdit {
            label: key.label,
            project: key.project,
            user: key.user,
            expires: key.expires,
            state: key.state,
            allow: key.allow,
            limits: key.limits,
            budget: key.budget,
            priority: key.priority,
            profile: key.profile,
            tags: key.tags,
            scopes: key.scopes,
        }
    }

    pub(super) fn apply(self, key: &mut Key) {
        key.label = self.label;
        key.project = self.project;
        key.user = self.user;
        key.expires = self.expires;
        key.state = self.state;
        key.allow = self.allow;
        key.limits = self.limits;
        key.budget = self.budget;
        key.priority = self.priority;
        key.profile = self.profile;
        key.tags = self.tags;
        key.scopes = self.scopes;
    }
}

/// A key that has just been made or rotated. `token` and `signing_secret` are shown this once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyMade {
    pub key: KeyShown,
    /// What the client presents.
    pub token: String,
    /// What its requests are to be signed with, where they must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// Seconds for which the secret before is still taken; at most thirty days. Default: 0, it ends at once.
    pub overlap_seconds: u64,
}

/// A new account. It has the id of its tenant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountDraft {
    pub tenant: String,
    /// How far below zero the balance may go. Default: not at all.
    #[serde(default)]
    pub credit: Money,
}

/// How an account stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AccountShown {
    pub tenant: String,
    /// Entries less charges.
    pub balance: Money,
    pub credit: Money,
    /// How far the balance is below zero.
    pub debt: Money,
    /// Balance and credit: what can still be spent.
    pub payable: Money,
    /// Reserved by exchanges that run.
    pub held: Money,
    pub entries: u64,
    pub plan: Option<String>,
    /// Of the plan, in the period that runs.
    pub allowance: Option<AllowanceShown>,
}

/// What a plan includes in the period that runs, and what of it is used.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AllowanceShown {
    /// RFC 3339.
    pub begins: String,
    /// RFC 3339; none where it lasts for ever.
    pub ends: Option<String>,
    /// Whether the period's price was paid; there is no allowance otherwise.
    pub paid: bool,
    pub included_tokens: Option<u64>,
    pub used_tokens: u64,
    pub included_money: Option<Money>,
    pub used_money: Money,
}

/// An entry to be made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryDraft {
    pub kind: EntryKind,
    /// Of a deposit or withdrawal: more than 0. Of a credit: how far below zero the balance may go from now on. Of a correction:
    /// what is added; negative to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// Of a subscription: the plan; none gives it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Lets a withdrawal go beyond the credit. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum EntryKind {
    Deposit,
    Withdrawal,
    Credit,
    Correction,
    Subscription,
}

/// One line of a statement, or an entry that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EntryShown {
    /// Counted for each account, from 1. Zero for the charges of a day that is still open.
    pub number: u64,
    /// RFC 3339.
    pub at: String,
    /// `opened`, `deposit`, `withdrawal`, `credit`, `correction`, `charges`, `subscription`, `plan_price`.
    pub kind: String,
    pub amount: Money,
    /// Of all lines up to this one.
    pub balance: Money,
    pub credit: Money,
    pub note: String,
    /// Who made it.
    pub by: String,
    pub idempotency_key: Option<String>,
}

/// Limits and budget of a tenant, project, user or key. What is absent stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsChange {
    /// In place of all limits before.
    pub limits: Option<Limits>,
    /// In place of the budget before.
    pub budget: Option<Budget>,
    /// Takes the budget away. Default: `false`.
    pub no_budget: bool,
}

/// How the limits of a subject stand.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LimitsShown {
    /// `tenant/acme`, `user/acme/ann`, `key/<id>`, `model/<name>`, `upstream/<name>`, `endpoint/<operation>`, `global`.
    pub subject: String,
    pub limits: Limits,
    pub rates: Vec<RateShown>,
    pub held: HeldShown,
    pub budget: Option<BudgetShown>,
    pub balance: Option<BalanceShown>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RateShown {
    /// The setting: `requests_per_minute`, …
    pub limit: String,
    /// In the measure's unit; of money in billionths.
    pub amount: u64,
    pub used: u64,
    pub remaining: u64,
    /// Until all of it is there again, if nothing else is used.
    pub reset_seconds: f64,
}

/// What exchanges that run have reserved.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct HeldShown {
    pub exchanges: u32,
    pub tokens: u64,
    pub spend: Money,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct BudgetShown {
    pub amount: Money,
    /// `day`, `week`, `month`, `ever`, or a number of days.
    pub per: String,
    pub spent: Money,
    pub held: Money,
    pub remaining: Money,
    /// RFC 3339.
    pub ends: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct BalanceShown {
    pub balance: Money,
    pub held: Money,
    pub credit: Money,
}

/// A price in force, and who has set it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PriceShown {
    pub upstream: Option<String>,
    /// A name; in the configuration also a glob or a regular expression.
    pub model: Option<String>,
    pub price: crate::terms::Price,
    pub source: PriceSource,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PriceSource {
    /// Set here while weir runs; goes before all others.
    Store,
    Configuration,
    /// The table of known prices.
    BuiltIn,
}

/// The secret of a credential for an upstream.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSecret {
    #[schemars(length(min = 1, max = 4096))]
    pub secret: String,
}

/// A credential for an upstream, without the secret.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UpstreamKeyShown {
    pub name: String,
    /// The first eight hexadecimal digits of the secret's SHA-256.
    pub fingerprint: String,
    pub changed: Moment,
    /// The short name of the master key that it is sealed with.
    pub master_key: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Resealed {
    pub resealed: u64,
    /// Sealed with the current master key before.
    pub unchanged: u64,
    /// What could not be opened, and why.
    pub failed: Vec<String>,
}

/// How the ledger does.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LedgerShown {
    /// `healthy`, `behind` or `failing`.
    pub state: String,
    /// RFC 3339.
    pub since: Option<String>,
    pub why: Option<String>,
    pub rows_written: u64,
    pub rows_lost: u64,
    pub commits: u64,
    pub commits_failed: u64,
    pub queued: u64,
    pub queued_bytes: u64,
    /// Exchanges that are written down as running.
    pub holds: u64,
    /// From settling to its being written, from when on a kill of weir does it no harm.
    pub longest_written_ms: f64,
    /// The same until the disk has confirmed it.
    pub last_interval_ms: f64,
    pub longest_interval_ms: f64,
}

/// What usage was asked about, in groups.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageShown {
    pub by: Vec<String>,
    /// Each with a member for each of `by`, then `exchanges`, `input`, `cached`, `cache_write`, `output`, `reasoning`,
    /// `estimated`, `unpriced`, `incomplete` and `cost`.
    pub groups: Vec<serde_json::Map<String, serde_json::Value>>,
    /// It was asked about a time before this too, of which not all is kept any more.
    pub incomplete_before: Option<String>,
}

/// Settled exchanges, one page.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RowsShown {
    pub rows: Vec<serde_json::Value>,
    /// For `after`; none at the end.
    pub next: Option<String>,
}

/// How an invoice compares.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reconciled {
    /// Whether all lines are within tolerance.
    pub agrees: bool,
    pub agreeing: u64,
    pub differing: Vec<DifferenceShown>,
    pub lines_read: u64,
    pub lines_skipped: u64,
    /// All of it, for people.
    pub report: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct DifferenceShown {
    pub day: Option<String>,
    pub model: String,
    /// `requests`, `input`, `cached`, `output`, `cost`.
    pub measure: String,
    pub invoice: String,
    pub ledger: String,
}
