//! The JSON Schema of the configuration: one description for editors and for `shape`.
//! It must not know a single setting; those are in `raw`.

use serde_json::{Map, Value};

use super::raw::RawConfig;

/// The schema of the YAML file (JSON Schema, draft 2020-12).
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(RawConfig).to_value();
    without_null(&mut schema);
    schema
}

/// In the raw shapes everything may be absent, so that checking can go on after a problem; in the file nothing may
/// be `null`. A key without a value is a slip (its lines are commented out, or not indented), not a wish for the default.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(keywords) => {
            keywords.values_mut().for_each(without_null);
            if keywords.get("default") == Some(&Value::Null) {
                keywords.shift_remove("default");
            }
            drop_null_type(keywords);
            drop_null_branch(keywords);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `type: [string, null]` becomes `type: string`; `enum: […, null]` loses the null.
fn drop_null_type(keywords: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            keywords.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = keywords.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// `anyOf: [X, {type: null}]` becomes X.
fn drop_null_branch(keywords: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = keywords.get_mut("anyOf") else {
        return;
    };
    branches.retain(|branch| branch.get("type") != Some(&Value::from("null")));
    if let [Value::Object(only)] = branches.as_slice() {
        let only = only.clone();
        keywords.shift_remove("anyOf");
        for (keyword, value) in only {
            keywords.entry(keyword).or_insert(value);
        }
    }
}
