//! The meter of one subject: its rates, its exchanges at once and its money, behind one small lock.
//! It must not know other meters; `reserve` takes several together.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use parking_lot::{Mutex, MutexGuard};

use super::addresses::{AddressLimits, Addresses, NetworkId};
use super::calendar::{Day, day_of};
use super::clock::tick;
use super::purse::{BalancePurse, BudgetPurse};
use super::rate::{Amounts, Rate};
use super::sliding::AMOUNT_MAX;
use super::subject::SCOPES;
use super::tuned::Version;
use crate::terms::{Budget, Limits, Money, Rule};

/// What bounds a subject: limits, a budget, and where its money is prepaid how far below zero the balance may go.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub limits: &'a Limits,
    pub budget: Option<&'a Budget>,
    pub credit: Option<Money>,
}

impl Terms<'_> {
    /// Whether they bound money: by a rate, a budget or a balance.
    pub fn counts_money(&self) -> bool {
        self.budget.is_some() || self.credit.is_some() || self.limits.counts_money()
    }

    /// Whether they bound nothing.
    pub fn is_empty(&self) -> bool {
        self.budget.is_none() && self.credit.is_none() && self.limits.is_empty()
    }
}

impl<'a> From<&'a Limits> for Terms<'a> {
    fn from(limits: &'a Limits) -> Terms<'a> {
        Terms {
            limits,
            budget: None,
            credit: None,
        }
    }
}

/// Counts what one subject uses. Its limits may change at any time; what was counted stays counted.
#[derive(Debug)]
pub struct Meter {
    /// The subject as text.
    pub(super) name: Box<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Exact. Nothing is allocated before there are limits. The version stands here since it takes no room here.
    Exact(Version, Mutex<Option<Box<State>>>),
    /// One address, in the sketches of all. Apart: there are far more of the others, and they are to be small.
    Address(Box<(NetworkId, Arc<Addresses>)>),
}

/// A meter that is locked.
pub(super) enum Locked<'a> {
    Exact(MutexGuard<'a, Option<Box<State>>>),
    Address(NetworkId, MutexGuard<'a, AddressLimits>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub rates: Box<[Rate]>,
    /// The latest moment that was seen, in nanoseconds; those that come later with earlier ones count as this.
    now: u64,
    pub held: Held,
    /// Exchanges at once; none where it is not bounded.
    pub concurrency: Option<u32>,
    /// Counts the changes of the limits.
    revision: u32,
    pub money: Option<Box<Purses>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Purses {
    pub budget: Option<BudgetPurse>,
    pub balance: Option<BalancePurse>,
}

/// What is reserved by exchanges that run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    pub exchanges: u32,
    pub tokens: u64,
    pub spend: Money,
}

impl Held {
    pub(super) fn add(&mut self, amounts: &Amounts) {
        self.exchanges += amounts.exchanges();
        self.tokens = self.tokens.saturating_add(amounts.tokens());
        self.spend += nanos(amounts.spend);
    }

    pub(super) fn subtract(&mut self, amounts: &Amounts) {
        self.exchanges = self.exchanges.saturating_sub(amounts.exchanges());
        self.tokens = self.tokens.saturating_sub(amounts.tokens());
        self.spend -= nanos(amounts.spend);
    }
}

/// When and where a reservation took something from one meter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// In nanoseconds.
    pub at: u64,
    /// The meter's revision then.
    pub revision: u32,
    pub from_budget: bool,
    pub from_balance: bool,
}

/// What was taken from one meter in one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lot {
    pub taken: Taken,
    /// The lot that an exchange begins with has one request, and with it the place among the exchanges at once.
    pub amounts: Amounts,
}

impl Meter {
    /// A meter by the name of its subject.
    pub(super) fn new(name: &str) -> Meter {
        Meter::of_kind(name, Kind::Exact(Version::default(), Mutex::new(None)))
    }

    pub(super) fn of_address(name: &str, network: NetworkId, all: Arc<Addresses>) -> Meter {
        Meter::of_kind(name, Kind::Address(Box::new((network, all))))
    }

    fn of_kind(name: &str, kind: Kind) -> Meter {
        Meter {
            name: name.into(),
            kind,
        }
    }

