//! Subscriptions that follow what is agreed with tenants: the plan in a tenant's record is the plan of its account, which is opened for it.
//! It must be asked by the one thread that writes, when all that came before is committed.

use std::time::SystemTime;

use super::enter::{next, put_entry};
use super::entry::Kind;
use super::{Account, offer, put, read, renew};
use crate::ledger::plans::Subscription;
use crate::store::{Store, StoreError, Write};
use crate::terms::Money;

/// Who is said to have made entries of it.
const BY: &str = "tenant record";

/// What is agreed with a tenant, as far as it concerns its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    pub tenant: String,
    pub credit: Money,
    pub plan: Option<String>,
}

/// What it takes for the account to follow, and how far that moves the balance: what a period costs that begins. Nothing where it does already; doing it
/// again does nothing.
///
/// # Errors
/// Where the store cannot be read.
pub fn follow(
    store: &dyn Store,
    agreed: &Agreed,
    now: SystemTime,
) -> Result<(Vec<Write>, Money), StoreError> {
    let nothing = Ok((Vec::new(), Money::ZERO));
    let before = read(store, &agreed.tenant)?;
    let mut writes = Vec::new();
    let mut account = match (&before, &agreed.plan) {
        (Some(account), _) => account.clone(),
        (None, None) => return nothing,
        (None, Some(_)) => {
            let mut account = opened(agreed, now);
            writes.push(put_entry(&noted(&mut account, Kind::Opened, None, now)));
            account
        }
    };
    let plan = match &agreed.plan {
        Some(plan) if offer(store, plan)?.is_none() => {
            tracing::error!(
                tenant = agreed.tenant,
                plan,
                "there is no such plan; its subscription stays as it is"
            );
            return nothing;
        }
        plan => plan.as_deref(),
    };
    if plan.is_some() {
        account.credit = agreed.credit;
    }
    if let Some(subscription) = subscribed(&account, plan, now) {
        account.subscription = subscription;
        let entry = noted(&mut account, Kind::Subscription, plan, now);
        writes.push(put_entry(&entry));
    }
    if let (Some(subscription), Some(_)) = (&mut account.subscription, plan) {
        subscription.of_record = true;
    }
    writes.extend(renew::open(store, &mut account, now)?);
    if before.as_ref() == Some(&account) {
        return nothing;
    }
    let moved = account.entered - before.map_or(Money::ZERO, |before| before.entered);
    writes.push(put(&account));
    Ok((writes, moved))
}

fn opened(agreed: &Agreed, now: SystemTime) -> Account {
    Account {
        id: agreed.tenant.clone(),
        tenant: agreed.tenant.clone(),
        credit: agreed.credit,
        entered: Money::ZERO,
        opened: now,
        entries: 0,
        last_entry: now,
        subscription: None,
    }
}

/// The subscription that takes the place of another one; nothing where that stays. One that the tenant's record did not make, it does not end.
fn subscribed(
    account: &Account,
    plan: Option<&str>,
    now: SystemTime,
) -> Option<Option<Subscription>> {
    match (&account.subscription, plan) {
        (Some(has), Some(plan)) if has.plan == plan => None,
        (_, Some(plan)) => Some(Some(Subscription {
            plan: plan.to_owned(),
            since: now,
            of_record: true,
            term: None,
        })),
        (Some(has), None) if has.of_record => Some(None),
        (_, None) => None,
    }
}

fn noted(account: &mut Account, kind: Kind, plan: Option<&str>, now: SystemTime) -> super::Entry {
    let mut entry = next(account, kind, Money::ZERO, now);
    entry.plan = plan.map(str::to_owned);
    entry.by = BY.to_owned();
    entry
}
