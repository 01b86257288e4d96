//! Limits on how fast and how much at once. A set of them stands at each scope: the whole, an upstream, a model, a tenant,
//! a project, a user, a key, an address, an endpoint. Nothing here counts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Money;

/// Limits of one scope, as they are written; what is absent does not bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_u64))]
    pub requests_per_second: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub requests_per_minute: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub requests_per_day: Option<u64>,
    /// Input and output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub tokens_per_minute: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub input_tokens_per_minute: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub output_tokens_per_minute: Option<u64>,
    /// Input and output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
    pub tokens_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
    pub input_tokens_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_000_u64))]
    pub output_tokens_per_day: Option<u64>,
    /// Money, in the currency of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_per_minute: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_per_day: Option<Money>,
    /// Exchanges at once, each to the last byte of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u64>,
    /// How the rates are counted. Default: `sliding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// How a rate is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Window {
    /// No more than the limit within any such span of time.
    #[default]
    Sliding,
    /// A bucket that holds the limit and fills up evenly: up to the limit at once, then evenly.
    TokenBucket,
}

/// What a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    Requests,
    /// Input and output together.
    Tokens,
    InputTokens,
    OutputTokens,
    /// Billionths of the currency's unit.
    Spend,
}

/// The span of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    Second,
    Minute,
    Day,
}

impl Per {
    pub fn span(self) -> Duration {
        Duration::from_secs(match self {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Day => 86_400,
        })
    }
}

/// One rate of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    pub measure: Measure,
    pub per: Per,
    /// In the measure's own unit.
    pub amount: u64,
    pub window: Window,
}

impl Rule {
    /// The setting that it comes from: names the limit to the caller, in metrics and in logs.
    pub fn name(&self) -> &'static str {
        match (self.measure, self.per) {
            (Measure::Requests, Per::Second) => "requests_per_second",
            (Measure::Requests, Per::Minute) => "requests_per_minute",
            (Measure::Requests, Per::Day) => "requests_per_day",
            (Measure::Tokens, Per::Second) => "tokens_per_second",
            (Measure::Tokens, Per::Minute) => "tokens_per_minute",
            (Measure::Tokens, Per::Day) => "tokens_per_day",
            (Measure::InputTokens, Per::Second) => "input_tokens_per_second",
            (Measure::InputTokens, Per::Minute) => "input_tokens_per_minute",
            (Measure::InputTokens, Per::Day) => "input_tokens_per_day",
            (Measure::OutputTokens, Per::Second) => "output_tokens_per_second",
            (Measure::OutputTokens, Per::Minute) => "output_tokens_per_minute",
            (Measure::OutputTokens, Per::Day) => "output_tokens_per_day",
            (Measure::Spend, Per::Second) => "spend_per_second",
            (Measure::Spend, Per::Minute) => "spend_per_minute",
            (Measure::Spend, Per::Day) => "spend_per_day",
        }
    }
}

impl Limits {
    /// The rates, in a fixed order.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        let window = self.window.unwrap_or_default();
        let money =
            |amount: Option<Money>| amount.map(|amount| amount.nanos().max(0).unsigned_abs());
        [
            (Measure::Requests, Per::Second, self.requests_per_second),
            (Measure::Requests, Per::Minute, self.requests_per_minute),
            (Measure::Requests, Per::Day, self.requests_per_day),
            (Measure::Tokens, Per::Minute, self.tokens_per_minute),
            (
                Measure::InputTokens,
                Per::Minute,
                self.input_tokens_per_minute,
            ),
            (
                Measure::OutputTokens,
                Per::Minute,
                self.output_tokens_per_minute,
            ),
            (Measure::Tokens, Per::Day, self.tokens_per_day),
            (Measure::InputTokens, Per::Day, self.input_tokens_per_day),
            (Measure::OutputTokens, Per::Day, self.output_tokens_per_day),
            (Measure::Spend, Per::Minute, money(self.spend_per_minute)),
            (Measure::Spend, Per::Day, money(self.spend_per_day)),
        ]
        .into_iter()
        .filter_map(move |(measure, per, amount)| {
            amount.map(|amount| Rule {
                measure,
                per,
                amount,
                window,
            })
        })
    }

    /// These, and of `others` what they leave open; each setting on its own.
    #[must_use]
    pub fn or(&self, others: &Limits) -> Limits {
        Limits {
            requests_per_second: self.requests_per_second.or(others.requests_per_second),
            requests_per_minute: self.requests_per_minute.or(others.requests_per_minute),
            requests_per_day: self.requests_per_day.or(others.requests_per_day),
            tokens_per_minute: self.tokens_per_minute.or(others.tokens_per_minute),
            input_tokens_per_minute: (self.input_tokens_per_minute)
                .or(others.input_tokens_per_minute),
            output_tokens_per_minute: (self.output_tokens_per_minute)
                .or(others.output_tokens_per_minute),
            tokens_per_day: self.tokens_per_day.or(others.tokens_per_day),
            input_tokens_per_day: self.input_tokens_per_day.or(others.input_tokens_per_day),
            output_tokens_per_day: self.output_tokens_per_day.or(others.output_tokens_per_day),
            spend_per_minute: self.spend_per_minute.or(others.spend_per_minute),
            spend_per_day: self.spend_per_day.or(others.spend_per_day),
            concurrency: self.concurrency.or(others.concurrency),
            window: self.window.or(others.window),
        }
    }

    /// Whether it bounds money.
    pub fn counts_money(&self) -> bool {
        self.spend_per_minute.is_some() || self.spend_per_day.is_some()
    }

    /// Whether it bounds nothing.
    pub fn is_empty(&self) -> bool {
        self.concurrency.is_none() && self.rules().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_a_rule_that_bears_its_name() {
        let limits = Limits {
            spend_per_day: Some("1.5".parse().unwrap()),
            ..serde_json::from_str(
                r#"{"requests_per_second":1,"requests_per_minute":2,"requests_per_day":3,"tokens_per_minute":4,
                    "input_tokens_per_minute":5,"output_tokens_per_minute":6,"tokens_per_day":7,"input_tokens_per_day":8,
                    "output_tokens_per_day":9,"spend_per_minute":"0.5","window":"token_bucket"}"#,
            )
            .unwrap()
        };
        let json = serde_json::to_value(&limits).unwrap();
        let mut count = 0;
        for rule in limits.rules() {
            assert!(json.get(rule.name()).is_some(), "{}", rule.name());
            assert_eq!(rule.window, Window::TokenBucket);
            count += 1;
        }
        assert_eq!(count, 11);
        assert_eq!(Limits::default().or(&limits), limits);
        let own = Limits {
            requests_per_second: Some(7),
            ..Limits::default()
        };
        let both = own.or(&limits);
        assert_eq!(
            (both.requests_per_second, both.requests_per_day),
            (Some(7), Some(3))
        );
        assert!(!limits.is_empty());
        assert!(Limits::default().is_empty());
    }
}
