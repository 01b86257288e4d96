//! Whether a meter that is locked has what is asked for; if not, every reason. Nothing is taken here.

use std::time::{Duration, SystemTime};

use super::addresses::{AddressLimits, NetworkId};
use super::calendar::{Day, day_of};
use super::exceeded::{Exceeded, amount_text, needed_text};
use super::meter::{Locked, Lot, Meter, Purses, State, Taken, nanos, signed};
use super::purse::BalancePurse;
use super::rate::Amounts;
use crate::terms::{Measure, Money, Rule};

/// What is asked for, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub amounts: Amounts,
    pub is_downgraded: bool,
    /// In nanoseconds.
    pub now: u64,
    pub wall: SystemTime,
    pub today: Day,
}

impl Ask {
    pub(super) fn new(amounts: Amounts, is_downgraded: bool, now: u64, wall: SystemTime) -> Ask {
        Ask {
            amounts,
            is_downgraded,
            now,
            wall,
            today: day_of(wall),
        }
    }
}

impl Locked<'_> {
    /// Whether there is anything to check or to count.
    pub(super) fn bounds(&self) -> bool {
        match self {
            Locked::Exact(state) => state.as_ref().is_some_and(|state| state.bounds()),
            Locked::Address(_, limits) => limits.bounds(),
        }
    }

    pub(super) fn admits(&mut self, ask: &Ask) -> bool {
        match self {
            Locked::Exact(state) => state.as_mut().is_none_or(|state| state.admits(ask)),
            Locked::Address(network, limits) => limits.admits(*network, ask),
        }
    }

    /// Takes what was found to be there; none where nothing is counted.
    pub(super) fn take(&mut self, ask: &Ask) -> Option<Lot> {
        match self {
            Locked::Exact(state) => {
                let state = state.as_mut()?;
                let now = state.turn_to(ask.now);
                Some(state.take(&ask.amounts, ask.is_downgraded, now))
            }
            Locked::Address(network, limits) => {
                let now = limits.turn_to(ask.now);
                Some(limits.take(*network, &ask.amounts, now))
            }
        }
    }

    pub(super) fn shrink(&mut self, taken: &Taken, by: &Amounts) {
        match self {
            Locked::Exact(state) => {
                if let Some(state) = state.as_mut() {
                    state.shrink(taken, by);
                }
            }
            Locked::Address(network, limits) => limits.shrink(*network, taken, by),
        }
    }

    /// True where the threshold of the budget is crossed by it.
    pub(super) fn settle(&mut self, lot: &Lot, truth: &Amounts, admitted: Day, now: u64) -> bool {
        match self {
            Locked::Exact(state) => {
                let state = state.as_mut();
                state.is_some_and(|state| state.settle(lot, truth, admitted, now))
            }
            Locked::Address(network, limits) => {
                limits.settle(*network, lot, truth, now);
                false
            }
        }
    }

    /// Every reason against it.
    pub(super) fn reasons(&mut self, meter: &Meter, ask: &Ask) -> Vec<Exceeded> {
        let mut reasons = Reasons {
            meter,
            all: Vec::new(),
        };
        match self {
            Locked::Exact(state) => {
                if let Some(state) = state.as_mut() {
                    state.reasons(ask, &mut reasons);
                }
            }
            Locked::Address(network, limits) => limits.reasons(*network, ask, &mut reasons),
        }
        reasons.all
    }
}

/// Whether another exchange may begin; more for one that runs already takes no place.
fn has_place(bound: Option<u32>, running: u32, amounts: &Amounts) -> bool {
    amounts.exchanges() == 0 || bound.is_none_or(|bound| running < bound)
}

impl State {
    fn admits(&mut self, ask: &Ask) -> bool {
        let now = self.turn_to(ask.now);
        has_place(self.concurrency, self.held.exchanges, &ask.amounts)
            && self
                .rates
                .iter_mut()
                .all(|rate| rate.admits(ask.amounts.of(rate.measure), now))
            && self.money.as_mut().is_none_or(|money| money.admit(ask))
    }

    fn reasons(&mut self, ask: &Ask, reasons: &mut Reasons<'_>) {
        let now = self.turn_to(ask.now);
        if !has_place(self.concurrency, self.held.exchanges, &ask.amounts) {
            reasons.concurrency(self.concurrency);
        }
        for rate in &mut self.rates {
            let units = ask.amounts.of(rate.measure);
            if !rate.admits(units, now) {
                let wait = rate.wait(units, now);
                reasons.rate(&rate.rule(), units, wait);
            }
        }
        if let Some(money) = &mut self.money {
            money.reasons(ask, reasons);
        }
    }
}

