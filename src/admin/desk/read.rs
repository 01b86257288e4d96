//! Queries and bodies → values, with every mistake named. It must not know what they are for.

use std::time::SystemTime;

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::reply::{self, Refusal};
use crate::admin::table::Parameter;
use crate::ledger::query::moment;

/// Items of a page, unless told, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

/// The parameters of a query, of which each is known to the route.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn read(text: &str, known: &[Parameter]) -> Result<Query, Refusal> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if !known.iter().any(|known| known.name == name) {
                let names: Vec<&str> = known.iter().map(|known| known.name).collect();
                let message = match names.is_empty() {
                    true => format!("there is no parameter `{name}` here; this takes none"),
                    false => format!(
                        "there is no parameter `{name}` here; there are {}",
                        names.join(", ")
                    ),
                };
                return Err(reply::bad_parameter(&name, message));
            }
            if name != "tag" && all.iter().any(|(before, _)| *before == name) {
                let message = format!("`{name}` stands twice; write it once");
                return Err(reply::bad_parameter(&name, message));
            }
            all.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(all))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| reply::bad_parameter(name, format!("`{name}` is missing")))
    }

    /// A value that `parse` understands.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Refusal> {
        let parsed = self.get(name).map(|text| {
            parse(text)
                .map_err(|problem| reply::bad_parameter(name, format!("`{name}={text}` {problem}")))
        });
        parsed.transpose()
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<SystemTime>, Refusal> {
        self.parsed(name, moment::parse)
    }

    pub(super) fn is_set(&self, name: &str) -> Result<bool, Refusal> {
        let set = self.parsed(name, |text| match text {
            "true" | "" => Ok(true),
            "false" => Ok(false),
            _ => Err("is neither `true` nor `false`".to_owned()),
        });
        Ok(set?.unwrap_or_default())
    }

    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        let limit = self.parsed("limit", |text| {
            let limit = text
                .parse()
                .ok()
                .filter(|limit| (1..=PAGE_MAX).contains(limit));
            limit.ok_or_else(|| format!("is no number from 1 to {PAGE_MAX}"))
        });
        Ok(limit?.unwrap_or(PAGE))
    }
}

/// A body of JSON.
pub(super) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    if body.trim_ascii().is_empty() {
        let message = "the body is empty; send JSON";
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            message,
        ));
    }
    serde_json::from_slice(body).map_err(|error| unread(&error))
}

/// What is wrong with a body: that it is no JSON, or what in it.
pub(super) fn unread(error: &serde_json::Error) -> Refusal {
    let message = format!("the body: {error}");
    if !error.is_data() {
        return Refusal::new(StatusCode::BAD_REQUEST, "invalid_json", message);
    }
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    match member(&error.to_string()) {
        Some(member) => Refusal::about(status, "invalid_value", &member, message),
        None => Refusal::new(status, "invalid_value", message),
    }
}

/// The member that serde's message is about, where it names one.
fn member(message: &str) -> Option<String> {
    let rest = ["unknown field `", "missing field `", "duplicate field `"]
        .into_iter()
        .find_map(|start| message.strip_prefix(start))?;
    Some(rest.split_once('`')?.0.to_owned())
}

/// Applies a JSON merge patch (RFC 7396).
pub(super) fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = into else {
        return;
    };
    for (name, value) in members {
        match value {
            Value::Null => drop(target.shift_remove(name)),
            value => merge(target.entry(name.clone()).or_insert(Value::Null), value),
        }
    }
}

/// The record `whole` with the patch of a body applied.
pub(super) fn patched<T: DeserializeOwned>(mut whole: Value, patch: &[u8]) -> Result<T, Refusal> {
    let patch: Value = body(patch)?;
    if !patch.is_object() {
        let message = "the body: a patch is an object of the members to change";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Refusal::new(status, "invalid_value", message));
    }
    merge(&mut whole, &patch);
    serde_json::from_value(whole).map_err(|error| unread(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patches_are_those_of_rfc_7396() {
        for (whole, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut into = whole.clone();
            merge(&mut into, &patch);
            assert_eq!(into, expected, "{whole} {patch}");
        }
    }

    #[test]
    fn unknown_members_are_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Only {
            #[serde(rename = "a")]
            _a: u8,
        }
        for (text, status, param) in [
            (&b"{\"a\": 1, \"b\": 2}"[..], 422, json!("b")),
            (b"{}", 422, json!("a")),
            (b"{\"a\": \"x\"}", 422, Value::Null),
            (b"{", 400, Value::Null),
            (b" ", 400, Value::Null),
        ] {
            let reply = body::<Only>(text).unwrap_err().reply();
            let error: Value = serde_json::from_slice(reply.body()).unwrap();
            assert_eq!(
                (reply.status().as_u16(), &error["error"]["param"]),
                (status, &param),
                "{error}"
            );
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let known = [Parameter {
            name: "limit",
            says: "",
            is_needed: false,
        }];
        assert!(Query::read("limt=3", &known).is_err());
        assert!(Query::read("limit=3&limit=4", &known).is_err());
        assert_eq!(Query::read("limit=3", &known).unwrap().limit().unwrap(), 3);
        for bad in ["limit=0", "limit=1001", "limit=x"] {
            assert!(Query::read(bad, &known).unwrap().limit().is_err(), "{bad}");
        }
    }
}
