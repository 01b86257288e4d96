//! What the reload storm has shown, and which rules were broken. It measures nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::large::{Go, Size, Step};
use super::storm::{Reloaded, SETTLED_AFTER};
use crate::accounts;
use crate::figures::Figures;
use crate::paper;
use crate::traffic::{End, Seen};
use crate::weir::Logged;

/// What weir's memory may grow by from the first reloads to the last, in bytes.
const GROWTH_MAX: u64 = 8 << 20;
/// How long a reload of the large configuration may take, and what it may delay a request by.
const RELOAD_MAX: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_millis(5);
/// The storm may take so much longer than asked for, on a busy machine.
const LATE_MAX: f64 = 2.0;
/// Wrong outcomes and broken exchanges that are described.
const TOLD_MAX: usize = 5;

const STEPS: [(Step, &str); 3] = [
    (Step::Come, "all come"),
    (Step::Altered, "some are altered"),
    (Step::Go, "all go"),
];

/// What came of the reloads under traffic.
pub struct Storm {
    pub seconds: u64,
    pub seen: Vec<Seen>,
    pub reloaded: Reloaded,
    pub left: Vec<String>,
    pub logged: HashMap<String, Logged>,
    pub figures: Figures,
}

/// The tables, and the rules that were broken.
pub struct Report {
    pub text: String,
    pub broken: Vec<String>,
    /// Whether bounds on times hold.
    is_timed: bool,
}

/// Whether the bounds on times are kept.
pub fn is_within(go: &Go) -> bool {
    let kept = |(step, _): &(Step, &str)| go.added(*step) <= DELAY_MAX;
    go.longest() <= RELOAD_MAX && STEPS.iter().all(kept)
}

impl Report {
    pub fn new(is_timed: bool) -> Report {
        Report {
            text: String::new(),
            broken: Vec::new(),
            is_timed,
        }
    }

    pub fn storm(&mut self, storm: &Storm) {
        let rows = [
            self.exchanges(storm),
            self.reloads(storm),
            self.state_at_the_end(storm),
        ];
        let headings = ["", "", "rule"].map(str::to_owned);
        self.text += &paper::table(&headings, &rows.concat());
    }

    fn exchanges(&mut self, storm: &Storm) -> Vec<Row> {
        let streams = storm.seen.iter().filter(|seen| seen.stream);
        let longest = streams.clone().map(|seen| seen.ended - seen.begun).max();
        let broken: Vec<&Seen> = storm
            .seen
            .iter()
            .filter(|seen| seen.end != End::Whole)
            .collect();
        for seen in broken.iter().take(TOLD_MAX) {
            eprintln!("must not be: {seen:?} {:?}", storm.logged.get(&seen.id));
        }
        if !broken.is_empty() {
            self.broken
                .push(format!("{} exchanges failed", broken.len()));
        }
        vec![
            row(
                "exchanges",
                format!("{} ({} streams)", storm.seen.len(), streams.count()),
                "",
            ),
            row(
                "longest stream",
                format!("{:.1} s", longest.unwrap_or_default().as_secs_f64()),
                "",
            ),
            row("failed or truncated", broken.len(), "0"),
            row(
                "attempts after the first",
                storm.figures.sum("weir_failovers_total", &[]),
                "",
            ),
        ]
    }

    fn reloads(&mut self, storm: &Storm) -> Vec<Row> {
        let reloaded = &storm.reloaded;
        for wrong in reloaded.wrong.iter().take(TOLD_MAX) {
            eprintln!("must not be: {wrong}");
        }
        if !reloaded.wrong.is_empty() {
            self.broken.push(format!(
                "{} reloads had the wrong outcome",
                reloaded.wrong.len()
            ));
        }
        if self.is_timed && reloaded.elapsed.as_secs_f64() > LATE_MAX * storm.seconds as f64 {
            self.broken.push("the reloads took too long".to_owned());
        }
        vec![
            row(
                "reloads",
                format!(
                    "{} in {:.1} s, {} of them by SIGHUP",
                    reloaded.done + reloaded.refused,
                    reloaded.elapsed.as_secs_f64(),
                    reloaded.by_signal
                ),
                format!("at most {:.0} s", LATE_MAX * storm.seconds as f64),
            ),
            row(
                "came into force, were refused",
                format!("{}, {}", reloaded.done, reloaded.refused),
                "",
            ),
            row(
                "had another outcome than they must",
                reloaded.wrong.len(),
                "0",
            ),
            row(
                "longest, from asking to knowing",
                format!("{:.0} ms", milliseconds(reloaded.longest)),
                "",
            ),
        ]
    }

