//! Counting the tokens of an input: `POST /responses/input_tokens`.

use serde_json::{Map, Value};

use crate::wire::capability::Target;
use crate::wire::neutral::{Losses, Refused, Request};
use crate::wire::translate::Written;
use crate::wire::tree;

use super::request_out;

/// What counts of a request; all else is refused there (by the vendor's types of the call).
const COUNTED: [&str; 10] = [
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
    "previous_response_id",
];

/// # Errors
/// Where the request cannot be said in this dialect.
pub fn write_count_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let body = request_out::body(request, target, losses)?;
    let counted: Map<String, Value> = body
        .into_iter()
        .filter(|(name, _)| COUNTED.contains(&name.as_str()))
        .collect();
    Ok(Written {
        path: "/responses/input_tokens".to_owned(),
        body: tree::bytes_of(&Value::Object(counted)),
    })
}

/// The count; none where the body is not what the vendor answers with.
pub fn read_count_answer(body: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer["input_tokens"].as_u64()
}
