//! A comparison as text for people.
//! It must not decide anything.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::ledger::query::moment;
use crate::terms::Money;

use super::columns::Measure;
use super::compare::{Comparison, Difference, Line};

/// Writes the lines that differ, then the sums.
///
/// # Errors
/// Those of the writer.
pub fn write_text(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    for line in &comparison.differing {
        let day = line.day.map(moment::day_text).unwrap_or_default();
        let only = match (line.in_invoice, line.in_ledger) {
            (true, false) => "  only in the invoice",
            (false, true) => "  only in the ledger",
            (true, true) | (false, false) => "",
        };
        writeln!(out, "{day}  {}{only}", printable(&line.model))?;
        write_differences(line, out)?;
    }
    writeln!(out, "sum of all days and models")?;
    write_differences(&comparison.total, out)?;
    let differing = comparison.differing.len();
    writeln!(
        out,
        "{} of {} pairs of day and model agree",
        comparison.agreeing,
        comparison.agreeing + differing
    )
}

fn write_differences(line: &Line, out: &mut dyn Write) -> io::Result<()> {
    for difference in &line.differences {
        let mark = if difference.is_tolerated { ' ' } else { '!' };
        let number = |value| in_words(difference.measure, value);
        writeln!(
            out,
            "  {mark} {:<8}  invoice {:>16}  ledger {:>16}  difference {:>16}{}",
            difference.measure.name(),
            number(difference.invoice),
            number(difference.ledger),
            number(difference.apart()),
            percent(difference),
        )?;
    }
    Ok(())
}

fn in_words(measure: Measure, value: i128) -> String {
    match measure {
        Measure::Cost => Money::clamped(value).to_string(),
        Measure::Requests | Measure::Input | Measure::Cached | Measure::Output => value.to_string(),
    }
}

/// ` (+1.1000 %)`, exact to the ten-thousandth.
fn percent(difference: &Difference) -> String {
    let Some(share) = difference.share() else {
        return String::new();
    };
    let sign = if share < 0 { '-' } else { '+' };
    let share = share.unsigned_abs();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "  ({sign}{}.{:04} %)", share / 10_000, share % 10_000);
    text
}

/// Names come from files: what is no letter of a line is shown as a question mark.
fn printable(name: &str) -> String {
    let shown = name.chars().map(|character| match character {
        control if control.is_control() => '?',
        other => other,
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Side, Tolerance, compare};
    use super::*;

    #[test]
    fn differences_are_shown_with_their_share() {
        let side = |input, cost: &str| Side {
            input,
            cost: cost.parse().unwrap(),
            ..Side::default()
        };
        let invoice = BTreeMap::from([((20_000, "a\n".to_owned()), side(1000, "2.5"))]);
        let ledger = BTreeMap::from([
            ((20_000, "a\n".to_owned()), side(990, "2.5")),
            ((20_001, "b".to_owned()), side(1, "0")),
        ]);
        let measures = [Measure::Input, Measure::Cost];
        let comparison = compare(&invoice, &ledger, &measures, &Tolerance::default());
        let mut text = Vec::new();
        write_text(&comparison, &mut text).unwrap();
        let expected = "\
2024-10-04  a?
  ! input     invoice             1000  ledger              990  difference              -10  (-1.0000 %)
    cost      invoice              2.5  ledger              2.5  difference                0  (+0.0000 %)
2024-10-05  b  only in the ledger
  ! input     invoice                0  ledger                1  difference                1
    cost      invoice                0  ledger                0  difference                0
sum of all days and models
  ! input     invoice             1000  ledger              991  difference               -9  (-0.9000 %)
    cost      invoice              2.5  ledger              2.5  difference                0  (+0.0000 %)
0 of 2 pairs of day and model agree
";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
