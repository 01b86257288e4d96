//! Requests of clients: one prompt. Several prompts, and prompts of token ids, go to upstreams of the same dialect only,
//! and these see the client's own bytes.

use serde_json::Value;

use crate::wire::Dialect;
use crate::wire::chat::request_in::{
    body_members, choices, sampling_member, small, stop_texts, stream_options,
};
use crate::wire::chat::values::{boolean, count, object, text, wrong};
use crate::wire::neutral::{Malformed, Message, Part, Request, Role, Text};
use crate::wire::translate::RequestLine;

/// Reads a request.
///
/// # Errors
/// When it is no JSON object, a member that is used has a wrong type, or the prompt is not one text.
pub fn read_request(line: &RequestLine<'_>, body: &[u8]) -> Result<Request, Malformed> {
    let members = body_members(body)?;
    let mut request = Request::new(Dialect::Completions, line.model.unwrap_or_default());
    request.is_prompt = true;
    request.stream = line.stream.unwrap_or(false);
    request.stream_usage = false;
    for (name, value) in members {
        member(&mut request, name.into_owned(), value.into())?;
    }
    if request.messages.is_empty() {
        return Err(Malformed::new("prompt", "is missing"));
    }
    Ok(request)
}

fn member(request: &mut Request, name: String, value: Value) -> Result<(), Malformed> {
    if value.is_null() || sampling_member(request, &name, &value)? {
        return Ok(());
    }
    let place = name.as_str();
    match place {
        "model" => request.model = text(place, value)?,
        "prompt" => request.messages = vec![prompt(value)?],
        "suffix" => request.suffix = Some(text(place, value)?).filter(|text| !text.is_empty()),
        "stream" => request.stream = boolean(place, &value)?,
        "stream_options" => stream_options(request, object(place, value)?)?,
        "max_tokens" => request.output_tokens_max = Some(count(place, &value)?),
        "stop" => request.stop = stop_texts(place, value)?,
        "n" => request.choices = choices(&value)?,
        "logprobs" => request.logprobs = Some(small(place, &value)?),
        "user" => request.user = Some(text(place, value)?),
        _ => {
            request.extras.insert(name, value);
        }
    }
    Ok(())
}

fn prompt(value: Value) -> Result<Message, Malformed> {
    let text = match value {
        Value::String(text) => text,
        Value::Array(mut list) => match (list.pop(), list.is_empty()) {
            (Some(Value::String(text)), true) => text,
            (Some(Value::String(_)), false) => {
                let several = format!(
                    "has {} texts, and this model's server takes one at a time; send a request for each",
                    list.len() + 1
                );
                return Err(Malformed::new("prompt", several));
            }
            (Some(Value::Number(_) | Value::Array(_)), _) => {
                let tokens =
                    "is made of token ids, which mean something to one model only; send text";
                return Err(Malformed::new("prompt", tokens));
            }
            (Some(other), _) => return Err(wrong("prompt", "a string", &other)),
            (None, _) => return Err(Malformed::new("prompt", "is empty")),
        },
        other => return Err(wrong("prompt", "a string", &other)),
    };
    Ok(Message {
        role: Role::User,
        parts: vec![Part::Text(Text {
            text,
            ..Text::default()
        })],
        name: None,
    })
}
