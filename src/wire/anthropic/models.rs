//! What stands beside the messages: the list of models, and the counting of tokens.

use serde_json::Value;

use crate::wire::capability::{ListedModel, Target};
use crate::wire::neutral::{Losses, Malformed, Refused, Request};
use crate::wire::translate::{RequestLine, Written};

use super::request_out;
use crate::wire::tree::{Json, Object};

/// A page of `GET /v1/models` holds this many models at most.
pub const LIST_MAX: usize = 1000;

/// The list demands a date, and weir knows none: the day of the API's version.
const CREATED_AT: &str = "2023-06-01T00:00:00Z";

/// A page of the list: what follows `after`, or precedes `before`. Ids that are not in the list bound nothing.
pub fn model_list(
    models: &[ListedModel<'_>],
    limit: usize,
    after: Option<&str>,
    before: Option<&str>,
) -> Vec<u8> {
    let limit = limit.clamp(1, LIST_MAX);
    let place = |id: &str| models.iter().position(|model| model.id == id);
    let start = after.and_then(place).map_or(0, |at| at + 1);
    let end = before.and_then(place).unwrap_or(models.len()).max(start);
    // Backwards, the page is the one right before; forwards, the one right after.
    let page = match (before, after) {
        (Some(_), None) => &models[end.saturating_sub(limit)..end],
        _ => &models[start..end.min(start + limit)],
    };
    let or_null = |model: Option<&ListedModel<'_>>| match model {
        Some(model) => Json::from(model.id.to_owned()),
        None => Json::Null,
    };
    let data: Vec<Json<'_>> = page.iter().map(|model| entry(model).into()).collect();
    Object::default()
        .with("data", data)
        .with("has_more", page.len() < end - start)
        .with("first_id", or_null(page.first()))
        .with("last_id", or_null(page.last()))
        .bytes()
}

/// `GET /v1/models/{id}`.
pub fn model(model: &ListedModel<'_>) -> Vec<u8> {
    entry(model).bytes()
}

fn entry<'a>(model: &ListedModel<'a>) -> Object<'a> {
    let or_null = |count: Option<u64>| count.map_or(Json::Null, Json::from);
    Object::typed("model")
        .with("id", model.id)
        .with("display_name", model.id)
        .with("created_at", CREATED_AT)
        .with(
            "max_input_tokens",
            or_null(model.capabilities.context_tokens),
        )
        .with("max_tokens", or_null(model.capabilities.output_tokens_max))
        .with("capabilities", Json::Null)
        .with("lifecycle", "active")
}

/// Reads the body of `POST /v1/messages/count_tokens`: a request without what concerns its answer.
///
/// # Errors
/// As [`super::read_request`].
pub fn read_count_request(line: &RequestLine<'_>, body: &[u8]) -> Result<Request, Malformed> {
    super::read_request(line, body)
}

/// The answer to it.
pub fn write_count_answer(tokens: u64) -> Vec<u8> {
    Object::default().with("input_tokens", tokens).bytes()
}

/// Asks an upstream to count.
///
/// # Errors
/// As [`super::write_request`].
pub fn write_count_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    request_out::write_count(request, target, losses)
}

/// The count that an upstream answers with; `None` where it is no such answer.
pub fn read_count_answer(body: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("input_tokens")?.as_u64()
}
