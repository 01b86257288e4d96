//! Money that is promised exactly: the budget of a period, and a prepaid balance. What is held by exchanges that run counts as
//! spent until they are settled, so that together they never spend what is not there.
//!
//! What was spent is kept by the period it was spent in (by the day for rolling periods), and an exchange is charged to the period
//! in which it was admitted. So a clock that goes back finds again what was spent then, and nothing is forgotten twice.
//! Nothing here knows whose money it is, nor waits for anything.

use std::time::SystemTime;

use super::calendar::{Day, period_end, period_start, start_of};
use crate::terms::{AtEnd, Budget, Money, Period};

/// Periods that are remembered beside those that count, for clocks that go back.
const PERIODS_BESIDE: usize = 3;

/// The budget of a period.
#[derive(Debug, Clone)]
pub(super) struct BudgetPurse {
    pub budget: Budget,
    /// Whether it still bounds; one that does not any more only waits for its holds.
    pub is_active: bool,
    held: i64,
    /// The day up to which `spent` is right.
    today: Day,
    /// In the period of `today`.
    spent: i64,
    /// What was spent, by the first day of its period, in order.
    spent_by_start: Vec<(Day, i64)>,
    /// The period of which the crossing of the threshold was told.
    warned: Option<Day>,
}

impl BudgetPurse {
    pub(super) fn new(budget: &Budget, today: Day) -> BudgetPurse {
        BudgetPurse {
            budget: budget.clone(),
            is_active: true,
            held: 0,
            today,
            spent: 0,
            spent_by_start: Vec::new(),
            warned: None,
        }
    }

    /// Other terms; what was spent stays, by the start of the new kind of period.
    pub(super) fn set(&mut self, budget: &Budget) {
        self.is_active = true;
        if self.budget == *budget {
            return;
        }
        self.budget = budget.clone();
        self.warned = None;
        let spent = std::mem::take(&mut self.spent_by_start);
        for (start, nanos) in spent {
            self.add(start, nanos);
        }
        self.recount();
    }

    /// What was spent by day, in place of what is known; a threshold that is crossed already was told before.
    pub(super) fn load(&mut self, spent: &[(Day, Money)], today: Day) {
        self.spent_by_start.clear();
        for (day, money) in spent {
            self.add(*day, money.nanos());
        }
        self.today = today;
        self.recount();
        self.warned = self.is_warning().then(|| self.current());
    }

    /// What may still be spent on that day; below zero after a debt.
    pub(super) fn available(&mut self, today: Day) -> i128 {
        self.turn_to(today);
        i128::from(self.budget.amount.nanos()) - i128::from(self.spent) - i128::from(self.held)
    }

    pub(super) fn hold(&mut self, nanos: i64) {
        self.held = self.held.saturating_add(nanos);
    }

    pub(super) fn release(&mut self, nanos: i64) {
        self.held = self.held.saturating_sub(nanos);
    }

    /// Charges what was spent to the period of the day of its admission. True where this crosses the threshold, once a period.
    pub(super) fn charge(&mut self, nanos: i64, admitted: Day) -> bool {
        if nanos == 0 {
            return false;
        }
        self.add(admitted, nanos);
        self.recount();
        let period = Some(self.current());
        let crosses = self.is_active && self.is_warning() && self.warned != period;
        if crosses {
            self.warned = period;
        }
        crosses
    }

    /// Whether the share of the amount that operators want to hear of is spent.
    pub(super) fn is_warning(&self) -> bool {
        let amount = i128::from(self.budget.amount.nanos());
        let percent = self.budget.warn_at_percent;
        percent.is_some_and(|percent| i128::from(self.spent) * 100 >= amount * i128::from(percent))
    }

    /// When so much will be there, if all holds stay and nothing else is spent; none where that is never.
    pub(super) fn free_at(&mut self, nanos: i64, today: Day) -> Option<SystemTime> {
        self.turn_to(today);
        let Period::Rolling { days } = self.budget.per else {
            return self.ends();
        };
        let mut available = self.available(today);
        let first = first_counted(days, today);
        for (day, spent) in self.spent_by_start.iter().filter(|(day, _)| *day >= first) {
            available += i128::from(*spent);
            if available >= i128::from(nanos) {
                return Some(start_of(day.saturating_add_unsigned(days)));
            }
        }
        None
    }

