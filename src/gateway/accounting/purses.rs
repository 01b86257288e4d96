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
        _ => format!("{purse}/{meter}").into(),
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
        let spent = Spent::read(&*books.store).map_err(|error| format!("store: {error}"))?;
        let (now, wall) = (Instant::now(), SystemTime::now());
        let rates = &config.rates;
        let mut add = |subject: Subject<'_>, terms: Terms<'_>| {
            let has_money = terms.budget.is_some() || terms.credit.is_some();
            if !has_money || self.meters.find(&subject).is_some() {
                return;
            }
            if let Some(meter) = self.meters.meter(&subject, terms, now, wall) {
                spent.load(&meter, wall);
            }
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
                _ => return Ok(()),
            }
        }
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
            by_purse.entry(purse.into()).or_default().push((
                limit::Day::try_from(day).unwrap_or(limit::Day::MAX),
                sum.money,
            ));
            ControlFlow::Continue(())
        })?;
        let mut balances: HashMap<Box<str>, Money> = HashMap::new();
        accounts::each_account(store, &mut |account| {
            balances.insert(format!("tenant/{}", account.id).into(), account.entered);
            ControlFlow::Continue(())
        })?;
        Ok(Spent { by_purse, balances })
    }

    fn load(&self, meter: &Meter, wall: SystemTime) {
        let charged = |purse| {
            let name = purse_name(meter.name(), purse);
            self.by_purse.get(&*name).map_or(&[][..], Vec::as_slice)
        };
        meter.load_budget(charged("budget"), wall);
        let paid_in = self.balances.get(meter.name()).copied();
        let spent: Money = charged("balance").iter().map(|(_, money)| *money).sum();
        meter.load_balance(paid_in.unwrap_or_default() - spent);
    }
}
