//! An expression as the configuration has it: text that is not checked yet.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::bounds::TEXT_BYTES_MAX;
use super::error::CompileError;
use super::expression::{Expression, Kind};
use super::field::Scope;

/// A text of the configuration that is to be an expression. What kind of expression, and what it may name, its place in the
/// configuration decides; so it is checked there, by [`RawExpression::compile`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct RawExpression(pub String);

impl RawExpression {
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile(&self, kind: Kind, scope: Scope) -> Result<Expression, CompileError> {
        Expression::compile(&self.0, kind, scope)
    }
}

impl JsonSchema for RawExpression {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "weir-expression", "minLength": 1, "maxLength": TEXT_BYTES_MAX})
    }
}
