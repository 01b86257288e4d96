//! Sums of rows, exact: usage by day and what an exchange is counted by, and spending by purse and day.
//! Queries, budgets and balances are read from here and never from rows. Days are of the time of settlement, in UTC.
//! After [`super::Ledger::flush`] they are those of all rows; without it they may lag behind by half a minute.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

use super::bytes::{DecodeError, Reader, Writer, shortened};
use super::codec::{put_usage, take_usage};
use super::row::{Charge, End, Row, micros_of};
use crate::store::{Store, StoreError, Table, prefix_end};
use crate::terms::Money;
use crate::wire::Usage;

const VERSION: u8 = 1;
const USAGE: u8 = b'u';
const PURSE: u8 = b'p';
const MICROS_A_DAY: u64 = 86_400_000_000;

/// Days since 1970-01-01, in UTC.
pub type Day = u32;

/// The day of a time.
pub fn day_of(time: SystemTime) -> Day {
    Day::try_from(micros_of(time) / MICROS_A_DAY).unwrap_or(Day::MAX)
}

/// What usage is counted by. Empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsageKey {
    pub day: Day,
    pub tenant: Arc<str>,
    pub project: Arc<str>,
    pub user: Arc<str>,
    pub key_id: Arc<str>,
    pub model: Arc<str>,
    pub upstream: Arc<str>,
}

/// The sum of the rows of one [`UsageKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageSum {
    pub exchanges: u64,
    /// Those that did not end complete.
    pub incomplete: u64,
    pub estimated: u64,
    /// Those for which no price was known.
    pub unpriced: u64,
    pub usage: Usage,
    pub cost: Money,
    pub duration_ms: u64,
}

/// What one purse was charged in one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PurseSum {
    pub exchanges: u64,
    pub money: Money,
    pub tokens: u64,
}

impl UsageKey {
    pub fn of(row: &Row) -> UsageKey {
        let named = |name: &Option<Arc<str>>| name.clone().unwrap_or_default();
        UsageKey {
            day: day_of(row.at),
            tenant: row.who.tenant.clone(),
            project: named(&row.who.project),
            user: named(&row.who.user),
            key_id: named(&row.who.key_id),
            model: row.model.clone(),
            upstream: row.upstream.clone(),
        }
    }

    /// `u`, the day, and six names with a NUL after each: a day, or a day and a tenant, is one range.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut key = day_prefix(self.day);
        for name in [
            &self.tenant,
            &self.project,
            &self.user,
            &self.key_id,
            &self.model,
            &self.upstream,
        ] {
            put_name(&mut key, name);
        }
        key
    }

    fn decoded(key: &[u8]) -> Result<UsageKey, DecodeError> {
        let broken = DecodeError("its key is broken");
        let (day, names) = key
            .get(1..)
            .and_then(|rest| rest.split_first_chunk())
            .ok_or(broken.clone())?;
        let names = std::str::from_utf8(names).map_err(|_| broken.clone())?;
        let mut names = names.split('\0').map(Arc::from);
        let mut name = || names.next().ok_or(broken.clone());
        Ok(UsageKey {
            day: Day::from_be_bytes(*day),
            tenant: name()?,
            project: name()?,
            user: name()?,
            key_id: name()?,
            model: name()?,
            upstream: name()?,
        })
    }
}

impl UsageSum {
    pub fn add(&mut self, row: &Row) {
        self.merge(&UsageSum {
            exchanges: 1,
            incomplete: (row.end != End::Complete).into(),
            estimated: row.estimated.into(),
            unpriced: (!row.priced).into(),
            usage: row.usage,
            cost: row.cost,
            duration_ms: row.duration_ms.into(),
        });
    }

    pub fn merge(&mut self, other: &UsageSum) {
        self.exchanges = self.exchanges.saturating_add(other.exchanges);
        self.incomplete = self.incomplete.saturating_add(other.incomplete);
        self.estimated = self.estimated.saturating_add(other.estimated);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
        self.usage = self.usage.sum(&other.usage);
        self.cost += other.cost;
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
    }

    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(&[VERSION]);
        writer.number(self.exchanges);
        writer.number(self.incomplete);
        writer.number(self.estimated);
        writer.number(self.unpriced);
        put_usage(&mut writer, &self.usage);
        writer.signed(self.cost.nanos());
        writer.number(self.duration_ms);
        writer.bytes
    }

    pub(super) fn decoded(value: &[u8]) -> Result<UsageSum, DecodeError> {
        Sum::take(&mut versioned(value)?)
    }
}

