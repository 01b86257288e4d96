//! Budgets: an amount of money for a period of time, and what happens when it is spent.
//! It must not know what has been spent.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Money;

/// Longest rolling period, in days.
const ROLLING_DAYS_MAX: u32 = 400;

/// An amount of money that may be spent in each period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// In the currency of the configuration.
    pub amount: Money,
    /// `day`, `week` (from Monday) or `month`, in UTC; `30d` for any thirty days in a row; `ever`.
    pub per: Period,
    /// Percent of the amount at which operators are told, by webhook and log, and callers by a header. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub warn_at_percent: Option<u8>,
    /// What happens to requests when it is spent. Default: they are refused with 402.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_end: Option<AtEnd>,
}

/// What happens when a budget is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// 402 in the client's dialect.
    Stop,
    /// This model answers in place of the one that was asked for, and is not charged to the budget.
    Downgrade(String),
}

/// The time that a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    Day,
    /// From Monday.
    Week,
    Month,
    /// So many days up to now; counted by the day.
    Rolling {
        days: u32,
    },
    /// Never begins anew.
    Ever,
}

impl Period {
    /// # Errors
    /// What is wrong, for a sentence that begins with the value.
    pub fn parse(text: &str) -> Result<Period, String> {
        match text {
            "day" => return Ok(Period::Day),
            "week" => return Ok(Period::Week),
            "month" => return Ok(Period::Month),
            "ever" => return Ok(Period::Ever),
            _ => {}
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        days.filter(|days| (1..=ROLLING_DAYS_MAX).contains(days))
            .map(|days| Period::Rolling { days })
            .ok_or_else(|| {
                format!(
                    "is not a period; write `day`, `week`, `month`, `ever`, or a number of days up to `{ROLLING_DAYS_MAX}d`"
                )
            })
    }

    pub fn text(self) -> Cow<'static, str> {
        match self {
            Period::Day => "day".into(),
            Period::Week => "week".into(),
            Period::Month => "month".into(),
            Period::Ever => "ever".into(),
            Period::Rolling { days } => format!("{days}d").into(),
        }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
        let text = String::deserialize(deserializer)?;
        Period::parse(&text).map_err(|problem| D::Error::custom(format!("`{text}` {problem}")))
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "weir-period", "pattern": r"^(day|week|month|ever|[1-9][0-9]{0,2}d)$|\$\{"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_they_are_written() {
        for text in ["day", "week", "month", "ever", "1d", "30d", "400d"] {
            assert_eq!(Period::parse(text).unwrap().text(), text);
        }
        for bad in ["", "0d", "401d", "d", "year", "30"] {
            assert!(Period::parse(bad).is_err(), "{bad}");
        }
        let budget: Budget =
            serde_json::from_str(r#"{"amount":20.5,"per":"month","at_end":{"downgrade":"small"}}"#)
                .unwrap();
        assert_eq!(budget.at_end, Some(AtEnd::Downgrade("small".into())));
    }
}
