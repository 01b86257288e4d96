//! The messages of a conversation, as Cohere takes them.

use serde_json::{Map, Value, json};
use weir_openai::{Call, Message, Part, Refused, Role, Thought, object, text_of};

use super::config::{Config, PastThoughts, ToolResults};
use super::names::Names;

/// Models from before thinking had a form of its own: what they thought is their plan for their tools.
const PLANNERS: [&str; 4] = [
    "command-r",
    "command-a-03",
    "command-a-vision",
    "command-a-translate",
];

pub struct Messages<'m> {
    past: PastThoughts,
    results: ToolResults,
    names: &'m Names,
}

impl<'m> Messages<'m> {
    pub fn new(model: &str, config: &Config, names: &'m Names) -> Messages<'m> {
        let past = match config.past_thoughts {
            PastThoughts::Auto if PLANNERS.iter().any(|family| model.starts_with(family)) => {
                PastThoughts::ToolPlan
            }
            PastThoughts::Auto => PastThoughts::Thinking,
            told => told,
        };
        Messages {
            past,
            results: config.tool_results,
            names,
        }
    }

    /// The messages. Those that say nothing are left out: Cohere refuses them.
    ///
    /// # Errors
    /// What Cohere has no form for.
    pub fn write(&self, messages: Vec<Message>) -> Result<Vec<Value>, Refused> {
        let mut written = Vec::with_capacity(messages.len());
        for message in messages {
            written.extend(match message.role {
                Role::System => plain("system", texts_only(message.parts, "instructions")?),
                Role::User => plain("user", user(message.parts)?),
                Role::Assistant => self.assistant(message)?,
                Role::Tool => Some(self.result(message)?),
            });
        }
        match written.is_empty() {
            true => Err("the conversation says nothing".to_owned()),
            false => Ok(written),
        }
    }

    fn assistant(&self, message: Message) -> Result<Option<Value>, Refused> {
        let mut written = Map::new();
        written.insert("role".to_owned(), "assistant".into());
        let said = texts_only(message.parts, "an assistant's message")?;
        let thought = thoughts(&message.thoughts);
        let has_calls = !message.calls.is_empty();
        let mut content = Vec::new();
        if !thought.is_empty() {
            match self.past {
                PastThoughts::ToolPlan if has_calls => {
                    written.insert("tool_plan".to_owned(), thought.into());
                }
                PastThoughts::Thinking => {
                    content.push(json!({"type": "thinking", "thinking": thought}));
                }
                PastThoughts::Auto | PastThoughts::ToolPlan | PastThoughts::Drop => {}
            }
        }
        let has_thoughts = !content.is_empty();
        match said {
            Some(Value::String(text)) if has_thoughts => {
                content.push(json!({"type": "text", "text": text}));
                written.insert("content".to_owned(), Value::Array(content));
            }
            Some(said) => {
                written.insert("content".to_owned(), said);
            }
            None if has_thoughts && has_calls => {
                written.insert("content".to_owned(), Value::Array(content));
            }
            None => {}
        }
        if has_calls {
            let calls = message.calls.iter().map(|call| self.call(call));
            written.insert("tool_calls".to_owned(), calls.collect());
        }
        Ok((written.len() > 1).then_some(Value::Object(written)))
    }

    fn call(&self, call: &Call) -> Value {
        let arguments = match call.arguments.trim() {
            "" => "{}",
            arguments => arguments,
        };
        let name = self.names.written(&call.name);
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": call.id, "type": "function", "function": function})
    }

    fn result(&self, message: Message) -> Result<Value, Refused> {
        let Some(id) = &message.call_id else {
            return Err("a tool's message does not say which call it answers".to_owned());
        };
        let said = texts_only(message.parts, "a tool's message")?;
        let text = said.as_ref().and_then(Value::as_str).unwrap_or_default();
        let content = match self.results {
            ToolResults::Text => text.into(),
            ToolResults::Documents => json!([{"type": "document", "document": document(text)}]),
        };
        Ok(json!({"role": "tool", "tool_call_id": id, "content": content}))
    }
}

/// A result as a document: its members, where it is an object.
fn document(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => json!({"data": members}),
        _ => json!({"data": {"text": text}}),
    }
}

fn plain(role: &str, content: Option<Value>) -> Option<Value> {
    Some(object([("role", role.into()), ("content", content?)]))
}

/// The text, where there are texts alone.
fn texts_only(parts: Vec<Part>, place: &str) -> Result<Option<Value>, Refused> {
    if let Some(other) = parts.iter().find(|part| !matches!(part, Part::Text { .. })) {
        return Err(format!("Cohere takes no {} in {place}", kind(other)));
    }
    let text = text_of(&parts, "\n");
    Ok((!text.is_empty()).then_some(Value::String(text)))
}

fn user(parts: Vec<Part>) -> Result<Option<Value>, Refused> {
    if parts.iter().all(|part| matches!(part, Part::Text { .. })) {
        return texts_only(parts, "a user's message");
    }
    let mut content = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text { text, .. } if text.is_empty() => {}
            Part::Text { text, .. } => content.push(json!({"type": "text", "text": text})),
            Part::Image { url, detail, .. } => {
                let mut image = object([("url", url.into())]);
                if let Some(detail) = detail {
                    image["detail"] = detail.into();
                }
                content.push(object([("type", "image_url".into()), ("image_url", image)]));
            }
            Part::Audio { .. } | Part::File { .. } => {
                return Err(format!("Cohere's chat takes no {}", kind(&part)));
            }
        }
    }
    Ok((!content.is_empty()).then_some(Value::Array(content)))
}

fn kind(part: &Part) -> &'static str {
    match part {
        Part::Text { .. } => "text",
        Part::Image { .. } => "image",
        Part::Audio { .. } => "audio",
        Part::File { .. } => "file; send its text, or `documents`",
    }
}

fn thoughts(thoughts: &[Thought]) -> String {
    let texts = thoughts.iter().filter_map(|thought| match thought {
        Thought::Told { text, .. } => Some(text.as_str()),
        Thought::Hidden(_) => None,
    });
    texts.collect()
}
