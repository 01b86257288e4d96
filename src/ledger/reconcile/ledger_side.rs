//! The ledger's side of a comparison: what one upstream has served, by day and model.
//! It must not know what an invoice looks like.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::compare::Side;
use super::invoice::Invoice;
use crate::ledger::query::moment::{self, Span};
use crate::ledger::query::scope::Scope;
use crate::ledger::query::{AnswerError, Dimension, Filter, Label, Question, answer};
use crate::ledger::totals::{Day, day_of};
use crate::store::Store;

/// What the ledger has, and whether that is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerSide {
    pub lines: BTreeMap<(Day, String), Side>,
    /// Of the time before this, not all is kept any more.
    pub incomplete_before: Option<SystemTime>,
}

/// The first day and the one behind the last that an invoice tells of; none when it tells of none.
pub fn days_of(invoice: &Invoice) -> Option<(Day, Day)> {
    let days = invoice.lines.keys().map(|(day, _)| *day);
    Some((days.clone().min()?, days.max()?.saturating_add(1)))
}

/// What an upstream has served from a day to the one before another, by the upstream's own names of models; by the public
/// ones with `by_public_name`, which totals tell when rows are gone.
///
/// # Errors
/// Those of [`answer`].
pub fn ledger_side(
    store: &dyn Store,
    upstream: &str,
    (from, to): (Day, Day),
    by_public_name: bool,
    now: SystemTime,
) -> Result<LedgerSide, AnswerError> {
    let model = match by_public_name {
        true => Label::Model,
        false => Label::UpstreamModel,
    };
    let filter = Filter {
        from: Some(moment::day_start(from)),
        to: Some(moment::day_start(to)),
        labels: BTreeMap::from([(Label::Upstream, upstream.to_owned())]),
        ..Filter::default()
    };
    let by = vec![Dimension::Time(Span::Day), Dimension::Label(model)];
    let found = answer(store, &Question::new(Scope::Everything, filter, by), now)?;
    let mut lines: BTreeMap<(Day, String), Side> = BTreeMap::new();
    for group in found.groups {
        let mut values = group.values.into_iter();
        let (Some(day), Some(model)) = (values.next(), values.next()) else {
            continue;
        };
        let Ok(day) = moment::parse(&day) else {
            continue;
        };
        let side = Side {
            requests: group.sums.exchanges,
            input: group.sums.input,
            cached: group.sums.cached,
            output: group.sums.output,
            cost: group.sums.cost,
        };
        // What used nothing, such as refusals, is on no invoice.
        if side.input + side.output > 0 || side.cost.nanos() != 0 {
            lines.entry((day_of(day), model)).or_default().add(&side);
        }
    }
    Ok(LedgerSide {
        lines,
        incomplete_before: found.incomplete_before,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Measure, Tolerance, compare};
    use super::*;
    use crate::ledger::query::sample::{at, rows, store};

    /// An invoice as a provider would write it for the rows, with `more` tokens on its first line.
    fn invoice(more: u64) -> String {
        let mut sums: BTreeMap<(Day, String), Side> = BTreeMap::new();
        for row in rows() {
            let key = (day_of(row.at), row.upstream_model.to_string());
            sums.entry(key).or_default().add(&Side {
                requests: 1,
                input: row.usage.input(),
                cached: row.usage.cache_read,
                output: row.usage.output,
                cost: row.cost,
            });
        }
        let mut text = "date,model,input,cached,output,requests,cost\n".to_owned();
        for (number, ((day, model), side)) in sums.into_iter().enumerate() {
            let input = side.input + if number == 0 { more } else { 0 };
            let day = moment::day_text(day);
            let Side {
                cached,
                output,
                requests,
                cost,
                ..
            } = side;
            text += &format!("{day},{model},{input},{cached},{output},{requests},{cost}\n");
        }
        text
    }

    fn check(invoice: &str, share: &str, by_public_name: bool) -> super::super::Comparison {
        let rename = |name: &str| by_public_name.then(|| name.replace("real-", ""));
        let invoice = Invoice::read(invoice.as_bytes(), None, &rename).unwrap();
        let days = days_of(&invoice).unwrap();
        let store = store(&rows());
        let side = ledger_side(&store, "here", days, by_public_name, at("2027-01-21")).unwrap();
        assert_eq!(side.incomplete_before, None);
        let tolerance = Tolerance {
            share: Tolerance::parse_percent(share).unwrap(),
            ..Tolerance::default()
        };
        let measures: Vec<Measure> = invoice.columns.measures().collect();
        compare(&invoice.lines, &side.lines, &measures, &tolerance)
    }

    #[test]
    fn a_true_invoice_agrees_to_the_last_billionth() {
        for by_public_name in [false, true] {
            let found = check(&invoice(0), "0%", by_public_name);
            assert!(found.agrees(), "{found:?}");
            assert!(found.agreeing > 20);
        }
    }

    #[test]
    fn one_token_too_many_is_found() {
        let found = check(&invoice(1), "0%", false);
        assert_eq!(found.differing.len(), 1);
        assert_eq!(found.differing[0].differences[1].apart(), -1);
        assert!(check(&invoice(1), "100%", false).agrees());
    }

    #[test]
    fn another_upstream_has_served_nothing_of_it() {
        let store = store(&rows());
        let day = day_of(at("2027-01-10"));
        let side = ledger_side(&store, "there", (day, day + 20), false, at("2027-01-21")).unwrap();
        assert!(side.lines.is_empty());
    }
}
