//! Who is to pay for what: costs by tenant and by the value of a tag, with the share of the whole that each is.
//! It must not know what a cost is made of.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;

use super::csv_cells::text;
use super::write::{Format, Lines, write_cells, write_json};
use crate::ledger::query::moment::Span;
use crate::ledger::query::scope::Scope;
use crate::ledger::query::{AnswerError, Dimension, Filter, Label, Question, Sums, answer};
use crate::store::Store;
use crate::terms::Money;

const MILLION: i128 = 1_000_000;

/// What is allocated, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The tag by whose values costs are divided.
    pub tag: Option<String>,
    pub lines: Vec<Line>,
    /// What each span has cost as a whole: the sum of its lines.
    pub totals: Vec<(String, Money)>,
    /// Rows were needed for a time before this, and are not kept any more.
    pub incomplete_before: Option<SystemTime>,
}

/// What one tenant and one value of the tag owe for a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The span's name, such as `2027-01`.
    pub time: String,
    /// Empty for what belongs to no tenant.
    pub tenant: String,
    /// Empty for what bears no such tag; always empty without a tag.
    pub tag: String,
    pub exchanges: u64,
    pub input: u64,
    pub output: u64,
    /// Exchanges without a price: their cost is not in `cost`.
    pub unpriced: u64,
    pub cost: Money,
    /// Parts of a million of the span's whole cost. Rounded down, so that they never add up to more.
    pub share: u32,
}

/// Divides costs by span, tenant and, where one is named, tag.
///
/// # Errors
/// Those of [`answer`].
pub fn allocate(
    store: &dyn Store,
    scope: Scope,
    filter: Filter,
    span: Span,
    tag: Option<&str>,
    now: SystemTime,
) -> Result<Allocation, AnswerError> {
    let mut by = vec![Dimension::Time(span), Dimension::Label(Label::Tenant)];
    by.extend(tag.map(|name| Dimension::Tag(name.to_owned())));
    let found = answer(store, &Question::new(scope, filter, by), now)?;
    let mut lines = Vec::with_capacity(found.groups.len());
    let mut totals: Vec<(String, Money)> = Vec::new();
    for group in found.groups {
        let mut values = group.values.into_iter();
        let mut value = || values.next().unwrap_or_default();
        let line = line(value(), value(), value(), &group.sums);
        match totals.last_mut().filter(|(time, _)| *time == line.time) {
            Some((_, cost)) => *cost += line.cost,
            None => totals.push((line.time.clone(), line.cost)),
        }
        lines.push(line);
    }
    // Groups come in the order of their values: lines of a span are together, as its total is.
    let mut total = totals.iter();
    let mut current = total.next();
    for line in &mut lines {
        while current.is_some_and(|(time, _)| *time != line.time) {
            current = total.next();
        }
        line.share = current.map_or(0, |(_, whole)| share(line.cost, *whole));
    }
    Ok(Allocation {
        tag: tag.map(str::to_owned),
        lines,
        totals,
        incomplete_before: found.incomplete_before,
    })
}

fn line(time: String, tenant: String, tag: String, sums: &Sums) -> Line {
    Line {
        time,
        tenant,
        tag,
        exchanges: sums.exchanges,
        input: sums.input,
        output: sums.output,
        unpriced: sums.unpriced,
        cost: sums.cost,
        share: 0,
    }
}

fn share(part: Money, whole: Money) -> u32 {
    if whole <= Money::ZERO {
        return 0;
    }
    let share = i128::from(part.nanos()) * MILLION / i128::from(whole.nanos());
    u32::try_from(share).unwrap_or(0)
}

impl Allocation {
    /// Writes the lines. The share is in percent in CSV, with four digits after the point.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        let tag = self.tag.as_deref().unwrap_or("tag");
        let columns = [
            "time",
            "tenant",
            tag,
            "exchanges",
            "input",
            "output",
            "unpriced",
            "cost",
            "share_percent",
        ];
        let mut lines = Lines::new(format, out, &columns.map(Cow::Borrowed))?;
        for line in &self.lines {
            match &mut lines {
                Lines::Json(out) => write_json(out, line)?,
                Lines::Csv(csv) => write_cells(csv, &cells(line))?,
            }
        }
        lines.finish()
    }
}

fn cells(line: &Line) -> [Cow<'_, str>; 9] {
    let number = |number: u64| Cow::Owned(number.to_string());
    [
        Cow::Borrowed(&*line.time),
        text(&line.tenant),
        text(&line.tag),
        number(line.exchanges),
        number(line.input),
        number(line.output),
        number(line.unpriced),
        Cow::Owned(line.cost.to_string()),
        Cow::Owned(format!(
            "{}.{:04}",
            line.share / 10_000,
            line.share % 10_000
        )),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::query::sample::{at, row, rows, store};

    fn allocated(scope: Scope, tag: Option<&str>) -> Allocation {
        let rows = [
            row(1, "acme", "2027-01-05T00:00:00Z"),
            row(2, "acme", "2027-01-06T00:00:00Z"),
            row(3, "beta", "2027-01-31T00:00:00Z"),
            row(4, "acme", "2027-02-01T00:00:00Z"),
        ];
        let filter = Filter::default();
        allocate(
            &store(&rows),
            scope,
            filter,
            Span::Month,
            tag,
            at("2027-03-01"),
        )
        .unwrap()
    }

    #[test]
    fn costs_are_divided_by_tenant_and_tag() {
        let mut csv = Vec::new();
        let found = allocated(Scope::Everything, Some("team"));
        found.write(Format::Csv, &mut csv).unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "time,tenant,team,exchanges,input,output,unpriced,cost,share_percent\r\n\
             2027-01,acme,t0,1,25,2,0,0.000002,33.3333\r\n\
             2027-01,acme,t1,1,15,1,0,0.000001,16.6666\r\n\
             2027-01,beta,t1,1,35,3,0,0.000003,50.0000\r\n\
             2027-02,acme,t0,1,45,4,0,0.000004,100.0000\r\n"
        );
        let mut json = Vec::new();
        allocated(Scope::Everything, None)
            .write(Format::Json, &mut json)
            .unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap().lines().next().unwrap(),
            r#"{"time":"2027-01","tenant":"acme","tag":"","exchanges":2,"input":40,"output":3,"unpriced":0,"cost":0.000003,"share":500000}"#
        );
    }

    #[test]
    fn a_tenant_learns_nothing_of_the_whole() {
        let found = allocated(Scope::Tenant("acme".into()), Some("team"));
        assert!(found.lines.iter().all(|line| line.tenant == "acme"));
        assert_eq!(found.lines[0].share, 666_666, "a share of its own");
    }

    #[test]
    fn what_is_allocated_is_what_was_spent() {
        let rows = rows();
        let spent: Money = rows.iter().map(|row| row.cost).sum();
        let filter = Filter::default();
        let found = allocate(
            &store(&rows),
            Scope::Everything,
            filter,
            Span::Week,
            Some("team"),
            at("2027-01-21"),
        )
        .unwrap();
        assert_eq!(
            found.lines.iter().map(|line| line.cost).sum::<Money>(),
            spent
        );
        assert_eq!(
            found.totals.iter().map(|(_, cost)| *cost).sum::<Money>(),
            spent
        );
        assert!(found.lines.iter().any(|line| line.tenant.is_empty()));
        for (time, _) in &found.totals {
            let lines = found.lines.iter().filter(|line| line.time == *time);
            let shares: u32 = lines.map(|line| line.share).sum();
            assert!((999_900..=1_000_000).contains(&shares), "{time}: {shares}");
        }
    }
}