    /// The end of the period that counts; rolling ones and `ever` have none.
    pub(super) fn ends(&self) -> Option<SystemTime> {
        period_end(self.budget.per, self.current()).map(start_of)
    }

    pub(super) fn spent(&self) -> Money {
        Money::from_nanos(self.spent)
    }

    pub(super) fn held(&self) -> Money {
        Money::from_nanos(self.held)
    }

    /// The model that answers once it is spent, without being charged to it.
    pub(super) fn downgrade(&self) -> Option<&str> {
        match &self.budget.at_end {
            Some(AtEnd::Downgrade(model)) => Some(model),
            Some(AtEnd::Stop) | None => None,
        }
    }

    /// Whether losing it would forget money.
    pub(super) fn has_money(&self) -> bool {
        self.held != 0 || !self.spent_by_start.is_empty()
    }

    pub(super) fn turn_to(&mut self, today: Day) {
        if today != self.today {
            self.today = today;
            self.recount();
        }
    }

    fn current(&self) -> Day {
        period_start(self.budget.per, self.today)
    }

    fn add(&mut self, day: Day, nanos: i64) {
        let start = period_start(self.budget.per, day);
        let spent = &mut self.spent_by_start;
        match spent.binary_search_by_key(&start, |(start, _)| *start) {
            Ok(at) => spent[at].1 = spent[at].1.saturating_add(nanos),
            Err(at) => spent.insert(at, (start, nanos)),
        }
        let counted = match self.budget.per {
            Period::Rolling { days } => usize::try_from(days).unwrap_or(usize::MAX),
            Period::Day | Period::Week | Period::Month | Period::Ever => 1,
        };
        if spent.len() > counted + PERIODS_BESIDE {
            spent.remove(0);
        }
    }

    fn recount(&mut self) {
        let counted = match self.budget.per {
            // A day ahead counts too: it is there only where the clock went back over midnight.
            Period::Rolling { days } => first_counted(days, self.today)..=self.today + 1,
            Period::Day | Period::Week | Period::Month | Period::Ever => {
                self.current()..=self.current()
            }
        };
        let spent = self.spent_by_start.iter();
        let spent = spent.filter(|(start, _)| counted.contains(start));
        self.spent = spent.fold(0, |sum, (_, nanos)| sum.saturating_add(*nanos));
    }
}

/// The oldest day that counts in a rolling period.
fn first_counted(days: u32, today: Day) -> Day {
    today.saturating_sub_unsigned(days.saturating_sub(1))
}

/// A prepaid balance, and how far below zero it may go.
#[derive(Debug, Clone)]
pub(super) struct BalancePurse {
    pub credit: Money,
    pub is_active: bool,
    balance: i64,
    held: i64,
}

impl BalancePurse {
    pub(super) fn new(credit: Money) -> BalancePurse {
        BalancePurse {
            credit,
            is_active: true,
            balance: 0,
            held: 0,
        }
    }

    pub(super) fn set(&mut self, credit: Money) {
        self.credit = credit;
        self.is_active = true;
    }

    /// The balance that the ledger knows, in place of what is known.
    pub(super) fn load(&mut self, balance: Money) {
        self.balance = balance.nanos();
    }

    /// Adds a deposit, or takes a withdrawal out.
    pub(super) fn deposit(&mut self, amount: Money) {
        self.balance = self.balance.saturating_add(amount.nanos());
    }

    pub(super) fn available(&self) -> i128 {
        i128::from(self.balance) + i128::from(self.credit.nanos()) - i128::from(self.held)
    }

    pub(super) fn hold(&mut self, nanos: i64) {
        self.held = self.held.saturating_add(nanos);
    }

    pub(super) fn release(&mut self, nanos: i64) {
        self.held = self.held.saturating_sub(nanos);
    }

    pub(super) fn charge(&mut self, nanos: i64) {
        self.balance = self.balance.saturating_sub(nanos);
    }

    pub(super) fn balance(&self) -> Money {
        Money::from_nanos(self.balance)
    }

    pub(super) fn held(&self) -> Money {
        Money::from_nanos(self.held)
    }

    pub(super) fn has_money(&self) -> bool {
        self.balance != 0 || self.held != 0
    }
}
