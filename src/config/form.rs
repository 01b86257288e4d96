//! What one form of a value in the schema takes, and how to say so to people.
//! It must not know where in the configuration a value stands.

use serde_json::Value;

use super::path::printable;
use super::problem::did_you_mean;

/// `oneOf: [{required: [a]}, {required: [b]}]`: exactly one of these keys must be given.
pub(super) fn exactly_one(schema: &Value) -> Option<Vec<&str>> {
    let branches = schema.get("oneOf")?.as_array()?;
    branches
        .iter()
        .map(|branch| branch.get("required")?.get(0)?.as_str())
        .collect()
}

/// A text from the environment becomes the number or truth value that the schema asks for.
pub(super) fn retype(forms: &[&Value], value: &mut Value) {
    if forms
        .iter()
        .any(|form| has_type_of(form, value) || is_literal_of(form, value))
    {
        return;
    }
    let text = value.as_str().unwrap_or_default();
    if let Ok(plain @ (Value::Number(_) | Value::Bool(_))) = serde_json::from_str::<Value>(text)
        && forms.iter().any(|form| has_type_of(form, &plain))
    {
        *value = plain;
    }
}

fn literals_of(form: &Value) -> Vec<&Value> {
    match (
        form.get("const"),
        form.get("enum").and_then(Value::as_array),
    ) {
        (Some(literal), _) => vec![literal],
        (None, Some(literals)) => literals.iter().collect(),
        (None, None) => Vec::new(),
    }
}

/// Whether a form is made of literals, this value among them.
pub(super) fn is_literal_of(form: &Value, value: &Value) -> bool {
    literals_of(form).contains(&value)
}

/// Whether a form that is not made of literals takes values of this type.
pub(super) fn has_type_of(form: &Value, value: &Value) -> bool {
    let name = form.get("type").and_then(Value::as_str).unwrap_or_default();
    literals_of(form).is_empty()
        && match value {
            Value::Null => false,
            Value::Bool(_) => name == "boolean",
            Value::Number(number) => name == "number" || name == "integer" && !number.is_f64(),
            Value::String(_) => name == "string",
            Value::Array(_) => name == "array",
            Value::Object(_) => name == "object",
        }
}

/// A text or number of a format that weir checks: a duration, a size, a share, an address.
pub(super) fn is_formatted(form: &Value) -> bool {
    form.get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("weir-"))
}

/// `expected a list, found a mapping; …`, with the way out where there is an obvious one.
pub(super) fn mismatch(forms: &[&Value], value: &Value, shown: &str) -> String {
    let literals = || {
        forms
            .iter()
            .flat_map(|form| literals_of(form))
            .filter_map(Value::as_str)
    };
    if let Some(meant) = value
        .as_str()
        .and_then(|text| did_you_mean(text, literals()))
    {
        return format!("unknown value {shown}; did you mean `{meant}`?");
    }
    let takes = |name: &str| {
        let is_type = |form: &&Value| form.get("type") == Some(&Value::from(name));
        forms.iter().any(is_type) && literals().next().is_none()
    };
    let way_out = match value {
        Value::Number(_) | Value::Bool(_) if takes("string") => "; put it in quotes",
        Value::Object(_) if takes("array") => "; begin each item with `- `",
        _ => "",
    };
    format!("expected {}, found {shown}{way_out}", expectations(forms))
}

/// What may be written, in words: `a duration such as `30s``, `one of `a`, `b``.
pub(super) fn expectations(forms: &[&Value]) -> String {
    let mut words: Vec<_> = forms
        .iter()
        .filter(|form| literals_of(form).is_empty())
        .map(|form| expectation(form).to_owned())
        .collect();
    words.dedup();
    let literals = literals(forms);
    let literals = (!literals.is_empty()).then_some(literals);
    join(words.into_iter().chain(literals), " or ")
}

fn expectation(form: &Value) -> &'static str {
    let keyword = |name| form.get(name).and_then(Value::as_str).unwrap_or_default();
    match (keyword("type"), keyword("format")) {
        (_, "weir-duration" | "weir-delay") => "a duration such as `30s`",
        (_, "weir-size") => "a size such as `64MiB`",
        (_, "weir-address") => "an address such as `127.0.0.1:8080`",
        (_, "weir-endpoint") => "an address such as `10.0.0.11:8000`",
        (_, "weir-share") => "a share such as `20%`",
        (_, "weir-time") => "a time such as `2027-01-31T12:00:00Z`",
        (_, "weir-path") => "a path such as `/health`",
        (_, "weir-money") => "an amount such as `2.50`",
        (_, "weir-period") => "a period such as `month` or `30d`",
        (_, "weir-days") => "a number of days such as `400d`",
        (_, "weir-network") => "a network such as `10.0.0.0/8`",
        ("number", _) => "a number",
        ("string", _) => "text",
        ("integer", _) => "a whole number",
        ("boolean", _) => "`true` or `false`",
        ("array", _) => "a list",
        _ => "a mapping",
    }
}

/// The literals that may be written, in backticks: `` `auto` `` or `` one of `ask`, `leave` ``.
pub(super) fn literals(forms: &[&Value]) -> String {
    let names: Vec<_> = forms
        .iter()
        .flat_map(|form| literals_of(form))
        .filter_map(Value::as_str)
        .map(|name| format!("`{}`", printable(name)))
        .collect();
    match names.len() {
        0 | 1 => names.concat(),
        _ => format!("one of {}", names.join(", ")),
    }
}

pub(super) fn join(words: impl IntoIterator<Item = impl AsRef<str>>, separator: &str) -> String {
    let words: Vec<_> = words.into_iter().collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    words.join(separator)
}