    /// The subject: `tenant/acme`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `tenant`.
    pub(super) fn scope(&self) -> &'static str {
        let begins = |scope: &&&str| self.name.starts_with(**scope);
        SCOPES.iter().find(begins).copied().unwrap_or("meter")
    }

    /// `tenant` and `acme`.
    pub(super) fn scope_and_subject(&self) -> (&'static str, &str) {
        let subject = self.name.split_once('/').map_or("", |(_, subject)| subject);
        (self.scope(), subject)
    }

    /// Changes the limits. What was used stays used; an exchange that runs counts against them until it is settled, as far as it
    /// counted before.
    pub fn set(&self, terms: Terms<'_>, now: Instant, wall: SystemTime) {
        self.tune(terms, now, wall);
    }

    /// The same; returns the version at which the terms are these.
    pub(super) fn tune(&self, terms: Terms<'_>, now: Instant, wall: SystemTime) -> u32 {
        match &self.kind {
            Kind::Exact(version, state) => {
                let mut state = state.lock();
                if state.is_some() || !terms.is_empty() {
                    let state = state.get_or_insert_default();
                    if !state.has(terms) {
                        let now = state.turn_to(tick(now));
                        state.set(terms, now, day_of(wall));
                        version.change();
                    }
                }
                // Under the lock: nobody has set it otherwise meanwhile.
                version.now()
            }
            Kind::Address(address) => {
                address.1.set(terms.limits, now);
                0
            }
        }
    }

    /// Forgets what its rates have counted: all of each limit is there again. Exchanges that run keep their places and count against
    /// no rate any more; what was spent of a budget or a balance stays spent.
    pub fn reset(&self, now: Instant) {
        if let Locked::Exact(mut state) = self.lock()
            && let Some(state) = state.as_mut()
        {
            state.reset(tick(now));
        }
    }

    /// What was spent of the budget by day, as the ledger knows it. False where there is no budget.
    pub fn load_budget(&self, spent: &[(Day, Money)], wall: SystemTime) -> bool {
        self.with_money(|purses| {
            purses
                .budget
                .as_mut()
                .map(|it| it.load(spent, day_of(wall)))
        })
    }

    /// The prepaid balance, as the ledger knows it. False where nothing is prepaid.
    pub fn load_balance(&self, balance: Money) -> bool {
        self.with_money(|purses| purses.balance.as_mut().map(|it| it.load(balance)))
    }

    /// Adds to the prepaid balance; a withdrawal is below zero. False where nothing is prepaid.
    pub fn deposit(&self, amount: Money) -> bool {
        self.with_money(|purses| purses.balance.as_mut().map(|it| it.deposit(amount)))
    }

    /// What is reserved now.
    pub fn held(&self) -> Held {
        match self.lock() {
            Locked::Exact(state) => state.as_ref().map(|state| state.held).unwrap_or_default(),
            Locked::Address(_, limits) => limits.held,
        }
    }

    /// Whether nothing would be lost with it: no reservation, no money, and no count that still bounds.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        let Locked::Exact(mut state) = self.lock() else {
            return true;
        };
        let Some(state) = state.as_mut() else {
            return true;
        };
        state.is_droppable() && state.rates.iter_mut().all(|rate| rate.used(now) == 0)
    }

    /// When it was last used, where it may be dropped at the price of its counts.
    pub(super) fn droppable_since(&self) -> Option<u64> {
        let Locked::Exact(state) = self.lock() else {
            return Some(0);
        };
        match state.as_ref() {
            None => Some(0),
            Some(state) => state.is_droppable().then_some(state.now),
        }
    }

    /// Another meter that stands as this one does.
    #[cfg(test)]
    pub(super) fn copy(&self) -> Arc<Meter> {
        let Locked::Exact(state) = self.lock() else {
            panic!("addresses share their counts");
        };
        Arc::new(Meter::of_kind(
            &self.name,
            Kind::Exact(Version::default(), Mutex::new(state.clone())),
        ))
    }

    /// How often its terms have changed; addresses, which have theirs in common, are never kept by one.
    pub(super) fn version(&self) -> Option<&Version> {
        match &self.kind {
            Kind::Exact(version, _) => Some(version),
            Kind::Address(_) => None,
        }
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        match &self.kind {
            Kind::Exact(_, state) => Locked::Exact(state.lock()),
            Kind::Address(address) => Locked::Address(address.0, address.1.lock()),
        }
    }

    /// Where its lock stands: the order in which several are taken.
    pub(super) fn lock_order(&self) -> usize {
        match &self.kind {
            Kind::Exact(_, state) => std::ptr::from_ref(state).addr(),
            Kind::Address(address) => Arc::as_ptr(&address.1).addr(),
        }
    }

    fn with_money(&self, change: impl FnOnce(&mut Purses) -> Option<()>) -> bool {
        let Locked::Exact(mut state) = self.lock() else {
            return false;
        };
        let money = state.as_mut().and_then(|state| state.money.as_mut());
        money.and_then(|money| change(money)).is_some()
    }
}