impl Sum for UsageSum {
    fn take(reader: &mut Reader<'_>) -> Result<UsageSum, DecodeError> {
        Ok(UsageSum {
            exchanges: reader.number()?,
            incomplete: reader.number()?,
            estimated: reader.number()?,
            unpriced: reader.number()?,
            usage: take_usage(reader)?,
            cost: Money::from_nanos(reader.signed()?),
            duration_ms: reader.number()?,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        self.encoded()
    }

    fn plus(&mut self, other: &UsageSum) {
        self.merge(other);
    }
}

/// A sum, for those who only add to it.
pub(super) trait Sum: Default {
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
    fn bytes(&self) -> Vec<u8>;
    fn plus(&mut self, other: &Self);
}

/// Adds to a sum as it lies in the store, unless that has been done: `log_end` is the piece of the log before which it will have everything. Returns what is to lie there.
pub(super) fn added_to<S: Sum>(
    value: Option<&[u8]>,
    added: &S,
    log_end: u64,
) -> Result<Option<Vec<u8>>, DecodeError> {
    let mut sum = S::default();
    if let Some(value) = value {
        let mut reader = versioned(value)?;
        sum = S::take(&mut reader)?;
        if !reader.is_at_end() && reader.number()? >= log_end {
            return Ok(None);
        }
    }
    sum.plus(added);
    let mut writer = Writer::default();
    writer.raw(&sum.bytes());
    writer.number(log_end);
    Ok(Some(writer.bytes))
}

impl PurseSum {
    pub fn add(&mut self, charge: &Charge) {
        self.merge(&PurseSum {
            exchanges: 1,
            money: charge.money,
            tokens: charge.tokens,
        });
    }

    pub fn merge(&mut self, other: &PurseSum) {
        self.exchanges = self.exchanges.saturating_add(other.exchanges);
        self.money += other.money;
        self.tokens = self.tokens.saturating_add(other.tokens);
    }

    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(&[VERSION]);
        writer.number(self.exchanges);
        writer.signed(self.money.nanos());
        writer.number(self.tokens);
        writer.bytes
    }

    pub(super) fn decoded(value: &[u8]) -> Result<PurseSum, DecodeError> {
        Sum::take(&mut versioned(value)?)
    }
}

impl Sum for PurseSum {
    fn take(reader: &mut Reader<'_>) -> Result<PurseSum, DecodeError> {
        Ok(PurseSum {
            exchanges: reader.number()?,
            money: Money::from_nanos(reader.signed()?),
            tokens: reader.number()?,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        self.encoded()
    }

    fn plus(&mut self, other: &PurseSum) {
        self.merge(other);
    }
}

fn versioned(value: &[u8]) -> Result<Reader<'_>, DecodeError> {
    let mut reader = Reader::new(value);
    match reader.byte()? {
        VERSION => Ok(reader),
        _ => Err(DecodeError("a later version of weir wrote it")),
    }
}

fn day_prefix(day: Day) -> Vec<u8> {
    let mut key = vec![USAGE];
    key.extend_from_slice(&day.to_be_bytes());
    key
}

/// A name and its end, which is in no name.
fn put_name(key: &mut Vec<u8>, name: &str) {
    key.extend(shortened(name).bytes().filter(|byte| *byte != 0));
    key.push(0);
}

/// `p`, the purse, a NUL and the day: the days of a purse are one range.
pub(super) fn purse_key(purse: &str, day: Day) -> Vec<u8> {
    let mut key = vec![PURSE];
    put_name(&mut key, purse);
    key.extend_from_slice(&day.to_be_bytes());
    key
}

fn read_purse_key(key: &[u8]) -> Result<(&str, Day), DecodeError> {
    let broken = DecodeError("its key is broken");
    let (rest, day) = key.split_last_chunk().ok_or(broken.clone())?;
    let purse = rest.get(1..rest.len().saturating_sub(1));
    let purse = purse.and_then(|purse| std::str::from_utf8(purse).ok());
    Ok((purse.ok_or(broken)?, Day::from_be_bytes(*day)))
}

/// Visits the sums of the days from `from` (inclusive) to `to` (exclusive), in order of day, tenant, project, user, key, model and upstream; of one tenant only, where one is given.
///
/// # Errors
/// Where the store cannot be read. A sum that cannot be read is logged and left out.
pub fn scan_usage(
    store: &dyn Store,
    from: Day,
    to: Day,
    tenant: Option<&str>,
    visit: &mut dyn FnMut(UsageKey, UsageSum) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let Some(tenant) = tenant else {
        return scan_keys(store, &day_prefix(from), &day_prefix(to), visit).map(|_| ());
    };
    for day in from..to {
        let mut start = day_prefix(day);
        put_name(&mut start, tenant);
        let end = prefix_end(&start).unwrap_or_else(|| day_prefix(day.saturating_add(1)));
        if scan_keys(store, &start, &end, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn scan_keys(
    store: &dyn Store,
    from: &[u8],
    to: &[u8],
    visit: &mut dyn FnMut(UsageKey, UsageSum) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let mut course = ControlFlow::Continue(());
    store.scan(Table::Totals, from, Some(to), &mut |key, value| {
        let read = UsageKey::decoded(key).and_then(|key| Ok((key, UsageSum::decoded(value)?)));
        course = match read {
            Ok((key, sum)) => visit(key, sum),
            Err(error) => unreadable(key, &error),
        };
        course
    })?;
    Ok(course)
}

fn unreadable(key: &[u8], error: &DecodeError) -> ControlFlow<()> {
    tracing::error!(key = ?key, error = error.0, "a sum of the ledger cannot be read");
    ControlFlow::Continue(())
}

/// Visits what each purse was charged in each day, purse by purse and in order of days.
///
/// # Errors
/// Where the store cannot be read. A sum that cannot be read is logged and left out.
pub fn scan_purses(
    store: &dyn Store,
    visit: &mut dyn FnMut(&str, Day, PurseSum) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    scan_purse_keys(store, &[PURSE], visit)
}

/// Visits what one purse was charged in each day, in order of days.
///
/// # Errors
/// As [`scan_purses`].
pub fn scan_purse(
    store: &dyn Store,
    purse: &str,
    visit: &mut dyn FnMut(Day, PurseSum) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut prefix = vec![PURSE];
    put_name(&mut prefix, purse);
    scan_purse_keys(store, &prefix, &mut |_, day, sum| visit(day, sum))
}

fn scan_purse_keys(
    store: &dyn Store,
    prefix: &[u8],
    visit: &mut dyn FnMut(&str, Day, PurseSum) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let end = prefix_end(prefix);
    store.scan(Table::Totals, prefix, end.as_deref(), &mut |key, value| {
        let read = read_purse_key(key).and_then(|key| Ok((key, PurseSum::decoded(value)?)));
        match read {
            Ok(((purse, day), sum)) => visit(purse, day, sum),
            Err(error) => unreadable(key, &error),
        }
    })
}
