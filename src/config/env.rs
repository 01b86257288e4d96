//! `${NAME}` and `${NAME:-default}` in the texts of a configuration; `$$` is a dollar sign.
//! It must not know the process environment: that is passed in.

use std::collections::HashSet;

use serde_json::Value;

use super::path::{FieldPath, printable};
use super::problem::Report;

/// Answers for the environment variables.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Expands every text below `value`, and reports what cannot be. Returns the paths of the texts that changed.
pub(super) fn expand(
    value: &mut Value,
    environment: Environment<'_>,
    report: &mut Report<'_>,
) -> HashSet<FieldPath> {
    let mut expanded = HashSet::new();
    walk(
        value,
        &FieldPath::root(),
        &mut |text, path| match expand_text(text, environment) {
            Ok(after) if after == *text => {}
            Ok(after) => {
                *text = after;
                expanded.insert(path.clone());
            }
            Err(message) => report.value(path, message),
        },
    );
    expanded
}

fn walk(value: &mut Value, path: &FieldPath, visit: &mut dyn FnMut(&mut String, &FieldPath)) {
    match value {
        Value::String(text) => visit(text, path),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &path.index(index), visit);
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries.iter_mut() {
                walk(entry, &path.key(key), visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Expands one text; what comes from the environment is not expanded again.
fn expand_text(text: &str, environment: Environment<'_>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some((variable, after)) = after.split_once('}') else {
                return Err("`${` has no closing `}`; write `$$` for a dollar sign".into());
            };
            expanded.push_str(&resolve(variable, environment)?);
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// As in a shell, the default also stands in for a variable that is set but empty.
fn resolve(variable: &str, environment: Environment<'_>) -> Result<String, String> {
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    if !is_variable_name(name) {
        return Err(format!(
            "`${{{}}}` does not name an environment variable; write `${{NAME}}` or `${{NAME:-default}}`, and `$$` for a dollar sign",
            printable(variable)
        ));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!(
            "the default of `${{{name}}}` cannot hold another variable"
        ));
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "environment variable {name} is not set; set it, or write `${{{name}:-default}}`"
        )),
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_defaults_and_dollar_signs() {
        let environment = |name: &str| match name {
            "HOST" => Some("gpu-a".to_owned()),
            "NESTED" => Some("${HOST}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let good = [
            ("plain", "plain"),
            ("http://${HOST}:8000", "http://gpu-a:8000"),
            ("${HOST}${HOST}", "gpu-agpu-a"),
            ("${MISSING:-gpu-b}", "gpu-b"),
            ("${HOST:-gpu-b}", "gpu-a"),
            ("${EMPTY:-gpu-b}", "gpu-b"),
            ("[${EMPTY}]", "[]"),
            ("${MISSING:-}", ""),
            ("${MISSING:-a:-b}", "a:-b"),
            ("${NESTED}", "${HOST}"),
            ("pa$$word $${HOST}", "pa$word ${HOST}"),
            ("costs $5 and $", "costs $5 and $"),
        ];
        for (text, expected) in good {
            assert_eq!(
                expand_text(text, &environment).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
        let bad = [
            ("${MISSING}", "environment variable MISSING is not set"),
            ("${HOST", "no closing"),
            ("${}", "does not name"),
            ("${1ST}", "does not name"),
            ("${A-B}", "does not name"),
            ("${MISSING:-${HOST}}", "cannot hold another"),
        ];
        for (text, expected) in bad {
            let message = expand_text(text, &environment).expect_err(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
