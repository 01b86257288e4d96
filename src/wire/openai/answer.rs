//! Answers: usage out of a complete one, and the errors and model lists that weir writes itself.

use serde_json::{Value, json};

use crate::wire::Usage;
use crate::wire::json::{self as scan, Name};

/// An error in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    pub message: &'a str,
    /// `invalid_request_error`, `server_error`, …
    pub kind: &'a str,
    pub param: Option<&'a str>,
    pub code: &'a str,
}

/// The body of an error answer.
pub fn error_body(error: &ErrorBody<'_>) -> Vec<u8> {
    let ErrorBody {
        message,
        kind,
        param,
        code,
    } = error;
    let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
    body.to_string().into_bytes()
}

/// An error as an event of a running stream, in the form that the official SDKs raise.
/// `typed` is for streams whose events carry names (Responses): their error event is flat.
pub fn error_event(error: &ErrorBody<'_>, typed: bool) -> Vec<u8> {
    if typed {
        let ErrorBody {
            message,
            param,
            code,
            ..
        } = error;
        let data = json!({"type": "error", "code": code, "message": message, "param": param, "sequence_number": null});
        return format!("event: error\ndata: {data}\n\n").into_bytes();
    }
    let mut event = b"data: ".to_vec();
    event.extend(error_body(error));
    event.extend(b"\n\n");
    event
}

/// An error answer with the words of an error event; `None` where the event has none that clients would find.
pub fn error_of_event(payload: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    if value["error"].is_object() {
        return Some(payload.to_vec());
    }
    let message = value["message"]
        .as_str()
        .or_else(|| value["error"].as_str())?;
    let text = |name: &str| value[name].as_str();
    let number = value["code"].as_u64().map(|code| code.to_string());
    let code = text("code")
        .or(number.as_deref())
        .unwrap_or("upstream_error");
    let kind = text("type")
        .filter(|kind| *kind != "error")
        .unwrap_or("server_error");
    Some(error_body(&ErrorBody {
        message,
        kind,
        param: text("param"),
        code,
    }))
}

/// The HTTP status that an error event speaks of: vLLM and OpenRouter put it into `code`, others into `status` or `type`.
pub fn status_of_error(payload: &[u8]) -> Option<u16> {
    let payload: Value = serde_json::from_slice(payload).ok()?;
    let error = payload
        .get("error")
        .filter(|error| error.is_object())
        .unwrap_or(&payload);
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let numbers = ["code", "status", "status_code"]
        .iter()
        .filter_map(|name| number(&error[*name]));
    let status = numbers
        .filter_map(|number| u16::try_from(number).ok())
        .find(|status| (400..600).contains(status));
    // TGI: `error_type` beside a text.
    let kinds = ["type", "error_type"].iter();
    status.or_else(|| {
        kinds
            .filter_map(|name| error[*name].as_str())
            .find_map(status_of_kind)
    })
}

fn status_of_kind(kind: &str) -> Option<u16> {
    match kind {
        "invalid_request_error" | "BadRequestError" => Some(400),
        "authentication_error" | "AuthenticationError" => Some(401),
        "permission_error" | "PermissionDeniedError" => Some(403),
        "not_found_error" | "NotFoundError" => Some(404),
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "tokens"
        | "requests"
        | "insufficient_quota" => Some(429),
        "overloaded_error" => Some(503),
        "validation" => Some(422),
        "overloaded" => Some(429),
        _ => None,
    }
}

/// One entry of the model list. `created` is unknown to weir, and 0, as the SDKs' types need a number.
pub fn model_object(id: &str, owned_by: &str) -> Value {
    json!({"id": id, "object": "model", "created": 0, "owned_by": owned_by})
}

/// The model list: pairs of model and owner.
pub fn model_list<'a>(models: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let data: Vec<Value> = models
        .map(|(id, owned_by)| model_object(id, owned_by))
        .collect();
    json!({"object": "list", "data": data})
}

/// The text is no JSON object or array that ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut;

/// The usage in a complete answer, if it reports one.
///
/// # Errors
/// When the answer is cut, or no JSON object or array.
pub fn usage_of_whole(text: &[u8]) -> Result<Option<Usage>, Cut> {
    let mut found = None;
    members_of_whole(text, |key, value| take_usage(key, value, &mut found))?;
    Ok(found)
}

