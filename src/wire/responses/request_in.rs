//! A client's request: its members into their slots; members without one are kept as extras.

use serde_json::{Map, Value};

use crate::wire::Dialect;
use crate::wire::members::{Members, elements};
use crate::wire::neutral::{
    Effort, Format, Malformed, Message, Part, Request, Role, Schema, Text, Thinking, ThinkingMode,
};
use crate::wire::parsed::Parsed;
use crate::wire::translate::RequestLine;

use super::items_in::Turns;
use super::tools_in;

/// What `include` asks for, where a slot holds it.
pub const INCLUDE_REASONING: &str = "reasoning.encrypted_content";
pub const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";

/// # Errors
/// Where the body is no JSON object, or a member that means something here has another type than the vendor's.
pub fn read_request(line: &RequestLine<'_>, body: &[u8]) -> Result<Request, Malformed> {
    let mut body = Members::of_body(body)?;
    let model = body.text("model")?;
    let mut request = Request::new(
        Dialect::Responses,
        model.as_deref().or(line.model).unwrap_or_default(),
    );
    request.stream = body.flag("stream")?.or(line.stream).unwrap_or(false);
    read_said(&mut body, &mut request)?;
    read_tools(&mut body, &mut request)?;
    read_settings(&mut body, &mut request)?;
    read_include(&mut body, &mut request)?;
    read_reasoning(&mut body, &mut request)?;
    read_text(&mut body, &mut request)?;
    let kept = std::mem::take(&mut request.extras);
    request.extras = body.rest();
    request.extras.extend(kept);
    Ok(request)
}

fn read_said(body: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let mut turns = Turns::default();
    if let Some(instructions) = body.text("instructions")? {
        turns.push(Message {
            role: Role::System,
            parts: vec![plain(instructions)],
            name: None,
        });
    }
    match body.parsed("input") {
        None => {}
        Some(Parsed::String(text)) => turns.push(Message {
            role: Role::User,
            parts: vec![plain(text.into_owned())],
            name: None,
        }),
        Some(list @ Parsed::Array(_)) => {
            for item in elements(list, &body.path_of("input"))? {
                turns.read_item(item.members()?)?;
            }
        }
        Some(other) => {
            return Err(body.wrong("input", "a string or a list of items", &other.into()));
        }
    }
    request.messages = turns.finish();
    Ok(())
}

pub fn plain(text: String) -> Part {
    Part::Text(Text {
        text,
        ..Text::default()
    })
}

fn read_tools(body: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    for tool in body.list("tools")? {
        request.tools.push(tools_in::read_tool(tool)?);
    }
    if let Some(choice) = body.take("tool_choice") {
        match tools_in::read_choice(&choice)? {
            Some(choice) => request.tool_choice = Some(choice),
            None => {
                request.extras.insert("tool_choice".to_owned(), choice);
            }
        }
    }
    Ok(())
}

fn read_settings(body: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    request.parallel_calls = body.flag("parallel_tool_calls")?;
    request.output_tokens_max = body.count("max_output_tokens")?;
    request.sampling.temperature = body.number("temperature")?;
    request.sampling.top_p = body.number("top_p")?;
    request.service_tier = body.text("service_tier")?;
    request.cache_key = body.text("prompt_cache_key")?;
    request.user = body.text("safety_identifier")?;
    // `user` is the older name; where both stand, it stays beside.
    if request.user.is_none() {
        request.user = body.text("user")?;
    }
    Ok(())
}

fn read_include(body: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let mut others = Vec::new();
    let mut logprobs = false;
    for what in body.texts("include")? {
        match what.as_str() {
            INCLUDE_REASONING => request.thinking.encrypted = true,
            INCLUDE_LOGPROBS => logprobs = true,
            _ => others.push(Value::String(what)),
        }
    }
    if !others.is_empty() {
        request
            .extras
            .insert("include".to_owned(), Value::Array(others));
    }
    let top = body.count("top_logprobs")?;
    if logprobs || top.is_some_and(|top| top > 0) {
        request.logprobs = Some(u32::try_from(top.unwrap_or(0)).unwrap_or(u32::MAX));
    }
    Ok(())
}

fn read_reasoning(body: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let Some(mut reasoning) = body.object("reasoning")? else {
        return Ok(());
    };
    let encrypted = request.thinking.encrypted;
    let effort = reasoning.text("effort")?;
    let summary = reasoning.text("summary")?;
    let older = reasoning.text("generate_summary")?;
    let summary = summary.or(older);
    let mut rest = reasoning.rest();
    let known = effort.as_deref().and_then(Effort::parse);
    if let (Some(effort), None) = (effort, known) {
        rest.insert("effort".to_owned(), effort.into());
    }
    request.thinking = Thinking {
        mode: (known == Some(Effort::None)).then_some(ThinkingMode::Off),
        effort: known,
        budget_tokens: None,
        show: summary.is_some().then_some(true),
        encrypted,
        summary,
    };
    keep(request, "reasoning", rest);
    Ok(())
}

fn read_text(body: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let Some(mut text) = body.object("text")? else {
        return Ok(());
    };
    request.verbosity = text.text("verbosity")?;
    if let Some(format) = text.object("format")? {
        request.format = read_format(format)?;
    }
    keep(request, "text", text.rest());
    Ok(())
}

fn read_format(mut format: Members) -> Result<Format, Malformed> {
    let kind = format.needed_text("type")?;
    match kind.as_str() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => Ok(Format::Schema(Schema {
            // The vendor asks for one.
            name: Some(
                format
                    .text("name")?
                    .unwrap_or_else(|| "response".to_owned()),
            ),
            description: format.text("description")?,
            strict: format.flag("strict")?,
            schema: match format.object("schema")? {
                Some(schema) => Value::Object(schema.rest()),
                None => return Err(format.missing("schema", "a JSON Schema")),
            },
        })),
        _ => {
            let kinds = "`text`, `json_object` or `json_schema`";
            Err(format.wrong("type", kinds, &Value::String(kind)))
        }
    }
}

/// Members of a member that have no slot.
fn keep(request: &mut Request, name: &str, rest: Map<String, Value>) {
    if !rest.is_empty() {
        request.extras.insert(name.to_owned(), Value::Object(rest));
    }
}
