//! Tools and the choice among them, for an upstream of this dialect.

use serde_json::{Value, json};

use crate::wire::Dialect;
use crate::wire::capability::Capabilities;
use crate::wire::neutral::{Allowed, Loss, Losses, Refused, Request, Tool, ToolChoice, ToolKind};

use super::blocks_out::mark;
use crate::wire::tree::{Json, Object};

/// The members `tools` and `tool_choice`.
pub(super) struct Tools<'a> {
    pub tools: Vec<Json<'a>>,
    pub choice: Option<Object<'a>>,
}

/// Writes the request's tools. `is_manual`: the model thinks by a budget, and so cannot be made to call a tool.
///
/// # Errors
/// Where the losses' policy refuses one.
pub(super) fn write<'a>(
    request: &'a Request,
    capabilities: &Capabilities,
    is_manual: bool,
    losses: &mut Losses,
) -> Result<Tools<'a>, Refused> {
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed(Allowed { names, .. })) => Some(names),
        Some(
            ToolChoice::Auto
            | ToolChoice::None
            | ToolChoice::Required
            | ToolChoice::Tool(_)
            | ToolChoice::Hosted(_),
        )
        | None => None,
    };
    let mut tools = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        // The vendor knows no subsets: the others are not shown.
        if allowed.is_none_or(|names| names.contains(&tool.name)) {
            tools.extend(self::tool(tool, request, capabilities, losses)?);
        }
    }
    let choice = match tools.is_empty() {
        true => None,
        false => choice(request, capabilities, is_manual, losses)?,
    };
    Ok(Tools { tools, choice })
}

fn tool<'a>(
    tool: &'a Tool,
    request: &Request,
    capabilities: &Capabilities,
    losses: &mut Losses,
) -> Result<Option<Json<'a>>, Refused> {
    let is_own = request.dialect == Dialect::Anthropic;
    match &tool.kind {
        ToolKind::Function { parameters, strict } => {
            let is_strict = *strict == Some(true);
            let can_be_strict = is_own || capabilities.structured_output;
            losses.note_if(is_strict && !can_be_strict, Loss::Strict)?;
            let strict = strict.filter(|strict| is_own || (*strict && can_be_strict));
            let mut written = named(tool, schema(parameters.as_ref())).with_some("strict", strict);
            if is_own {
                written.fill(&tool.own);
            }
            Ok(Some(marked(written, tool)))
        }
        // Tools with free text are made functions before they come here; this is their shape then.
        ToolKind::Custom(_) => {
            let schema = json!({
                "type": "object",
                "properties": { "input": { "type": "string" } },
                "required": ["input"],
            });
            Ok(Some(marked(named(tool, schema.into()), tool)))
        }
        ToolKind::WebSearch { own } if own.0 == Dialect::Anthropic => Ok(Some((&own.1).into())),
        ToolKind::WebSearch { own } => Ok(Some(web_search(&own.1).into())),
        ToolKind::Hosted { dialect, value } if *dialect == Dialect::Anthropic => {
            Ok(Some(value.into()))
        }
        ToolKind::Hosted { .. } | ToolKind::Namespace(_) => {
            losses.note_at(Loss::HostedTool, Some(tool.name.clone()))?;
            Ok(None)
        }
    }
}

fn named<'a>(tool: &'a Tool, schema: Json<'a>) -> Object<'a> {
    Object::default()
        .with("name", &tool.name)
        .with_some("description", tool.description.as_ref())
        .with("input_schema", schema)
}

fn marked<'a>(written: Object<'a>, tool: &'a Tool) -> Json<'a> {
    written
        .with_some("cache_control", mark(tool.cache.as_ref()))
        .into()
}

/// The arguments' schema, which must be there and say that it is an object's.
fn schema(parameters: Option<&Value>) -> Json<'_> {
    match parameters {
        Some(Value::Object(schema)) if schema.contains_key("type") => {
            Json::Given(parameters.expect("it is there"))
        }
        Some(Value::Object(schema)) => {
            let mut typed = Object::typed("object");
            typed.fill(schema);
            typed.into()
        }
        Some(_) | None => json!({ "type": "object", "properties": {} }).into(),
    }
}

/// The vendor's search in the form that all its models take, with what other vendors' searches have in common with it.
fn web_search(other: &Value) -> Object<'_> {
    let location = other.get("user_location").filter(|place| {
        place.get("type").and_then(Value::as_str) == Some("approximate")
            // Chat nests the place once more.
            && place.get("approximate").is_none()
    });
    let domains = other.pointer("/filters/allowed_domains");
    Object::typed("web_search_20250305")
        .with("name", WEB_SEARCH)
        .with_some("allowed_domains", domains)
        .with_some("user_location", location)
}

const WEB_SEARCH: &str = "web_search";

fn choice<'a>(
    request: &'a Request,
    capabilities: &Capabilities,
    is_manual: bool,
    losses: &mut Losses,
) -> Result<Option<Object<'a>>, Refused> {
    let mut choice = match &request.tool_choice {
        None => None,
        Some(ToolChoice::Auto) => Some(Object::typed("auto")),
        Some(ToolChoice::None) => return Ok(Some(Object::typed("none"))),
        Some(ToolChoice::Required) => Some(Object::typed("any")),
        Some(ToolChoice::Tool(name)) => Some(Object::typed("tool").with("name", name)),
        Some(ToolChoice::Allowed(Allowed { required, .. })) => {
            Some(Object::typed(if *required { "any" } else { "auto" }))
        }
        Some(ToolChoice::Hosted(kind)) => {
            let name = hosted(kind, &request.tools);
            losses.note_if(name.is_none(), Loss::ToolChoice)?;
            name.map(|name| Object::typed("tool").with("name", name))
        }
    };
    let forces = match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Hosted(_)) => true,
        Some(ToolChoice::Allowed(allowed)) => allowed.required,
        Some(ToolChoice::Auto | ToolChoice::None) | None => false,
    };
    if forces && choice.is_some() && (is_manual || !capabilities.forced_tools) {
        losses.note(Loss::ForcedTool)?;
        choice = Some(Object::typed("auto"));
    }
    if let Some(parallel) = request.parallel_calls {
        // Several at a time is what the vendor does unless it is told otherwise.
        let is_own = request.dialect == Dialect::Anthropic;
        if !parallel || (is_own && choice.is_some()) {
            let of_choice = choice.unwrap_or_else(|| Object::typed("auto"));
            choice = Some(of_choice.with("disable_parallel_tool_use", !parallel));
        }
    }
    Ok(choice)
}

/// The name that the vendor's tool of this kind has here.
fn hosted<'a>(kind: &'a str, tools: &'a [Tool]) -> Option<&'a str> {
    tools.iter().find_map(|tool| match &tool.kind {
        ToolKind::WebSearch { own } if own.0 == Dialect::Anthropic => {
            (tool.name == kind).then_some(tool.name.as_str())
        }
        ToolKind::WebSearch { .. } => kind.starts_with(WEB_SEARCH).then_some(WEB_SEARCH),
        ToolKind::Hosted { dialect, .. } => {
            let is_this = *dialect == Dialect::Anthropic && tool.name == kind;
            is_this.then_some(tool.name.as_str())
        }
        ToolKind::Function { .. } | ToolKind::Custom(_) | ToolKind::Namespace(_) => None,
    })
}
