//! What the model may call, for upstreams.

use serde_json::{Value, json};

use crate::wire::Dialect;
use crate::wire::neutral::{Allowed, Custom, Loss, Losses, Refused, Tool, ToolChoice, ToolKind};
use crate::wire::tree::{Json, Object};

use super::messages_out::Out;

/// Writes `tools`, `tool_choice` and `parallel_tool_calls`.
pub fn tools<'a>(out: &Out<'a>, body: &mut Object<'a>, losses: &mut Losses) -> Result<(), Refused> {
    let mut written = Vec::with_capacity(out.request.tools.len());
    let mut search = None;
    for tool in offered(out) {
        tool_values(out, tool, &mut written, &mut search, losses)?;
    }
    let lost_all = written.is_empty() && search.is_none() && !out.request.tools.is_empty();
    losses.note_if(lost_all && !wants_no_call(out), Loss::OnlyHostedTools)?;
    body.put_some("web_search_options", search);
    if written.is_empty() {
        return Ok(());
    }
    body.put("tools", written);
    body.put_some("tool_choice", choice(out, losses)?);
    match out.request.parallel_calls {
        Some(parallel) if out.quirks.parallel_calls_switch => {
            body.put("parallel_tool_calls", parallel);
        }
        Some(false) => losses.note(Loss::ParallelCalls)?,
        Some(true) | None => {}
    }
    Ok(())
}

fn wants_no_call(out: &Out<'_>) -> bool {
    out.request.tool_choice == Some(ToolChoice::None)
}

/// The tools that are sent: where the target cannot be told a choice among them, only those that may be called.
fn offered<'a>(out: &Out<'a>) -> Vec<&'a Tool> {
    let tools = out.request.tools.iter();
    match &out.request.tool_choice {
        Some(ToolChoice::None) if !out.quirks.tool_choice => Vec::new(),
        Some(ToolChoice::Tool(name)) if !out.quirks.tool_choice => {
            tools.filter(|tool| tool.name == *name).collect()
        }
        Some(ToolChoice::Allowed(allowed)) if !out.quirks.openai_members => tools
            .filter(|tool| allowed.names.contains(&tool.name))
            .collect(),
        Some(
            ToolChoice::Auto
            | ToolChoice::None
            | ToolChoice::Required
            | ToolChoice::Tool(_)
            | ToolChoice::Allowed(_)
            | ToolChoice::Hosted(_),
        )
        | None => tools.collect(),
    }
}

fn tool_values<'a>(
    out: &Out<'a>,
    tool: &'a Tool,
    written: &mut Vec<Json<'a>>,
    search: &mut Option<&'a Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    match &tool.kind {
        ToolKind::Function { parameters, strict } => {
            written.push(function(out, tool, parameters.as_ref(), *strict));
        }
        ToolKind::Custom(custom) => written.push(custom_tool(out, tool, custom)),
        ToolKind::Namespace(tools) => {
            for tool in tools {
                tool_values(out, tool, written, search, losses)?;
            }
        }
        ToolKind::WebSearch {
            own: (Dialect::Chat, value),
        } if out.is_own() => {
            // With a type it stood among the tools, without one beside them.
            if value.get("type").is_some() {
                written.push(value.into());
            } else {
                *search = Some(value);
            }
        }
        ToolKind::Hosted {
            dialect: Dialect::Chat,
            value,
        } => written.push(value.into()),
        ToolKind::WebSearch { .. } | ToolKind::Hosted { .. } => losses.note(Loss::HostedTool)?,
    }
    Ok(())
}

fn function<'a>(
    out: &Out<'a>,
    tool: &'a Tool,
    parameters: Option<&'a Value>,
    strict: Option<bool>,
) -> Json<'a> {
    // Some servers refuse a function without a schema, and OpenAI takes this for none.
    let none = || Object::typed("object").with("properties", Object::default());
    let parameters = parameters.filter(|schema| schema.is_object());
    let parameters = parameters.map_or_else(|| none().into(), Json::from);
    let function = described(tool)
        .with("parameters", parameters)
        // False is what every server assumes.
        .with_some("strict", strict.filter(|strict| *strict || out.is_own()));
    let value = Object::typed("function").with("function", function);
    with_marks(out, tool, value)
}

fn custom_tool<'a>(out: &Out<'a>, tool: &'a Tool, custom: &'a Custom) -> Json<'a> {
    let format = custom.format.as_ref().map(nested_grammar);
    let inner = described(tool).with_some("format", format);
    with_marks(out, tool, Object::typed("custom").with("custom", inner))
}

fn described(tool: &Tool) -> Object<'_> {
    let named = Object::default().with("name", &tool.name);
    named.with_some("description", tool.description.as_ref())
}

/// Chat nests what Responses writes flat.
fn nested_grammar(format: &Value) -> Value {
    if format["type"] != "grammar" || format.get("syntax").is_none() {
        return format.clone();
    }
    let grammar = json!({"syntax": format["syntax"], "definition": format["definition"]});
    json!({"type": "grammar", "grammar": grammar})
}

fn with_marks<'a>(out: &Out<'a>, tool: &'a Tool, mut value: Object<'a>) -> Json<'a> {
    let mark = tool.cache.as_ref().filter(|_| out.quirks.cache_marks);
    if let Some((name, mark)) = mark.and_then(|cache| out.cache_mark(cache)) {
        value.put(name, mark);
    }
    if out.is_own() && !out.quirks.strict_members {
        value.extend(&tool.own);
    }
    value.into()
}

fn choice<'a>(out: &Out<'a>, losses: &mut Losses) -> Result<Option<Json<'a>>, Refused> {
    let Some(choice) = &out.request.tool_choice else {
        return Ok(None);
    };
    if !out.quirks.tool_choice {
        // A single tool that is offered stands for the choice of it, as far as it goes.
        let forces = matches!(
            choice,
            ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Allowed(_)
        );
        return losses.note_if(forces, Loss::ToolChoice).map(|()| None);
    }
    Ok(match choice {
        ToolChoice::Auto => Some("auto".into()),
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Tool(name) => Some(named(out, name)),
        ToolChoice::Allowed(allowed) if out.quirks.openai_members => {
            Some(allowed_value(out, allowed))
        }
        ToolChoice::Allowed(allowed) if allowed.required => Some("required".into()),
        ToolChoice::Allowed(_) => Some("auto".into()),
        ToolChoice::Hosted(kind) if out.is_own() => Some(Object::typed(kind).into()),
        ToolChoice::Hosted(_) => losses.note(Loss::ToolChoice).map(|()| None)?,
    })
}

fn named<'a>(out: &Out<'a>, name: &'a str) -> Json<'a> {
    let is_custom = |tool: &&Tool| tool.name == name && matches!(tool.kind, ToolKind::Custom(_));
    let kind = match out.request.tools.iter().find(is_custom) {
        Some(_) => "custom",
        None => "function",
    };
    let inner = Object::default().with("name", name);
    Object::typed(kind).with(kind, inner).into()
}

fn allowed_value<'a>(out: &Out<'a>, allowed: &'a Allowed) -> Json<'a> {
    let mode = if allowed.required { "required" } else { "auto" };
    let names = allowed.names.iter();
    let tools: Vec<Json<'a>> = names.map(|name| named(out, name)).collect();
    let inner = Object::default().with("mode", mode).with("tools", tools);
    Object::typed("allowed_tools")
        .with("allowed_tools", inner)
        .into()
}