    fn state_at_the_end(&mut self, storm: &Storm) -> Vec<Row> {
        let memory: Vec<u64> = storm
            .reloaded
            .memory
            .iter()
            .map(|memory| memory.now)
            .collect();
        let (first, last) = (memory[0], memory[memory.len() - 1]);
        if last > first + GROWTH_MAX {
            self.broken.push("weir's memory has grown".to_owned());
        }
        if !storm.left.is_empty() {
            self.broken.push("something was left in flight".to_owned());
        }
        let differ = accounts::disagreements(&storm.seen, &storm.logged, &storm.figures);
        for difference in &differ {
            eprintln!("does not agree: {difference}");
        }
        if !differ.is_empty() {
            self.broken
                .push("weir's accounts differ from what clients saw".to_owned());
        }
        let left = if storm.left.is_empty() {
            "nothing".to_owned()
        } else {
            storm.left.join(", ")
        };
        vec![
            row(
                &format!("weir's memory (RSS) after {SETTLED_AFTER} reloads, and at the end"),
                format!("{}, {}", mebibytes(first), mebibytes(last)),
                format!("grows by at most {} MiB", GROWTH_MAX >> 20),
            ),
            row("in flight at the end", left, "nothing"),
            row(
                "differences of log and metrics from what clients saw",
                differ.len(),
                "0",
            ),
        ]
    }

    /// The last of several goes counts.
    pub fn large(&mut self, size: Size, goes: &[Go]) {
        let _ = write!(
            self.text,
            "\nReloads of {} upstreams and {} models, beside requests one at a time. Of several goes the last counts.\n\n",
            size.upstreams, size.models
        );
        let mut rows = Vec::new();
        for (number, go) in goes.iter().enumerate() {
            rows.extend(STEPS.map(|(step, name)| self.step(number + 1, go, step, name)));
        }
        let headings = [
            "go",
            "upstreams and models",
            "reload took, at most",
            "requests: p50, p99, slowest",
            "in the quiet before: p50, p99, slowest",
            "added to the slowest of all quiet",
        ]
        .map(str::to_owned);
        self.text += &paper::table(&headings, &rows);
        for (number, go) in goes.iter().enumerate() {
            let memory: Vec<String> = go
                .memory
                .iter()
                .map(|memory| mebibytes(memory.now))
                .collect();
            let _ = writeln!(
                self.text,
                "\nGo {}: weir's memory before they came, with them, after they went: {}.",
                number + 1,
                memory.join(", ")
            );
        }
        let is_kept = goes.last().is_some_and(is_within);
        if self.is_timed && !is_kept {
            self.broken.push(format!(
                "a reload of the large configuration took more than {RELOAD_MAX:?}, or delayed a request by more than {DELAY_MAX:?}"
            ));
        }
    }

    fn step(&self, number: usize, go: &Go, step: Step, name: &str) -> [String; 6] {
        let reloads = || go.reloads.iter().filter(move |reload| reload.step == step);
        let took = reloads().map(|reload| reload.took).max();
        let during = reloads().flat_map(|reload| reload.during.clone()).collect();
        let quiet = reloads().flat_map(|reload| reload.quiet.clone()).collect();
        [
            number.to_string(),
            format!("{name} ({} times)", reloads().count()),
            format!("{:.0} ms", milliseconds(took.unwrap_or_default())),
            spread(during),
            spread(quiet),
            format!("{:.2} ms", milliseconds(go.added(step))),
        ]
    }

    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: &Path, commit: &str) -> Result<PathBuf> {
        let heading = paper::heading("The reload storm", commit);
        paper::save(
            folder,
            commit,
            "reloads",
            &format!("{heading}\n{}", self.text),
        )
    }

    pub fn verdict(&mut self) {
        let bounds = if self.is_timed {
            format!("A large reload takes at most {RELOAD_MAX:?} and adds at most {DELAY_MAX:?}.")
        } else {
            "A smoke run: no bound was put on times.".to_owned()
        };
        let verdict = match self.broken.as_slice() {
            [] => "every rule holds".to_owned(),
            broken => format!("BROKEN: {}", broken.join("; ")),
        };
        let _ = writeln!(self.text, "\n{bounds}\n\nVerdict: {verdict}.");
    }
}

type Row = [String; 3];

fn row(what: &str, figure: impl ToString, rule: impl ToString) -> Row {
    [what.to_owned(), figure.to_string(), rule.to_string()]
}

/// Median, 99th percentile and the slowest.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        let time = times.get(index.min(times.len().saturating_sub(1)));
        milliseconds(time.copied().unwrap_or_default())
    };
    format!(
        "{:.2}, {:.2}, {:.2} ms of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
