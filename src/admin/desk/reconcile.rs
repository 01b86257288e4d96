//! A provider's invoice against the ledger. It must not know how either is kept.

use crate::admin::reply::{self, Refusal, Reply};
use crate::admin::shapes::{DifferenceShown, Reconciled};
use crate::ledger::query::moment;
use crate::ledger::reconcile::{
    Columns, Comparison, Invoice, Measure, Tolerance, compare, days_of, ledger_side, write_text,
};
use crate::terms::Money;

use super::usage::unanswered;
use super::{Asked, Desk};

impl Desk<'_> {
    pub(super) fn reconcile(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let query = &asked.query;
        let upstream = query.needed("upstream")?;
        let share = query
            .parsed("tolerance", Tolerance::parse_percent)?
            .unwrap_or_default();
        let columns = query.parsed("columns", Columns::parse)?;
        let by_public_name = query.is_set("public_names")?;
        let books = self.books()?;
        let invoice = Invoice::read(asked.call.body, columns, &|_| None);
        let invoice = invoice.map_err(|error| {
            let status = http::StatusCode::UNPROCESSABLE_ENTITY;
            Refusal::new(status, "invalid_invoice", error.to_string())
        })?;
        books.catch_up();
        let ledger = match days_of(&invoice) {
            Some(days) => {
                let side = ledger_side(&*books.store, upstream, days, by_public_name, self.now);
                side.map_err(unanswered)?.lines
            }
            None => Default::default(),
        };
        let measures: Vec<Measure> = invoice.columns.measures().collect();
        let tolerance = Tolerance {
            share,
            ..Tolerance::default()
        };
        let comparison = compare(&invoice.lines, &ledger, &measures, &tolerance);
        let mut report = Vec::new();
        write_text(&comparison, &mut report).map_err(|_| reply::internal())?;
        reply::ok(&Reconciled {
            agrees: comparison.agrees(),
            agreeing: comparison.agreeing as u64,
            differing: differing(&comparison),
            lines_read: invoice.read,
            lines_skipped: invoice.skipped,
            report: String::from_utf8_lossy(&report).into_owned(),
        })
    }
}

fn differing(comparison: &Comparison) -> Vec<DifferenceShown> {
    let lines = comparison.differing.iter().flat_map(|line| {
        let apart = line
            .differences
            .iter()
            .filter(|difference| !difference.is_tolerated);
        apart.map(|difference| DifferenceShown {
            day: line.day.map(moment::day_text),
            model: line.model.clone(),
            measure: difference.measure.name().to_owned(),
            invoice: number(difference.measure, difference.invoice),
            ledger: number(difference.measure, difference.ledger),
        })
    });
    lines.collect()
}

fn number(measure: Measure, value: i128) -> String {
    match measure {
        Measure::Cost => Money::clamped(value).to_string(),
        Measure::Requests | Measure::Input | Measure::Cached | Measure::Output => value.to_string(),
    }
}
