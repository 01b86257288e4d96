//! Puts the costs of both sides into words: the table, the verdict, the saved file.
//! It takes no measurement.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Measured, Settings};
use crate::compare::{cell, median};
use crate::paper;

/// weir's CPU for a request, in µs: a value a round.
pub struct Costs {
    bar: f64,
    without: Vec<f64>,
    with: Vec<f64>,
    /// Of `with`, the ledger's thread.
    ledger: Vec<f64>,
}

impl Costs {
    pub fn new(bar: f64) -> Costs {
        Costs {
            bar,
            without: Vec::new(),
            with: Vec::new(),
            ledger: Vec::new(),
        }
    }

    pub fn push(&mut self, has_accounting: bool, measured: Measured) {
        match has_accounting {
            true => {
                self.with.push(measured.all);
                self.ledger.push(measured.ledger);
            }
            false => self.without.push(measured.all),
        }
    }

    /// Within each round: what slows a round down slows down both.
    fn beside(&self, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let both = self.with.iter().zip(&self.without);
        both.map(|(with, without)| of(*with, *without)).collect()
    }

    fn added(&self) -> Vec<f64> {
        self.beside(|with, without| with - without)
    }

    pub fn is_within(&self) -> bool {
        median(&self.added()).is_some_and(|added| added <= self.bar)
    }
}

pub fn table(costs: &Costs, judged: bool) -> String {
    let headings = [
        "unit",
        "without",
        "with",
        "on top",
        "of that the ledger's thread",
        "ratio",
        "bar",
        "verdict",
    ];
    let verdict = match (judged, costs.is_within()) {
        (false, _) => "",
        (true, true) => "met",
        (true, false) => "MISSED",
    };
    let row = [
        "µs of CPU a request".to_owned(),
        cell(&costs.without),
        cell(&costs.with),
        cell(&costs.added()),
        cell(&costs.ledger),
        cell(&costs.beside(|with, without| with / without)),
        format!("≤ {} µs on top", costs.bar),
        verdict.to_owned(),
    ];
    paper::table(&headings.map(str::to_owned), &[row])
}

pub fn verdict(costs: &Costs) -> &'static str {
    match costs.is_within() {
        true => "Verdict: the bar is met.",
        false => "Verdict: MISSED.",
    }
}

/// Writes the table with what is needed to repeat it.
///
/// # Errors
/// When the folder cannot be written.
pub fn save(
    folder: &Path,
    commit: &str,
    settings: &Settings,
    table: &str,
    costs: &Costs,
) -> Result<PathBuf> {
    let mut text = paper::heading(
        "What callers, limits, money and the ledger cost weir",
        commit,
    );
    let Settings { tenants, keys, .. } = settings;
    write!(
        text,
        "\n{tenants} tenants and {keys} keys in the store. Medians of the rounds, with their range; what is on top, and the ratio, are medians of the rounds' own.\n\n{table}"
    )?;
    writeln!(text, "\n{}", verdict(costs))?;
    paper::save(folder, commit, "accounting", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_for_what_is_on_top_in_the_same_round() {
        let mut costs = Costs::new(6.0);
        for (without, added) in [(30.0, 5.0), (300.0, 5.9), (30.0, 9.0)] {
            let measured = |all| Measured { all, ledger: 1.0 };
            costs.push(false, measured(without));
            costs.push(true, measured(without + added));
        }
        assert!(costs.is_within());
        assert!(table(&costs, true).contains(" met "));
        assert!(!table(&costs, false).contains(" met "));
        costs.bar = 5.5;
        assert!(!costs.is_within());
        assert!(table(&costs, true).contains("MISSED"));
        assert_eq!(verdict(&costs), "Verdict: MISSED.");
    }
}
