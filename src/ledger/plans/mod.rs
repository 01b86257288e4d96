//! Subscription plans: what a tenant has paid for ahead, for a period, and in which order plan and balance pay.
//! It must not know how balances are kept or who is served.

mod period;
mod split;

pub use period::{Opening, Term, open_period, period_of};
pub use split::{Charge, Split, Used, split};

use std::ops::Deref;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms::{ModelPattern, Money, Period};

use super::query::moment;

/// Patterns of models that one plan may list.
const MODELS_MAX: usize = 1_000;

/// What is sold for a period. What is not used up when the period ends is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `day`, `week` (from Monday), `month`, in UTC; `30d` for thirty days, counted from the beginning of the subscription;
    /// `ever` for once and for all.
    pub period: Period,
    /// Tokens, input and output together, that each period includes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_tokens: Option<u64>,
    /// Money's worth of use that each period includes, at list price. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included_money: Option<Money>,
    /// Models that it is for: names, globs, `/regular expressions/`. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Default: `plan_first`.
    #[serde(default)]
    pub order: Order,
    /// Taken from the balance when a period begins. Default: nothing.
    #[serde(default)]
    pub price: Money,
}

/// Who pays first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Order {
    /// The plan, and the balance for what is beyond it.
    #[default]
    PlanFirst,
    /// The balance as far as it is above zero, then the plan, then the balance again, into its credit.
    BalanceFirst,
}

/// What a tenant has subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    pub plan: String,
    #[serde(with = "moment::as_text")]
    pub since: SystemTime,
    /// Whether the tenant's record says so: then it ends when that no longer does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_record: bool,
    /// The period that runs; none before the first one is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
}

impl Plan {
    /// The plan as it can be used.
    ///
    /// # Errors
    /// Every problem of it, each a sentence.
    pub fn check(self) -> Result<Offer, Vec<String>> {
        let mut problems = Vec::new();
        let mut models = Vec::new();
        if !is_id(&self.id) {
            problems.push(format!(
                "plan id `{}` is not 1 to 64 of letters, digits and `._@-`",
                self.id
            ));
        }
        if self.models.len() > MODELS_MAX {
            problems.push(format!(
                "plan `{}` lists {} models; at most {MODELS_MAX} patterns can stand there, use globs",
                self.id,
                self.models.len()
            ));
        }
        for pattern in &self.models {
            match ModelPattern::parse(pattern) {
                Ok(pattern) => models.push(pattern),
                Err(problem) => {
                    problems.push(format!("plan `{}`: model `{pattern}` {problem}", self.id));
                }
            }
        }
        for (name, amount) in [
            ("price", Some(self.price)),
            ("included_money", self.included_money),
        ] {
            if let Some(amount) = amount.filter(|amount| amount.is_negative()) {
                problems.push(format!(
                    "plan `{}`: {name} is {amount}; it cannot be negative",
                    self.id
                ));
            }
        }
        if problems.is_empty() {
            Ok(Offer { plan: self, models })
        } else {
            Err(problems)
        }
    }
}

/// A plan that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    plan: Plan,
    models: Vec<ModelPattern>,
}

impl Offer {
    /// Whether it is for a model.
    pub fn covers(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model))
    }
}

impl Deref for Offer {
    type Target = Plan;
    fn deref(&self) -> &Plan {
        &self.plan
    }
}

/// Whether a text can be the id of a plan or an account.
pub(super) fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_with_their_defaults_and_their_problems_are_named() {
        let plan: Plan = serde_json::from_str(
            r#"{"id":"basic","period":"month","included_tokens":1000000,"models":["llama-*","gpt-5"],"price":20}"#,
        )
        .unwrap();
        let offer = plan.clone().check().unwrap();
        assert_eq!(offer.order, Order::PlanFirst);
        assert!(offer.covers("llama-3") && offer.covers("gpt-5") && !offer.covers("gpt-5-mini"));
        let bad = Plan {
            id: "a b".into(),
            models: vec!["/(/".into()],
            price: Money::from_nanos(-1),
            included_money: Some(Money::from_nanos(-2)),
            ..plan
        };
        let problems = bad.check().unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
    }
}
