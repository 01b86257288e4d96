//! The comparison itself: two sides, by day and model, and what is further apart than is tolerated. Pure.
//! It must not know where the sides are from.

use std::collections::BTreeMap;

use crate::ledger::totals::Day;
use crate::terms::Money;

use super::columns::Measure;

const MILLION: u128 = 1_000_000;

/// What one side says about a day and a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Side {
    pub requests: u64,
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub cost: Money,
}

impl Side {
    /// Tokens or requests as they are, money in billionths.
    pub fn value(&self, measure: Measure) -> i128 {
        match measure {
            Measure::Requests => self.requests.into(),
            Measure::Input => self.input.into(),
            Measure::Cached => self.cached.into(),
            Measure::Output => self.output.into(),
            Measure::Cost => self.cost.nanos().into(),
        }
    }

    pub fn add(&mut self, other: &Side) {
        self.requests = self.requests.saturating_add(other.requests);
        self.input = self.input.saturating_add(other.input);
        self.cached = self.cached.saturating_add(other.cached);
        self.output = self.output.saturating_add(other.output);
        self.cost += other.cost;
    }
}

/// How far apart sides may be and still agree: by so much, or by such a share of the invoice's number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Parts of a million.
    pub share: u64,
    /// Tokens or requests.
    pub count: u64,
    pub money: Money,
}

impl Tolerance {
    /// `0.5%` or `0.5`: percent, with up to four digits after the point, as parts of a million.
    ///
    /// # Errors
    /// What is wrong, for a sentence that begins with the value.
    pub fn parse_percent(text: &str) -> Result<u64, String> {
        let wrong = || "is not a percentage; write for example `0.5%`".to_owned();
        let number = text.trim().trim_end_matches('%');
        let percent: Money = number.parse().map_err(|_| wrong())?;
        let parts = percent.nanos() / 100_000;
        let is_exact = percent.nanos() % 100_000 == 0;
        let parts = u64::try_from(parts)
            .ok()
            .filter(|parts| is_exact && u128::from(*parts) <= MILLION);
        parts.ok_or_else(wrong)
    }

    fn admits(&self, measure: Measure, invoice: i128, ledger: i128) -> bool {
        let apart = (ledger - invoice).unsigned_abs();
        let fixed = match measure {
            Measure::Cost => u128::from(self.money.nanos().max(0).unsigned_abs()),
            Measure::Requests | Measure::Input | Measure::Cached | Measure::Output => {
                u128::from(self.count)
            }
        };
        apart <= fixed || apart * MILLION <= invoice.unsigned_abs() * u128::from(self.share)
    }
}

/// One measure of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub measure: Measure,
    pub invoice: i128,
    pub ledger: i128,
    pub is_tolerated: bool,
}

impl Difference {
    /// What the ledger has more than the invoice.
    pub fn apart(&self) -> i128 {
        self.ledger - self.invoice
    }

    /// The same as parts of a million of the invoice's number; none where the invoice has nothing.
    pub fn share(&self) -> Option<i128> {
        (self.invoice != 0).then(|| self.apart() * 1_000_000 / self.invoice)
    }
}

/// A day and a model, with what each side says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1970; none in the line of sums.
    pub day: Option<Day>,
    pub model: String,
    pub in_invoice: bool,
    pub in_ledger: bool,
    /// One for each measure that the invoice tells.
    pub differences: Vec<Difference>,
}

impl Line {
    pub fn agrees(&self) -> bool {
        self.differences
            .iter()
            .all(|difference| difference.is_tolerated)
    }
}

/// What came of comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Those that do not agree, by day and model.
    pub differing: Vec<Line>,
    /// How many agree.
    pub agreeing: usize,
    /// The sums of both sides.
    pub total: Line,
}

impl Comparison {
    /// Whether every line is within tolerance. Sums may then differ by no more than the tolerances of all.
    pub fn agrees(&self) -> bool {
        self.differing.is_empty()
    }
}

/// Compares two sides in the measures that the invoice tells. A line that only one side has is compared with nothing.
pub fn compare(
    invoice: &BTreeMap<(Day, String), Side>,
    ledger: &BTreeMap<(Day, String), Side>,
    measures: &[Measure],
    tolerance: &Tolerance,
) -> Comparison {
    let only_ledger = ledger.keys().filter(|key| !invoice.contains_key(*key));
    let mut keys: Vec<&(Day, String)> = invoice.keys().chain(only_ledger).collect();
    keys.sort_unstable();
    let mut differing = Vec::new();
    let mut agreeing = 0;
    let mut sums = (Side::default(), Side::default());
    for key in keys {
        let sides = (invoice.get(key), ledger.get(key));
        sums.0.add(&sides.0.copied().unwrap_or_default());
        sums.1.add(&sides.1.copied().unwrap_or_default());
        let line = line(Some(key.0), &key.1, sides, measures, tolerance);
        if line.agrees() {
            agreeing += 1;
        } else {
            differing.push(line);
        }
    }
    Comparison {
        differing,
        agreeing,
        total: line(
            None,
            "",
            (Some(&sums.0), Some(&sums.1)),
            measures,
            tolerance,
        ),
    }
}

