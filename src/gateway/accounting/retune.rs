//! Limits, budgets and balances that change while weir runs: whoever is bounded by them must hear of it at once.
//! It must not know who has changed them.

use std::ops::ControlFlow;
use std::time::{Instant, SystemTime};

use crate::access::directory::{Name, Record};
use crate::config::Config;
use crate::ledger::{accounts, totals};
use crate::limit::{self, Subject, Terms};
use crate::terms::{Budget, Limits, Money};

use super::Accounting;
use super::plans::agreed_with;
use super::purses::{self, Unread, purse_name};
use super::subjects::{credit_of, merged};

/// What bounds a subject, as it stands in the records and the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bounds {
    pub limits: Limits,
    pub budget: Option<Budget>,
    /// How far below zero its balance may go; `None` where it has no balance.
    pub credit: Option<Money>,
}

impl Bounds {
    fn terms(&self) -> Terms<'_> {
        Terms {
            limits: &self.limits,
            budget: self.budget.as_ref(),
            credit: self.credit,
        }
    }
}

impl Accounting {
    /// What bounds a subject; `None` where there is no such subject.
    pub fn bounds(&self, config: &Config, subject: &Subject<'_>) -> Option<Bounds> {
        let rates = &config.rates;
        let limits = |limits: &Limits| {
            Some(Bounds {
                limits: limits.clone(),
                ..Bounds::default()
            })
        };
        match subject {
            Subject::Global => limits(&rates.global),
            Subject::Endpoint(operation) => limits(rates.endpoints.get(operation.label())?),
            Subject::Address(_) => limits(&rates.each_address),
            Subject::Model(name) => limits(&config.models.get(&**name)?.limits),
            Subject::Upstream(name) => {
                let mut known = config.upstreams.iter();
                limits(&known.find(|known| known.name == **name)?.limits)
            }
            Subject::Tenant(_) | Subject::Project(..) | Subject::User(..) | Subject::Key(_) => {
                self.bounds_of_record(config, &name_of(subject)?)
            }
        }
    }

    fn bounds_of_record(&self, config: &Config, name: &Name) -> Option<Bounds> {
        let rates = &config.rates;
        Some(match self.directory.get(name)? {
            Record::Tenant(tenant) => Bounds {
                limits: merged(&tenant.limits, &rates.each_tenant).into_owned(),
                credit: credit_of(&tenant),
                budget: tenant.budget,
            },
            Record::Project(project) => Bounds {
                limits: project.limits,
                budget: project.budget,
                credit: None,
            },
            Record::User(user) => Bounds {
                limits: merged(&user.limits, &rates.each_user).into_owned(),
                budget: user.budget,
                credit: None,
            },
            Record::Key(key) => Bounds {
                limits: merged(&key.limits, &rates.each_key).into_owned(),
                budget: key.budget,
                credit: None,
            },
        })
    }

    /// Puts a record's limits, budget, balance and plan in force for what comes next, and for what is counted already.
    ///
    /// # Errors
    /// Where the store cannot tell what was spent before.
    pub fn retune(&self, config: &Config, name: &Name) -> Result<(), String> {
        self.retune_meter(config, name)?;
        match self.directory.get(name) {
            Some(Record::Tenant(tenant)) => self.follow_plan(agreed_with(&tenant)),
            Some(Record::Project(_) | Record::User(_) | Record::Key(_)) | None => Ok(()),
        }
    }

    fn retune_meter(&self, config: &Config, name: &Name) -> Result<(), String> {
        let subject = subject_of(name);
        let bounds = self.bounds(config, &subject).unwrap_or_default();
        let (now, wall) = (Instant::now(), SystemTime::now());
        let found = self.meters.find(&subject);
        let had_budget = found
            .as_ref()
            .is_some_and(|meter| meter.budget(wall).is_some());
        let had_balance = found
            .as_ref()
            .is_some_and(|meter| meter.balance().is_some());
        let has_money = bounds.budget.is_some() || bounds.credit.is_some();
        let meter = match found {
            Some(meter) => {
                meter.set(bounds.terms(), now, wall);
                meter
            }
            // Limits alone begin with the first exchange; money must be remembered from now on.
            None if has_money => match self.meters.meter(&subject, bounds.terms(), now, wall) {
                Some(meter) => meter,
                None => return Ok(()),
            },
            None => return Ok(()),
        };
        let Some(books) = &self.books else {
            return Ok(());
        };
        let reads_budget = bounds.budget.is_some() && !had_budget;
        let reads_balance = bounds.credit.is_some() && !had_balance;
        if !reads_budget && !reads_balance {
            return Ok(());
        }
        let unread = Unread::new(meter, wall);
        books.catch_up();
        let told = |error: crate::store::StoreError| error.to_string();
        let store = &*books.store;
        if reads_budget {
            let purse = purse_name(unread.meter.name(), "budget");
            let mut spent: Vec<(limit::Day, Money)> = Vec::new();
            let read = totals::scan_purse(store, &purse, &mut |day, sum| {
                spent.push((purses::day(day), sum.money));
                ControlFlow::Continue(())
            });
            read.map_err(told)?;
            unread.load_budget(spent, wall);
        }
        if let (true, Name::Tenant(tenant)) = (reads_balance, name) {
            let standing = accounts::standing(store, tenant).map_err(told)?;
            let balance = standing.map(|standing| standing.balance());
            unread.load_balance(balance.unwrap_or_default());
        }
        Ok(())
    }
}

/// Whose limits a record holds.
pub fn subject_of(name: &Name) -> Subject<'static> {
    match name {
        Name::Tenant(id) => Subject::Tenant(id.clone().into()),
        Name::Project { tenant, id } => Subject::Project(tenant.clone().into(), id.clone().into()),
        Name::User { tenant, id } => Subject::User(tenant.clone().into(), id.clone().into()),
        Name::Key(id) => Subject::Key(id.to_string().into()),
    }
}

/// The record that holds a subject's limits; `None` for those of the configuration alone.
pub fn name_of(subject: &Subject<'_>) -> Option<Name> {
    match subject {
        Subject::Tenant(id) => Some(Name::Tenant(id.to_string())),
        Subject::Project(tenant, id) => Some(Name::Project {
            tenant: tenant.to_string(),
            id: id.to_string(),
        }),
        Subject::User(tenant, id) => Some(Name::User {
            tenant: tenant.to_string(),
            id: id.to_string(),
        }),
        Subject::Key(id) => id.parse().ok().map(Name::Key),
        Subject::Global
        | Subject::Endpoint(_)
        | Subject::Upstream(_)
        | Subject::Model(_)
        | Subject::Address(_) => None,
    }
}