impl State {
    /// Moves on to a moment; time never goes back.
    pub(super) fn turn_to(&mut self, now: u64) -> u64 {
        self.now = self.now.max(now);
        self.now
    }

    /// Whether these terms stand already.
    fn has(&self, terms: Terms<'_>) -> bool {
        let budget = self.money.as_ref().and_then(|money| money.budget.as_ref());
        let budget = budget.filter(|it| it.is_active).map(|it| &it.budget);
        let balance = self.money.as_ref().and_then(|money| money.balance.as_ref());
        let credit = balance.filter(|it| it.is_active).map(|it| it.credit);
        self.concurrency == bound(terms.limits.concurrency)
            && budget == terms.budget
            && credit == terms.credit
            && self
                .rates
                .iter()
                .map(Rate::rule)
                .eq(terms.limits.rules().map(counted))
    }

    fn set(&mut self, terms: Terms<'_>, now: u64, today: Day) {
        self.revision = self.revision.wrapping_add(1);
        self.concurrency = bound(terms.limits.concurrency);
        let mut old: Vec<Rate> = std::mem::take(&mut self.rates).into_vec();
        let rates = terms.limits.rules().map(|rule| {
            let Some(at) = old.iter().position(|rate| rate.is_for(&rule)) else {
                return Rate::new(&rule, self.revision, now);
            };
            let mut rate = old.swap_remove(at);
            rate.set(&rule, now);
            rate
        });
        self.rates = rates.collect();
        self.set_money(terms, today);
    }

    /// Begins every rate anew. Reservations of before took nothing from the new ones, and give nothing back to them.
    fn reset(&mut self, now: u64) {
        let now = self.turn_to(now);
        self.revision = self.revision.wrapping_add(1);
        for rate in &mut self.rates {
            *rate = Rate::new(&rate.rule(), self.revision, now);
        }
    }

    fn set_money(&mut self, terms: Terms<'_>, today: Day) {
        if self.money.is_none() && terms.budget.is_none() && terms.credit.is_none() {
            return;
        }
        let money = self.money.get_or_insert_default();
        match (&mut money.budget, terms.budget) {
            (Some(purse), Some(budget)) => purse.set(budget),
            (Some(purse), None) => purse.is_active = false,
            (none, Some(budget)) => *none = Some(BudgetPurse::new(budget, today)),
            (None, None) => {}
        }
        match (&mut money.balance, terms.credit) {
            (Some(purse), Some(credit)) => purse.set(credit),
            (Some(purse), None) => purse.is_active = false,
            (none, Some(credit)) => *none = Some(BalancePurse::new(credit)),
            (None, None) => {}
        }
    }

    /// Whether it has anything to check or to count.
    pub(super) fn bounds(&self) -> bool {
        self.concurrency.is_some() || !self.rates.is_empty() || self.money.is_some()
    }

    fn is_droppable(&self) -> bool {
        let money = self.money.as_ref();
        self.held == Held::default() && !money.is_some_and(|money| money.have_money())
    }

