//! The turns of a conversation as clients write them. Results of tools are gathered into turns of their own, and calls
//! and results that name no id find each other by order.

use std::collections::HashSet;

use serde_json::Value;

use crate::wire::Dialect;
use crate::wire::members::{Element, Members, Path, elements};
use crate::wire::neutral::{
    Call, CallKind, Malformed, Message, Part, Reasoning, Role, Signature, ToolResult, Unanswered,
};
use crate::wire::parsed::Parsed;

use super::parts_in::{self, arguments, content, plain};
use super::reasoning;
use super::values::required_at as required;

/// The turns so far.
#[derive(Debug, Default)]
pub struct Conversation {
    pub messages: Vec<Message>,
    /// Calls seen, for ids that are made.
    calls: usize,
    unanswered: Unanswered,
    /// Ids of calls of custom tools.
    customs: HashSet<String>,
}

impl Conversation {
    /// Instructions that stand outside of the messages, as in Responses and Anthropic's API.
    pub fn instructions(&mut self, value: Parsed<'_>) -> Result<(), Malformed> {
        let path = Path::default().member("instructions");
        let parts = content(&path, Some(value))?;
        self.push(Role::System, parts, None);
        Ok(())
    }

    /// A bare question.
    pub fn question(&mut self, text: String) {
        self.push(Role::User, vec![plain(text)], None);
    }

    /// Reads a list of messages, or of items as Responses has them.
    pub fn messages(&mut self, name: &'static str, list: Parsed<'_>) -> Result<(), Malformed> {
        for element in elements(list, &Path::default().member(name))? {
            self.message(element.members()?)?;
        }
        Ok(())
    }

    fn message(&mut self, mut members: Members<'_>) -> Result<(), Malformed> {
        let kind = members.text("type")?;
        match kind.as_deref() {
            Some("function_call") => return self.call_item(members, CallKind::Function),
            Some("custom_tool_call") => return self.call_item(members, CallKind::Custom),
            Some("function_call_output") => return self.result_item(members, false),
            Some("custom_tool_call_output") => return self.result_item(members, true),
            Some("reasoning") => {
                self.last_assistant()
                    .push(Part::Reasoning(reasoning_item(&mut members)?));
                return Ok(());
            }
            Some(_) | None => {}
        }
        let role = members.text("role")?;
        let role = required(role, || members.path_of("role"))?;
        match role.as_str() {
            "system" => self.turn(Role::System, members),
            "developer" => self.turn(Role::Developer, members),
            "user" => self.turn(Role::User, members),
            "assistant" | "model" => self.assistant(members),
            "tool" | "function" => self.result(members),
            _ => {
                let expected = "`developer`, `system`, `user`, `assistant` or `tool`";
                Err(members.wrong("role", expected, &Value::String(role)))
            }
        }
    }

    /// A turn of the user's, or instructions.
    fn turn(&mut self, role: Role, mut members: Members<'_>) -> Result<(), Malformed> {
        let name = members.text("name")?;
        let said = members.parsed("content");
        let mut parts = content(&members.path_of("content"), said)?;
        mark_last(&mut parts, &mut members);
        // Anthropic's shape: results stand in the user's turn.
        let is_result = |part: &mut Part| matches!(part, Part::Result(_));
        let mut has_results = false;
        for part in parts.extract_if(.., is_result) {
            if let Part::Result(result) = part {
                has_results = true;
                self.unanswered.take(Some(&result.id), None);
                self.push_result(result);
            }
        }
        parts.extend(leftover(members));
        if !parts.is_empty() || !has_results {
            self.push(role, parts, name);
        }
        Ok(())
    }

    fn assistant(&mut self, mut members: Members<'_>) -> Result<(), Malformed> {
        let name = members.text("name")?;
        let mut parts = thoughts(&mut members)?;
        let said = members.parsed("content");
        parts.extend(content(&members.path_of("content"), said)?);
        mark_last(&mut parts, &mut members);
        if let Some(refusal) = members.text("refusal")? {
            parts.push(Part::Refusal(refusal));
        }
        for call in members.list("tool_calls")? {
            parts.push(Part::Call(tool_call(call.members()?)?));
        }
        if let Some(call) = members.object("function_call")? {
            parts.push(Part::Call(tool_call(call)?));
        }
        for part in &mut parts {
            if let Part::Call(call) = part {
                self.called(call);
            }
        }
        parts.extend(leftover(members));
        self.push(Role::Assistant, parts, name);
        Ok(())
    }

    /// Remembers a call, and gives it an id if it has none.
    fn called(&mut self, call: &mut Call) {
        if call.id.is_empty() {
            call.id = format!("call_{}", self.calls);
        }
        self.calls += 1;
        self.unanswered.push(&call.id, &call.name);
        if call.kind == CallKind::Custom {
            self.customs.insert(call.id.clone());
        }
    }

    fn result(&mut self, mut members: Members<'_>) -> Result<(), Malformed> {
        let name = members.text("name")?;
        let id = members.text("tool_call_id")?;
        let id = id.filter(|id| !id.is_empty());
        // Without an id it answers the first call of its name that nobody has answered.
        let called = self.unanswered.take(id.as_deref(), name.as_deref());
        let id = id.or(called.map(|(id, _)| id));
        let id = required(id, || members.path_of("tool_call_id"))?;
        let said = members.parsed("content");
        let mut parts = content(&members.path_of("content"), said)?;
        mark_last(&mut parts, &mut members);
        let is_error = members.parsed("is_error").and_then(|it| it.as_bool());
        self.push_result(ToolResult {
            id,
            name,
            parts,
            is_error: is_error.unwrap_or(false),
            is_custom: false,
            cache: None,
        });
        Ok(())
    }