/// Walks the members of a complete answer; an array has none. Brackets and strings are looked at, the rest of the grammar is not.
///
/// # Errors
/// When the answer is cut, or no JSON object or array.
pub fn members_of_whole<'a>(
    text: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<(), Cut> {
    let start = scan::skip_space(text, 0);
    match text.get(start) {
        Some(b'{') => {
            let read = scan::members(text, |key, member| visit(key, &text[member.value]));
            read.map(|_| ()).map_err(|_| Cut)
        }
        Some(b'[') => {
            let value = scan::value(text, start).map_err(|_| Cut)?;
            let ends = scan::skip_space(text, value.end) == text.len();
            if ends { Ok(()) } else { Err(Cut) }
        }
        _ => Err(Cut),
    }
}

/// The usage in an answer or an event: its top-level `usage`, or that of the `response` inside it.
pub fn usage_of(object: &[u8]) -> Option<Usage> {
    let mut found = None;
    let read = scan::members(object, |key, member| {
        take_usage(key, &object[member.value], &mut found);
    });
    read.ok().and(found)
}

fn take_usage(key: &[u8], value: &[u8], found: &mut Option<Usage>) {
    match key {
        b"usage" => *found = usage_value(value).or(*found),
        b"response" if value.starts_with(b"{") => *found = usage_of(value).or(*found),
        _ => {}
    }
}

/// The member that holds what was used.
pub(super) static USAGE: Name = Name::new("\"usage\"");

/// The usage near the end of an answer whose beginning is no longer held.
pub fn usage_in_tail(tail: &[u8]) -> Option<Usage> {
    USAGE.values(tail).last().and_then(usage_value)
}

/// Reads Chat's, Completions', Embeddings', Responses' and Realtime's usage objects; they differ in names only, and some servers send both
/// names. What is absent, null or of another type counts as not reported.
fn usage_value(value: &[u8]) -> Option<Usage> {
    let (mut input, mut output, mut total) = (None, None, None);
    let (mut cache_read, mut cache_write, mut reasoning) = (0, 0, 0);
    let (mut cache_write_1h, mut audio_input, mut audio_output) = (0, 0, 0);
    let (mut image_input, mut image_output) = (0, 0);
    let details = |object: &[u8], found: &mut dyn FnMut(&[u8], u64)| {
        // Details that are no object are no details.
        let _ = scan::members(object, |key, member| {
            if let Some(count) = scan::whole_number(&object[member.value]) {
                found(key, count);
            }
        });
    };
    scan::members(value, |key, member| {
        let text = &value[member.value];
        match key {
            b"prompt_tokens" | b"input_tokens" => input = scan::whole_number(text).or(input),
            b"completion_tokens" | b"output_tokens" => output = scan::whole_number(text).or(output),
            b"total_tokens" => total = scan::whole_number(text).or(total),
            b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
                details(text, &mut |key, count| match key {
                    b"cached_tokens" => cache_read = count,
                    b"cache_write_tokens" => cache_write = count,
                    b"audio_tokens" => audio_input = count,
                    b"image_tokens" => image_input = count,
                    _ => {}
                });
                cache_write_1h = written_for_longer(text);
            }
            b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
                details(text, &mut |key, count| match key {
                    b"reasoning_tokens" => reasoning = count,
                    b"audio_tokens" => audio_output = count,
                    b"image_tokens" => image_output = count,
                    _ => {}
                });
            }
            _ => {}
        }
    })
    .ok()?;
    // An object without counts has reported nothing.
    input.or(output).or(total)?;
    let output = output.unwrap_or(0);
    // Rerankers report only a total.
    let input = input.unwrap_or_else(|| total.unwrap_or(0).saturating_sub(output));
    let cache_read = cache_read.min(input);
    let cache_write = cache_write.min(input - cache_read);
    let usage = Usage {
        input_uncached: input - cache_read - cache_write,
        cache_read,
        cache_write,
        output,
        reasoning: reasoning.min(output),
        cache_write_1h,
        audio_input,
        audio_output,
        image_input,
        image_output,
        ..Usage::default()
    };
    Some(usage.bounded())
}

