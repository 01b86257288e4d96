//! The periods of a subscription: when they begin and end, and what the beginning of one costs and gives.
//! It must not know what a charge is.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::ledger::query::moment::{self, Span};
use crate::terms::{Money, Period};

use super::{Plan, Subscription};

const DAY_SECONDS: u64 = 86_400;

/// One period of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    #[serde(with = "moment::as_text")]
    pub begins: SystemTime,
    /// Whether the period's price was paid. Without it, there is no allowance.
    pub paid: bool,
}

/// What becomes of a subscription when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The running period goes on.
    Runs,
    /// A period begins, or is paid late: the balance pays `price`.
    Begins { term: Term, price: Money },
    /// A period begins that the account cannot pay; it is tried again with every deposit and every charge.
    Unpaid { term: Term },
}

/// The period around `now`: its beginning and, unless it lasts for ever, its end.
/// Calendar periods are those of UTC; the first one is as long as what is left of it. Others count from the subscription's beginning.
pub fn period_of(
    period: Period,
    since: SystemTime,
    now: SystemTime,
) -> (SystemTime, Option<SystemTime>) {
    let calendar = |span: Span| {
        let start = span.start(now);
        (start.max(since), Some(span.end(start)))
    };
    match period {
        Period::Day => calendar(Span::Day),
        Period::Week => calendar(Span::Week),
        Period::Month => calendar(Span::Month),
        Period::Rolling { days } => {
            let length = u64::from(days.max(1)) * DAY_SECONDS;
            let elapsed = now.duration_since(since).unwrap_or_default().as_secs();
            let begins = since + Duration::from_secs(elapsed / length * length);
            (begins, Some(begins + Duration::from_secs(length)))
        }
        Period::Ever => (since, None),
    }
}

/// Looks whether a period has to be opened, and what the account owes for it. `payable` is what the balance can pay, credit
/// included. Only the period around `now` is opened: for those that went by while nobody looked, nothing is owed.
pub fn open_period(
    plan: &Plan,
    subscription: &Subscription,
    payable: Money,
    now: SystemTime,
) -> Opening {
    let (begins, _) = period_of(plan.period, subscription.since, now);
    let running = subscription.term.filter(|term| term.begins >= begins);
    if running.is_some_and(|term| term.paid) {
        return Opening::Runs;
    }
    let can_pay = plan.price == Money::ZERO || plan.price <= payable;
    let term = Term {
        begins,
        paid: can_pay,
    };
    match (can_pay, running) {
        (true, _) => Opening::Begins {
            term,
            price: plan.price,
        },
        (false, Some(_)) => Opening::Runs,
        (false, None) => Opening::Unpaid { term },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        moment::parse(text).unwrap()
    }

    fn plan(period: &str, price: &str) -> Plan {
        serde_json::from_str(&format!(
            r#"{{"id":"p","period":"{period}","price":{price}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn periods_are_of_the_calendar_or_count_from_the_beginning() {
        let cases = [
            ("day", "2027-01-31T00:00:00Z", "2027-02-01T00:00:00Z"),
            ("week", "2027-01-25T00:00:00Z", "2027-02-01T00:00:00Z"),
            ("month", "2027-01-10T08:00:00Z", "2027-02-01T00:00:00Z"),
            ("7d", "2027-01-31T08:00:00Z", "2027-02-07T08:00:00Z"),
        ];
        for (period, begins, ends) in cases {
            let (start, end) = period_of(
                Period::parse(period).unwrap(),
                at("2027-01-10T08:00:00Z"),
                at("2027-01-31T09:00:00Z"),
            );
            assert_eq!(
                (start, end),
                (at(begins), Some(at(ends))),
                "{period}: {}",
                moment::text(start)
            );
        }
        let since = at("2027-01-10");
        assert_eq!(
            period_of(Period::Ever, since, at("2030-01-01")),
            (since, None)
        );
    }

    #[test]
    fn a_period_is_paid_once_when_it_begins_or_as_soon_as_it_can_be() {
        let plan = plan("month", "20");
        let twenty = plan.price;
        let mut subscription = Subscription {
            plan: "p".into(),
            since: at("2027-01-10"),
            of_record: false,
            term: None,
        };
        let now = at("2027-01-15");
        let Opening::Unpaid { term } =
            open_period(&plan, &subscription, twenty - Money::from_nanos(1), now)
        else {
            panic!("it cannot be paid");
        };
        assert!(!term.paid);
        subscription.term = Some(term);
        assert_eq!(
            open_period(&plan, &subscription, Money::ZERO, now),
            Opening::Runs
        );
        let Opening::Begins { term, price } = open_period(&plan, &subscription, twenty, now) else {
            panic!("it can be paid now");
        };
        assert_eq!((price, term.begins), (twenty, at("2027-01-10")));
        subscription.term = Some(term);
        assert_eq!(
            open_period(&plan, &subscription, twenty, now),
            Opening::Runs
        );
        // Three months later one period is opened.
        let Opening::Begins { term, .. } =
            open_period(&plan, &subscription, twenty, at("2027-04-02"))
        else {
            panic!("a new period begins");
        };
        assert_eq!(term.begins, at("2027-04-01"));
        // A clock that goes back opens nothing anew.
        subscription.term = Some(term);
        assert_eq!(
            open_period(&plan, &subscription, twenty, at("2027-03-31")),
            Opening::Runs
        );
    }

    #[test]
    fn what_costs_nothing_begins_in_debt_too() {
        let subscription = Subscription {
            plan: "p".into(),
            since: at("2027-01-10"),
            of_record: false,
            term: None,
        };
        let opened = open_period(
            &plan("day", "0"),
            &subscription,
            Money::from_nanos(-5),
            at("2027-01-10"),
        );
        assert!(
            matches!(opened, Opening::Begins { price, .. } if price == Money::ZERO),
            "{opened:?}"
        );
    }
}