    fn call_item(&mut self, mut members: Members<'_>, kind: CallKind) -> Result<(), Malformed> {
        let name = members.text("name")?;
        let input = if kind == CallKind::Custom {
            "input"
        } else {
            "arguments"
        };
        let mut call = Call {
            id: members.text("call_id")?.unwrap_or_default(),
            name: required(name, || members.path_of("name"))?,
            arguments: arguments(members.parsed(input)),
            kind,
            signature: None,
        };
        self.called(&mut call);
        self.last_assistant().push(Part::Call(call));
        Ok(())
    }

    fn result_item(&mut self, mut members: Members<'_>, is_custom: bool) -> Result<(), Malformed> {
        let id = members.text("call_id")?;
        let id = required(id, || members.path_of("call_id"))?;
        self.unanswered.take(Some(&id), None);
        let output = members.parsed("output");
        let parts = content(&members.path_of("output"), output)?;
        self.push_result(ToolResult {
            id,
            name: None,
            parts,
            is_error: false,
            is_custom,
            cache: None,
        });
        Ok(())
    }

    fn push(&mut self, role: Role, parts: Vec<Part>, name: Option<String>) {
        self.messages.push(Message { role, parts, name });
    }

    fn push_result(&mut self, mut result: ToolResult) {
        result.is_custom |= self.customs.contains(&result.id);
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Tool => last.parts.push(Part::Result(result)),
            Some(_) | None => self.push(Role::Tool, vec![Part::Result(result)], None),
        }
    }

    /// The parts of the assistant's turn that is running; a new one where it is another's turn.
    fn last_assistant(&mut self) -> &mut Vec<Part> {
        let is_assistant = |message: &Message| message.role == Role::Assistant;
        if !self.messages.last().is_some_and(is_assistant) {
            self.push(Role::Assistant, Vec::new(), None);
        }
        let last = self.messages.last_mut();
        &mut last.expect("a turn has just been pushed").parts
    }
}

/// `reasoning_details` with their proofs, or the bare text.
fn thoughts(members: &mut Members<'_>) -> Result<Vec<Part>, Malformed> {
    let text = members.text("reasoning_content")?;
    let text = text.or(members.text("reasoning")?);
    let text = text.filter(|text| !text.is_empty());
    let details = members.list("reasoning_details")?;
    let details: Vec<Value> = details.into_iter().map(Element::value).collect();
    let mut blocks = reasoning::read_details(&details);
    let has_text = blocks.iter().any(|block| !block.text.is_empty());
    // Proofs alone belong to the text beside them.
    match (text.filter(|_| !has_text), blocks.as_mut_slice()) {
        (None, _) => {}
        (Some(text), [only]) if reasoning::attaches(only) => only.text = text,
        (Some(text), _) => {
            let block = Reasoning {
                text,
                ..Reasoning::default()
            };
            blocks.insert(0, block);
        }
    }
    Ok(blocks.into_iter().map(Part::Reasoning).collect())
}

fn tool_call(mut members: Members<'_>) -> Result<Call, Malformed> {
    let id = members.text("id")?.unwrap_or_default();
    let extra = members.take("extra_content").unwrap_or_default();
    let proof = extra["google"]["thought_signature"].as_str();
    let signature = proof.map(|proof| Signature::from_slot(Dialect::Chat, proof));
    let custom = members.parsed("custom").filter(Parsed::is_object);
    let kind = if custom.is_some() {
        CallKind::Custom
    } else {
        CallKind::Function
    };
    let function = members.path_of("function");
    let inner = custom.or_else(|| members.parsed("function").filter(Parsed::is_object));
    // Flat calls have name and arguments beside the id.
    let mut inner = match inner {
        Some(inner) => Members::of(inner, function.clone())?,
        None => members,
    };
    let name = inner.text("name")?;
    let input = inner.parsed("arguments").or_else(|| inner.parsed("input"));
    Ok(Call {
        id,
        name: required(name, || function.member("name"))?,
        arguments: arguments(input),
        kind,
        signature,
    })
}

/// An item of Responses: a summary, and the reasoning itself encrypted.
fn reasoning_item(members: &mut Members<'_>) -> Result<Reasoning, Malformed> {
    let text = |of: Option<Value>| of.as_ref().map(parts_in::joined_texts);
    let summary = text(members.take("summary")).unwrap_or_default();
    let content = text(members.take("content")).unwrap_or_default();
    let is_summary = !summary.is_empty();
    let proof = members.text("encrypted_content")?;
    let proof = proof.filter(|proof| !proof.is_empty());
    Ok(Reasoning {
        text: if is_summary { summary } else { content },
        is_summary,
        signature: proof.map(|proof| Signature::from_slot(Dialect::Responses, &proof)),
        id: members.text("id")?,
    })
}

/// A cache mark on the message as a whole stands on its last text.
fn mark_last(parts: &mut [Part], members: &mut Members<'_>) {
    let Some(mark) = members.take("cache_control") else {
        return;
    };
    if let Some(Part::Text(text)) = parts.last_mut() {
        text.cache = parts_in::cache_mark(&mark);
    }
}

/// What has no place: for upstreams of this dialect, which may know it. The block has no `type`: it is members of the message.
fn leftover(members: Members<'_>) -> Option<Part> {
    let mut members = members.rest();
    let is_said = |value: &Value| match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    };
    members.retain(|name, value| is_said(value) && name != "status");
    (!members.is_empty()).then_some(Part::Opaque {
        dialect: Dialect::Chat,
        value: Value::Object(members),
    })
}
