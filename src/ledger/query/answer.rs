//! Answers questions: from totals for whole days where they suffice, and from rows for the rest.
//! It must not know how an answer is shown.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use super::fact::{DayTotal, Label};
use super::groups::{GROUPS_MAX, Group, Groups, TooManyGroups};
use super::moment;
use super::question::{Filter, Question};
use super::scope::Scope;
use super::walk::each_row;
use crate::ledger::retention::{rows_from, totals_from};
use crate::ledger::totals::{self, Day, day_of};
use crate::store::{Store, StoreError};

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// In the order of their values.
    pub groups: Vec<Group>,
    /// It was asked about a time before this too, of which not all is kept any more: what is gone is missing from the sums.
    pub incomplete_before: Option<SystemTime>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    TooManyGroups(TooManyGroups),
    Store(StoreError),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::TooManyGroups(error) => error.fmt(formatter),
            AnswerError::Store(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for AnswerError {}

impl From<StoreError> for AnswerError {
    fn from(error: StoreError) -> AnswerError {
        AnswerError::Store(error)
    }
}

/// Answers a question. What is still in the ledger's queue is not counted.
///
/// # Errors
/// When there are more than [`GROUPS_MAX`] groups, or the store cannot be read.
pub fn answer(
    store: &dyn Store,
    question: &Question,
    now: SystemTime,
) -> Result<Answer, AnswerError> {
    answer_within(store, question, now, GROUPS_MAX)
}

/// As [`answer`], with another number of groups.
///
/// # Errors
/// As [`answer`].
pub fn answer_within(
    store: &dyn Store,
    question: &Question,
    now: SystemTime,
    groups_max: usize,
) -> Result<Answer, AnswerError> {
    let mut groups = Groups::new(question.by(), groups_max);
    let parts = parts(store, question, now)?;
    let mut incomplete_before = None;
    for (from, to) in parts.rows {
        let gone = rows_from(store)?.filter(|gone| from.is_none_or(|from| from < *gone));
        incomplete_before = incomplete_before.max(gone);
        add_rows(store, question, (from, to), &mut groups)?;
    }
    if let Some((from, to)) = parts.days {
        let asked = question.filter().from;
        let gone = totals_from(store)?.filter(|gone| asked.is_none_or(|from| from < *gone));
        incomplete_before = incomplete_before.max(gone);
        add_days(store, question, from, to, &mut groups)?;
    }
    Ok(Answer {
        groups: groups.finish(),
        incomplete_before,
    })
}

type Times = (Option<SystemTime>, Option<SystemTime>);

/// From what a question is answered: no time stands in two of them.
struct Parts {
    rows: Vec<Times>,
    /// Inclusive and exclusive.
    days: Option<(Day, Day)>,
}

fn parts(store: &dyn Store, question: &Question, now: SystemTime) -> Result<Parts, StoreError> {
    let Filter { from, to, .. } = *question.filter();
    let all_rows = Parts {
        rows: vec![(from, to)],
        days: None,
    };
    if !question.is_of_days() {
        return Ok(all_rows);
    }
    let first = from.map_or(0, first_whole_day).max(first_day(store)?);
    // Nothing is settled later than a clock that has run ahead by a day.
    let last = day_of(now).saturating_add(2);
    let end = to.map_or(last, day_of).min(last);
    if first >= end {
        let is_short = from.is_some() && to.is_some();
        return Ok(if is_short {
            all_rows
        } else {
            Parts {
                rows: edges(from, to),
                days: None,
            }
        });
    }
    Ok(Parts {
        rows: edges(from, to),
        days: Some((first, end)),
    })
}

/// The pieces of days at both ends.
fn edges(from: Option<SystemTime>, to: Option<SystemTime>) -> Vec<Times> {
    let mut rows = Vec::new();
    if let Some(from) = from {
        let midnight = moment::day_start(first_whole_day(from));
        if from < midnight {
            rows.push((Some(from), Some(midnight)));
        }
    }
    if let Some(to) = to {
        let midnight = moment::day_start(day_of(to));
        if midnight < to {
            rows.push((Some(midnight), Some(to)));
        }
    }
    rows
}

fn first_whole_day(from: SystemTime) -> Day {
    day_of(from + Duration::from_secs(86_400) - Duration::from_micros(1))
}

/// The first day that there is a total of.
fn first_day(store: &dyn Store) -> Result<Day, StoreError> {
    let mut first = Day::MAX;
    totals::scan_usage(store, 0, Day::MAX, None, &mut |key, _| {
        first = key.day;
        ControlFlow::Break(())
    })?;
    Ok(first)
}

fn add_rows(
    store: &dyn Store,
    question: &Question,
    (from, to): Times,
    groups: &mut Groups,
) -> Result<(), AnswerError> {
    let mut full = None;
    each_row(
        store,
        &question.between(from, to),
        &mut |row| match groups.add(&**row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                full = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    full.map_or(Ok(()), |error| Err(AnswerError::TooManyGroups(error)))
}

fn add_days(
    store: &dyn Store,
    question: &Question,
    from: Day,
    to: Day,
    groups: &mut Groups,
) -> Result<(), AnswerError> {
    let whole = question.between(None, None);
    let mut full = None;
    totals::scan_usage(store, from, to, tenant_of(question), &mut |key, sum| {
        let total = DayTotal { key, sum };
        let added = whole.picks(&total).map_or(Ok(()), |seen| groups.add(*seen));
        match added {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                full = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    full.map_or(Ok(()), |error| Err(AnswerError::TooManyGroups(error)))
}

/// The one tenant whose totals are worth reading. That others' are not shown does not depend on it.
fn tenant_of(question: &Question) -> Option<&str> {
    match question.scope() {
        Scope::Tenant(tenant) => Some(tenant),
        Scope::Everything => question
            .filter()
            .labels
            .get(&Label::Tenant)
            .map(String::as_str),
    }
}
