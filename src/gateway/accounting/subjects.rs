//! Which limits hold for an exchange: the meters of everything and everyone that it concerns.
//! It must not count.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::access::{Caller, KeyEntry, Tenant, TenantEntry, UserEntry};
use crate::config::{Config, Rates};
use crate::limit::{Meter, Subject, Terms, Tuned};
use crate::terms::{Limits, Money};
use crate::wire::Operation;

use super::Accounting;
use super::common::{Common, Slot};
use super::known::Bound;

/// What an exchange is for.
pub struct Concerned<'a> {
    /// `None`: anonymous, where nobody has to say who calls.
    pub caller: Option<&'a Caller>,
    pub address: Option<IpAddr>,
    pub operation: Operation,
    /// The public name, where one is known.
    pub model: Option<&'a str>,
}

/// What bounds an exchange.
#[derive(Default)]
pub struct Bounding {
    pub meters: Vec<Arc<Meter>>,
    /// Whether any of them counts money.
    pub counts_money: bool,
}

/// Meters of one exchange: global, endpoint, model, address, tenant, project, user, key.
const METERS_MAX: usize = 8;

impl Accounting {
    /// The meters of an exchange; none where nothing bounds it.
    pub fn meters_of(
        &self,
        config: &Config,
        common: &Common,
        concerned: &Concerned<'_>,
        now: Instant,
        wall: SystemTime,
    ) -> Bounding {
        let rates = &config.rates;
        let mut finding = Finding {
            accounting: self,
            now,
            wall,
            found: Bounding {
                meters: Vec::with_capacity(METERS_MAX),
                counts_money: false,
            },
        };
        finding.add(&common.global, || Subject::Global, &rates.global);
        let operation = concerned.operation;
        if let Some((limits, slot)) = common.endpoint(rates, operation) {
            finding.add(slot, || Subject::Endpoint(operation), limits);
        }
        finding.add_model(config, common, concerned.model);
        if let Some(address) = concerned.address {
            finding.add_address(address, &rates.each_address);
        }
        match concerned.caller {
            Some(caller) => finding.add_caller(caller, common, rates),
            None => finding.add(&common.anonymous, anonymous, &rates.anonymous),
        }
        finding.found
    }

    /// The meter of a model that an exchange turns to later, where it is bounded, and whether it counts money.
    pub fn meter_of_model(
        &self,
        config: &Config,
        common: &Common,
        model: &str,
        now: Instant,
        wall: SystemTime,
    ) -> Option<(Arc<Meter>, bool)> {
        let mut finding = Finding {
            accounting: self,
            now,
            wall,
            found: Bounding::default(),
        };
        finding.add_model(config, common, Some(model));
        let Bounding {
            mut meters,
            counts_money,
        } = finding.found;
        Some((meters.pop()?, counts_money))
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

/// The meters of one exchange, as they are found.
struct Finding<'a> {
    accounting: &'a Accounting,
    now: Instant,
    wall: SystemTime,
    found: Bounding,
}

impl Finding<'_> {
    /// What bounds many callers: found once for a configuration.
    fn add(&mut self, slot: &Slot, subject: impl FnOnce() -> Subject<'static>, limits: &Limits) {
        if limits.is_empty() {
            return;
        }
        self.found.counts_money |= limits.counts_money();
        let meter = slot.meter(|| {
            let (meters, terms) = (&self.accounting.meters, Terms::from(limits));
            meters.tuned(&subject(), terms, self.now, self.wall)
        });
        self.found.meters.extend(meter);
    }

    fn add_model(&mut self, config: &Config, common: &Common, name: Option<&str>) {
        let bounded = name.and_then(|name| Some((name, common.model(name)?)));
        let Some((name, slot)) = bounded else {
            return;
        };
        if let Some(model) = config.models.get(name) {
            self.add(
                slot,
                || Subject::Model(name.to_owned().into()),
                &model.limits,
            );
        }
    }

    fn add_address(&mut self, address: IpAddr, limits: &Limits) {
        let subject = Subject::Address(address);
        let meters = &self.accounting.meters;
        let meter = meters.meter(&subject, limits.into(), self.now, self.wall);
        self.found.meters.extend(meter);
    }

    /// What bounds one caller: found once for a caller and a configuration.
    fn add_caller(&mut self, caller: &Caller, common: &Common, rates: &Rates) {
        let known = super::known::of(caller);
        let before = self.found.meters.len();
        if let Some(bound) = known.bound(common.generation) {
            let meters = bound.meters.iter().map_while(Tuned::meter);
            self.found.meters.extend(meters);
            if self.found.meters.len() == before + bound.meters.len() {
                self.found.counts_money |= bound.counts_money;
                return;
            }
            self.found.meters.truncate(before);
        }
        let mut bound = Bound::new(common.generation);
        of_caller(caller, rates, &mut |subject, terms| {
            bound.counts_money |= terms.counts_money();
            let meters = &self.accounting.meters;
            if let Some((meter, tuned)) = meters.tuned(&subject, terms, self.now, self.wall) {
                self.found.meters.push(meter);
                bound.meters.push(tuned);
            }
        });
        self.found.counts_money |= bound.counts_money;
        known.keep(bound);
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
        credit: credit_of(record),
    };
    add(Subject::Tenant(record.id.as_str().into()), terms);
}

/// How far below zero a tenant's balance may go; `None` where it has no balance. Who has a plan has one.
pub(super) fn credit_of(tenant: &Tenant) -> Option<Money> {
    let of_account = tenant.account.as_ref().map(|account| account.credit);
    of_account.or(tenant.plan.is_some().then_some(Money::ZERO))
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