/// What is written to a cache for twelve hours, out of the details of an input.
fn written_for_longer(details: &[u8]) -> u64 {
    let mut found = 0;
    // Few answers have it, and it is a level deeper than all other counts.
    if memchr::memmem::find(details, b"\"ttl_12h_tokens\"").is_some() {
        let _ = scan::members(details, |_, member| {
            let inner = &details[member.value];
            if inner.starts_with(b"{") {
                let _ = scan::members(inner, |key, member| {
                    if key == b"ttl_12h_tokens" {
                        found = scan::whole_number(&inner[member.value]).unwrap_or(0);
                    }
                });
            }
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_events_become_error_answers_in_their_own_words() {
        let cases = [
            (
                r#"{"error":{"message":"x","code":502, "metadata":{}}}"#,
                Some(r#"{"error":{"message":"x","code":502, "metadata":{}}}"#),
            ),
            (
                r#"{"type":"error","code":"slow_down","message":"x","param":null}"#,
                Some(
                    r#"{"error":{"message":"x","type":"server_error","param":null,"code":"slow_down"}}"#,
                ),
            ),
            (
                r#"{"object":"error","message":"x","type":"BadRequestError","code":400}"#,
                Some(
                    r#"{"error":{"message":"x","type":"BadRequestError","param":null,"code":"400"}}"#,
                ),
            ),
            ("oops", None),
        ];
        for (payload, expected) in cases {
            let body =
                error_of_event(payload.as_bytes()).map(|body| String::from_utf8(body).unwrap());
            assert_eq!(body.as_deref(), expected, "{payload}");
        }
    }

    #[test]
    fn answers_that_are_cut_are_not_whole() {
        let whole = r#" {"a":["b}",{"c":1}]} "#;
        let is_whole = |text: &[u8]| usage_of_whole(text).is_ok();
        assert!(is_whole(whole.as_bytes()) && is_whole(b"[1]"));
        assert!(!is_whole(b"") && !is_whole(b"{} x"));
        for cut in 1..whole.trim_end().len() {
            assert!(!is_whole(&whole.as_bytes()[..cut]), "cut at {cut}");
        }
    }

    #[test]
    fn statuses_of_error_events() {
        let cases = [
            (
                r#"{"error":{"message":"x","type":"BadRequestError","code":400}}"#,
                Some(400),
            ),
            (
                r#"{"object":"error","message":"x","code":"503"}"#,
                Some(503),
            ),
            (
                r#"{"error":{"message":"x","type":"rate_limit_error","code":"slow_down"}}"#,
                Some(429),
            ),
            (r#"{"error":{"message":"x","code":0}}"#, None),
            (r#"{"error":"x"}"#, None),
            ("x", None),
        ];
        for (payload, expected) in cases {
            assert_eq!(status_of_error(payload.as_bytes()), expected, "{payload}");
        }
    }

    #[test]
    fn usage_of_every_shape() {
        let cases = [
            (
                r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#,
                (10, 0, 5, 0),
            ),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3}}}"#,
                (2, 8, 5, 3),
            ),
            (
                r#"{"type":"response.completed","response":{"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":2},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":1}}}}"#,
                (5, 2, 4, 1),
            ),
            (r#"{"usage":{"total_tokens":9}}"#, (9, 0, 0, 0)),
            (
                r#"{"usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":99}}}"#,
                (0, 3, 0, 0),
            ),
            (
                r#"{"usage":{"prompt_tokens":3,"completion_tokens":null,"prompt_tokens_details":null}}"#,
                (3, 0, 0, 0),
            ),
        ];
        for (text, (input_uncached, cache_read, output, reasoning)) in cases {
            let expected = Usage {
                input_uncached,
                cache_read,
                output,
                reasoning,
                cache_write: 0,
                ..Usage::default()
            };
            assert_eq!(usage_of(text.as_bytes()), Some(expected), "{text}");
        }
        let tail = br#"2],"index":1}],"model":"m","usage":{"prompt_tokens":4,"total_tokens":4}}"#;
        assert_eq!(usage_in_tail(tail).unwrap().input(), 4);
        assert_eq!(usage_in_tail(br#""usage":{"prompt_tokens":4"#), None);
        for none in [
            r#"{"usage":null}"#,
            r#"{"usage":{}}"#,
            r#"{"usage":{"type":"duration","seconds":9}}"#,
            "{}",
            "[]",
            r#"{"usage":"#,
        ] {
            assert_eq!(usage_of(none.as_bytes()), None, "{none}");
        }
    }
}
