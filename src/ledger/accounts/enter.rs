//! Entries that operators make: what is allowed, and what it changes. Worked out from the store; the caller commits it.
//! It must be asked by the one thread that writes, when all that came before is committed.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::entry::{Entered, Entry, Kind};
use super::keyed::{self, KEY_DAYS, KEYS_MAX, Used};
use super::{Account, Standing, balance_purse, json, keys, offer, purse_sum, put, renew, standing};
use crate::ledger::plans::{Subscription, is_id};
use crate::store::{Store, StoreError, Table, Write};
use crate::terms::Money;

/// Longest note, name and idempotency key, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 10;
const KEY_BYTES_MAX: usize = 255;

/// What is to be entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub account: String,
    pub change: Change,
    #[serde(default)]
    pub note: String,
    /// Who asks for it, as it is to be shown.
    #[serde(default)]
    pub by: String,
    /// With the same key, the same request is done once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A new account.
    Open { tenant: String, credit: Money },
    /// More than nothing.
    Deposit { amount: Money },
    /// Not below the credit, unless forced.
    Withdraw {
        amount: Money,
        #[serde(default)]
        forced: bool,
    },
    /// How far below zero the balance may go from now on.
    Credit { credit: Money },
    /// Adds what is positive and takes what is negative, to any balance.
    Correct { amount: Money },
    /// From now on; what was paid for a running period is gone. None gives the plan up.
    Subscribe { plan: Option<String> },
}

/// Why an entry is not made. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    NoAccount(String),
    AlreadyOpen(String),
    NoPlan(String),
    /// A value that cannot be, as a sentence.
    Invalid(String),
    /// It would take more than there is.
    Insufficient {
        amount: Money,
        payable: Money,
    },
    /// The balance would leave the range of money.
    OutOfRange,
    /// The key was used for another request.
    KeyConflict(String),
    TooManyKeys,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NoAccount(id) => write!(formatter, "there is no account `{id}`"),
            Refused::AlreadyOpen(id) => write!(formatter, "there is an account `{id}` already"),
            Refused::NoPlan(id) => write!(formatter, "there is no plan `{id}`"),
            Refused::Invalid(problem) => formatter.write_str(problem),
            Refused::Insufficient { amount, payable } => write!(
                formatter,
                "{amount} is more than the {payable} that balance and credit allow; take less, or force it into debt"
            ),
            Refused::OutOfRange => {
                formatter.write_str("the balance would be beyond 9,223,372,036, the largest amount")
            }
            Refused::KeyConflict(key) => write!(
                formatter,
                "the idempotency key `{key}` was used for another request within the last {KEY_DAYS} days; use a new one"
            ),
            Refused::TooManyKeys => write!(
                formatter,
                "{KEYS_MAX} idempotency keys of the last {KEY_DAYS} days are kept, and no more; try later, or enter without a key"
            ),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnterError {
    Refused(Refused),
    /// Whether it was entered is not known; with an idempotency key the same can be asked again.
    Store(StoreError),
    /// Too much waits to be done, or nobody writes any more.
    Unavailable(String),
}

impl fmt::Display for EnterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnterError::Refused(refused) => refused.fmt(formatter),
            EnterError::Store(error) => error.fmt(formatter),
            EnterError::Unavailable(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for EnterError {}

impl From<StoreError> for EnterError {
    fn from(error: StoreError) -> EnterError {
        EnterError::Store(error)
    }
}

impl From<Refused> for EnterError {
    fn from(refused: Refused) -> EnterError {
        EnterError::Refused(refused)
    }
}

/// What is to be committed, in one piece, for the entry to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub entered: Entered,
    /// By how much the balance has changed with it: the entry's amount, and the price of a period that begins.
    pub moved: Money,
    /// Empty where the same was entered before.
    pub writes: Vec<Write>,
}

