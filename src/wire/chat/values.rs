//! Members of requests by type. What is of another type is an error that names the member and its value.

use serde_json::{Map, Number, Value};

use crate::wire::members::Path;
use crate::wire::neutral::Malformed;

/// Bytes of a value that an error shows.
const SHOWN_BYTES_MAX: usize = 80;

pub fn text(place: &str, value: Value) -> Result<String, Malformed> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(place, "a string", &other)),
    }
}

pub fn boolean(place: &str, value: &Value) -> Result<bool, Malformed> {
    let found = value.as_bool();
    found.ok_or_else(|| wrong(place, "true or false", value))
}

pub fn number(place: &str, value: Value) -> Result<Number, Malformed> {
    match value {
        Value::Number(number) => Ok(number),
        other => Err(wrong(place, "a number", &other)),
    }
}

/// A whole number that is not negative; `8.0` is one.
pub fn count(place: &str, value: &Value) -> Result<u64, Malformed> {
    let whole = |number: &f64| *number >= 0.0 && number.fract() == 0.0 && *number < 1e18;
    let found = value
        .as_u64()
        .or_else(|| value.as_f64().filter(whole).map(|number| number as u64));
    found.ok_or_else(|| wrong(place, "a whole number from 0 on", value))
}

pub fn list(place: &str, value: Value) -> Result<Vec<Value>, Malformed> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(wrong(place, "an array", &other)),
    }
}

pub fn object(place: &str, value: Value) -> Result<Map<String, Value>, Malformed> {
    match value {
        Value::Object(members) => Ok(members),
        other => Err(wrong(place, "an object", &other)),
    }
}

/// Takes a member that must be a text; null counts as absent.
pub fn take_text(
    members: &mut Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Option<String>, Malformed> {
    let found = take(members, name);
    let read = found.map(|value| text(&format!("{place}.{name}"), value));
    read.transpose()
}

/// Takes a member; null counts as absent.
pub fn take(members: &mut Map<String, Value>, name: &str) -> Option<Value> {
    members.shift_remove(name).filter(|value| !value.is_null())
}

/// A member that must be there.
pub fn required<T>(found: Option<T>, place: &str) -> Result<T, Malformed> {
    found.ok_or_else(|| Malformed::new(place, "is missing"))
}

/// The same, where the place is written down only if it is missing.
pub fn required_at<T>(found: Option<T>, path: impl FnOnce() -> Path) -> Result<T, Malformed> {
    found.ok_or_else(|| Malformed::new(path(), "is missing"))
}

pub fn wrong(place: &str, expected: &str, value: &Value) -> Malformed {
    Malformed::new(
        place,
        format!("must be {expected}, and is {}", shown(value)),
    )
}

/// The value as JSON, shortened.
pub fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > SHOWN_BYTES_MAX {
        let within = |at: &usize| text.is_char_boundary(*at);
        let end = (0..=SHOWN_BYTES_MAX).rev().find(within).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
