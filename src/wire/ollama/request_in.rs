//! A client's `/api/chat` or `/api/generate` as a request.

use serde_json::{Map, Value};

use crate::wire::members::{Element, Members, elements, whole, wrong};
use crate::wire::neutral::{
    Effort, Format, Malformed, Message, Part, Request, Role, Sampling, Schema, Text, Thinking,
    ThinkingMode, Tool, ToolKind,
};
use crate::wire::parsed::Parsed;
use crate::wire::translate::RequestLine;
use crate::wire::{Dialect, Operation};

use super::message_in;

/// Reads a request. Which of both it is, the path says ([`Operation::Completions`] stands for `/api/generate`), and the
/// members where the path is not known.
///
/// # Errors
/// When a member that weir uses has a wrong type.
pub fn read_request(line: &RequestLine<'_>, body: &[u8]) -> Result<Request, Malformed> {
    let mut members = Members::of_body(body)?;
    let model = members.text("model")?.or(line.model.map(str::to_owned));
    let mut request = Request::new(Dialect::Ollama, &model.unwrap_or_default());
    // Unlike everyone else's, its answers are streams unless the client says no.
    request.stream = members.flag("stream")?.or(line.stream).unwrap_or(true);
    let (prompt, messages) = (members.text("prompt")?, members.list("messages")?);
    request.is_prompt = match line.operation {
        Some(Operation::Completions) => true,
        Some(Operation::Chat) => false,
        _ => prompt.is_some() && messages.is_empty(),
    };
    if request.is_prompt {
        request.messages = prompt_messages(&mut members, prompt)?;
        request.suffix = members.text("suffix")?.filter(|suffix| !suffix.is_empty());
    } else {
        request.messages = message_in::messages(messages)?;
    }
    for tool in members.list("tools")? {
        request.tools.push(read_tool(tool.members()?)?);
    }
    request.format = read_format(&mut members)?;
    request.thinking = read_think(&mut members)?;
    request.logprobs = read_logprobs(&mut members)?;
    let options = members.object("options")?;
    let mut own_options = Map::new();
    if let Some(options) = options {
        own_options = read_options(options, &mut request)?;
    }
    request.extras = members.rest();
    if !own_options.is_empty() {
        request.extras.insert("options".into(), own_options.into());
    }
    Ok(request)
}

/// Whether there is nothing to answer: the model is only to be loaded, or with `keep_alive` 0 to be unloaded.
pub fn is_load(request: &Request) -> bool {
    request.dialect == Dialect::Ollama
        && !request
            .messages
            .iter()
            .any(|message| !request.is_prompt || message.role == Role::User)
}

/// The instructions and the prompt of `/api/generate`. An empty prompt asks for nothing, as Ollama has it.
fn prompt_messages(
    members: &mut Members,
    prompt: Option<String>,
) -> Result<Vec<Message>, Malformed> {
    let mut messages = Vec::new();
    if let Some(system) = members.text("system")?.filter(|system| !system.is_empty()) {
        messages.push(Message {
            role: Role::System,
            parts: vec![text_part(system)],
            name: None,
        });
    }
    let mut parts = message_in::images(members)?;
    if let Some(prompt) = prompt.filter(|prompt| !prompt.is_empty()) {
        parts.push(text_part(prompt));
        messages.push(Message {
            role: Role::User,
            parts,
            name: None,
        });
    }
    Ok(messages)
}

/// A part of bare text.
pub fn text_part(text: String) -> Part {
    Part::Text(Text {
        text,
        ..Text::default()
    })
}

fn read_tool(mut members: Members) -> Result<Tool, Malformed> {
    let kind = members.text("type")?;
    if kind.as_deref().is_some_and(|kind| kind != "function") {
        let name = kind.clone().unwrap_or_default();
        let mut value = members.rest();
        value.insert("type".into(), kind.into());
        return Ok(Tool {
            name,
            description: None,
            kind: ToolKind::Hosted {
                dialect: Dialect::Ollama,
                value: value.into(),
            },
            cache: None,
            own: Map::new(),
        });
    }
    let missing = members.wrong("function", "an object", &Value::Null);
    let mut function = members.object("function")?.ok_or(missing)?;
    let missing = function.wrong("name", "a string", &Value::Null);
    let name = function.text("name")?.ok_or(missing)?;
    let description = function.text("description")?;
    let kind = ToolKind::Function {
        parameters: function.take("parameters"),
        strict: function.flag("strict")?,
    };
    let mut own = function.rest();
    let beside = members.rest();
    if !beside.is_empty() {
        own.insert(BESIDE_FUNCTION.into(), beside.into());
    }
    Ok(Tool {
        name,
        description,
        kind,
        cache: None,
        own,
    })
}

