//! Tools and the choice among them, as clients define them.

use serde_json::{Map, Value};

use crate::wire::Dialect;
use crate::wire::members::{Element, Members, wrong};
use crate::wire::neutral::{Allowed, Custom, Malformed, Tool, ToolChoice, ToolKind};

use super::local::Local;

/// # Errors
/// Where a member of a type that is known is not what it must be.
pub fn read_tool(tool: Element<'_>) -> Result<Tool, Malformed> {
    if let Some(local) = Local::of_definition(&tool.value) {
        return Ok(local.tool(tool.members()?.rest()));
    }
    let mut members = tool.members()?;
    let kind = members.needed_text("type")?;
    match kind.as_str() {
        "function" => read_function(members),
        "custom" => read_custom(members),
        "namespace" => read_namespace(members),
        _ => Ok(vendors_own(&kind, members.rest())),
    }
}

fn read_function(mut tool: Members<'_>) -> Result<Tool, Malformed> {
    let name = tool.needed_text("name")?;
    let description = tool.text("description")?;
    let parameters = tool.object("parameters")?;
    let kind = ToolKind::Function {
        parameters: parameters.map(|schema| Value::Object(schema.rest())),
        strict: tool.flag("strict")?,
    };
    Ok(named(name, description, kind, tool.rest()))
}

fn read_custom(mut tool: Members<'_>) -> Result<Tool, Malformed> {
    let name = tool.needed_text("name")?;
    let description = tool.text("description")?;
    let kind = ToolKind::Custom(Custom {
        format: tool.take("format"),
    });
    Ok(named(name, description, kind, tool.rest()))
}

fn read_namespace(mut tool: Members<'_>) -> Result<Tool, Malformed> {
    let name = tool.needed_text("name")?;
    let description = tool.text("description")?;
    let mut within = Vec::new();
    for inner in tool.list("tools")? {
        let mut inner = inner.members()?;
        let kind = inner.needed_text("type")?;
        within.push(match kind.as_str() {
            "function" => read_function(inner)?,
            "custom" => read_custom(inner)?,
            _ => {
                let kinds = "`function` or `custom`";
                return Err(inner.wrong("type", kinds, &Value::String(kind)));
            }
        });
    }
    Ok(named(
        name,
        description,
        ToolKind::Namespace(within),
        tool.rest(),
    ))
}

fn named(
    name: String,
    description: Option<String>,
    kind: ToolKind,
    own: Map<String, Value>,
) -> Tool {
    Tool {
        name,
        description,
        kind,
        cache: None,
        own,
    }
}

/// A tool that runs on the vendor's side, or that only this dialect knows.
fn vendors_own(kind: &str, rest: Map<String, Value>) -> Tool {
    let mut value = Map::new();
    value.insert("type".to_owned(), kind.into());
    value.extend(rest);
    let value = Value::Object(value);
    let kind_of_tool = if kind.starts_with("web_search") {
        ToolKind::WebSearch {
            own: (Dialect::Responses, value),
        }
    } else {
        ToolKind::Hosted {
            dialect: Dialect::Responses,
            value,
        }
    };
    named(kind.to_owned(), None, kind_of_tool, Map::new())
}

/// A choice of tools; `None` where only this dialect can say it.
///
/// # Errors
/// Where it is neither a string that is known nor an object with a type.
pub fn read_choice(choice: &Value) -> Result<Option<ToolChoice>, Malformed> {
    let unknown = || {
        wrong(
            "tool_choice",
            "`auto`, `none`, `required` or an object with a type",
            choice,
        )
    };
    if let Some(word) = choice.as_str() {
        return match word {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(unknown()),
        };
    }
    let kind = choice["type"].as_str().ok_or_else(unknown)?;
    let name = choice["name"].as_str();
    Ok(match (kind, name) {
        ("function" | "custom", Some(name)) => Some(ToolChoice::Tool(name.to_owned())),
        ("function" | "custom", None) => {
            return Err(wrong("tool_choice.name", "a string", &choice["name"]));
        }
        ("shell" | "apply_patch" | "local_shell", _) => Some(ToolChoice::Tool(kind.to_owned())),
        ("allowed_tools", _) => read_allowed(choice),
        // Beside its type it says nothing.
        _ if choice.as_object().is_some_and(|choice| choice.len() == 1) => {
            Some(ToolChoice::Hosted(kind.to_owned()))
        }
        _ => None,
    })
}

fn read_allowed(choice: &Value) -> Option<ToolChoice> {
    let names: Option<Vec<String>> = choice["tools"]
        .as_array()?
        .iter()
        .map(|tool| {
            let is_named = matches!(tool["type"].as_str(), Some("function" | "custom"));
            let name = tool["name"].as_str().filter(|_| is_named)?;
            (tool.as_object()?.len() == 2).then(|| name.to_owned())
        })
        .collect();
    Some(ToolChoice::Allowed(Allowed {
        names: names?,
        required: choice["mode"] == "required",
    }))
}
