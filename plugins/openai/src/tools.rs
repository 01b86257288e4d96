//! The tools that a model may call, and whether it has to.

use serde_json::{Map, Value};

use super::Refused;
use super::content::{CacheMark, cache_mark, string};

#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// A JSON Schema; `None` where the tool takes nothing.
    pub parameters: Option<Value>,
    pub is_strict: bool,
    pub cache: Option<CacheMark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Nothing is said, or `auto`.
    Auto,
    None,
    Required,
    Named(String),
}

/// The tools of a request. Where a choice allows some of them only, they are all there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Tools {
    pub list: Vec<Tool>,
    pub choice: Choice,
}

impl Tools {
    /// # Errors
    /// When there is one that is no function.
    pub fn read(request: &Map<String, Value>) -> Result<Tools, Refused> {
        let list = request.get("tools").and_then(Value::as_array);
        let list: Result<Vec<Tool>, Refused> = list.into_iter().flatten().map(tool).collect();
        let mut tools = Tools {
            list: list?,
            choice: Choice::Auto,
        };
        let choice = request.get("tool_choice").unwrap_or(&Value::Null);
        tools.choice = match (choice, choice["type"].as_str()) {
            (Value::String(word), _) => word_of(word),
            (_, Some("allowed_tools")) => tools.allow(&choice["allowed_tools"]),
            _ => named(choice).map_or(Choice::Auto, Choice::Named),
        };
        Ok(tools)
    }

    fn allow(&mut self, allowed: &Value) -> Choice {
        let names = allowed["tools"].as_array().into_iter().flatten();
        let names: Vec<String> = names.filter_map(named).collect();
        self.list.retain(|tool| names.contains(&tool.name));
        word_of(allowed["mode"].as_str().unwrap_or("auto"))
    }
}

fn word_of(word: &str) -> Choice {
    match word {
        "none" => Choice::None,
        "required" | "any" => Choice::Required,
        _ => Choice::Auto,
    }
}

fn named(choice: &Value) -> Option<String> {
    string(&choice["function"]["name"]).or_else(|| string(&choice["name"]))
}

fn tool(tool: &Value) -> Result<Tool, Refused> {
    let members = tool.as_object().ok_or("a tool is no object")?;
    let function = match tool["type"].as_str() {
        None | Some("function") => &tool["function"],
        Some(kind) => {
            return Err(format!(
                "a tool of the type {kind:?} has no form here; there are functions only"
            ));
        }
    };
    Ok(Tool {
        name: string(&function["name"]).ok_or("a tool has no name")?,
        description: string(&function["description"]).filter(|text| !text.trim().is_empty()),
        parameters: function
            .get("parameters")
            .filter(|schema| schema.is_object())
            .cloned(),
        is_strict: function["strict"] == true,
        cache: cache_mark(members),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(choice: Value, expected: Choice, left: &[&str]) {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let request = json!({"tools": [tool("a"), tool("b")], "tool_choice": choice});
        let tools = Tools::read(request.as_object().expect("it is one")).expect("it can be read");
        assert_eq!(tools.choice, expected);
        let names: Vec<&str> = tools.list.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, left);
    }

    #[test]
    fn choices_are_read() {
        check(json!(null), Choice::Auto, &["a", "b"]);
        check(json!("none"), Choice::None, &["a", "b"]);
        check(json!("required"), Choice::Required, &["a", "b"]);
        check(
            json!({"type": "function", "function": {"name": "b"}}),
            Choice::Named("b".into()),
            &["a", "b"],
        );
        let tools = json!([{"type": "function", "function": {"name": "b"}}]);
        let allowed =
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}});
        check(allowed, Choice::Required, &["b"]);
    }
}
