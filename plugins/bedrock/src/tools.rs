//! `toolConfig`.

use serde_json::{Map, Value, json};
use weir_openai::{Choice, Tool, Tools};

use super::blocks::cache_point;

/// The tools of a request; `None` where there is nothing to tell. A conversation that holds calls needs them, whatever the request
/// says: those that it no longer has are told by their names.
pub fn config(tools: &Tools, messages: &[Value], has_tools: bool) -> Option<Value> {
    let is_barred = tools.choice == Choice::None;
    if is_barred && !has_tools {
        return None;
    }
    let mut list = Vec::new();
    for tool in &tools.list {
        list.push(spec(tool));
        list.extend(tool.cache.as_ref().map(cache_point));
    }
    if list.is_empty() && has_tools {
        list = names(messages).into_iter().map(by_name).collect();
    }
    if list.is_empty() {
        return None;
    }
    let mut config = json!({"tools": list});
    let choice = match &tools.choice {
        // There is no word for none.
        Choice::Auto | Choice::None => None,
        Choice::Required => Some(json!({"any": {}})),
        Choice::Named(name) => Some(json!({"tool": {"name": name}})),
    };
    if let Some(choice) = choice {
        config["toolChoice"] = choice;
    }
    Some(config)
}

fn spec(tool: &Tool) -> Value {
    let mut spec = Map::new();
    spec.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        spec.insert("description".to_owned(), description.as_str().into());
    }
    let mut schema = tool.parameters.clone().unwrap_or_else(|| json!({}));
    if schema.get("type").is_none() {
        schema["type"] = "object".into();
    }
    spec.insert("inputSchema".to_owned(), json!({"json": schema}));
    if tool.is_strict {
        spec.insert("strict".to_owned(), true.into());
    }
    json!({"toolSpec": spec})
}

fn by_name(name: &str) -> Value {
    json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}})
}

/// The names of the tools that were called, each once. Results whose calls are gone have none, and are refused anyway.
fn names(messages: &[Value]) -> Vec<&str> {
    let blocks = messages
        .iter()
        .filter_map(|message| message["content"].as_array());
    let mut names: Vec<&str> = Vec::new();
    for block in blocks.flatten() {
        match block["toolUse"]["name"].as_str() {
            Some(name) if !names.contains(&name) => names.push(name),
            _ => {}
        }
    }
    names
}
