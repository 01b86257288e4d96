//! Limits and budgets as they may be: the ranges that their schemas and the configuration have. It must not know whose they are.

use crate::access::directory::Record;
use crate::admin::reply::{self, Refusal};
use crate::terms::{Budget, Limits, Money};

/// # Errors
/// The member that is out of its range.
pub(super) fn check_record(record: &Record) -> Result<(), Refusal> {
    let (limits, budget) = match record {
        Record::Tenant(record) => {
            let credit = record.account.as_ref().map(|account| account.credit);
            if credit.is_some_and(Money::is_negative) {
                return Err(reply::invalid(
                    "credit",
                    "`credit` is negative; write 0 or more",
                ));
            }
            (&record.limits, &record.budget)
        }
        Record::Project(record) => (&record.limits, &record.budget),
        Record::User(record) => (&record.limits, &record.budget),
        Record::Key(record) => (&record.limits, &record.budget),
    };
    check(limits, budget.as_ref())
}

/// # Errors
/// The member that is out of its range.
pub(super) fn check(limits: &Limits, budget: Option<&Budget>) -> Result<(), Refusal> {
    const BILLION: u64 = 1_000_000_000;
    let numbers = [
        ("requests_per_second", limits.requests_per_second, BILLION),
        (
            "requests_per_minute",
            limits.requests_per_minute,
            1_000 * BILLION,
        ),
        ("requests_per_day", limits.requests_per_day, 1_000 * BILLION),
        (
            "tokens_per_minute",
            limits.tokens_per_minute,
            1_000 * BILLION,
        ),
        (
            "input_tokens_per_minute",
            limits.input_tokens_per_minute,
            1_000 * BILLION,
        ),
        (
            "output_tokens_per_minute",
            limits.output_tokens_per_minute,
            1_000 * BILLION,
        ),
        ("tokens_per_day", limits.tokens_per_day, 1_000_000 * BILLION),
        (
            "input_tokens_per_day",
            limits.input_tokens_per_day,
            1_000_000 * BILLION,
        ),
        (
            "output_tokens_per_day",
            limits.output_tokens_per_day,
            1_000_000 * BILLION,
        ),
        ("concurrency", limits.concurrency, 1_000_000),
    ];
    for (member, number, max) in numbers {
        if let Some(number) = number
            && !(1..=max).contains(&number)
        {
            let message =
                format!("`{member}` is {number}; write 1 to {max}, or leave it out for no limit");
            return Err(reply::invalid(member, message));
        }
    }
    let amounts = [
        ("spend_per_minute", limits.spend_per_minute),
        ("spend_per_day", limits.spend_per_day),
        ("amount", budget.map(|budget| budget.amount)),
    ];
    for (member, amount) in amounts {
        if amount.is_some_and(|amount| amount <= Money::ZERO) {
            let message = format!(
                "`{member}` is not more than 0; write an amount such as `20`, or leave it out"
            );
            return Err(reply::invalid(member, message));
        }
    }
    let percent = budget.and_then(|budget| budget.warn_at_percent);
    match percent.is_none_or(|percent| (1..=100).contains(&percent)) {
        true => Ok(()),
        false => Err(reply::invalid(
            "warn_at_percent",
            "`warn_at_percent` is not 1 to 100",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let cases = [
            (
                r#"{"requests_per_minute": 60, "concurrency": 1000000}"#,
                true,
            ),
            (r#"{"requests_per_minute": 0}"#, false),
            (r#"{"concurrency": 1000001}"#, false),
            (r#"{"spend_per_day": 0}"#, false),
            (r#"{"spend_per_day": 0.5}"#, true),
        ];
        for (limits, is_good) in cases {
            let limits: Limits = serde_json::from_str(limits).unwrap();
            assert_eq!(check(&limits, None).is_ok(), is_good, "{limits:?}");
        }
        for (budget, is_good) in [
            (r#"{"amount": 20, "per": "month"}"#, true),
            (r#"{"amount": -1, "per": "month"}"#, false),
            (
                r#"{"amount": 1, "per": "month", "warn_at_percent": 101}"#,
                false,
            ),
        ] {
            let budget: Budget = serde_json::from_str(budget).unwrap();
            assert_eq!(
                check(&Limits::default(), Some(&budget)).is_ok(),
                is_good,
                "{budget:?}"
            );
        }
    }
}
