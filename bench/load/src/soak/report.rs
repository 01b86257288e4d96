//! What the soak has shown, and which rules were broken. It measures nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use super::judge::{self, Blame, Host, Share};
use super::storm::Weathered;
use crate::accounts;
use crate::figures::Figures;
use crate::paper;
use crate::process::Memory;
use crate::traffic::{End, Seen};
use crate::weir::Logged;

/// Below this part of its fair share a host is starved.
const STARVED: f64 = 0.25;
/// Exchanges that a host must be due before its share means anything.
const DUE_MIN: f64 = 20.0;
/// What weir's memory may grow by from the first calm to the last, in bytes.
const GROWTH_MAX: u64 = 8 << 20;
/// Broken exchanges that are described.
const TOLD_MAX: usize = 10;
/// Longest latency that is told apart from longer ones, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Everything that came of a run.
pub struct Run {
    pub seen: Vec<Seen>,
    pub weathered: Vec<Weathered>,
    pub figures: Figures,
    pub logged: HashMap<String, Logged>,
    /// What was in flight at the end.
    pub left: Vec<String>,
    pub memory: [Memory; 2],
    /// By when a host that is well again must have its share.
    pub settling: Duration,
}

/// The tables, and the rules that were broken.
pub struct Report {
    pub text: String,
    pub broken: Vec<String>,
}