    /// Takes what was found to be there.
    pub(super) fn take(&mut self, amounts: &Amounts, is_downgraded: bool, now: u64) -> Lot {
        self.held.add(amounts);
        for rate in &mut self.rates {
            rate.take(amounts.of(rate.measure), now);
        }
        let money = self.money.as_mut();
        let (from_budget, from_balance) = money
            .map(|money| money.hold(amounts, is_downgraded))
            .unwrap_or_default();
        Lot {
            taken: Taken {
                at: now,
                revision: self.revision,
                from_budget,
                from_balance,
            },
            amounts: *amounts,
        }
    }

    /// Gives back a part of a lot.
    pub(super) fn shrink(&mut self, taken: &Taken, by: &Amounts) {
        self.held.subtract(by);
        for rate in taken.rates_of(&mut self.rates) {
            rate.give_back(by.of(rate.measure), taken.at);
        }
        if let Some(money) = &mut self.money {
            money.release(taken, by);
        }
    }

    /// Puts the truth in the place of a lot. True where the threshold of the budget is crossed by it.
    pub(super) fn settle(&mut self, lot: &Lot, truth: &Amounts, admitted: Day, now: u64) -> bool {
        let now = self.turn_to(now);
        let Lot { taken, amounts } = lot;
        self.held.subtract(amounts);
        for rate in taken.rates_of(&mut self.rates) {
            let measure = rate.measure;
            rate.correct(amounts.of(measure), truth.of(measure), taken.at, now);
        }
        let money = self.money.as_mut();
        money.is_some_and(|money| money.settle(taken, amounts, truth, admitted))
    }
}

impl Taken {
    /// The rates that were there when it was taken.
    fn rates_of<'a>(&self, rates: &'a mut [Rate]) -> impl Iterator<Item = &'a mut Rate> {
        let revision = self.revision;
        rates.iter_mut().filter(move |rate| rate.since <= revision)
    }
}

impl Purses {
    /// Holds money in the purses that bound; those that a downgrade spares are left out.
    fn hold(&mut self, amounts: &Amounts, is_downgraded: bool) -> (bool, bool) {
        let budget = self.charged_budget(is_downgraded);
        let from_budget = budget
            .map(|purse| purse.hold(signed(amounts.spend)))
            .is_some();
        let balance = self.balance.as_mut().filter(|purse| purse.is_active);
        let from_balance = balance
            .map(|purse| purse.hold(signed(amounts.owed())))
            .is_some();
        (from_budget, from_balance)
    }

    /// The budget that an exchange is charged to.
    pub(super) fn charged_budget(&mut self, is_downgraded: bool) -> Option<&mut BudgetPurse> {
        let budget = self.budget.as_mut().filter(|purse| purse.is_active);
        budget.filter(|purse| !(is_downgraded && purse.downgrade().is_some()))
    }

    fn release(&mut self, taken: &Taken, by: &Amounts) {
        if let Some(purse) = self.budget.as_mut().filter(|_| taken.from_budget) {
            purse.release(signed(by.spend));
        }
        if let Some(purse) = self.balance.as_mut().filter(|_| taken.from_balance) {
            purse.release(signed(by.owed()));
        }
    }

    fn settle(&mut self, taken: &Taken, held: &Amounts, truth: &Amounts, admitted: Day) -> bool {
        self.release(taken, held);
        if let Some(purse) = self.balance.as_mut().filter(|_| taken.from_balance) {
            purse.charge(signed(truth.owed()));
        }
        let budget = self.budget.as_mut().filter(|_| taken.from_budget);
        budget.is_some_and(|purse| purse.charge(signed(truth.spend), admitted))
    }

    fn have_money(&self) -> bool {
        self.budget.as_ref().is_some_and(BudgetPurse::has_money)
            || self.balance.as_ref().is_some_and(BalancePurse::has_money)
    }
}

/// A rule as far as counts go.
fn counted(rule: Rule) -> Rule {
    Rule {
        amount: rule.amount.min(AMOUNT_MAX),
        ..rule
    }
}

fn bound(concurrency: Option<u64>) -> Option<u32> {
    concurrency.map(|bound| u32::try_from(bound).unwrap_or(u32::MAX))
}

pub(super) fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

pub(super) fn nanos(spend: u64) -> Money {
    Money::from_nanos(signed(spend))
}
