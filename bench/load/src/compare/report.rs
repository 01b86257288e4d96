//! Puts figures into words: the table, the verdict, the saved file.
//! It takes no measurement and knows no side but by name.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::series::{Bar, Series, median};

/// A Markdown table, padded so that it reads well in a terminal too. A cell is a median and, of several rounds, the range.
/// `other` is what was measured beside nginx.
pub fn table(all: &[Series], other: &str, judged: bool) -> String {
    let rows: Vec<[String; 8]> = all.iter().map(|series| row(series, judged)).collect();
    let ratio = format!("{other} / nginx");
    let headings = [
        "",
        "unit",
        "direct",
        "nginx",
        other,
        &ratio,
        "bar (later)",
        "verdict",
    ]
    .map(str::to_owned);
    let widths: [usize; 8] = std::array::from_fn(|n| {
        let cells = rows
            .iter()
            .chain([&headings])
            .map(|row| row[n].chars().count());
        cells.max().unwrap_or(0)
    });
    let line = |row: &[String; 8]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.map(|width| "-".repeat(width));
    [&headings, &rule]
        .into_iter()
        .chain(&rows)
        .map(line)
        .collect()
}

fn row(series: &Series, judged: bool) -> [String; 8] {
    let bar = match series.bar {
        Some(Bar::OverNginx { now, later }) => format!("≤ {now} × ({later} ×)"),
        Some(Bar::AtMost(most)) => format!("≤ {most} {}", series.unit),
        None => String::new(),
    };
    let verdict = match series.within_bar().filter(|_| judged) {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    [
        series.what.clone(),
        series.unit.to_owned(),
        cell(&series.direct),
        cell(&series.nginx),
        cell(&series.weir),
        cell(&series.ratios()),
        bar,
        verdict.to_owned(),
    ]
}

fn cell(values: &[f64]) -> String {
    let Some(median) = median(values) else {
        return String::new();
    };
    let decimals = if median >= 100.0 {
        0
    } else if median >= 10.0 {
        1
    } else {
        2
    };
    let (low, high) = values
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
    match values.len() {
        1 => format!("{median:.decimals$}"),
        _ => format!("{median:.decimals$} ({low:.decimals$}–{high:.decimals$})"),
    }
}

/// The figures that are above their bars.
pub fn missed(all: &[Series]) -> Vec<String> {
    all.iter()
        .filter(|series| series.within_bar() == Some(false))
        .map(|series| series.what.clone())
        .collect()
}

pub fn verdict(missed: &[String]) -> String {
    match missed {
        [] => "Verdict: every bar is met.".to_owned(),
        some => format!("Verdict: MISSED: {}.", some.join("; ")),
    }
}

/// Writes the table with what is needed to repeat it. A second run of one day and commit replaces the first.
///
/// # Errors
/// When the folder cannot be written.
pub fn save(
    folder: &Path,
    other: &str,
    commit: &str,
    table: &str,
    judged: Option<&Vec<String>>,
) -> Result<PathBuf> {
    let date = output("date", &["-u", "+%Y-%m-%d"]);
    let mut text = format!("# {other} beside nginx, {date}\n\n");
    let command = std::env::var("BENCH_COMMAND")
        .unwrap_or_else(|_| std::env::args().collect::<Vec<_>>().join(" "));
    write!(text, "- commit: {commit}\n- command: `{command}`\n")?;
    writeln!(
        text,
        "- machine: {}, {} cores, {}, {}",
        processor(),
        cores(),
        memory(),
        output("uname", &["-sr"])
    )?;
    writeln!(text, "- nginx: {}", output("nginx", &["-v"]))?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    writeln!(
        text,
        "- load averages at the end, the benchmark's own part included: {}",
        load.trim()
    )?;
    write!(
        text,
        "\nMedians of the rounds, with their range; ratios are medians of the rounds' ratios.\n\n{table}"
    )?;
    if let Some(missed) = judged {
        writeln!(text, "\n{}", verdict(missed))?;
    }
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{date}-{commit}-{}.md", other.replace(' ', "-")));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn processor() -> String {
    proc_value("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Of the machine: this process itself may have kept to one of them.
fn cores() -> usize {
    fs::read_to_string("/proc/cpuinfo").map_or(0, |text| {
        text.lines()
            .filter(|line| line.starts_with("processor"))
            .count()
    })
}

fn memory() -> String {
    let kib = proc_value("/proc/meminfo", "MemTotal")
        .and_then(|value| value.strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map_or_else(
        || "unknown memory".to_owned(),
        |kib| format!("{} GiB", kib.div_ceil(1 << 20)),
    )
}

fn proc_value(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let (_, value) = text
        .lines()
        .find(|line| line.starts_with(key))?
        .split_once(':')?;
    Some(value.trim().to_owned())
}

/// What a program prints on either stream, trimmed; nginx tells its version on the second.
fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .trim()
            .to_owned(),
        Err(error) => error.to_string(),
    }
}
