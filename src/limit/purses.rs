//! What operators and callers are told about budgets and balances.
//! It must not know who tells them, nor how.

use std::time::SystemTime;

use super::calendar::day_of;
use super::meter::{Locked, Meter};
use crate::terms::{Money, Period};

/// A budget of which the share that operators want to hear of is spent. Told once a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// `tenant`, `key`, … (`Subject::scope`).
    pub scope: &'static str,
    /// The name within the scope; empty for the whole.
    pub subject: String,
    /// The threshold.
    pub percent: u8,
    pub spent: Money,
    pub amount: Money,
    /// The end of the period, where it has one.
    pub ends: Option<SystemTime>,
}

/// How a budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetStanding {
    pub amount: Money,
    pub per: Period,
    pub spent: Money,
    /// By exchanges that run.
    pub held: Money,
    /// Whether the threshold is crossed.
    pub is_warning: bool,
    /// The end of the period, where it has one.
    pub ends: Option<SystemTime>,
}

/// How a prepaid balance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceStanding {
    /// Without what is held.
    pub balance: Money,
    /// By exchanges that run.
    pub held: Money,
    pub credit: Money,
}

impl Meter {
    /// How its budget stands; none where it has none.
    pub fn budget(&self, wall: SystemTime) -> Option<BudgetStanding> {
        self.with_purses(|purses| {
            let purse = purses.budget.as_mut().filter(|purse| purse.is_active)?;
            purse.turn_to(day_of(wall));
            Some(BudgetStanding {
                amount: purse.budget.amount,
                per: purse.budget.per,
                spent: purse.spent(),
                held: purse.held(),
                is_warning: purse.is_warning(),
                ends: purse.ends(),
            })
        })
    }

    /// How its prepaid balance stands; none where it has none.
    pub fn balance(&self) -> Option<BalanceStanding> {
        self.with_purses(|purses| {
            let purse = purses.balance.as_ref().filter(|purse| purse.is_active)?;
            Some(BalanceStanding {
                balance: purse.balance(),
                held: purse.held(),
                credit: purse.credit,
            })
        })
    }

    /// What is told when the threshold is crossed.
    pub(super) fn crossing(&self) -> Option<Crossing> {
        let (scope, subject) = self.scope_and_subject();
        self.with_purses(|purses| {
            let purse = purses.budget.as_ref()?;
            Some(Crossing {
                scope,
                subject: subject.to_owned(),
                percent: purse.budget.warn_at_percent?,
                spent: purse.spent(),
                amount: purse.budget.amount,
                ends: purse.ends(),
            })
        })
    }

    fn with_purses<T>(
        &self,
        ask: impl FnOnce(&mut super::meter::Purses) -> Option<T>,
    ) -> Option<T> {
        let Locked::Exact(mut state) = self.lock() else {
            return None;
        };
        ask(state.as_mut()?.money.as_mut()?)
    }
}
