//! A request as an upstream's `/api/chat` or `/api/generate`.

use serde_json::{Map, Number, Value, json};

use crate::wire::Dialect;
use crate::wire::capability::{Target, ThinkingStyle};
use crate::wire::neutral::{
    Allowed, Effort, Format, Loss, Losses, Refused, Request, Role, Thinking, ThinkingMode, Tool,
    ToolChoice, ToolKind,
};
use crate::wire::translate::Written;
use crate::wire::tree;

use super::message_out::{messages, plain_text, take_images};
use super::request_in::{BESIDE_FUNCTION, is_load};

/// Writes the request: a prompt for `/api/generate`, turns for `/api/chat`.
///
/// # Errors
/// Where Ollama cannot take what the request means.
pub fn write_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let mut body = Map::new();
    body.insert("model".into(), target.model.into());
    let is_prompt = request.is_prompt && request.tools.is_empty() && is_one_prompt(request);
    if is_prompt {
        prompt(request, &mut body, losses)?;
    } else {
        losses.note_if(request.suffix.is_some(), Loss::Suffix)?;
        let is_empty = request.messages.is_empty() && !is_load(request);
        losses.note_if(is_empty, Loss::NoMessages)?;
        body.insert("messages".into(), messages(request, losses)?);
    }
    let tools = tools(request, losses)?;
    if !tools.is_empty() {
        body.insert("tools".into(), tools.into());
    }
    match &request.format {
        Format::Text => {}
        Format::Json => insert(&mut body, "format", "json"),
        Format::Schema(schema) => insert(&mut body, "format", schema.schema.clone()),
    }
    if let Some(think) = think(request, target, losses)? {
        body.insert("think".into(), think);
    }
    if let Some(top) = request.logprobs {
        body.insert("logprobs".into(), true.into());
        if top > 0 {
            body.insert("top_logprobs".into(), top.into());
        }
    }
    body.insert("stream".into(), request.stream.into());
    let options = options(request, target, losses)?;
    if !options.is_empty() {
        body.insert("options".into(), options.into());
    }
    own_members(request, &mut body);
    note_what_is_lost(request, losses)?;
    let path = if is_prompt { "/generate" } else { "/chat" };
    Ok(Written {
        path: format!("/api{path}"),
        body: tree::bytes_of(&Value::Object(body)),
    })
}

fn insert(body: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    body.insert(name.to_owned(), value.into());
}

/// Instructions first, and one turn of the user's.
fn is_one_prompt(request: &Request) -> bool {
    let users = request
        .messages
        .iter()
        .filter(|message| message.role == Role::User);
    users.count() <= 1
        && request
            .messages
            .iter()
            .all(|message| matches!(message.role, Role::System | Role::Developer | Role::User))
}

fn prompt(
    request: &Request,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let mut system: Vec<String> = Vec::new();
    let mut prompt = String::new();
    for message in &request.messages {
        let text = plain_text(&message.parts, losses)?;
        if message.role == Role::User {
            prompt = text;
            let images = take_images(&message.parts, losses)?;
            if !images.is_empty() {
                body.insert("images".into(), images.into());
            }
        } else {
            system.push(text);
        }
    }
    body.insert("prompt".into(), prompt.into());
    if !system.is_empty() {
        body.insert("system".into(), system.join("\n").into());
    }
    if let Some(suffix) = &request.suffix {
        body.insert("suffix".into(), suffix.as_str().into());
    }
    Ok(())
}

/// The tools; how they are to be chosen has no member here, and is said by what is left out.
fn tools(request: &Request, losses: &mut Losses) -> Result<Vec<Value>, Refused> {
    let mut only: Option<&[String]> = None;
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => return Ok(Vec::new()),
        Some(ToolChoice::Tool(name)) => {
            losses.note(Loss::ToolChoice)?;
            only = Some(std::slice::from_ref(name));
        }
        Some(ToolChoice::Allowed(Allowed { names, required })) => {
            losses.note_if(*required, Loss::ToolChoice)?;
            only = Some(names);
        }
        Some(ToolChoice::Required | ToolChoice::Hosted(_)) => losses.note(Loss::ToolChoice)?,
    }
    let is_wanted = |tool: &&Tool| only.is_none_or(|names| names.contains(&tool.name));
    let mut written = Vec::new();
    let mut left_out = false;
    for tool in request.tools.iter().filter(is_wanted) {
        match write_tool(tool, request.dialect == Dialect::Ollama, losses)? {
            Some(tool) => written.push(tool),
            None => left_out = true,
        }
    }
    if left_out {
        let is_all = written.is_empty();
        losses.note(if is_all {
            Loss::OnlyHostedTools
        } else {
            Loss::HostedTool
        })?;
    }
    Ok(written)
}

