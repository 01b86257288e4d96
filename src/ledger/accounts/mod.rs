//! Accounts: what tenants have paid in, what they owe, and every entry that made it so.
//! It must not know who asks, nor what an exchange is: charges come as sums of the purse that stands for the account.
//!
//! A balance is the sum of the account's entries less what its purse has been charged since the last day that was closed.
//! Everything that changes an account is worked out here from the store alone and is done by the one thread that writes.

mod close;
mod enter;
mod entry;
mod follow;
mod keys;
mod keyed;
mod renew;
mod statement;
#[cfg(test)]
mod tests;

pub use close::{DAYS_OPEN, close};
pub use enter::{Change, EnterError, Outcome, Refused, Request, enter};
pub use entry::{Entered, Entry, Kind};
pub use follow::{Agreed, follow};
pub use keyed::{KEY_DAYS, KEYS_MAX, sweep};
pub use renew::{due, renew, renewed};
pub use statement::{Cursor, Line, PAGE_LINES_MAX, Page, each_line, statement};

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::plans::{Offer, Plan, Subscription, Used};
use super::query::moment;
use super::query::scope::Owned;
use super::totals;
use crate::store::{Store, StoreError, Table, Write};
use crate::terms::Money;

/// An account, as it is kept: without what has been charged since its last closed day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub id: String,
    pub tenant: String,
    /// How far below zero the balance may go.
    pub credit: Money,
    /// The sum of its entries.
    pub entered: Money,
    #[serde(with = "moment::as_text")]
    pub opened: SystemTime,
    /// The number of its last entry; they count from 1.
    pub entries: u64,
    /// The time of its last entry. Later ones are never earlier.
    #[serde(with = "moment::as_text")]
    pub last_entry: SystemTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Subscription>,
}

/// An account and all that counts towards it, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub account: Account,
    /// What its exchanges have cost it since its last closed day.
    pub charged: Money,
    /// What is used of the running period's plan.
    pub used: Used,
}

impl Standing {
    pub fn balance(&self) -> Money {
        self.account.entered - self.charged
    }

    /// What the tenant owes: how far the balance is below zero.
    pub fn debt(&self) -> Money {
        (-self.balance()).max(Money::ZERO)
    }

    /// What can still be spent or taken out: balance and credit; negative beyond the credit.
    pub fn payable(&self) -> Money {
        self.balance() + self.account.credit
    }
}

