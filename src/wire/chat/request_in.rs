//! Requests of clients. What has no slot of its own goes to `extras`. Bodies in the shape of other APIs, which some
//! clients send to this endpoint, are understood as well.

use serde_json::{Map, Value, json};

use crate::wire::Dialect;
use crate::wire::neutral::{
    CacheMark, Format, Malformed, Request, Schema, Tool, ToolChoice, ToolKind,
};
use crate::wire::parsed::{self, Fields, Parsed};
use crate::wire::translate::RequestLine;

use super::values::{self, boolean, count, number, object, text, wrong};
use super::{messages_in, parts_in, thinking_in, tools_in};

/// The member of `extras` that remembers a request with legacy `functions`: its answer has `function_call`.
const LEGACY: &str = "functions";
/// OpenAI's bound on `n`; more would only be refused later.
const CHOICES_MAX: u64 = 128;

/// Whether the client asked with `functions`, and so knows no `tool_calls`.
pub(super) fn is_legacy(asked: &Request) -> bool {
    asked.dialect == Dialect::Chat && asked.extras.contains_key(LEGACY)
}

/// Members of `extras` that only remember how the client said what stands elsewhere.
pub(super) fn is_remembered(name: &str) -> bool {
    name == LEGACY
}

/// Reads a request.
///
/// # Errors
/// When it is no JSON object, or a member that is used has a wrong type.
pub fn read_request(line: &RequestLine<'_>, body: &[u8]) -> Result<Request, Malformed> {
    let mut request = Request::new(Dialect::Chat, line.model.unwrap_or_default());
    request.stream = line.stream.unwrap_or(false);
    request.stream_usage = false;
    let mut parts = Parts::default();
    for (name, value) in body_members(body)? {
        let said = match &*name {
            "messages" => &mut parts.messages,
            "input" => &mut parts.input,
            "instructions" | "system" => &mut parts.instructions,
            _ => {
                member(&mut request, &mut parts, &name, value.into())?;
                continue;
            }
        };
        *said = Some(value).filter(|value| !value.is_null()).or(said.take());
    }
    parts.settle(&mut request)?;
    Ok(request)
}

/// The members of a body that must be an object.
pub fn body_members(body: &[u8]) -> Result<Fields<'_>, Malformed> {
    match parsed::parse(body) {
        Ok(Parsed::Object(members)) => Ok(members),
        Ok(other) => Err(wrong("", "a JSON object", &other.into())),
        Err(error) => Err(Malformed::new("", format!("is no JSON: {error}"))),
    }
}

/// What several members say together.
#[derive(Default)]
struct Parts<'a> {
    instructions: Option<Parsed<'a>>,
    messages: Option<Parsed<'a>>,
    input: Option<Parsed<'a>>,
    /// The bound on output, and how much its spelling counts (less is more).
    bound: Option<(u8, u64)>,
    logprobs: Option<bool>,
    top_logprobs: Option<u32>,
    legacy_choice: Option<ToolChoice>,
    safety_identifier: Option<String>,
}

