//! The periods of subscriptions, in the books: their prices are entries, and an account knows which period runs.
//! It must be asked by the one thread that writes, when all that came before is committed.

use std::ops::ControlFlow;
use std::time::SystemTime;

use super::enter::{next, put_entry};
use super::entry::Kind;
use super::{Account, balance_purse, each_account_from, offer, purse_sum, put, read};
use crate::ledger::plans::{Opening, open_period, period_of};
use crate::store::{Store, StoreError, Write};
use crate::terms::Money;

/// Opens the period of an account's subscription that runs now, if that is not done yet. Doing it again does nothing. To be
/// asked when a period has ended, and after each deposit.
///
/// # Errors
/// Where the store cannot be read.
pub fn renew(store: &dyn Store, id: &str, now: SystemTime) -> Result<Vec<Write>, StoreError> {
    Ok(renewed(store, id, now)?.0)
}

/// As [`renew`], and by how much the balance changes with it.
///
/// # Errors
/// As [`renew`].
pub fn renewed(
    store: &dyn Store,
    id: &str,
    now: SystemTime,
) -> Result<(Vec<Write>, Money), StoreError> {
    let Some(before) = read(store, id)? else {
        return Ok((Vec::new(), Money::ZERO));
    };
    let mut account = before.clone();
    let mut writes = open(store, &mut account, now)?;
    if account != before {
        writes.push(put(&account));
    }
    Ok((writes, account.entered - before.entered))
}

/// Visits the accounts, from an id on, with a subscription of which no paid period runs: those that [`renew`] may have something
/// to do for.
///
/// # Errors
/// Where the store cannot be read.
pub fn due(
    store: &dyn Store,
    from: &str,
    now: SystemTime,
    visit: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut failed = None;
    each_account_from(
        store,
        from,
        &mut |account| match runs(store, &account, now) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => visit(&account.id),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// Whether nothing is to be done for an account.
fn runs(store: &dyn Store, account: &Account, now: SystemTime) -> Result<bool, StoreError> {
    let Some(subscription) = &account.subscription else {
        return Ok(true);
    };
    let Some(offer) = offer(store, &subscription.plan)? else {
        return Ok(true);
    };
    let (begins, _) = period_of(offer.period, subscription.since, now);
    let term = subscription.term;
    Ok(term.is_some_and(|term| term.paid && term.begins >= begins))
}

/// Opens a period in the account; what is returned are its entries. The caller keeps the account.
pub(super) fn open(
    store: &dyn Store,
    account: &mut Account,
    now: SystemTime,
) -> Result<Vec<Write>, StoreError> {
    let Some(subscription) = account.subscription.clone() else {
        return Ok(Vec::new());
    };
    let Some(offer) = offer(store, &subscription.plan)? else {
        return Ok(Vec::new());
    };
    let charged = purse_sum(store, &balance_purse(&account.id))?.0;
    let payable = account.entered - charged + account.credit;
    let (term, price) = match open_period(&offer, &subscription, payable, now) {
        Opening::Runs => return Ok(Vec::new()),
        Opening::Begins { term, price } => (term, price),
        Opening::Unpaid { term } => (term, Money::ZERO),
    };
    if let Some(subscription) = &mut account.subscription {
        subscription.term = Some(term);
    }
    if price == Money::ZERO {
        return Ok(Vec::new());
    }
    let mut entry = next(account, Kind::PlanPrice, -price, now);
    entry.plan = Some(subscription.plan);
    Ok(vec![put_entry(&entry)])
}
