//! The statement of an account: its entries and the charges of its open days, in the order of time, with the balance after each.
//! It must not know who reads it, but shows only what a scope lets be seen.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::SystemTime;

use serde::Serialize;

use super::close::last_moment;
use super::entry::{Entry, Kind};
use super::{Account, balance_purse, decoded, keys};
use crate::ledger::query::scope::Visible;
use crate::ledger::row::micros_of;
use crate::ledger::totals;
use crate::store::{Store, StoreError, Table, prefix_end};
use crate::terms::Money;

/// Lines that one page may have.
pub const PAGE_LINES_MAX: usize = 1_000;

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub entry: Entry,
    /// The sum of this and all lines before it. What a day has cost stands at its end.
    pub balance: Money,
}

/// Where the next page begins: after the line of this time and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    micros: u64,
    number: u64,
}

impl Cursor {
    fn of(entry: &Entry) -> Cursor {
        // The charges of an open day have no number yet, and stand behind all that has one.
        let number = if entry.number == 0 {
            u64::MAX
        } else {
            entry.number
        };
        Cursor {
            micros: micros_of(entry.at),
            number,
        }
    }

    pub fn text(self) -> String {
        format!("{:016x}{:016x}", self.micros, self.number)
    }

    /// # Errors
    /// What is wrong, for a sentence that begins with the value.
    pub fn parse(text: &str) -> Result<Cursor, String> {
        let part = |range| {
            let digits: &str = text.get(range)?;
            let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u64::from_str_radix(digits, 16).ok())?
        };
        match (part(0..16), part(16..32), text.len()) {
            (Some(micros), Some(number), 32) => Ok(Cursor { micros, number }),
            _ => Err("is no cursor; take it from `next` of the page before".into()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub lines: Vec<Line>,
    /// None at the end.
    pub next: Option<Cursor>,
}

/// One page of the lines from `from` (inclusive) to `to` (exclusive).
///
/// # Errors
/// Where the store cannot be read.
pub fn statement(
    store: &dyn Store,
    account: &Visible<&Account>,
    from: Option<SystemTime>,
    to: Option<SystemTime>,
    after: Option<Cursor>,
    lines_max: usize,
) -> Result<Page, StoreError> {
    let lines_max = lines_max.clamp(1, PAGE_LINES_MAX);
    let mut page = Page {
        lines: Vec::new(),
        next: None,
    };
    each_line(store, account, from, to, &mut |line| {
        if after.is_some_and(|after| Cursor::of(&line.entry) <= after) {
            return ControlFlow::Continue(());
        }
        if page.lines.len() == lines_max {
            page.next = page.lines.last().map(|line| Cursor::of(&line.entry));
            return ControlFlow::Break(());
        }
        page.lines.push(line);
        ControlFlow::Continue(())
    })?;
    Ok(page)
}

/// Visits the lines from `from` (inclusive) to `to` (exclusive). Entries before them are read too, for the balance.
///
/// # Errors
/// Where the store cannot be read. An entry that cannot be read is logged and left out.
pub fn each_line(
    store: &dyn Store,
    account: &Visible<&Account>,
    from: Option<SystemTime>,
    to: Option<SystemTime>,
    visit: &mut dyn FnMut(Line) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut balance = Money::ZERO;
    let mut show = |entry: Entry| {
        if to.is_some_and(|to| entry.at >= to) {
            return ControlFlow::Break(());
        }
        balance += entry.amount;
        if from.is_some_and(|from| entry.at < from) {
            return ControlFlow::Continue(());
        }
        visit(Line { entry, balance })
    };
    let mut open = open_days(store, account)?;
    let mut course = ControlFlow::Continue(());
    let begin = keys::entries_of(&account.id);
    let end = prefix_end(&begin);
    store.scan(Table::Entries, &begin, end.as_deref(), &mut |key, value| {
        let Some(entry) = decoded::<Entry>(key, value) else {
            return ControlFlow::Continue(());
        };
        while open.front().is_some_and(|day| day.at < entry.at) {
            course = open.pop_front().map_or(course, &mut show);
            if course.is_break() {
                return course;
            }
        }
        course = show(entry);
        course
    })?;
    while course.is_continue()
        && let Some(day) = open.pop_front()
    {
        course = show(day);
    }
    Ok(())
}

/// The charges of days that are not closed, as the entries that they will be.
fn open_days(store: &dyn Store, account: &Account) -> Result<VecDeque<Entry>, StoreError> {
    let mut days = VecDeque::new();
    totals::scan_purse(store, &balance_purse(&account.id), &mut |day, sum| {
        if sum.money == Money::ZERO {
            return ControlFlow::Continue(());
        }
        days.push_back(Entry {
            account: account.id.clone(),
            number: 0,
            at: last_moment(day),
            kind: Kind::Charges,
            amount: -sum.money,
            credit: account.credit,
            plan: None,
            exchanges: sum.exchanges,
            forced: false,
            note: String::new(),
            by: String::new(),
            key: None,
        });
        ControlFlow::Continue(())
    })?;
    Ok(days)
}
