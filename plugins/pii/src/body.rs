//! Finds the arguments and results of tools in bodies, in every dialect: they are no texts for people, so that they are in no
//! segment, and they hold what people have said.

use serde_json::Value;

/// Parts of a body deeper than this hold no tool's arguments.
const DEPTH_MAX: usize = 24;

/// Arguments, as they stand in the body.
#[derive(Debug, PartialEq)]
pub struct Arguments<'a> {
    /// RFC 6901.
    pub pointer: String,
    pub value: &'a Value,
    /// What a tool has answered, not what it was asked.
    pub result: bool,
}

/// Members of a body that may hold calls. (`tools` has schemas, which look like them.)
const MEMBERS: [&str; 8] = [
    "messages",
    "input",
    "contents",
    "choices",
    "output",
    "content",
    "candidates",
    "message",
];

/// What a body has in it if it has calls.
const MARKS: [&[u8]; 7] = [
    b"tool_calls",
    b"function_call",
    b"tool_use",
    b"functionCall",
    b"functionResponse",
    b"tool_call",
    b"mcp_call",
];

/// Whether a body may have calls of tools in it; cheaper than to read it.
pub fn may_have_arguments(body: &[u8]) -> bool {
    // Every mark has one of these two beginnings.
    let mut rest = body;
    while let Some(at) = rest.iter().position(|b| matches!(b, b't' | b'f' | b'm')) {
        rest = &rest[at..];
        if MARKS.iter().any(|mark| rest.starts_with(mark)) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// All arguments and results in a body.
pub fn arguments(body: &Value) -> Vec<Arguments<'_>> {
    let mut found = Vec::new();
    for member in MEMBERS {
        if let Some(value) = body.get(member) {
            walk(value, &format!("/{member}"), DEPTH_MAX, &mut found);
        }
    }
    found
}

fn walk<'a>(value: &'a Value, pointer: &str, depth: usize, found: &mut Vec<Arguments<'a>>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{pointer}/{index}"), depth - 1, found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                match holds(members, name, member) {
                    Some(result) => found.push(Arguments {
                        pointer,
                        value: member,
                        result,
                    }),
                    None => walk(member, &pointer, depth - 1, found),
                }
            }
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// Whether a member is a call's arguments (`false`) or results (`true`).
fn holds(object: &serde_json::Map<String, Value>, name: &str, member: &Value) -> Option<bool> {
    let kind = object.get("type").and_then(Value::as_str).unwrap_or("");
    let named = object.contains_key("name");
    let data = member.is_string() || member.is_object();
    match name {
        "arguments" if named && data => Some(false),
        "args" if named && member.is_object() => Some(false),
        "input" if (kind.ends_with("tool_use") || kind == "custom_tool_call") && data => {
            Some(false)
        }
        "response" if named && member.is_object() => Some(true),
        "output" if (kind.ends_with("_call_output") || kind == "mcp_call") && data => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_found_in_every_dialect() {
        let bodies = [
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}]}),
            json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "output": "x"}]}),
            json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {"a": 1}}]}]}),
            json!({"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionResponse": {"name": "f", "response": {}}}]}]}),
            json!({"choices": [{"message": {"function_call": {"name": "f", "arguments": "{}"}}}]}),
            json!({"message": {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}}),
        ];
        let found: Vec<Vec<String>> = bodies
            .iter()
            .map(|body| arguments(body).into_iter().map(|a| a.pointer).collect())
            .collect();
        let wanted: [&[&str]; 6] = [
            &["/messages/0/tool_calls/0/function/arguments"],
            &["/input/0/arguments", "/input/1/output"],
            &["/messages/0/content/0/input"],
            &[
                "/contents/0/parts/0/functionCall/args",
                "/contents/0/parts/1/functionResponse/response",
            ],
            &["/choices/0/message/function_call/arguments"],
            &["/message/tool_calls/0/function/arguments"],
        ];
        assert_eq!(found, wanted);
        assert!(
            bodies
                .iter()
                .all(|body| may_have_arguments(body.to_string().as_bytes()))
        );
    }

    #[test]
    fn a_schema_is_no_call() {
        let body = json!({"tools": [{"function": {"name": "f", "arguments": "x"}}], "messages": [{"content": "arguments"}]});
        assert!(arguments(&body).is_empty());
        assert!(!may_have_arguments(
            br#"{"messages":[{"content":"hello"}]}"#
        ));
    }
}
