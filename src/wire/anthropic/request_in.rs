//! A client's request as a whole. What has no place in the neutral form stays in `extras`, under the client's names.

use crate::wire::Dialect;
use crate::wire::neutral::{
    Effort, Format, Malformed, Message, Request, Schema, Thinking, ThinkingMode,
};
use crate::wire::parsed::{self, Parsed};
use crate::wire::translate::RequestLine;

use super::members::{self, Members};
use super::{blocks_in, tools_in};

/// Reads the body of `POST /v1/messages`.
///
/// # Errors
/// Where the body is no JSON object, or a member that weir uses has the wrong type.
pub fn read_request(line: &RequestLine<'_>, body: &[u8]) -> Result<Request, Malformed> {
    let value = parsed::parse(body)
        .map_err(|error| Malformed::new("", format!("must be a JSON object: {error}")))?;
    let mut body = members::as_object(value)?;
    let model = members::text(&mut body, "model")?;
    let mut request = Request::new(
        Dialect::Anthropic,
        model.as_deref().or(line.model).unwrap_or_default(),
    );
    request.stream = members::flag(&mut body, "stream")?
        .or(line.stream)
        .unwrap_or(false);
    request.messages = messages(&mut body)?;
    tools_in::read(&mut body, &mut request)?;
    scalars(&mut body, &mut request)?;
    request.thinking = thinking(&mut body)?;
    output_config(&mut body, &mut request)?;
    request.extras = body.into();
    Ok(request)
}

fn messages(body: &mut Members<'_>) -> Result<Vec<Message>, Malformed> {
    let system = members::value(body, "system");
    let mut messages =
        blocks_in::system(system).map_err(|error| members::within("system", error))?;
    let list = members::list(body, "messages")?;
    let list = list.ok_or_else(|| members::missing("messages", "a list"))?;
    for (at, value) in list.into_iter().enumerate() {
        let read = blocks_in::message(value, &mut messages);
        read.map_err(|error| members::within(&format!("messages[{at}]"), error))?;
    }
    Ok(messages)
}

fn scalars(body: &mut Members<'_>, request: &mut Request) -> Result<(), Malformed> {
    request.output_tokens_max = members::count(body, "max_tokens")?;
    request.sampling.temperature = members::number(body, "temperature")?;
    request.sampling.top_p = members::number(body, "top_p")?;
    request.sampling.top_k = members::number(body, "top_k")?;
    if let Some(list) = members::list(body, "stop_sequences")? {
        request.stop = members::each("stop_sequences", list, |value| match value {
            Parsed::String(text) => Ok(text.into_owned()),
            other => Err(members::wrong("", "a string", other)),
        })?;
    }
    request.cache = blocks_in::cache(body)?;
    // Neutral tiers have OpenAI's names.
    request.service_tier = members::text(body, "service_tier")?.map(|tier| match tier.as_str() {
        "standard_only" => "default".to_owned(),
        _ => tier,
    });
    if let Some(mut metadata) = members::object(body, "metadata")? {
        let user = members::text(&mut metadata, "user_id");
        request.user = user.map_err(|error| members::within("metadata", error))?;
        keep(body, "metadata", metadata);
    }
    Ok(())
}

/// Puts what remains of an object back.
fn keep<'a>(body: &mut Members<'a>, name: &'static str, rest: Members<'a>) {
    if !rest.is_empty() {
        body.insert(name, Parsed::Object(rest));
    }
}

fn thinking(body: &mut Members<'_>) -> Result<Thinking, Malformed> {
    let mut thinking = Thinking::default();
    let Some(mut given) = members::object(body, "thinking")? else {
        return Ok(thinking);
    };
    let inside = |error| members::within("thinking", error);
    let whole = Parsed::Object(given.clone());
    let kind = members::needed_text(&mut given, "type").map_err(inside)?;
    thinking.budget_tokens = members::count(&mut given, "budget_tokens").map_err(inside)?;
    let display = members::text(&mut given, "display").map_err(inside)?;
    thinking.show = match display.as_deref() {
        Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        Some(_) | None => None,
    };
    thinking.mode = match kind.as_str() {
        "enabled" => Some(ThinkingMode::On),
        "adaptive" => Some(ThinkingMode::Adaptive),
        "disabled" => Some(ThinkingMode::Off),
        "between_tools" => {
            body.insert("thinking", whole);
            Some(ThinkingMode::Adaptive)
        }
        _ => {
            body.insert("thinking", whole);
            None
        }
    };
    Ok(thinking)
}

fn output_config(body: &mut Members<'_>, request: &mut Request) -> Result<(), Malformed> {
    if let Some(mut config) = members::object(body, "output_config")? {
        let read = effort_and_format(&mut config, request);
        read.map_err(|error| members::within("output_config", error))?;
        keep(body, "output_config", config);
    }
    // Where the form stood while it was a beta.
    if matches!(request.format, Format::Text) {
        format(body, "output_format", request)?;
    }
    Ok(())
}

fn effort_and_format(config: &mut Members<'_>, request: &mut Request) -> Result<(), Malformed> {
    if let Some(name) = members::text(config, "effort")? {
        match Effort::parse(&name) {
            Some(effort) => request.thinking.effort = Some(effort),
            // A level that is newer than this table is the vendor's to judge.
            None => config.insert("effort", name.into()),
        }
    }
    format(config, "format", request)
}

fn format(
    holder: &mut Members<'_>,
    name: &'static str,
    request: &mut Request,
) -> Result<(), Malformed> {
    let Some(mut format) = members::object(holder, name)? else {
        return Ok(());
    };
    if format.get("type").and_then(Parsed::as_str) != Some("json_schema") {
        holder.insert(name, Parsed::Object(format));
        return Ok(());
    }
    let schema = members::object(&mut format, "schema");
    let schema =
        schema.and_then(|schema| schema.ok_or_else(|| members::missing("schema", "an object")));
    request.format = Format::Schema(Schema {
        name: None,
        description: None,
        schema: Parsed::Object(schema.map_err(|error| members::within(name, error))?).into(),
        strict: None,
    });
    Ok(())
}
