//! The tools of a client's request, and which of them the model is to call.

use serde_json::{Map, Value};

use crate::wire::Dialect;
use crate::wire::neutral::{Malformed, Request, Tool, ToolChoice, ToolKind};
use crate::wire::parsed::Parsed;

use super::blocks_in;
use super::members::{self, Members};

/// Reads `tools` and `tool_choice`.
pub(super) fn read(body: &mut Members<'_>, request: &mut Request) -> Result<(), Malformed> {
    if let Some(list) = members::list(body, "tools")? {
        request.tools = members::each("tools", list, tool)?;
    }
    if let Some(choice) = members::object(body, "tool_choice")? {
        let read = self::choice(choice, request);
        read.map_err(|error| members::within("tool_choice", error))?;
    }
    Ok(())
}

fn tool(value: Parsed<'_>) -> Result<Tool, Malformed> {
    let mut tool = members::as_object(value)?;
    let kind = members::text(&mut tool, "type")?;
    match kind.as_deref() {
        None | Some("custom") => function(tool),
        Some(kind) => hosted(kind.to_owned(), tool),
    }
}

fn function(mut tool: Members<'_>) -> Result<Tool, Malformed> {
    let parameters = members::object(&mut tool, "input_schema")?;
    Ok(Tool {
        name: members::needed_text(&mut tool, "name")?,
        description: members::text(&mut tool, "description")?,
        kind: ToolKind::Function {
            parameters: parameters.map(|schema| Value::Object(schema.into())),
            strict: members::flag(&mut tool, "strict")?,
        },
        cache: blocks_in::cache(&mut tool)?,
        own: tool.into(),
    })
}

/// A tool of the vendor's, known by its dated type. Some run at the vendor's, some at the client, who knows them without a schema.
fn hosted(kind: String, mut tool: Members<'_>) -> Result<Tool, Malformed> {
    // The tool stays as it is, its mark included; it shows the mark as well, for those who count marks.
    let mark = tool.get("cache_control").cloned();
    let cache = blocks_in::cache(&mut tool)?;
    if let Some(mark) = mark {
        tool.insert("cache_control", mark);
    }
    let name = tool.get("name").and_then(Parsed::as_str).unwrap_or(&kind);
    let name = name.to_owned();
    let mut value = Map::new();
    value.insert("type".to_owned(), kind.as_str().into());
    value.extend(Map::from(tool));
    let value = Value::Object(value);
    let kind = if kind.starts_with("web_search") {
        ToolKind::WebSearch {
            own: (Dialect::Anthropic, value),
        }
    } else {
        ToolKind::Hosted {
            dialect: Dialect::Anthropic,
            value,
        }
    };
    Ok(Tool {
        name,
        description: None,
        kind,
        cache,
        own: Map::new(),
    })
}

fn choice(mut choice: Members<'_>, request: &mut Request) -> Result<(), Malformed> {
    let kind = members::needed_text(&mut choice, "type")?;
    let one = members::flag(&mut choice, "disable_parallel_tool_use")?;
    request.parallel_calls = one.map(|one| !one);
    request.tool_choice = Some(match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => named(members::needed_text(&mut choice, "name")?, &request.tools),
        other => {
            let problem = format!("must be auto, any, tool or none, and is {other:?}");
            return Err(Malformed::new("type", problem));
        }
    });
    Ok(())
}

fn named(name: String, tools: &[Tool]) -> ToolChoice {
    let tool = tools.iter().find(|tool| tool.name == name);
    match tool.map(|tool| &tool.kind) {
        Some(ToolKind::WebSearch { .. } | ToolKind::Hosted { .. }) => ToolChoice::Hosted(name),
        Some(ToolKind::Function { .. } | ToolKind::Custom(_) | ToolKind::Namespace(_)) | None => {
            ToolChoice::Tool(name)
        }
    }
}