impl Report {
    pub fn of(run: &Run) -> Report {
        let hosts: Vec<Host<'_>> = run
            .weathered
            .iter()
            .map(|weathered| Host {
                name: &weathered.host.name,
                failings: &weathered.failings,
            })
            .collect();
        let mut report = Report {
            text: String::new(),
            broken: Vec::new(),
        };
        let rows = [
            report.ends(run, &hosts),
            report.what_weir_did(run),
            latencies(run, &hosts),
            report.state_at_the_end(run),
        ];
        let headings = ["", "", "rule"].map(str::to_owned);
        report.text += &paper::table(&headings, &rows.concat());
        report.shares(run, &hosts);
        report.verdict();
        report
    }

    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: &Path, commit: &str, config: &str) -> Result<PathBuf> {
        let heading = paper::heading("The soak", commit);
        let text = format!("{heading}\n```yaml\n{config}```\n\n{}", self.text);
        paper::save(folder, commit, "soak", &text)
    }

    fn ends(&mut self, run: &Run, hosts: &[Host<'_>]) -> Vec<Row> {
        let streams = run.seen.iter().filter(|seen| seen.stream).count();
        let (mut begun, mut none_left, mut weirs) = ([0; 2], 0, 0);
        for seen in &run.seen {
            match judge::blame(seen, hosts) {
                None => {}
                Some(Blame::Begun) => begun[usize::from(seen.end == End::Told)] += 1,
                Some(Blame::NoHostLeft) => none_left += 1,
                Some(Blame::Weir) => {
                    weirs += 1;
                    if weirs <= TOLD_MAX {
                        eprintln!("must not be: {seen:?} {:?}", run.logged.get(&seen.id));
                    }
                }
            }
        }
        if weirs > 0 {
            self.broken
                .push(format!("{weirs} clients saw an error that they should not"));
        }
        let whole = run.seen.iter().filter(|seen| seen.end == End::Whole);
        vec![
            row(
                "exchanges",
                format!("{} ({streams} streams)", run.seen.len()),
                "",
            ),
            row(
                "whole, byte for byte",
                whole.count(),
                "all but the next two",
            ),
            row(
                "streams that had begun on a host that failed",
                format!(
                    "{}: {} with an error event, {} cut off",
                    begun[0] + begun[1],
                    begun[1],
                    begun[0]
                ),
                "never a clean end",
            ),
            row("errors while no host was well throughout", none_left, ""),
            row("other errors", weirs, "0"),
        ]
    }

    fn what_weir_did(&mut self, run: &Run) -> Vec<Row> {
        let by = |name, label| list(&run.figures.by(name, label));
        let mut faults = run.figures.by("weir_requests_total", "fault");
        faults.remove("none");
        let changes = run.figures.by("weir_endpoint_changes_total", "change");
        let started = run
            .weathered
            .iter()
            .flat_map(|weathered| &weathered.failings);
        let started = started.filter(|failing| failing.fault.name().contains("killed"));
        vec![
            row(
                "failings of hosts",
                run.weathered
                    .iter()
                    .map(|w| w.failings.len())
                    .sum::<usize>(),
                "",
            ),
            row("faults of exchanges", list(&faults), ""),
            row("failovers", by("weir_failovers_total", "reason"), ""),
            row(
                "retries refused",
                by("weir_retries_refused_total", "reason"),
                "",
            ),
            row("waits", by("weir_waits_total", "outcome"), ""),
            row("changes of standing", list(&changes), ""),
            row(
                "restarts noticed",
                format!(
                    "{} (hosts were started again {} times; others did not answer for a while)",
                    changes.get("restarted").copied().unwrap_or(0.0),
                    started.count()
                ),
                "",
            ),
        ]
    }

    fn state_at_the_end(&mut self, run: &Run) -> Vec<Row> {
        let [first, last] = run.memory.map(|memory| memory.now);
        if last > first + GROWTH_MAX {
            self.broken.push("weir's memory has grown".to_owned());
        }
        if !run.left.is_empty() {
            self.broken.push("something was left in flight".to_owned());
        }
        let differ = accounts::disagreements(&run.seen, &run.logged, &run.figures);
        for difference in &differ {
            eprintln!("does not agree: {difference}");
        }
        if !differ.is_empty() {
            self.broken
                .push("weir's accounts differ from what clients saw".to_owned());
        }
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        vec![
            row(
                "weir's memory (RSS) in the first calm, in the last, at most",
                format!(
                    "{:.1}, {:.1}, {:.1} MiB",
                    mebibytes(first),
                    mebibytes(last),
                    mebibytes(run.memory[1].peak)
                ),
                format!("grows by at most {} MiB", GROWTH_MAX >> 20),
            ),
            row(
                "in flight at the end",
                if run.left.is_empty() {
                    "nothing".to_owned()
                } else {
                    run.left.join(", ")
                },
                "nothing",
            ),
            row(
                "differences of log and metrics from what clients saw",
                differ.len(),
                "0",
            ),
        ]
    }

    fn shares(&mut self, run: &Run, hosts: &[Host<'_>]) {
        let mut rows = Vec::new();
        for host in hosts {
            let shares = judge::shares(host, hosts, &run.seen, run.settling);
            let all = shares.iter().fold(Share::default(), |all, share| Share {
                got: all.got + share.got,
                fair: all.fair + share.fair,
            });
            let lowest = shares
                .iter()
                .filter(|share| share.fair >= DUE_MIN)
                .map(|share| share.ratio())
                .fold(f64::INFINITY, f64::min);
            let is_starved = (all.fair >= DUE_MIN && all.ratio() < STARVED) || lowest < STARVED;
            if is_starved {
                self.broken.push(format!("{} was starved", host.name));
            }
            let served = run
                .seen
                .iter()
                .filter(|seen| seen.upstream.as_deref() == Some(host.name));
            let failed: Duration = host.failings.iter().map(|f| f.until - f.from).sum();
            rows.push([
                host.name.to_owned(),
                host.failings.len().to_string(),
                format!("{:.1} s", failed.as_secs_f64()),
                served.count().to_string(),
                format!("{:.0} of {:.0}", all.got, all.fair),
                format!("{:.2}", all.ratio()),
                if lowest.is_finite() {
                    format!("{lowest:.2}")
                } else {
                    "–".to_owned()
                },
            ]);
        }
        let headings = [
            "host",
            "failings",
            "failed for",
            "exchanges",
            "while well, of a fair share",
            "ratio",
            "lowest of its well times",
        ]
        .map(str::to_owned);
        let _ = write!(
            self.text,
            "\nA host is well when it has not failed for {} s; both ratios must be at least {STARVED}.\n\n{}",
            run.settling.as_secs(),
            paper::table(&headings, &rows)
        );
    }

    fn verdict(&mut self) {
        let verdict = match self.broken.as_slice() {
            [] => "every rule holds".to_owned(),
            broken => format!("BROKEN: {}", broken.join("; ")),
        };
        let _ = writeln!(self.text, "\nVerdict: {verdict}.");
    }
}

type Row = [String; 3];

fn row(what: &str, figure: impl ToString, rule: impl ToString) -> Row {
    [what.to_owned(), figure.to_string(), rule.to_string()]
}

fn list(sums: &BTreeMap<String, f64>) -> String {
    let total: f64 = sums.values().sum();
    let parts: Vec<String> = sums
        .iter()
        .map(|(name, sum)| format!("{name} {sum}"))
        .collect();
    match parts.as_slice() {
        [] => "0".to_owned(),
        parts => format!("{total}: {}", parts.join(", ")),
    }
}

fn latencies(run: &Run, hosts: &[Host<'_>]) -> Vec<Row> {
    let of = |calm: bool| {
        let mut histogram =
            Histogram::<u64>::new_with_max(LATENCY_US_MAX, 3).expect("a valid range");
        for seen in run
            .seen
            .iter()
            .filter(|seen| !seen.stream && seen.end == End::Whole)
        {
            if judge::was_calm(seen, hosts) == calm {
                histogram.saturating_record((seen.ended - seen.begun).as_micros() as u64);
            }
        }
        let milliseconds = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        format!(
            "{:.0}, {:.0} ms of {}",
            milliseconds(0.5),
            milliseconds(0.99),
            histogram.len()
        )
    };
    vec![
        row("latency of whole answers in calm, p50, p99", of(true), ""),
        row("the same while a host fails", of(false), ""),
    ]
}
