//! Puts results on paper: tables, and saved files that say on what machine and by what command they came about.
//! What was measured it does not know.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// A Markdown table, padded so that it reads well in a terminal too.
pub fn table<const N: usize>(headings: &[String; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|n| {
        let cells = rows
            .iter()
            .chain([headings])
            .map(|row| row[n].chars().count());
        cells.max().unwrap_or(0)
    });
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.map(|width| "-".repeat(width));
    [headings, &rule]
        .into_iter()
        .chain(rows)
        .map(line)
        .collect()
}

/// The beginning of a saved file: what it is about, and what is needed to repeat it.
pub fn heading(about: &str, commit: &str) -> String {
    let command = std::env::var("BENCH_COMMAND")
        .unwrap_or_else(|_| std::env::args().collect::<Vec<_>>().join(" "));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut text = format!("# {about}, {}\n\n", today());
    let _ = write!(text, "- commit: {commit}\n- command: `{command}`\n");
    let _ = writeln!(
        text,
        "- machine: {}, {} cores, {}, {}",
        processor(),
        cores(),
        memory(),
        output("uname", &["-sr"])
    );
    let _ = writeln!(
        text,
        "- load averages at the end, the benchmark's own part included: {}",
        load.trim()
    );
    text
}

/// Writes a file named after the day, the commit and `what`. A second run of one day and commit replaces the first.
///
/// # Errors
/// When the folder cannot be written.
pub fn save(folder: &Path, commit: &str, what: &str, text: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}-{commit}-{what}.md", today()));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn today() -> String {
    output("date", &["-u", "+%Y-%m-%d"])
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
pub fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .trim()
            .to_owned(),
        Err(error) => error.to_string(),
    }
}