fn line(
    day: Option<Day>,
    model: &str,
    (invoice, ledger): (Option<&Side>, Option<&Side>),
    measures: &[Measure],
    tolerance: &Tolerance,
) -> Line {
    let nothing = Side::default();
    let differences = measures.iter().map(|measure| {
        let told = invoice.unwrap_or(&nothing).value(*measure);
        let kept = ledger.unwrap_or(&nothing).value(*measure);
        Difference {
            measure: *measure,
            invoice: told,
            ledger: kept,
            is_tolerated: tolerance.admits(*measure, told, kept),
        }
    });
    Line {
        day,
        model: model.to_owned(),
        in_invoice: invoice.is_some(),
        in_ledger: ledger.is_some(),
        differences: differences.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(input: u64, cost: i64) -> Side {
        Side {
            requests: 1,
            input,
            cost: Money::from_nanos(cost),
            ..Side::default()
        }
    }

    fn sides(lines: &[(u32, &str, Side)]) -> BTreeMap<(Day, String), Side> {
        let lines = lines
            .iter()
            .map(|(day, model, side)| ((*day, (*model).to_owned()), *side));
        lines.collect()
    }

    #[test]
    fn what_is_further_apart_than_tolerated_and_what_one_side_lacks_differs() {
        let invoice = sides(&[
            (1, "a", side(1000, 1000)),
            (1, "b", side(1000, 1000)),
            (2, "only-invoice", side(5, 5)),
        ]);
        let ledger = sides(&[
            (1, "a", side(1009, 995)),
            (1, "b", side(1011, 1000)),
            (3, "only-ledger", side(7, 0)),
        ]);
        let tolerance = Tolerance {
            share: Tolerance::parse_percent("1%").unwrap(),
            ..Tolerance::default()
        };
        let measures = [Measure::Input, Measure::Cost];
        let found = compare(&invoice, &ledger, &measures, &tolerance);
        assert!(!found.agrees());
        assert_eq!(found.agreeing, 1);
        let names: Vec<(&str, bool, bool)> = found
            .differing
            .iter()
            .map(|line| (line.model.as_str(), line.in_invoice, line.in_ledger))
            .collect();
        assert_eq!(
            names,
            [
                ("b", true, true),
                ("only-invoice", true, false),
                ("only-ledger", false, true)
            ]
        );
        let input = found.differing[0].differences[0];
        assert_eq!((input.apart(), input.share()), (11, Some(11_000)));
        assert!(!input.is_tolerated && found.differing[0].differences[1].is_tolerated);
        assert_eq!(found.differing[2].differences[0].share(), None);
        let total = found.total.differences[0];
        assert_eq!((total.invoice, total.ledger), (2005, 2027));
    }

    #[test]
    fn fixed_tolerances_are_for_small_numbers() {
        let invoice = sides(&[(1, "a", side(3, 1_000_000))]);
        let ledger = sides(&[(1, "a", side(5, 6_000_000))]);
        let measures = [Measure::Input, Measure::Cost, Measure::Requests];
        let agrees = |tolerance| compare(&invoice, &ledger, &measures, &tolerance).agrees();
        assert!(!agrees(Tolerance::default()));
        let tolerance = Tolerance {
            count: 2,
            money: "0.005".parse().unwrap(),
            share: 0,
        };
        assert!(agrees(tolerance));
        assert!(!agrees(Tolerance {
            count: 1,
            ..tolerance
        }));
    }

    #[test]
    fn percentages_are_exact() {
        for (text, expected) in [
            ("1%", 10_000),
            ("0.5", 5_000),
            ("0.0001%", 1),
            ("100%", 1_000_000),
            ("0", 0),
        ] {
            assert_eq!(Tolerance::parse_percent(text), Ok(expected), "{text}");
        }
        for bad in ["", "%", "-1%", "101%", "0.00001%", "half"] {
            assert!(Tolerance::parse_percent(bad).is_err(), "{bad}");
        }
    }
}
