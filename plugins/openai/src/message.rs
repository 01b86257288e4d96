//! The messages of a conversation.

use serde_json::{Map, Value};

use super::Refused;
use super::content::{CacheMark, Part, cache_mark, parts, plain, string};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `developer` too.
    System,
    User,
    Assistant,
    Tool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub role: Role,
    pub parts: Vec<Part>,
    /// What the assistant thought before it spoke.
    pub thoughts: Vec<Thought>,
    pub calls: Vec<Call>,
    /// Of a tool's message: the call that it answers.
    pub call_id: Option<String>,
    /// Of a tool's message: that the tool has failed.
    pub is_error: bool,
    /// Behind the whole message.
    pub cache: Option<CacheMark>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub id: String,
    pub name: String,
    /// JSON text, as the model wrote it.
    pub arguments: String,
}

/// A block of reasoning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thought {
    /// With the provider's proof, where there is one.
    Told {
        text: String,
        signature: Option<String>,
    },
    /// The reasoning itself, encrypted.
    Hidden(String),
}

/// A proof of another provider's, in weir's marking, means nothing to anybody else.
const FOREIGN: &str = "weir.";

/// The messages, in order, taken out of the request: what they say is moved, not copied.
///
/// # Errors
/// What is in them that no adapter can read.
pub fn messages(request: &mut Map<String, Value>) -> Result<Vec<Message>, Refused> {
    let Some(Value::Array(messages)) = request.shift_remove("messages") else {
        return Err("`messages` is missing".to_owned());
    };
    messages.into_iter().map(message).collect()
}

fn message(mut value: Value) -> Result<Message, Refused> {
    let members = value.as_object_mut().ok_or("a message is no object")?;
    let role = match members.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        role => return Err(format!("a message has the role {role:?}")),
    };
    let mut parts = parts(members.shift_remove("content"))?;
    let cache = cache_mark(members);
    if parts.is_empty()
        && let Some(text) = string(&value["refusal"])
    {
        parts.push(plain(text));
    }
    Ok(Message {
        role,
        parts,
        thoughts: thoughts(&value),
        calls: calls(&value),
        call_id: string(&value["tool_call_id"]),
        is_error: value["is_error"] == true || value["status"] == "error",
        cache,
    })
}

fn calls(message: &Value) -> Vec<Call> {
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    calls
        .map(|call| {
            let called = match call["type"].as_str() {
                Some("custom") => &call["custom"],
                _ => &call["function"],
            };
            let arguments = string(&called["arguments"]).or_else(|| string(&called["input"]));
            Call {
                id: string(&call["id"]).unwrap_or_default(),
                name: string(&called["name"]).unwrap_or_default(),
                arguments: arguments.unwrap_or_default(),
            }
        })
        .collect()
}

/// `reasoning_details`, or the bare text. Clients that put streamed entries one behind the other send pieces of one block as several.
fn thoughts(message: &Value) -> Vec<Thought> {
    let mut thoughts: Vec<Thought> = Vec::new();
    let mut last_index = &Value::Null;
    for entry in message["reasoning_details"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let goes_on = *last_index == entry["index"];
        last_index = &entry["index"];
        add(&mut thoughts, entry, goes_on);
    }
    let bare = string(&message["reasoning_content"]).or_else(|| string(&message["reasoning"]));
    let bare = bare.filter(|text| !text.is_empty());
    match (bare, thoughts.as_mut_slice()) {
        (Some(bare), []) => thoughts.push(Thought::Told {
            text: bare,
            signature: None,
        }),
        // Streams tell the text and its proof apart, and clients keep them so.
        (Some(bare), [Thought::Told { text, .. }]) if text.is_empty() => *text = bare,
        _ => {}
    }
    thoughts
}

fn add(thoughts: &mut Vec<Thought>, entry: &Value, goes_on: bool) {
    let own = |name: &str| {
        string(&entry[name]).filter(|proof| !proof.is_empty() && !proof.starts_with(FOREIGN))
    };
    if entry["type"] == "reasoning.encrypted" {
        thoughts.extend(own("data").map(Thought::Hidden));
        return;
    }
    let more = string(&entry["text"])
        .or_else(|| string(&entry["summary"]))
        .unwrap_or_default();
    let proof = own("signature");
    match thoughts.last_mut() {
        Some(Thought::Told {
            text,
            signature: signature @ None,
        }) if goes_on => {
            text.push_str(&more);
            *signature = proof;
        }
        _ if more.is_empty() && proof.is_none() => {}
        _ => thoughts.push(Thought::Told {
            text: more,
            signature: proof,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn thoughts_of(message: Value) -> Vec<Thought> {
        thoughts(&message)
    }

    #[test]
    fn pieces_of_a_block_are_one_block() {
        let read = thoughts_of(json!({"reasoning_content": "ab", "reasoning_details": [
            {"type": "reasoning.text", "text": "a", "index": 0},
            {"type": "reasoning.text", "text": "b", "index": 0},
            {"type": "reasoning.text", "signature": "S", "index": 0},
            {"type": "reasoning.encrypted", "data": "R", "index": 1},
            {"type": "reasoning.text", "text": "c", "signature": "T", "index": 2},
        ]}));
        let told = |text: &str, proof: &str| Thought::Told {
            text: text.into(),
            signature: Some(proof.into()),
        };
        assert_eq!(
            read,
            [told("ab", "S"), Thought::Hidden("R".into()), told("c", "T")]
        );
    }

    #[test]
    fn a_proof_without_its_text_is_that_of_the_bare_text() {
        let read = thoughts_of(json!({"reasoning_content": "ab", "reasoning_details": [
            {"type": "reasoning.text", "text": "", "signature": "S", "index": 0},
        ]}));
        let (text, signature) = ("ab".into(), Some("S".into()));
        assert_eq!(read, [Thought::Told { text, signature }]);
    }

    #[test]
    fn a_proof_of_somebody_elses_is_left_out() {
        let read = thoughts_of(json!({"reasoning_details": [
            {"type": "reasoning.text", "text": "a", "signature": "weir.gemini.xyz", "index": 0},
            {"type": "reasoning.encrypted", "data": "weir.responses.abc", "index": 1},
        ]}));
        assert_eq!(
            read,
            [Thought::Told {
                text: "a".into(),
                signature: None
            }]
        );
    }
}
