//! One entry of an account. Entries are never changed; their sum, less the charges of days that are open, is the balance.
//! It must not know which entries are allowed.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::ledger::query::moment;
use crate::terms::Money;

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The account was opened.
    Opened,
    Deposit,
    Withdrawal,
    /// The credit was changed; the balance was not.
    Credit,
    Correction,
    /// What the exchanges of one day have cost.
    Charges,
    /// A plan was taken or given up; the balance was not changed.
    Subscription,
    /// The price of a plan for a period.
    PlanPrice,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub account: String,
    /// Counted for each account, from 1. Zero for a day that is still open.
    pub number: u64,
    /// When it was made. For charges the last moment of their day.
    #[serde(with = "moment::as_text")]
    pub at: SystemTime,
    pub kind: Kind,
    /// What it has added to the balance; negative where it has taken.
    pub amount: Money,
    /// The credit after it.
    pub credit: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Of charges: how many exchanges they are for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exchanges: u64,
    /// Whether it was made although it went beyond the credit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The idempotency key that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// An entry that was made, and the balance right after it. A later answer to the same request says the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entered {
    pub entry: Entry,
    pub balance: Money,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