impl AddressLimits {
    fn admits(&mut self, network: NetworkId, ask: &Ask) -> bool {
        let now = self.turn_to(ask.now);
        has_place(self.concurrency, self.running(network), &ask.amounts)
            && self
                .rates()
                .all(|rate| rate.admits(network, ask.amounts.of(rate.rule.measure), now))
    }

    fn reasons(&mut self, network: NetworkId, ask: &Ask, reasons: &mut Reasons<'_>) {
        let now = self.turn_to(ask.now);
        if !has_place(self.concurrency, self.running(network), &ask.amounts) {
            reasons.concurrency(self.concurrency);
        }
        for rate in self.rates() {
            let units = ask.amounts.of(rate.rule.measure);
            if !rate.admits(network, units, now) {
                reasons.rate(&rate.rule, units, rate.wait(network, units, now));
            }
        }
    }
}

impl Purses {
    fn admit(&mut self, ask: &Ask) -> bool {
        let spend = i128::from(ask.amounts.spend);
        if spend == 0 {
            return true;
        }
        let budget = self.charged_budget(ask.is_downgraded);
        if budget.is_some_and(|purse| purse.available(ask.today) < spend) {
            return false;
        }
        let balance = self.balance.as_ref().filter(|purse| purse.is_active);
        balance.is_none_or(|purse| pays(purse, ask))
    }

    fn reasons(&mut self, ask: &Ask, reasons: &mut Reasons<'_>) {
        let spend = i128::from(ask.amounts.spend);
        if spend == 0 {
            return;
        }
        if let Some(purse) = self.charged_budget(ask.is_downgraded)
            && purse.available(ask.today) < spend
        {
            let amount = purse.budget.amount;
            let needed = nanos(ask.amounts.spend);
            let is_too_large = needed > amount;
            let free = purse.free_at(signed(ask.amounts.spend), ask.today);
            let wait = free.and_then(|at| at.duration_since(ask.wall).ok());
            let downgrade = purse.downgrade().map(str::to_owned);
            reasons.money("budget", amount, is_too_large.then_some(needed), wait);
            reasons.downgrade_to(downgrade);
        }
        if let Some(purse) = self.balance.as_ref().filter(|purse| purse.is_active)
            && !pays(purse, ask)
        {
            reasons.money("balance", purse.credit, None, None);
        }
    }
}

/// Whether a balance has what no plan pays.
fn pays(purse: &BalancePurse, ask: &Ask) -> bool {
    let owed = ask.amounts.owed();
    owed == 0 || purse.available() >= i128::from(owed)
}

/// Collects the reasons of one meter.
struct Reasons<'a> {
    meter: &'a Meter,
    all: Vec<Exceeded>,
}

impl Reasons<'_> {
    fn push(&mut self, limit: &'static str, amount: String, is_money: bool) -> &mut Exceeded {
        let (scope, subject) = self.meter.scope_and_subject();
        let at = self.all.len();
        self.all.push(Exceeded {
            scope,
            subject: subject.to_owned(),
            limit,
            amount,
            retry_after: None,
            is_money,
            too_large: None,
            downgrade: None,
        });
        &mut self.all[at]
    }

    fn concurrency(&mut self, bound: Option<u32>) {
        self.push("concurrency", bound.unwrap_or(0).to_string(), false);
    }

    fn rate(&mut self, rule: &Rule, units: u64, wait: Option<u64>) {
        let amount = amount_text(rule.measure, rule.amount);
        let is_money = rule.measure == Measure::Spend;
        let reason = self.push(rule.name(), amount, is_money);
        reason.retry_after = wait.map(Duration::from_nanos);
        reason.too_large = (units > rule.amount).then(|| needed_text(rule.measure, units));
    }

    fn money(
        &mut self,
        limit: &'static str,
        amount: Money,
        too_large: Option<Money>,
        wait: Option<Duration>,
    ) {
        let reason = self.push(limit, amount.to_string(), true);
        reason.retry_after = wait.filter(|_| too_large.is_none());
        reason.too_large = too_large.map(|needed| format!("up to {needed} in money"));
    }

    fn downgrade_to(&mut self, model: Option<String>) {
        if let Some(reason) = self.all.last_mut() {
            reason.downgrade = model;
        }
    }
}
