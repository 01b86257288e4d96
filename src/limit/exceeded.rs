//! A refusal: which limit, whose, and when to come back.
//! It must not know the client's dialect; `Display` is the sentence for the client.

use std::fmt;
use std::time::Duration;

use crate::terms::Measure;

/// Why a reservation was refused. Of several reasons the one that holds longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// `tenant`, `key`, … (`Subject::scope`).
    pub scope: &'static str,
    /// The name within the scope; empty for the whole.
    pub subject: String,
    /// The setting: `requests_per_minute`, `concurrency`, `budget`, `balance`, …
    pub limit: &'static str,
    /// The limit's amount; of a balance, the credit.
    pub amount: String,
    /// When enough will be free, if nothing else is taken until then; none where that cannot be told, or is never.
    pub retry_after: Option<Duration>,
    /// Whether money is what is missing: 402 in place of 429.
    pub is_money: bool,
    /// What the request needs, where that is more than the limit ever allows.
    pub too_large: Option<String>,
    /// The model that answers in place of the one that was asked for, once the budget is spent: to be reserved again with
    /// `Demand::is_downgraded`.
    pub downgrade: Option<String>,
}

impl Exceeded {
    /// Reasons that hold longer come first.
    pub(super) fn rank(&self) -> (u8, Duration) {
        let rank = match self.limit {
            _ if self.too_large.is_some() => 4,
            "balance" => 3,
            "budget" => 2,
            "concurrency" => 0,
            _ => 1,
        };
        (rank, self.retry_after.unwrap_or(Duration::ZERO))
    }

    fn whose(&self) -> String {
        match self.subject.as_str() {
            "" => "all requests together".to_owned(),
            subject => format!("{} `{subject}`", self.scope),
        }
    }
}

/// A sentence for the client, without a full stop.
impl fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limit, amount, whose) = (self.limit, &self.amount, self.whose());
        if let Some(needed) = &self.too_large {
            return write!(
                formatter,
                "this request needs {needed}, more than `{limit}` of {whose} ever allows ({amount}); make it smaller, or have the limit raised"
            );
        }
        match limit {
            "concurrency" => write!(
                formatter,
                "{whose}: {amount} exchanges run already, as many as `concurrency` allows; try again when one has ended"
            )?,
            "balance" => write!(
                formatter,
                "the prepaid balance of {whose} does not cover this request; add credit"
            )?,
            "budget" => write!(
                formatter,
                "what is left of the budget of {whose} ({amount}) does not cover this request"
            )?,
            _ => write!(
                formatter,
                "`{limit}` of {whose} ({amount}) has not enough left for this request"
            )?,
        }
        match self.retry_after {
            Some(wait) => write!(formatter, "; try again in {} s", seconds_up(wait)),
            None => Ok(()),
        }
    }
}

/// Whole seconds, begun ones as whole: what `Retry-After` says.
pub fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// An amount as people read it.
pub(super) fn amount_text(measure: Measure, units: u64) -> String {
    match measure {
        Measure::Spend => super::meter::nanos(units).to_string(),
        Measure::Requests | Measure::Tokens | Measure::InputTokens | Measure::OutputTokens => {
            units.to_string()
        }
    }
}

/// An amount with its unit.
pub(super) fn needed_text(measure: Measure, units: u64) -> String {
    let amount = amount_text(measure, units);
    match measure {
        Measure::Requests => "a request".to_owned(),
        Measure::Tokens => format!("up to {amount} tokens"),
        Measure::InputTokens => format!("about {amount} tokens of input"),
        Measure::OutputTokens => format!("up to {amount} tokens of output"),
        Measure::Spend => format!("up to {amount} in money"),
    }
}