/// `None` for a tool that Ollama lacks.
fn write_tool(tool: &Tool, is_own: bool, losses: &mut Losses) -> Result<Option<Value>, Refused> {
    let (parameters, strict) = match &tool.kind {
        ToolKind::Function { parameters, strict } => (parameters, *strict),
        ToolKind::Hosted {
            dialect: Dialect::Ollama,
            value,
        } => return Ok(Some(value.clone())),
        ToolKind::Custom(_)
        | ToolKind::Namespace(_)
        | ToolKind::WebSearch { .. }
        | ToolKind::Hosted { .. } => return Ok(None),
    };
    losses.note_if(strict == Some(true), Loss::Strict)?;
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".into(), description.as_str().into());
    }
    let none = || json!({"type": "object", "properties": {}});
    function.insert("parameters".into(), parameters.clone().unwrap_or_else(none));
    let mut written = Map::new();
    written.insert("type".into(), "function".into());
    let mut beside = None;
    for (name, value) in tool.own.iter().filter(|_| is_own) {
        if name == BESIDE_FUNCTION {
            beside = value.as_object().cloned();
        } else {
            function.insert(name.clone(), value.clone());
        }
    }
    written.insert("function".into(), function.into());
    written.extend(beside.unwrap_or_default());
    Ok(Some(written.into()))
}

/// The member `think`; `None` where nothing is said of it, or the model does not think.
fn think(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Option<Value>, Refused> {
    let thinking = &request.thinking;
    let is_off = thinking.mode == Some(ThinkingMode::Off) || thinking.effort == Some(Effort::None);
    if target.capabilities.thinking == ThinkingStyle::Never {
        // Ollama refuses `think: true` for such a model.
        return Ok(None);
    }
    if is_off {
        return Ok(Some(false.into()));
    }
    if let Some(effort) = effort(thinking, losses)? {
        let (level, is_same) = level(effort);
        losses.note_if(!is_same, Loss::Effort)?;
        return Ok(Some(level.into()));
    }
    let is_known = target.capabilities.thinking != ThinkingStyle::Unknown;
    Ok(match thinking.mode {
        Some(ThinkingMode::On) => Some(true.into()),
        // As the model sees fit: Ollama's models that think do so by themselves, and others refuse to be told.
        Some(ThinkingMode::Adaptive) => is_known.then_some(true.into()),
        Some(ThinkingMode::Off) | None => None,
    })
}

/// What was said; what comes nearest to a budget, in the steps that other gateways take.
fn effort(thinking: &Thinking, losses: &mut Losses) -> Result<Option<Effort>, Refused> {
    let (None, Some(budget)) = (thinking.effort, thinking.budget_tokens) else {
        return Ok(thinking.effort);
    };
    losses.note(Loss::ThinkingBudget)?;
    Ok(Some(match budget {
        ..2000 => Effort::Low,
        2000..8000 => Effort::Medium,
        8000.. => Effort::High,
    }))
}

/// Ollama's word for a level, and whether it means the same.
fn level(effort: Effort) -> (&'static str, bool) {
    match effort {
        Effort::None | Effort::Minimal => ("low", false),
        Effort::Low => ("low", true),
        Effort::Medium => ("medium", true),
        Effort::High => ("high", true),
        Effort::ExtraHigh => ("high", false),
        Effort::Max => ("max", true),
    }
}

fn options(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Refused> {
    let sampling = &request.sampling;
    let numbers: [(&str, &Option<Number>); 9] = [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("top_k", &sampling.top_k),
        ("min_p", &sampling.min_p),
        ("typical_p", &sampling.typical_p),
        ("presence_penalty", &sampling.presence_penalty),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("repeat_penalty", &sampling.repetition_penalty),
        ("seed", &sampling.seed),
    ];
    let mut options = Map::new();
    for (name, number) in numbers {
        if let Some(number) = number {
            options.insert(name.into(), Value::Number(number.clone()));
        }
    }
    let stop_max = target.quirks.stop_max;
    losses.note_if(request.stop.len() > stop_max, Loss::StopTexts)?;
    if !request.stop.is_empty() {
        let stop: Vec<&String> = request.stop.iter().take(stop_max).collect();
        options.insert("stop".into(), json!(stop));
    }
    if let Some(bound) = request.output_tokens_max {
        options.insert("num_predict".into(), bound.into());
    }
    if request.dialect == Dialect::Ollama
        && let Some(Value::Object(own)) = request.extras.get("options")
    {
        options.extend(own.clone());
    }
    Ok(options)
}

/// What an Ollama client said and only Ollama understands.
fn own_members(request: &Request, body: &mut Map<String, Value>) {
    if request.dialect != Dialect::Ollama {
        return;
    }
    for (name, value) in &request.extras {
        if name != "options" {
            body.insert(name.clone(), value.clone());
        }
    }
}

fn note_what_is_lost(request: &Request, losses: &mut Losses) -> Result<(), Refused> {
    let has_tools = !request.tools.is_empty();
    let tier = request.service_tier.as_deref();
    let is_special_tier = tier.is_some_and(|tier| !matches!(tier, "auto" | "default"));
    for (is_lost, loss) in [
        (request.choices > 1, Loss::Choices),
        (
            has_tools && request.parallel_calls == Some(false),
            Loss::ParallelCalls,
        ),
        (request.sampling.logit_bias.is_some(), Loss::LogitBias),
        (request.verbosity.is_some(), Loss::Verbosity),
        (is_special_tier, Loss::ServiceTier),
        (request.user.is_some(), Loss::User),
        (request.cache_key.is_some(), Loss::CacheKey),
    ] {
        losses.note_if(is_lost, loss)?;
    }
    Ok(())
}