/// Works out an entry.
///
/// # Errors
/// Why it is refused, or that the store cannot be read.
pub fn enter(store: &dyn Store, request: &Request, now: SystemTime) -> Result<Outcome, EnterError> {
    check(request)?;
    if let Some(outcome) = entered_before(store, request)? {
        return Ok(outcome);
    }
    let kept = match &request.key {
        Some(_) => keyed::count(store)?,
        None => 0,
    };
    if kept >= KEYS_MAX {
        return Err(Refused::TooManyKeys.into());
    }
    let (mut account, made) = change(store, request, now)?;
    let before = account.entered;
    let entry = record(&mut account, request, made, now);
    let charged = purse_sum(store, &balance_purse(&account.id))?.0;
    let entered = Entered {
        entry,
        balance: account.entered - charged,
    };
    let mut writes = vec![put_entry(&entered.entry)];
    if let Some(key) = &request.key {
        let used = Used {
            at: now,
            request: canonical(request),
            answer: entered.clone(),
        };
        writes.extend(keyed::keep(&request.account, key, &used, kept));
    }
    // A subscription's first period begins at once, and one that could not be paid may be payable now.
    writes.extend(renew::open(store, &mut account, now)?);
    writes.push(put(&account));
    Ok(Outcome {
        entered,
        moved: account.entered - before,
        writes,
    })
}

fn check(request: &Request) -> Result<(), Refused> {
    let invalid = |problem: String| Err(Refused::Invalid(problem));
    if !is_id(&request.account) {
        return invalid(format!(
            "account `{}` is not 1 to 64 of letters, digits and `._@-`",
            request.account
        ));
    }
    for (name, text, max) in [
        ("note", request.note.as_str(), TEXT_BYTES_MAX),
        ("by", &request.by, TEXT_BYTES_MAX),
        ("key", request.key.as_deref().unwrap_or("-"), KEY_BYTES_MAX),
    ] {
        if text.len() > max {
            return invalid(format!(
                "{name} has {} bytes; at most {max} are kept",
                text.len()
            ));
        }
    }
    if request.key.as_deref() == Some("") {
        return invalid("the idempotency key is empty; leave it out, or name one".into());
    }
    Ok(())
}

fn entered_before(store: &dyn Store, request: &Request) -> Result<Option<Outcome>, EnterError> {
    let Some(key) = &request.key else {
        return Ok(None);
    };
    match keyed::find(store, &request.account, key)? {
        None => Ok(None),
        Some(used) if used.request == canonical(request) => Ok(Some(Outcome {
            entered: used.answer,
            moved: Money::ZERO,
            writes: Vec::new(),
        })),
        Some(_) => Err(Refused::KeyConflict(key.clone()).into()),
    }
}

/// A request in one form, however it was written.
fn canonical(request: &Request) -> String {
    String::from_utf8_lossy(&json(request)).into_owned()
}

/// What a change comes to.
struct Made {
    kind: Kind,
    amount: Money,
    forced: bool,
}

/// The account after the change, its entry aside.
fn change(
    store: &dyn Store,
    request: &Request,
    now: SystemTime,
) -> Result<(Account, Made), EnterError> {
    let made = |kind, amount| Made {
        kind,
        amount,
        forced: false,
    };
    let found = standing(store, &request.account)?;
    if let Change::Open { tenant, credit } = &request.change {
        let account = opened(found, request, tenant, *credit, now)?;
        return Ok((account, made(Kind::Opened, Money::ZERO)));
    }
    let Some(mut standing) = found else {
        return Err(Refused::NoAccount(request.account.clone()).into());
    };
    let made = match &request.change {
        Change::Open { .. } => made(Kind::Opened, Money::ZERO),
        Change::Deposit { amount } => made(Kind::Deposit, positive(*amount)?),
        Change::Withdraw { amount, forced } => {
            let amount = positive(*amount)?;
            let payable = standing.payable();
            if amount > payable && !forced {
                return Err(Refused::Insufficient { amount, payable }.into());
            }
            Made {
                kind: Kind::Withdrawal,
                amount: -amount,
                forced: amount > payable,
            }
        }
        Change::Credit { credit } => {
            standing.account.credit = not_negative(*credit)?;
            made(Kind::Credit, Money::ZERO)
        }
        Change::Correct { amount } if *amount == Money::ZERO => {
            return Err(Refused::Invalid("a correction of 0 corrects nothing".into()).into());
        }
        Change::Correct { amount } => made(Kind::Correction, *amount),
        Change::Subscribe { plan } => {
            standing.account.subscription = subscribed(store, plan.as_deref(), now)?;
            made(Kind::Subscription, Money::ZERO)
        }
    };
    in_range(&standing, made.amount)?;
    Ok((standing.account, made))
}