impl Owned for Account {
    fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl Owned for Standing {
    fn tenant(&self) -> &str {
        &self.account.tenant
    }
}

/// The purse that exchanges are charged to for the balance of an account.
pub fn balance_purse(account: &str) -> String {
    format!("account/{account}")
}

/// The purse that exchanges are charged to for what a plan includes, in the period that begins then.
pub fn plan_purse(account: &str, begins: SystemTime) -> String {
    let micros = super::row::micros_of(begins);
    format!("plan/{account}/{micros}")
}

/// An account as it stands, or none.
///
/// # Errors
/// Where the store cannot be read.
pub fn standing(store: &dyn Store, id: &str) -> Result<Option<Standing>, StoreError> {
    let Some(account) = read(store, id)? else {
        return Ok(None);
    };
    let charged = purse_sum(store, &balance_purse(id))?.0;
    let term = account.subscription.as_ref().and_then(|has| has.term);
    let used = match term {
        Some(term) => {
            let (money, tokens) = purse_sum(store, &plan_purse(id, term.begins))?;
            Used { tokens, money }
        }
        None => Used::default(),
    };
    Ok(Some(Standing {
        account,
        charged,
        used,
    }))
}

/// Visits all accounts, in the order of their ids.
///
/// # Errors
/// Where the store cannot be read. An account that cannot be read is logged and left out.
pub fn each_account(
    store: &dyn Store,
    visit: &mut dyn FnMut(Account) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    each_account_from(store, "", visit)
}

/// As [`each_account`], from this id on.
///
/// # Errors
/// As [`each_account`].
pub fn each_account_from(
    store: &dyn Store,
    from: &str,
    visit: &mut dyn FnMut(Account) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    store.scan(
        Table::Accounts,
        from.as_bytes(),
        None,
        &mut |key, value| match decoded(key, value) {
            Some(account) => visit(account),
            None => ControlFlow::Continue(()),
        },
    )
}

/// A plan that can be used: of the configuration, else of the store.
///
/// # Errors
/// Where the store cannot be read. A plan that cannot be used is logged and counts as none.
pub fn offer(store: &dyn Store, id: &str) -> Result<Option<Offer>, StoreError> {
    let configured = store.get(Table::Plans, &configured_key(id))?;
    let value = match configured {
        Some(value) => Some(value),
        None => store.get(Table::Plans, id.as_bytes())?,
    };
    let Some(value) = value else {
        return Ok(None);
    };
    let plan = serde_json::from_slice::<Plan>(&value).map_err(|error| vec![error.to_string()]);
    match plan.and_then(Plan::check) {
        Ok(offer) => Ok(Some(offer)),
        Err(problems) => {
            tracing::error!(plan = id, problems = ?problems, "a plan of the store cannot be used");
            Ok(None)
        }
    }
}

/// What keeps a plan in the store, for those who change plans.
pub fn put_plan(offer: &Offer) -> Write {
    let plan: &Plan = offer;
    Write::put(Table::Plans, plan.id.as_bytes(), json(plan))
}

/// Plans of the configuration lie apart from those of the store: ids have no NUL.
const CONFIGURED: u8 = 0;

fn configured_key(id: &str) -> Vec<u8> {
    let mut key = vec![CONFIGURED];
    key.extend_from_slice(id.as_bytes());
    key
}

/// What keeps the plans of a configuration in the store, in the place of those of an earlier one. Nothing where they are there.
///
/// # Errors
/// Where the store cannot be read.
pub fn put_configured_plans(store: &dyn Store, offers: &[Offer]) -> Result<Vec<Write>, StoreError> {
    let mut wanted: BTreeMap<Vec<u8>, Vec<u8>> = offers
        .iter()
        .map(|offer| {
            let plan: &Plan = offer;
            (configured_key(&plan.id), json(plan))
        })
        .collect();
    let mut writes = Vec::new();
    let end = [CONFIGURED + 1];
    store.scan(
        Table::Plans,
        &[CONFIGURED],
        Some(&end),
        &mut |key, value| {
            match wanted.get(key) {
                Some(plan) if plan == value => drop(wanted.remove(key)),
                Some(_) => {}
                None => writes.push(Write::delete(Table::Plans, key)),
            }
            ControlFlow::Continue(())
        },
    )?;
    writes.extend(
        wanted
            .into_iter()
            .map(|(key, plan)| Write::put(Table::Plans, key, plan)),
    );
    Ok(writes)
}

/// Visits the plans that were made while weir ran.
///
/// # Errors
/// Where the store cannot be read. A plan that cannot be read is logged and left out.
pub fn each_plan(
    store: &dyn Store,
    visit: &mut dyn FnMut(Plan) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    store.scan(
        Table::Plans,
        &[CONFIGURED + 1],
        None,
        &mut |key, value| match decoded(key, value) {
            Some(plan) => visit(plan),
            None => ControlFlow::Continue(()),
        },
    )
}

fn read(store: &dyn Store, id: &str) -> Result<Option<Account>, StoreError> {
    let value = store.get(Table::Accounts, id.as_bytes())?;
    Ok(value.and_then(|value| decoded(id.as_bytes(), &value)))
}

fn put(account: &Account) -> Write {
    Write::put(Table::Accounts, account.id.as_bytes(), json(account))
}

fn decoded<T: serde::de::DeserializeOwned>(key: &[u8], value: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(value);
    if let Err(error) = &read {
        let key = String::from_utf8_lossy(key);
        tracing::error!(key = %key, %error, "a record of the books cannot be read");
    }
    read.ok()
}

/// The books' own shapes are maps with text for keys: they always have a form in JSON.
fn json<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records of the books have a form in JSON")
}

fn purse_sum(store: &dyn Store, purse: &str) -> Result<(Money, u64), StoreError> {
    let mut sum = totals::PurseSum::default();
    totals::scan_purse(store, purse, &mut |_, of_day| {
        sum.merge(&of_day);
        ControlFlow::Continue(())
    })?;
    Ok((sum.money, sum.tokens))
}
