//! Expressions: what is refused and where, what is true, what it costs.

mod bad;
mod bounds;
mod cost;
mod document;
mod facts;
mod good;
mod places;
mod properties;

use serde_json::{Value, json};

use super::{Expression, Kind, Scope};
use facts::Exchange;

/// A condition of the scope that has everything.
#[track_caller]
fn condition(text: &str) -> Expression {
    match Expression::compile(text, Kind::Condition, Scope::Outcome) {
        Ok(expression) => expression,
        Err(error) => panic!("{text}\n{error}"),
    }
}

#[track_caller]
fn value(text: &str, exchange: &Exchange) -> Value {
    let expression = Expression::compile(text, Kind::Value, Scope::Outcome);
    let expression = expression.unwrap_or_else(|error| panic!("{text}\n{error}"));
    let value = expression.evaluate_json(exchange);
    value.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What the evaluation fails with.
#[track_caller]
fn failure(text: &str, exchange: &Exchange) -> String {
    let expression = Expression::compile(text, Kind::Value, Scope::Outcome);
    let expression = expression.unwrap_or_else(|error| panic!("{text}\n{error}"));
    match expression.evaluate_json(exchange) {
        Ok(value) => panic!("{text} gives {value}"),
        Err(error) => error.to_string(),
    }
}

fn exchange() -> Exchange {
    Exchange::of(json!({
        "model": "gpt-5",
        "temperature": 0.7,
        "n": 2,
        "seed": 18_446_744_073_709_551_615_u64,
        "stop": ["a", "b"],
        "metadata": {"team": "core", "nested": {"x": [1, 2.5, null]}},
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "hello"},
            {"role": "user", "content": "grüße"},
        ],
    }))
}
