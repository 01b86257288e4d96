//! Which limits hold for an exchange: the meters of everything and everyone that it concerns.
//! It must not count.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::access::{Caller, KeyEntry, TenantEntry, UserEntry};
use crate::config::{Config, Rates};
use crate::limit::{Meter, Subject, Terms};
use crate::terms::Limits;
use crate::wire::Operation;

use super::Accounting;

/// What an exchange is for.
pub struct Concerned<'a> {
    /// `None`: anonymous, where nobody has to say who calls.
    pub caller: Option<&'a Caller>,
    pub address: Option<IpAddr>,
    pub operation: Operation,
    /// The public name, where one is known.
    pub model: Option<&'a str>,
}

impl Accounting {
    /// The meters of an exchange; none where nothing bounds it.
    pub fn meters_of(
        &self,
        config: &Config,
        concerned: &Concerned<'_>,
        now: Instant,
        wall: SystemTime,
    ) -> Vec<Arc<Meter>> {
        let mut meters = Vec::new();
        let mut add = |subject: Subject<'_>, terms: Terms<'_>| {
            meters.extend(self.meters.meter(&subject, terms, now, wall));
        };
        let rates = &config.rates;
        add(Subject::Global, (&rates.global).into());
        let operation = concerned.operation;
        if let Some(limits) = rates.endpoints.get(operation.label()) {
            add(Subject::Endpoint(operation), limits.into());
        }
        let model = concerned.model;
        if let Some((name, model)) = model.and_then(|name| config.models.get_key_value(name)) {
            add(Subject::Model(name.into()), (&model.limits).into());
        }
        if let Some(address) = concerned.address {
            add(Subject::Address(address), (&rates.each_address).into());
        }
        match concerned.caller {
            Some(caller) => of_caller(caller, rates, &mut add),
            None => add(anonymous(), (&rates.anonymous).into()),
        }
        meters
    }

    /// The meter of an upstream, where it is bounded.
    pub fn meter_of_upstream(
        &self,
        name: &str,
        limits: &Limits,
        now: Instant,
        wall: SystemTime,
    ) -> Option<Arc<Meter>> {
        let subject = Subject::Upstream(name.into());
        self.meters.meter(&subject, limits.into(), now, wall)
    }
}

/// All callers without a key are one tenant.
fn anonymous() -> Subject<'static> {
    Subject::Tenant(crate::access::directory::ANONYMOUS.into())
}

fn of_caller(caller: &Caller, rates: &Rates, add: &mut impl FnMut(Subject<'_>, Terms<'_>)) {
    let tenant = caller.tenant_id();
    add_tenant(&caller.tenant, rates, add);
    if let Some(project) = &caller.project {
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
    if let Some(user) = &caller.user {
        add_user(tenant, user, rates, add);
    }
    if let Some(key) = &caller.key {
        add_key(key, rates, add);
    }
}

pub(super) fn add_tenant(
    tenant: &TenantEntry,
    rates: &Rates,
    add: &mut impl FnMut(Subject<'_>, Terms<'_>),
) {
    let record = &tenant.record;
    let terms = Terms {
        limits: &merged(&record.limits, &rates.each_tenant),
        budget: record.budget.as_ref(),
        credit: record.account.as_ref().map(|account| account.credit),
    };
    add(Subject::Tenant(record.id.as_str().into()), terms);
}

pub(super) fn add_user(
    tenant: &str,
    user: &UserEntry,
    rates: &Rates,
    add: &mut impl FnMut(Subject<'_>, Terms<'_>),
) {
    let record = &user.record;
    let terms = Terms {
        limits: &merged(&record.limits, &rates.each_user),
        budget: record.budget.as_ref(),
        credit: None,
    };
    add(
        Subject::User(tenant.into(), record.id.as_str().into()),
        terms,
    );
}

pub(super) fn add_key(key: &KeyEntry, rates: &Rates, add: &mut impl FnMut(Subject<'_>, Terms<'_>)) {
    let record = &key.record;
    let terms = Terms {
        limits: &merged(&record.limits, &rates.each_key),
        budget: record.budget.as_ref(),
        credit: None,
    };
    add(Subject::Key(record.id.as_str().into()), terms);
}

/// Its own limits, and those that hold for each as far as it sets none.
pub(super) fn merged<'l>(own: &'l Limits, each: &'l Limits) -> Cow<'l, Limits> {
    match (own.is_empty(), each.is_empty()) {
        (_, true) => Cow::Borrowed(own),
        (true, _) => Cow::Borrowed(each),
        (false, false) => Cow::Owned(own.or(each)),
    }
}
