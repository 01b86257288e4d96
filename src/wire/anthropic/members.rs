//! Takes the members of a JSON object one after another, each of the type that it must have. What is not taken remains.
//! It knows no member by name.

use serde_json::{Number, Value};

use crate::wire::neutral::Malformed;
use crate::wire::parsed::{Fields, Parsed, number_of};

/// An object whose members are being taken.
pub(super) type Members<'a> = Fields<'a>;

/// An error shows at most this much of a value, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// The member, unless it is missing or null.
pub(super) fn value<'a>(members: &mut Members<'a>, name: &str) -> Option<Parsed<'a>> {
    members.take(name).filter(|value| !value.is_null())
}

pub(super) fn text(members: &mut Members<'_>, name: &str) -> Result<Option<String>, Malformed> {
    match value(members, name) {
        None => Ok(None),
        Some(Parsed::String(text)) => Ok(Some(text.into_owned())),
        Some(other) => Err(wrong(name, "a string", other)),
    }
}

/// A text that must be there.
pub(super) fn needed_text(members: &mut Members<'_>, name: &str) -> Result<String, Malformed> {
    text(members, name)?.ok_or_else(|| missing(name, "a string"))
}

pub(super) fn flag(members: &mut Members<'_>, name: &str) -> Result<Option<bool>, Malformed> {
    match value(members, name) {
        None => Ok(None),
        Some(Parsed::Bool(flag)) => Ok(Some(flag)),
        Some(other) => Err(wrong(name, "true or false", other)),
    }
}

pub(super) fn count(members: &mut Members<'_>, name: &str) -> Result<Option<u64>, Malformed> {
    let what = "a whole number that is not negative";
    match value(members, name) {
        None => Ok(None),
        Some(other) => match other.as_u64() {
            Some(count) => Ok(Some(count)),
            None => Err(wrong(name, what, other)),
        },
    }
}

pub(super) fn number(members: &mut Members<'_>, name: &str) -> Result<Option<Number>, Malformed> {
    match value(members, name) {
        None => Ok(None),
        Some(Parsed::Number(number)) => Ok(number_of(&number)),
        Some(other) => Err(wrong(name, "a number", other)),
    }
}

pub(super) fn list<'a>(
    members: &mut Members<'a>,
    name: &str,
) -> Result<Option<Vec<Parsed<'a>>>, Malformed> {
    match value(members, name) {
        None => Ok(None),
        Some(Parsed::Array(list)) => Ok(Some(list)),
        Some(other) => Err(wrong(name, "a list", other)),
    }
}

pub(super) fn object<'a>(
    members: &mut Members<'a>,
    name: &str,
) -> Result<Option<Members<'a>>, Malformed> {
    match value(members, name) {
        None => Ok(None),
        Some(Parsed::Object(object)) => Ok(Some(object)),
        Some(other) => Err(wrong(name, "an object", other)),
    }
}

/// The object that `value` is.
pub(super) fn as_object(value: Parsed<'_>) -> Result<Members<'_>, Malformed> {
    match value {
        Parsed::Object(object) => Ok(object),
        other => Err(wrong("", "an object", other)),
    }
}

/// A list's elements, each read by `read`; an error names the element.
pub(super) fn each<'a, T>(
    name: &str,
    list: Vec<Parsed<'a>>,
    mut read: impl FnMut(Parsed<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let numbered = list.into_iter().enumerate();
    numbered
        .map(|(at, value)| read(value).map_err(|error| within(&format!("{name}[{at}]"), error)))
        .collect()
}

/// The same error, seen from the value that holds `outer`.
pub(super) fn within(outer: &str, error: Malformed) -> Malformed {
    let inner = &error.param;
    let param = match inner.as_bytes().first() {
        None => outer.to_owned(),
        Some(b'[') => format!("{outer}{inner}"),
        Some(_) => format!("{outer}.{inner}"),
    };
    Malformed { param, ..error }
}

pub(super) fn wrong(name: &str, expected: &str, value: impl Into<Value>) -> Malformed {
    let shown = shown(&value.into());
    Malformed::new(name, format!("must be {expected}, and is {shown}"))
}

pub(super) fn missing(name: &str, expected: &str) -> Malformed {
    Malformed::new(name, format!("must be {expected}, and is missing"))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(SHOWN_CHARS_MAX).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}
