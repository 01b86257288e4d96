//! A value whose shape is at home elsewhere, read as far as it has been accepted.
//! It must not know which value it is.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value of `terms`. Its members that were refused are left out; `None` where it cannot be without them. Either way
/// there is a problem already, so that what is left serves the checks that follow and nothing else.
#[derive(Debug, Clone)]
pub(in crate::config) struct Draft<T>(pub Option<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Draft<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        drop_nulls(&mut value);
        Ok(Draft(serde_json::from_value(value).ok()))
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl<T: JsonSchema> JsonSchema for Draft<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
