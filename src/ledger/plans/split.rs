//! How a charge is divided between the allowance of a plan and the balance. Exact: the parts always add up to the cost.
//! It must not know where either is kept.

use crate::terms::Money;

use super::{Offer, Order};

/// What an exchange has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge<'a> {
    /// The public name that was asked for.
    pub model: &'a str,
    /// Input and output together.
    pub tokens: u64,
    pub cost: Money,
}

/// Who pays how much of a charge. `by_tokens + by_money + by_balance` is the cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// Tokens taken from the plan's tokens.
    pub tokens: u64,
    /// What those tokens would have cost.
    pub by_tokens: Money,
    /// Taken from the plan's money.
    pub by_money: Money,
    /// Taken from the balance.
    pub by_balance: Money,
}

/// What of a period's allowance is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    pub tokens: u64,
    pub money: Money,
}

/// Divides a charge. Within the plan, its tokens pay before its money: they are worth nothing else.
/// `is_paid` is whether the running period's price was paid, `used` what is used of it, `balance` the account's balance before the charge, without its credit.
pub fn split(plan: &Offer, is_paid: bool, used: Used, balance: Money, charge: Charge<'_>) -> Split {
    let cost = charge.cost.max(Money::ZERO);
    if !is_paid || !plan.covers(charge.model) {
        return Split {
            by_balance: cost,
            ..Split::default()
        };
    }
    let ahead = match plan.order {
        Order::PlanFirst => Money::ZERO,
        Order::BalanceFirst => balance.max(Money::ZERO).min(cost),
    };
    // What the balance has paid for counts against no allowance: the same share of the tokens goes with it.
    let tokens = charge.tokens - share(charge.tokens, ahead, cost);
    let open = cost - ahead;
    let tokens_left = plan
        .included_tokens
        .map_or(0, |included| included.saturating_sub(used.tokens));
    let covered = tokens.min(tokens_left);
    let by_tokens = part(open, covered, tokens);
    let money_left = plan
        .included_money
        .map_or(Money::ZERO, |included| included - used.money);
    let by_money = money_left.max(Money::ZERO).min(open - by_tokens);
    Split {
        tokens: covered,
        by_tokens,
        by_money,
        by_balance: cost - by_tokens - by_money,
    }
}

/// `tokens` × `paid` / `cost`, rounded down. Where nothing costs anything, the balance has paid for nothing.
fn share(tokens: u64, paid: Money, cost: Money) -> u64 {
    if cost <= Money::ZERO {
        return 0;
    }
    let share = i128::from(tokens) * i128::from(paid.nanos()) / i128::from(cost.nanos());
    u64::try_from(share).unwrap_or(0)
}

/// `amount` × `covered` / `tokens`, rounded down; all of it when all tokens are covered.
fn part(amount: Money, covered: u64, tokens: u64) -> Money {
    if tokens == 0 {
        return Money::ZERO;
    }
    Money::clamped(i128::from(amount.nanos()) * i128::from(covered) / i128::from(tokens))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::plans::Plan;
    use crate::terms::Period;

    fn plan(tokens: Option<u64>, money: Option<i64>, order: Order) -> Offer {
        Plan {
            id: "p".into(),
            name: String::new(),
            period: Period::Month,
            included_tokens: tokens,
            included_money: money.map(Money::from_nanos),
            models: vec!["llama-*".into()],
            order,
            price: Money::ZERO,
        }
        .check()
        .unwrap()
    }

    fn used(tokens: u64, money: i64) -> Used {
        Used {
            tokens,
            money: Money::from_nanos(money),
        }
    }

    fn check(plan: &Offer, used: Used, balance: i64, charge: (u64, i64), expected: [i64; 4]) {
        let charge = Charge {
            model: "llama-3",
            tokens: charge.0,
            cost: Money::from_nanos(charge.1),
        };
        let split = split(plan, true, used, Money::from_nanos(balance), charge);
        let found = [
            i64::try_from(split.tokens).unwrap(),
            split.by_tokens.nanos(),
            split.by_money.nanos(),
            split.by_balance.nanos(),
        ];
        assert_eq!(
            found, expected,
            "tokens, by tokens, by money, by balance of {charge:?} with {plan:?}"
        );
    }

    #[test]
    fn charges_are_divided_as_the_plan_says() {
        use Order::{BalanceFirst, PlanFirst};
        let tokens = plan(Some(100), None, PlanFirst);
        check(&tokens, used(0, 0), 0, (40, 80), [40, 80, 0, 0]);
        check(&tokens, used(70, 0), 0, (40, 80), [30, 60, 0, 20]);
        check(&tokens, used(100, 0), 500, (40, 80), [0, 0, 0, 80]);
        let money = plan(None, Some(100), PlanFirst);
        check(&money, used(0, 70), 0, (40, 80), [0, 0, 30, 50]);
        let both = plan(Some(10), Some(30), PlanFirst);
        check(&both, used(0, 0), 0, (40, 80), [10, 20, 30, 30]);
        let balance = plan(Some(100), Some(10), BalanceFirst);
        check(&balance, used(0, 0), 200, (40, 80), [0, 0, 0, 80]);
        check(&balance, used(0, 0), 20, (40, 80), [30, 60, 0, 20]);
        check(&balance, used(90, 0), -5, (40, 80), [10, 20, 10, 50]);
        check(&tokens, used(0, 0), 0, (40, 0), [40, 0, 0, 0]);
    }

    #[test]
    fn what_the_plan_is_not_for_or_was_not_paid_falls_to_the_balance() {
        let plan = plan(Some(100), Some(100), Order::PlanFirst);
        let charge = Charge {
            model: "gpt-5",
            tokens: 1,
            cost: Money::from_nanos(7),
        };
        let other = split(&plan, true, used(0, 0), Money::ZERO, charge);
        assert_eq!((other.tokens, other.by_balance), (0, charge.cost));
        let charge = Charge {
            model: "llama-3",
            ..charge
        };
        assert_eq!(
            split(&plan, false, used(0, 0), Money::ZERO, charge).by_balance,
            charge.cost
        );
    }

    proptest! {
        #[test]
        fn the_parts_add_up_and_no_allowance_is_overdrawn(
            included in (proptest::option::of(0_u64..1 << 50), proptest::option::of(0_i64..i64::MAX)),
            gone in (0_u64..1 << 50, 0_i64..i64::MAX),
            balance in any::<i64>(),
            charge in (0_u64..1 << 50, 0_i64..i64::MAX),
            plan_first in any::<bool>(),
        ) {
            let order = if plan_first { Order::PlanFirst } else { Order::BalanceFirst };
            let plan = plan(included.0, included.1, order);
            let used = used(gone.0, gone.1);
            let charge = Charge { model: "llama-3", tokens: charge.0, cost: Money::from_nanos(charge.1) };
            let parts = split(&plan, true, used, Money::from_nanos(balance), charge);
            prop_assert_eq!(parts.by_tokens + parts.by_money + parts.by_balance, charge.cost);
            for part in [parts.by_tokens, parts.by_money, parts.by_balance] {
                prop_assert!(!part.is_negative());
            }
            prop_assert!(parts.tokens <= included.0.unwrap_or(0).saturating_sub(gone.0));
            prop_assert!(parts.tokens <= charge.tokens);
            prop_assert!(parts.by_money.nanos() <= (included.1.unwrap_or(0).saturating_sub(gone.1)).max(0));
            if !plan_first && balance > 0 {
                prop_assert!(parts.by_balance.nanos() >= balance.min(charge.cost.nanos()), "the balance pays first");
            }
        }
    }
}
