//! What every call of an adapter begins with: the request's JSON, the plugin's configuration, and headers of refusals.

use serde_json::{Map, Value};
use weir_plugin::{Header, Host, PluginError};

/// What cannot be said to the provider, for people.
pub type Refused = String;

/// The request as an object.
///
/// # Errors
/// When it is none, which the host should not let happen.
pub fn asked(host: &dyn Host) -> Result<Map<String, Value>, PluginError> {
    match serde_json::from_slice(&host.request_body()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(permanent("the request is no JSON object")),
        Err(error) => Err(permanent(format!("the request is no JSON: {error}"))),
    }
}

/// The plugin's configuration as an object; `null` and nothing at all are an empty one.
///
/// # Errors
/// When it is neither, or has a member that is not among `known`.
pub fn config(text: &str, known: &[&str]) -> Result<Map<String, Value>, String> {
    let value: Value = match text.trim() {
        "" => Value::Null,
        text => serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?,
    };
    let members = match value {
        Value::Null => Map::new(),
        Value::Object(members) => members,
        _ => return Err("is no object".to_owned()),
    };
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!(
            "`{name}` is not known; there is {}",
            known.join(", ")
        )),
        None => Ok(members),
    }
}

pub fn permanent(message: impl Into<String>) -> PluginError {
    PluginError::Permanent(message.into())
}

/// The header of that name, where it is text. Names are in lower case.
pub fn header<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(std::str::from_utf8(&found.value).ok()?.trim())
}

/// What `retry-after` says in seconds, whole or not; a date needs a clock, and is left to the host.
pub fn retry_after_ms(headers: &[Header]) -> Option<u64> {
    /// Longer is no wait for a request.
    const SECONDS_MAX: f64 = 86_400.0;
    let seconds: f64 = header(headers, "retry-after")?.parse().ok()?;
    (0.0..=SECONDS_MAX)
        .contains(&seconds)
        .then_some((seconds * 1000.0) as u64)
}
