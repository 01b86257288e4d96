//! Items of an input into turns: what the model said in a row is one turn, and so are results of tools in a row.

use serde_json::{Map, Value};

use crate::wire::Dialect;
use crate::wire::members::Members;
use crate::wire::neutral::{
    Call, CallKind, Malformed, Message, Part, Reasoning, Role, Signature, ToolResult,
};

use super::head;
use super::local::Local;
use super::parts_in;
use super::request_in::plain;

/// The turns so far.
#[derive(Default)]
pub struct Turns {
    messages: Vec<Message>,
}

impl Turns {
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    pub fn finish(self) -> Vec<Message> {
        self.messages
    }

    /// # Errors
    /// Where the item's type is known and a member of it is not what it must be.
    pub fn read_item(&mut self, mut members: Members<'_>) -> Result<(), Malformed> {
        let kind = match members.peek("type") {
            Some(kind) => kind.to_owned(),
            None if members.has("role") => "message".to_owned(),
            None if members.has("id") => "item_reference".to_owned(),
            None => members.needed_text("type")?,
        };
        match kind.as_str() {
            "message" => self.message(members),
            "reasoning" => self.reasoning(members),
            "function_call" => self.call(members, "function_call", "arguments"),
            "custom_tool_call" => self.call(members, "custom_tool_call", "input"),
            kind if head::RESULTS.contains(&kind) => self.result(members, kind),
            _ => match Local::of_call(&kind) {
                Some(local) => self.local_call(members, local),
                None => {
                    self.opaque(&kind, Value::Object(members.rest()));
                    Ok(())
                }
            },
        }
    }

