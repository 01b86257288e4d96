//! Budgets and balances at the start: what was spent before, as the ledger knows it, goes into the meters.
//! It must not spend anything.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::config::Config;
use crate::ledger::{accounts, totals};
use crate::limit::{self, Meter, Subject, Terms};
use crate::store::Store;
use crate::terms::Money;

use super::Accounting;
use super::subjects::{add_key, add_tenant, add_user};

/// Entries that are looked at together.
const PAGE: usize = 1000;

/// The name of a purse in the ledger, for a meter and what of it is charged: `budget/tenant/acme`; for the balance of a tenant
/// that of its account.
pub fn purse_name(meter: &str, purse: &str) -> Arc<str> {
    match (purse, meter.strip_prefix("tenant/")) {
        ("balance", Some(tenant)) => accounts::balance_purse(tenant).into(),
        _ => [purse, "/", meter].concat().into(),
    }
}

impl Accounting {
    /// Makes the meters of everyone with a budget or a balance, and reads into each what the ledger knows of it.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(super) fn load_purses(&self, config: &Config) -> Result<(), String> {
        let Some(books) = &self.books else {
            return Ok(());
        };
        let mut unread = Vec::new();
        let (now, wall) = (Instant::now(), SystemTime::now());
        let rates = &config.rates;
        let mut add = |subject: Subject<'_>, terms: Terms<'_>| {
            let (has_budget, has_balance) = (terms.budget.is_some(), terms.credit.is_some());
            let known = self.meters.find(&subject);
            let knows = |knows: fn(&Meter, SystemTime) -> bool| {
                known.as_ref().is_some_and(|meter| knows(meter, wall))
            };
            let is_read = (!has_budget || knows(|meter, wall| meter.budget(wall).is_some()))
                && (!has_balance || knows(|meter, _| meter.balance().is_some()));
            if is_read {
                return;
            }
            let meter = self.meters.meter(&subject, terms, now, wall);
            unread.extend(meter.map(|meter| Unread::new(meter, wall)));
        };
        let mut after: Option<String> = None;
        loop {
            let tenants = self.directory.tenants(after.as_deref(), PAGE);
            for tenant in &tenants {
                add_tenant(tenant, rates, &mut add);
                self.load_members(&tenant.record.id, config, &mut add);
            }
            match tenants.last() {
                Some(last) if tenants.len() == PAGE => after = Some(last.record.id.clone()),
                _ => break,
            }
        }
        let mut after = None;
        loop {
            let keys = self.directory.keys(&Default::default(), after, PAGE);
            keys.iter().for_each(|key| add_key(key, rates, &mut add));
            match keys.last() {
                Some(last) if keys.len() == PAGE => after = Some(last.record.id),
                _ => break,
            }
        }
        if unread.is_empty() {
            return Ok(());
        }
        books.catch_up();
        let mut spent = Spent::read(&*books.store).map_err(|error| format!("store: {error}"))?;
        unread.iter().for_each(|unread| spent.load(unread, wall));
        Ok(())
    }

    fn load_members(
        &self,
        tenant: &str,
        config: &Config,
        add: &mut impl FnMut(Subject<'_>, Terms<'_>),
    ) {
        let mut after: Option<String> = None;
        loop {
            let projects = self.directory.projects(tenant, after.as_deref(), PAGE);
            for project in &projects {
                let record = &project.record;
                let terms = Terms {
                    limits: &record.limits,
                    budget: record.budget.as_ref(),
                    credit: None,
                };
                add(
                    Subject::Project(tenant.into(), record.id.as_str().into()),
                    terms,
                );
            }
            match projects.last() {
                Some(last) if projects.len() == PAGE => after = Some(last.record.id.clone()),
                _ => break,
            }
        }
        let mut after: Option<String> = None;
        loop {
            let users = self.directory.users(tenant, after.as_deref(), PAGE);
            users
                .iter()
                .for_each(|user| add_user(tenant, user, &config.rates, add));
            match users.last() {
                Some(last) if users.len() == PAGE => after = Some(last.record.id.clone()),
                _ => break,
            }
        }
    }
}

/// What was charged to each purse, by day.
struct Spent {
    by_purse: HashMap<Box<str>, Vec<(limit::Day, Money)>>,
    balances: HashMap<Box<str>, Money>,
}

impl Spent {
    fn read(store: &dyn Store) -> Result<Spent, crate::store::StoreError> {
        let mut by_purse: HashMap<Box<str>, Vec<(limit::Day, Money)>> = HashMap::new();
        totals::scan_purses(store, &mut |purse, day, sum| {
            let charged = by_purse.entry(purse.into()).or_default();
            charged.push((self::day(day), sum.money));
            ControlFlow::Continue(())
        })?;
        let mut balances: HashMap<Box<str>, Money> = HashMap::new();
        accounts::each_account(store, &mut |account| {
            balances.insert(format!("tenant/{}", account.id).into(), account.entered);
            ControlFlow::Continue(())
        })?;
        Ok(Spent { by_purse, balances })
    }

    fn load(&mut self, unread: &Unread, wall: SystemTime) {
        let name = unread.meter.name();
        let mut charged = |purse| {
            let charged = self.by_purse.remove(&*purse_name(name, purse));
            charged.unwrap_or_default()
        };
        unread.load_budget(charged("budget"), wall);
        let spent: Money = charged("balance").iter().map(|(_, money)| *money).sum();
        let paid_in = self.balances.get(name).copied().unwrap_or_default();
        unread.load_balance(paid_in - spent);
    }
}

/// A meter that does not know yet what the ledger knows of it. Exchanges may be charged to it while the ledger is read: that comes on top.
pub(super) struct Unread {
    pub meter: Arc<Meter>,
    spent: Money,
    balance: Money,
}

impl Unread {
    /// Before the ledger is read.
    pub(super) fn new(meter: Arc<Meter>, wall: SystemTime) -> Unread {
        Unread {
            spent: spent(&meter, wall),
            balance: balance(&meter),
            meter,
        }
    }

    pub(super) fn load_budget(&self, mut charged: Vec<(limit::Day, Money)>, wall: SystemTime) {
        let today = limit::day_of(wall);
        charged.push((today, spent(&self.meter, wall) - self.spent));
        self.meter.load_budget(&charged, wall);
    }

    pub(super) fn load_balance(&self, known: Money) {
        let since = balance(&self.meter) - self.balance;
        self.meter.load_balance(known + since);
    }
}

fn spent(meter: &Meter, wall: SystemTime) -> Money {
    meter
        .budget(wall)
        .map_or(Money::ZERO, |budget| budget.spent)
}

fn balance(meter: &Meter) -> Money {
    meter
        .balance()
        .map_or(Money::ZERO, |standing| standing.balance)
}

/// A day of the ledger, as meters count them.
pub(super) fn day(day: totals::Day) -> limit::Day {
    limit::Day::try_from(day).unwrap_or(limit::Day::MAX)
}
