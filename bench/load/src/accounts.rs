//! Whether weir's own accounts agree with what clients saw: the access log line by line, the metrics in sums. Pure.

use std::collections::HashMap;

use crate::figures::Figures;
use crate::traffic::{End, Seen};
use crate::weir::Logged;

/// Disagreements that are described; the others are only counted.
const TOLD_MAX: usize = 5;

/// What does not agree; empty where all does.
pub fn disagreements(
    seen: &[Seen],
    logged: &HashMap<String, Logged>,
    figures: &Figures,
) -> Vec<String> {
    let mut found: Vec<String> = seen
        .iter()
        .filter_map(|seen| line_differs(seen, logged.get(&seen.id)))
        .collect();
    let count = found.len();
    if count > TOLD_MAX {
        found.truncate(TOLD_MAX);
        found.push(format!("… {count} lines of the access log in all"));
    }
    let whole = seen.iter().filter(|seen| seen.end == End::Whole).count();
    let attempts: u32 = logged.values().map(|line| line.attempts).sum();
    let again: u32 = logged
        .values()
        .map(|line| line.attempts.saturating_sub(1))
        .sum();
    let requests = |labels| figures.sum("weir_requests_total", labels);
    let sums = [
        ("lines of the access log", logged.len() as f64, seen.len()),
        ("weir_requests_total", requests(&[]), seen.len()),
        (
            "weir_requests_total without a fault",
            requests(&[("fault", "none")]),
            whole,
        ),
        (
            "weir_upstream_attempts_total, by the log's attempts",
            figures.sum("weir_upstream_attempts_total", &[]),
            attempts as usize,
        ),
        (
            "weir_failovers_total, by the log's attempts after the first",
            figures.sum("weir_failovers_total", &[]),
            again as usize,
        ),
    ];
    let differ = sums
        .into_iter()
        .filter(|(_, has, due)| *has != *due as f64)
        .map(|(what, has, due)| format!("{what}: {has} in place of {due}"));
    found.extend(differ);
    found
}

fn line_differs(seen: &Seen, line: Option<&Logged>) -> Option<String> {
    let Some(line) = line else {
        return Some(format!("no line for {} ({:?})", seen.id, seen.end));
    };
    let is_good = line.status == 200 && line.fault.is_none();
    let agrees = match &seen.end {
        End::Whole => is_good,
        End::Told | End::Cut(_) => line.fault.is_some(),
        End::Refused { status, .. } => line.status == *status && line.fault.is_some(),
        End::Wrong(_) => false,
    };
    let same_attempts = seen.attempts == 0 || seen.attempts == line.attempts;
    let same_upstream = seen.upstream.is_none() || seen.upstream == line.upstream;
    (!agrees || !same_attempts || !same_upstream).then(|| {
        format!(
            "{}: the client saw {:?} from {:?} by {} attempts, the log says {line:?}",
            seen.id, seen.end, seen.upstream, seen.attempts
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn seen(end: End) -> Seen {
        Seen {
            id: "x".to_owned(),
            stream: true,
            begun: Duration::ZERO,
            ended: Duration::ZERO,
            upstream: Some("a".to_owned()),
            attempts: 2,
            end,
        }
    }

    fn line(fault: Option<&str>, attempts: u32) -> HashMap<String, Logged> {
        let line = Logged {
            status: 200,
            fault: fault.map(str::to_owned),
            attempts,
            upstream: Some("a".to_owned()),
        };
        HashMap::from([("x".to_owned(), line)])
    }

    const PAGE: &str = "weir_requests_total{fault=\"none\"} 1\nweir_upstream_attempts_total{} 2\nweir_failovers_total{} 1\n";

    #[test]
    fn accounts_that_agree_and_that_do_not() {
        let figures = Figures::parse(PAGE);
        let check = |end, line| disagreements(&[seen(end)], &line, &figures).len();
        assert_eq!(check(End::Whole, line(None, 2)), 0);
        assert_eq!(check(End::Whole, line(Some("truncated"), 2)), 1);
        // The line, and a request without a fault where none was whole.
        assert_eq!(check(End::Told, line(None, 2)), 2);
        // The line, the attempts and the failovers.
        assert_eq!(check(End::Whole, line(None, 1)), 3);
        assert_eq!(check(End::Whole, HashMap::new()), 4);
    }
}