    fn message(&mut self, mut item: Members<'_>) -> Result<(), Malformed> {
        let role = item.needed_text("role")?;
        let role = match role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            _ => {
                let roles = "`user`, `assistant`, `system` or `developer`";
                return Err(item.wrong("role", roles, &Value::String(role)));
            }
        };
        let place = item.path_of("content");
        let content = item.parsed("content");
        let mut rest = item.rest();
        rest.shift_remove("type");
        let parts = parts_in::read_content(&place, content, role)?;
        if role == Role::Assistant {
            self.said_by_model(parts, rest);
        } else {
            self.said_by_client(role, parts, rest);
        }
        Ok(())
    }

    fn said_by_model(&mut self, parts: Vec<Part>, rest: Map<String, Value>) {
        if parts.is_empty() {
            return;
        }
        let turn = self.assistant();
        let is_said = |part: &Part| matches!(part, Part::Text(_) | Part::Refusal(_));
        let follows = turn.last().is_some_and(is_said) && parts.first().is_some_and(is_said);
        let mut head = (follows || !rest.is_empty()).then_some(rest);
        for part in parts {
            // A part that only this dialect knows becomes a message of its own, which has no head.
            if !matches!(part, Part::Opaque { .. }) {
                turn.extend(head.take().map(|rest| head::part("message", rest)));
            }
            turn.push(part);
        }
    }

    /// A message without content says nothing, and is no turn.
    fn said_by_client(&mut self, role: Role, parts: Vec<Part>, rest: Map<String, Value>) {
        let mut head = (!rest.is_empty()).then_some(rest);
        let mut turn: Vec<Part> = Vec::new();
        for part in parts {
            let is_alone = matches!(part, Part::Opaque { .. });
            if is_alone {
                self.turn(role, std::mem::take(&mut turn));
                self.turn(role, vec![part]);
                continue;
            }
            turn.extend(head.take().map(|rest| head::part("message", rest)));
            turn.push(part);
        }
        self.turn(role, turn);
    }

    fn turn(&mut self, role: Role, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.push(Message {
                role,
                parts,
                name: None,
            });
        }
    }

    fn reasoning(&mut self, mut item: Members<'_>) -> Result<(), Malformed> {
        let id = item.text("id")?;
        let encrypted = item.text("encrypted_content")?;
        let signature = encrypted
            .filter(|text| !text.is_empty())
            .map(|text| Signature::from_slot(Dialect::Responses, &text));
        let summary = item.take("summary");
        let content = item.take("content");
        let (text, is_summary, is_held) = {
            let of_summary = texts(summary.as_ref());
            let of_content = texts(content.as_ref());
            let is_summary = of_content.is_empty();
            let said = if is_summary { &of_summary } else { &of_content };
            let parts = parts_of(summary.as_ref()) + parts_of(content.as_ref());
            (
                said.join("\n\n"),
                is_summary,
                parts == said.len() && parts < 2,
            )
        };
        let mut rest = item.rest();
        rest.shift_remove("type");
        // One text is all that the neutral form holds; more, and empty ones, come back by the head.
        if !is_held {
            rest.extend(summary.map(|summary| ("summary".to_owned(), summary)));
            rest.extend(content.map(|content| ("content".to_owned(), content)));
        }
        let turn = self.assistant();
        if !rest.is_empty() {
            turn.push(head::part("reasoning", rest));
        }
        turn.push(Part::Reasoning(Reasoning {
            text,
            is_summary,
            signature,
            id,
        }));
        Ok(())
    }

    fn call(
        &mut self,
        mut item: Members<'_>,
        kind: &str,
        input: &'static str,
    ) -> Result<(), Malformed> {
        let id = item.needed_text("call_id")?;
        let name = item.needed_text("name")?;
        let arguments = item.text(input)?.unwrap_or_default();
        let kind_of_call = if kind == "custom_tool_call" {
            CallKind::Custom
        } else {
            let namespace = item.text("namespace")?;
            namespace.map_or(CallKind::Function, CallKind::Namespaced)
        };
        let signature = self.signature_of_call();
        self.push_call(
            kind,
            item.rest(),
            Call {
                id,
                name,
                arguments,
                kind: kind_of_call,
                signature,
            },
        );
        Ok(())
    }

    fn local_call(&mut self, mut item: Members<'_>, local: Local) -> Result<(), Malformed> {
        let id = item.needed_text("call_id")?;
        let action = item.object(local.arguments_member())?;
        let action = Value::Object(action.map(Members::rest).unwrap_or_default());
        let signature = self.signature_of_call();
        self.push_call(
            local.call_type(),
            item.rest(),
            Call {
                id,
                name: local.name().to_owned(),
                arguments: local.arguments(&action),
                kind: CallKind::Function,
                signature,
            },
        );
        Ok(())
    }

    fn push_call(&mut self, kind: &str, mut rest: Map<String, Value>, call: Call) {
        rest.shift_remove("type");
        let turn = self.assistant();
        // Without a head, the type of a call follows of its kind; only calls of typed tools need one to be told apart.
        if !rest.is_empty() || Local::of_call(kind).is_some() {
            turn.push(head::part(kind, rest));
        }
        turn.push(Part::Call(call));
    }

    /// Gemini signs calls, for which this dialect has no slot: such a signature comes as reasoning without a text, just
    /// before its call.
    fn signature_of_call(&mut self) -> Option<Signature> {
        let turn = &mut self.messages.last_mut()?.parts;
        let Some(Part::Reasoning(reasoning)) = turn.last() else {
            return None;
        };
        let signs = |signature: &Signature| signature.dialect == Dialect::Gemini;
        if !reasoning.text.is_empty() || !reasoning.signature.as_ref().is_some_and(signs) {
            return None;
        }
        match turn.pop() {
            Some(Part::Reasoning(reasoning)) => reasoning.signature,
            _ => None,
        }
    }

    fn result(&mut self, mut item: Members<'_>, kind: &str) -> Result<(), Malformed> {
        let id = match kind {
            // The call's id stands in `id` here.
            "local_shell_call_output" if !item.has("call_id") => item.needed_text("id")?,
            _ => item.needed_text("call_id")?,
        };
        let name = item.text("name")?;
        let place = item.path_of("output");
        let output = item.parsed("output");
        let is_error = kind == "apply_patch_call_output" && item.peek("status") == Some("failed");
        let parts = match output {
            // A list of what each command wrote; to models it is as good as text.
            Some(output) if kind == "shell_call_output" && output.is_array() => {
                vec![plain(output.into_value().to_string())]
            }
            output => parts_in::read_content(&place, output, Role::Tool)?,
        };
        // Nothing, however it is written.
        let is_nothing = parts == [plain(String::new())];
        let mut rest = item.rest();
        rest.shift_remove("type");
        let is_plain = matches!(kind, "function_call_output" | "custom_tool_call_output");
        let mut all = Vec::new();
        if !rest.is_empty() || !is_plain {
            all.push(head::part(kind, rest));
        }
        all.extend(parts.into_iter().filter(|_| !is_nothing));
        let result = Part::Result(ToolResult {
            id,
            name,
            parts: all,
            is_error,
            is_custom: kind == "custom_tool_call_output",
            cache: None,
        });
        self.turn_of(Role::Tool).push(result);
        Ok(())
    }

    /// An item that only this dialect knows. What the client made stands in a turn of the user's, all else in the model's.
    fn opaque(&mut self, kind: &str, value: Value) {
        let by_client = kind.ends_with("_output")
            || matches!(
                kind,
                "item_reference"
                    | "mcp_approval_response"
                    | "configuration_update"
                    | "additional_tools"
            );
        let part = Part::Opaque {
            dialect: Dialect::Responses,
            value,
        };
        if by_client {
            self.push(Message {
                role: Role::User,
                parts: vec![part],
                name: None,
            });
        } else {
            self.assistant().push(part);
        }
    }

    fn assistant(&mut self) -> &mut Vec<Part> {
        self.turn_of(Role::Assistant)
    }

    /// The turn that runs, where it is of that role; a new one otherwise.
    fn turn_of(&mut self, role: Role) -> &mut Vec<Part> {
        if self.messages.last().is_none_or(|last| last.role != role) {
            self.push(Message {
                role,
                parts: Vec::new(),
                name: None,
            });
        }
        let last = self.messages.len() - 1;
        &mut self.messages[last].parts
    }
}

/// How many parts a summary or reasoning content has.
fn parts_of(list: Option<&Value>) -> usize {
    list.and_then(Value::as_array).map_or(0, Vec::len)
}

/// The texts of a summary or of reasoning content.
fn texts(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array);
    let parts = list.into_iter().flatten();
    let texts = parts.filter_map(|part| part["text"].as_str());
    texts.filter(|text| !text.is_empty()).collect()
}