fn member(
    request: &mut Request,
    parts: &mut Parts<'_>,
    name: &str,
    value: Value,
) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    if sampling_member(request, name, &value)?
        || thinking_in::member(&mut request.thinking, name, &value)?
    {
        return Ok(());
    }
    let place = name;
    match place {
        "model" => request.model = text(place, value)?,
        "stream" => request.stream = boolean(place, &value)?,
        "stream_options" => stream_options(request, object(place, value)?)?,
        "max_completion_tokens" => parts.bound(0, place, &value)?,
        "max_tokens" => parts.bound(1, place, &value)?,
        "max_output_tokens" => parts.bound(2, place, &value)?,
        "stop" | "stop_sequences" => request.stop = stop_texts(place, value)?,
        "n" => request.choices = choices(&value)?,
        "logprobs" => parts.logprobs = Some(boolean(place, &value)?),
        "top_logprobs" => parts.top_logprobs = Some(small(place, &value)?),
        "tools" => tools_in::tools(value, &mut request.tools)?,
        "functions" => {
            tools_in::functions(&value, &mut request.tools)?;
            request.extras.insert(LEGACY.to_owned(), value);
        }
        "tool_choice" => tool_choice(request, value)?,
        "function_call" => parts.legacy_choice = Some(tools_in::function_call(&value)?),
        "parallel_tool_calls" => request.parallel_calls = Some(boolean(place, &value)?),
        "response_format" => response_format(request, value)?,
        "text" if value.is_object() => responses_text(request, &value)?,
        "verbosity" => request.verbosity = Some(text(place, value)?),
        "service_tier" => request.service_tier = Some(text(place, value)?),
        "user" => request.user = Some(text(place, value)?),
        "safety_identifier" => parts.safety_identifier = Some(text(place, value)?),
        "prompt_cache_key" => request.cache_key = Some(text(place, value)?),
        "cache_control" => request.cache = parts_in::cache_mark(&value),
        "web_search_options" => request.tools.push(web_search(value)),
        _ => {
            request.extras.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// Takes a member that says how tokens are chosen; false where it is none.
pub fn sampling_member(
    request: &mut Request,
    name: &str,
    value: &Value,
) -> Result<bool, Malformed> {
    let sampling = &mut request.sampling;
    let slot = match name {
        "temperature" => &mut sampling.temperature,
        "top_p" => &mut sampling.top_p,
        "top_k" => &mut sampling.top_k,
        "min_p" => &mut sampling.min_p,
        "typical_p" => &mut sampling.typical_p,
        "presence_penalty" => &mut sampling.presence_penalty,
        "frequency_penalty" => &mut sampling.frequency_penalty,
        // The second is llama.cpp's.
        "repetition_penalty" | "repeat_penalty" => &mut sampling.repetition_penalty,
        // The second is Mistral's.
        "seed" | "random_seed" => &mut sampling.seed,
        "logit_bias" => {
            let is_empty = value.as_object().is_some_and(Map::is_empty);
            sampling.logit_bias = (!is_empty).then(|| value.clone());
            return Ok(true);
        }
        _ => return Ok(false),
    };
    *slot = Some(number(name, value.clone())?);
    Ok(true)
}

impl Parts<'_> {
    fn bound(&mut self, rank: u8, place: &str, value: &Value) -> Result<(), Malformed> {
        // Some clients say -1 for "no bound".
        if value.as_i64() == Some(-1) {
            return Ok(());
        }
        let bound = (rank, count(place, value)?);
        if self.bound.is_none_or(|known| rank < known.0) {
            self.bound = Some(bound);
        }
        Ok(())
    }

    fn settle(self, request: &mut Request) -> Result<(), Malformed> {
        request.output_tokens_max = self.bound.map(|(_, bound)| bound);
        if self.logprobs == Some(true) {
            request.logprobs = Some(self.top_logprobs.unwrap_or(0));
        }
        request.tool_choice = request.tool_choice.take().or(self.legacy_choice);
        request.user = request.user.take().or(self.safety_identifier);
        let mut conversation = messages_in::Conversation::default();
        if let Some(instructions) = self.instructions {
            conversation.instructions(instructions)?;
        }
        match (self.messages, self.input) {
            (Some(messages), _) => conversation.messages("messages", messages)?,
            (None, Some(items @ Parsed::Array(_))) => conversation.messages("input", items)?,
            (None, Some(input)) => conversation.question(text("input", input.into())?),
            (None, None) => return Err(Malformed::new("messages", "is missing")),
        }
        request.messages = conversation.messages;
        Ok(())
    }
}

/// `stream_options`: whether usage is wanted, and what else stands there.
pub fn stream_options(
    request: &mut Request,
    mut options: Map<String, Value>,
) -> Result<(), Malformed> {
    if let Some(wanted) = values::take(&mut options, "include_usage") {
        request.stream_usage = boolean("stream_options.include_usage", &wanted)?;
    }
    if !options.is_empty() {
        request
            .extras
            .insert("stream_options".to_owned(), options.into());
    }
    Ok(())
}

/// One text or several.
pub fn stop_texts(place: &str, value: Value) -> Result<Vec<String>, Malformed> {
    match value {
        Value::String(stop) => Ok(vec![stop]),
        Value::Array(stops) => stops
            .into_iter()
            .enumerate()
            .map(|(at, stop)| text(&format!("{place}[{at}]"), stop))
            .collect(),
        other => Err(wrong(place, "a string or an array of strings", &other)),
    }
}

/// `n`.
pub fn choices(value: &Value) -> Result<u32, Malformed> {
    let choices = count("n", value)?;
    if !(1..=CHOICES_MAX).contains(&choices) {
        return Err(wrong("n", "a whole number from 1 to 128", value));
    }
    small("n", value)
}

/// A count that no one needs to be large.
pub fn small(place: &str, value: &Value) -> Result<u32, Malformed> {
    u32::try_from(count(place, value)?).map_err(|_| wrong(place, "a small number", value))
}

/// Anthropic's form has the switch for parallel calls within.
fn tool_choice(request: &mut Request, value: Value) -> Result<(), Malformed> {
    if let Some(disabled) = value["disable_parallel_tool_use"].as_bool() {
        request.parallel_calls = Some(!disabled);
    }
    request.tool_choice = Some(tools_in::tool_choice(value)?);
    Ok(())
}

fn response_format(request: &mut Request, value: Value) -> Result<(), Malformed> {
    match format(&value)? {
        Some(format) => request.format = format,
        // Grammars and the like are the engine's own.
        None => {
            request.extras.insert("response_format".to_owned(), value);
        }
    }
    Ok(())
}

/// The form of the answer; `None` for types that only some engine knows.
fn format(value: &Value) -> Result<Option<Format>, Malformed> {
    let place = "response_format";
    let kind = value["type"].as_str();
    let kind = kind.ok_or_else(|| wrong("response_format.type", "a string", &value["type"]))?;
    Ok(match kind {
        "text" => Some(Format::Text),
        // llama.cpp and others take a schema here.
        "json_object" if value["schema"].is_object() => Some(schema(place, value)?),
        "json_object" => Some(Format::Json),
        "json_schema" if value["json_schema"].is_object() => Some(schema(
            "response_format.json_schema",
            &value["json_schema"],
        )?),
        // Responses has it flat.
        "json_schema" => Some(schema(place, value)?),
        _ => None,
    })
}

fn schema(place: &str, value: &Value) -> Result<Format, Malformed> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let schema = value.get("schema").cloned();
    let strict = value.get("strict").filter(|strict| !strict.is_null());
    let strict = strict.map(|strict| boolean(&format!("{place}.strict"), strict));
    Ok(Format::Schema(Schema {
        name: text("name"),
        description: text("description"),
        // OpenAI lets it out for "any object".
        schema: schema.unwrap_or_else(|| json!({"type": "object"})),
        strict: strict.transpose()?,
    }))
}

/// Responses' `text: {format, verbosity}`.
fn responses_text(request: &mut Request, value: &Value) -> Result<(), Malformed> {
    if value["format"].is_object() {
        response_format(request, value["format"].clone())?;
    }
    if let Some(verbosity) = value["verbosity"].as_str() {
        request.verbosity = Some(verbosity.to_owned());
    }
    Ok(())
}

fn web_search(options: Value) -> Tool {
    Tool {
        name: "web_search".to_owned(),
        description: None,
        kind: ToolKind::WebSearch {
            own: (Dialect::Chat, options),
        },
        cache: None::<CacheMark>,
        own: Map::new(),
    }
}
