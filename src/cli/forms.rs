//! Arguments with a form of their own, and tables for people. It must not know the commands.

use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::Failure;
use crate::access::Moment;
use crate::config::parse_duration;
use crate::terms::{Money, Period};

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
    Csv,
}

/// `30d`, `12h`, `2027-01-31`, or an RFC 3339 time → RFC 3339.
pub(super) fn expiry(text: &str) -> Result<String, Failure> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u64>().ok());
    let seconds = days.map(|days| days.saturating_mul(86_400));
    let seconds = seconds.or_else(|| parse_duration(text).ok().map(|span| span.as_secs()));
    let now = Moment::from(SystemTime::now());
    match seconds {
        Some(seconds) => Ok(Moment::from_unix(now.unix().saturating_add(seconds)).text()),
        None => Moment::parse(text).map(Moment::text).map_err(|problem| {
            Failure::Argument(format!(
                "--expires {text}: {problem}; or a span such as `30d` or `12h`"
            ))
        }),
    }
}

/// `20/month` → a budget.
pub(super) fn budget(text: &str) -> Result<Value, Failure> {
    let wrong = |problem: String| {
        Failure::Argument(format!(
            "--budget {text}: {problem}; write for example `20/month`"
        ))
    };
    let (amount, per) = text
        .split_once('/')
        .ok_or_else(|| wrong("has no period".to_owned()))?;
    Period::parse(per).map_err(wrong)?;
    Ok(serde_json::json!({ "amount": money("--budget", amount)?, "per": per }))
}

/// An amount, exactly as it is written.
pub(super) fn money(name: &str, text: &str) -> Result<Value, Failure> {
    let amount: Result<Money, String> = text.parse();
    let amount =
        amount.map_err(|problem| Failure::Argument(format!("{name} {text}: {problem}")))?;
    serde_json::to_value(amount).map_err(|error| Failure::Argument(error.to_string()))
}

/// `name=value`, several.
pub(super) fn tags(tags: &[String]) -> Result<Value, Failure> {
    let pairs = tags.iter().map(|tag| {
        let pair = tag.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) =
            pair.ok_or_else(|| Failure::Argument(format!("--tag {tag}: write `name=value`")))?;
        Ok((name.to_owned(), Value::from(value)))
    });
    Ok(Value::Object(
        pairs.collect::<Result<Map<String, Value>, Failure>>()?,
    ))
}

/// The members that were given.
pub(super) fn object(members: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let given = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}

pub(super) fn list(values: &[String]) -> Option<Value> {
    (!values.is_empty()).then(|| values.into())
}

/// Prints JSON as it is.
pub(super) fn json(out: &mut dyn Write, value: &Value) -> Result<(), Failure> {
    writeln!(out, "{value:#}")?;
    Ok(())
}

/// Prints the members `columns` of objects, one line each. `a.b` is the member `b` of `a`.
pub(super) fn table(out: &mut dyn Write, columns: &[&str], items: &[Value]) -> io::Result<()> {
    let head = columns
        .iter()
        .map(|column| column.rsplit('.').next().unwrap_or(column).to_owned());
    let mut lines: Vec<Vec<String>> = vec![head.collect()];
    lines.extend(
        items
            .iter()
            .map(|item| columns.iter().map(|column| cell(item, column)).collect()),
    );
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for line in lines {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line: Vec<String> = cells.collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

fn cell(item: &Value, column: &str) -> String {
    let value = column.split('.').fold(item, |value, name| &value[name]);
    let text = plain(value);
    // Names come from outside: none begins a line or moves the cursor.
    text.chars()
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_and_periods_are_read_exactly() {
        assert_eq!(
            budget("20.10/month").unwrap().to_string(),
            r#"{"amount":20.1,"per":"month"}"#
        );
        for bad in ["20", "x/month", "20/year"] {
            assert!(budget(bad).is_err(), "{bad}");
        }
        assert_eq!(expiry("2030-01-31").unwrap(), "2030-01-31T00:00:00Z");
        assert!(expiry("30d").unwrap().ends_with('Z'));
        assert!(expiry("soon").is_err());
        assert_eq!(tags(&["a=b=c".to_owned()]).unwrap(), json!({"a": "b=c"}));
    }

    #[test]
    fn tables_are_aligned_and_hold_no_control_characters() {
        let items = [
            json!({"a": "x\n", "b": {"c": [1, "y"]}}),
            json!({"a": "long"}),
        ];
        let mut out = Vec::new();
        table(&mut out, &["a", "b.c"], &items).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a     c\nx?    1,y\nlong  -\n"
        );
    }
}
