//! How well attacks are told from harmless texts, on the two tables beside this file.
//!
//! Every second line of a table (the even ones) was not looked at while weights and words were chosen.

use std::collections::{BTreeMap, BTreeSet};

use weir_plugin_injection::{Judge, Score, Source};

struct Line {
    number: usize,
    family: &'static str,
    language: &'static str,
    source: Source,
    text: String,
}

const ATTACKS: &str = include_str!("attacks.txt");
const HARMLESS: &str = include_str!("harmless.txt");
/// From which score on a text counts as an attack here: the default of `thresholds.flag`.
const THRESHOLD: f32 = 0.5;

fn lines(table: &'static str) -> Vec<Line> {
    let line = |(number, line): (usize, &'static str)| {
        let mut fields = line.splitn(4, '\t');
        let mut field = || {
            fields
                .next()
                .unwrap_or_else(|| panic!("line {number} has too few fields"))
        };
        Line {
            number: number + 1,
            family: field(),
            language: field(),
            source: if field() == "t" {
                Source::Indirect
            } else {
                Source::Direct
            },
            text: field().replace("\\n", "\n"),
        }
    };
    table.lines().enumerate().map(line).collect()
}

fn judged(table: &'static str) -> Vec<(Line, Score)> {
    let judge = Judge::new(Vec::new());
    let judged = |line: Line| {
        let score = judge.score(&line.text, line.source);
        (line, score)
    };
    lines(table).into_iter().map(judged).collect()
}

/// Of a table, the lines whose number is odd or even.
fn half(table: &[(Line, Score)], odd: bool) -> Vec<&(Line, Score)> {
    table
        .iter()
        .filter(|(line, _)| (line.number % 2 == 1) == odd)
        .collect()
}

fn over(lines: &[&(Line, Score)]) -> usize {
    lines
        .iter()
        .filter(|(_, score)| score.value >= THRESHOLD)
        .count()
}

/// Prints precision and recall, and holds them to their floors.
#[track_caller]
fn check(name: &str, odd: bool, precision_min: f32, recall_min: f32) {
    let (attacks, harmless) = (judged(ATTACKS), judged(HARMLESS));
    let (attacks, harmless) = (half(&attacks, odd), half(&harmless, odd));
    let (hits, alarms) = (over(&attacks), over(&harmless));
    let precision = hits as f32 / (hits + alarms) as f32;
    let recall = hits as f32 / attacks.len() as f32;
    println!(
        "{name}: {hits} of {} attacks found, {alarms} of {} harmless texts flagged; precision {precision:.3}, recall {recall:.3}",
        attacks.len(),
        harmless.len()
    );
    assert!(
        precision >= precision_min,
        "precision {precision} is under {precision_min}"
    );
    assert!(
        recall >= recall_min,
        "recall {recall} is under {recall_min}"
    );
}

#[test]
fn on_lines_that_weights_were_chosen_by() {
    check("odd lines, which weights were chosen by", true, 0.93, 0.97);
}

#[test]
fn on_lines_that_were_not_looked_at() {
    check("even lines, which were not looked at", false, 0.93, 0.90);
}

#[test]
fn families_and_languages() {
    let mut families: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (line, score) in judged(ATTACKS) {
        let (found, all) = families.entry(line.family).or_default();
        *found += usize::from(score.value >= THRESHOLD);
        *all += 1;
    }
    families
        .iter()
        .for_each(|(family, (found, all))| println!("{family}: {found} of {all}"));
    let languages: BTreeSet<&str> = lines(ATTACKS).iter().map(|line| line.language).collect();
    assert!(
        families.len() >= 12 && languages.len() >= 10,
        "{families:?} {languages:?}"
    );
    assert!(lines(ATTACKS).len() >= 120 && lines(HARMLESS).len() >= 120);
}