fn opened(
    found: Option<Standing>,
    request: &Request,
    tenant: &str,
    credit: Money,
    now: SystemTime,
) -> Result<Account, Refused> {
    if found.is_some() {
        return Err(Refused::AlreadyOpen(request.account.clone()));
    }
    if !is_id(tenant) {
        return Err(Refused::Invalid(format!(
            "tenant `{tenant}` is not 1 to 64 of letters, digits and `._@-`"
        )));
    }
    Ok(Account {
        id: request.account.clone(),
        tenant: tenant.to_owned(),
        credit: not_negative(credit)?,
        entered: Money::ZERO,
        opened: now,
        entries: 0,
        last_entry: now,
        subscription: None,
    })
}

fn subscribed(
    store: &dyn Store,
    plan: Option<&str>,
    now: SystemTime,
) -> Result<Option<Subscription>, EnterError> {
    let Some(plan) = plan else {
        return Ok(None);
    };
    if offer(store, plan)?.is_none() {
        return Err(Refused::NoPlan(plan.to_owned()).into());
    }
    Ok(Some(Subscription {
        plan: plan.to_owned(),
        since: now,
        of_record: false,
        term: None,
    }))
}

fn positive(amount: Money) -> Result<Money, Refused> {
    if amount <= Money::ZERO {
        return Err(Refused::Invalid(format!(
            "amount is {amount}; it must be more than 0"
        )));
    }
    Ok(amount)
}

fn not_negative(credit: Money) -> Result<Money, Refused> {
    if credit.is_negative() {
        return Err(Refused::Invalid(format!(
            "credit is {credit}; it cannot be negative"
        )));
    }
    Ok(credit)
}

/// Sums of money stop at their bounds: what would reach them would be lost.
fn in_range(standing: &Standing, amount: Money) -> Result<(), Refused> {
    let sums = [standing.account.entered, standing.balance()];
    let fits = |sum: Money| sum.nanos().checked_add(amount.nanos()).is_some();
    if sums.into_iter().all(fits) {
        Ok(())
    } else {
        Err(Refused::OutOfRange)
    }
}

/// Counts the entry into its account.
fn record(account: &mut Account, request: &Request, made: Made, now: SystemTime) -> Entry {
    let plan = match &request.change {
        Change::Subscribe { plan } => plan.clone(),
        Change::Open { .. }
        | Change::Deposit { .. }
        | Change::Withdraw { .. }
        | Change::Credit { .. }
        | Change::Correct { .. } => None,
    };
    let mut entry = next(account, made.kind, made.amount, now);
    entry.plan = plan;
    entry.forced = made.forced;
    entry.note.clone_from(&request.note);
    entry.by.clone_from(&request.by);
    entry.key.clone_from(&request.key);
    entry
}

/// The next entry of an account, and the account with it.
pub(super) fn next(account: &mut Account, kind: Kind, amount: Money, now: SystemTime) -> Entry {
    account.entries += 1;
    account.entered += amount;
    account.last_entry = account.last_entry.max(now);
    Entry {
        account: account.id.clone(),
        number: account.entries,
        at: account.last_entry,
        kind,
        amount,
        credit: account.credit,
        plan: None,
        exchanges: 0,
        forced: false,
        note: String::new(),
        by: String::new(),
        key: None,
    }
}

pub(super) fn put_entry(entry: &Entry) -> Write {
    let key = keys::entry(&entry.account, entry.at, entry.number);
    Write::put(Table::Entries, key, json(entry))
}