/// In a tool's own members: those that stood beside `function`, not within.
pub const BESIDE_FUNCTION: &str = "$tool";

fn read_format(members: &mut Members) -> Result<Format, Malformed> {
    match members.take("format") {
        None => Ok(Format::Text),
        Some(Value::String(text)) if text.is_empty() => Ok(Format::Text),
        Some(Value::String(text)) if text == "json" => Ok(Format::Json),
        Some(schema @ Value::Object(_)) => Ok(Format::Schema(Schema {
            name: None,
            description: None,
            schema,
            strict: None,
        })),
        Some(other) => Err(members.wrong("format", "\"json\" or a JSON Schema", &other)),
    }
}

fn read_think(members: &mut Members) -> Result<Thinking, Malformed> {
    let mut thinking = Thinking::default();
    match members.take("think") {
        None => {}
        Some(Value::Bool(false)) => thinking.mode = Some(ThinkingMode::Off),
        Some(Value::Bool(true)) => {
            thinking.mode = Some(ThinkingMode::On);
            thinking.show = Some(true);
        }
        Some(Value::String(level)) if Effort::parse(&level).is_some() => {
            let effort = Effort::parse(&level);
            let is_off = effort == Some(Effort::None);
            thinking.mode = Some(if is_off {
                ThinkingMode::Off
            } else {
                ThinkingMode::On
            });
            thinking.effort = effort.filter(|_| !is_off);
            thinking.show = (!is_off).then_some(true);
        }
        Some(other) => {
            let expected = "true, false, \"low\", \"medium\", \"high\" or \"max\"";
            return Err(members.wrong("think", expected, &other));
        }
    }
    Ok(thinking)
}

fn read_logprobs(members: &mut Members) -> Result<Option<u32>, Malformed> {
    let top = members.count("top_logprobs")?.unwrap_or(0);
    let wanted = members.flag("logprobs")?.unwrap_or(false);
    Ok(wanted.then(|| u32::try_from(top).unwrap_or(u32::MAX)))
}

/// Takes the options that others have as well; gives back those that are the engine's alone.
fn read_options(
    mut options: Members,
    request: &mut Request,
) -> Result<Map<String, Value>, Malformed> {
    request.sampling = Sampling {
        temperature: options.number("temperature")?,
        top_p: options.number("top_p")?,
        top_k: options.number("top_k")?,
        min_p: options.number("min_p")?,
        typical_p: options.number("typical_p")?,
        presence_penalty: options.number("presence_penalty")?,
        frequency_penalty: options.number("frequency_penalty")?,
        repetition_penalty: options.number("repeat_penalty")?,
        seed: options.number("seed")?,
        logit_bias: None,
    };
    let path = options.path_of("stop");
    request.stop = match options.parsed("stop") {
        None => Vec::new(),
        Some(Parsed::String(text)) => vec![text.into_owned()],
        Some(list @ Parsed::Array(_)) => {
            let texts = elements(list, &path)?.into_iter().map(Element::text);
            texts.collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong(path, "a list of strings", &other.into())),
    };
    let mut unbounded = None;
    if let Some(bound) = options.number("num_predict")? {
        match whole(&bound).filter(|bound| *bound > 0) {
            Some(bound) => request.output_tokens_max = Some(bound),
            // -1 is no bound, -2 the rest of the context: others call both by leaving it out.
            None => unbounded = Some(bound),
        }
    }
    let mut own = options.rest();
    if let Some(unbounded) = unbounded {
        own.insert("num_predict".into(), unbounded.into());
    }
    Ok(own)
}
