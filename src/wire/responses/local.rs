//! Tools whose arguments OpenAI has fixed and which the client runs itself: `local_shell`, `shell`, `apply_patch`. To
//! other targets they are functions, with the documented arguments as their schema.

use serde_json::{Map, Value, json};

use crate::wire::neutral::{Tool, ToolKind};
use crate::wire::parsed::Parsed;

/// One of these tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// `local_shell`.
    Exec,
    Shell,
    ApplyPatch,
}

impl Local {
    const ALL: [Local; 3] = [Local::Exec, Local::Shell, Local::ApplyPatch];

    /// The tool's type, which is its name as well.
    pub fn name(self) -> &'static str {
        match self {
            Local::Exec => "local_shell",
            Local::Shell => "shell",
            Local::ApplyPatch => "apply_patch",
        }
    }

    pub fn call_type(self) -> &'static str {
        match self {
            Local::Exec => "local_shell_call",
            Local::Shell => "shell_call",
            Local::ApplyPatch => "apply_patch_call",
        }
    }

    /// The start of its items' ids.
    pub fn prefix(self) -> &'static str {
        match self {
            Local::Exec => "lsh",
            Local::Shell => "sh",
            Local::ApplyPatch => "apc",
        }
    }

    /// The member of a call that holds its arguments.
    pub fn arguments_member(self) -> &'static str {
        match self {
            Local::Exec | Local::Shell => "action",
            Local::ApplyPatch => "operation",
        }
    }

    pub fn of_call(call_type: &str) -> Option<Local> {
        let mut all = Local::ALL.into_iter();
        all.find(|local| local.call_type() == call_type)
    }

    /// The tool of a client's definition; none where the vendor is to run it (a shell in a container).
    pub fn of_definition(definition: &Parsed<'_>) -> Option<Local> {
        let kind = definition["type"].as_str()?;
        let local = Local::ALL.into_iter().find(|local| local.name() == kind)?;
        let place = definition["environment"]["type"].as_str();
        let is_hosted = place.is_some_and(|place| place.starts_with("container"));
        (!is_hosted).then_some(local)
    }

    /// The tool that a definition was read from.
    pub fn of_tool(tool: &Tool) -> Option<Local> {
        if !matches!(tool.kind, ToolKind::Function { .. }) {
            return None;
        }
        let kind = tool.own.get("type")?.as_str()?;
        Local::ALL.into_iter().find(|local| local.name() == kind)
    }

    /// The tool as a function.
    pub fn tool(self, own: Map<String, Value>) -> Tool {
        Tool {
            name: self.name().to_owned(),
            description: Some(self.description().to_owned()),
            kind: ToolKind::Function {
                parameters: Some(self.parameters()),
                strict: None,
            },
            cache: None,
            own,
        }
    }

    fn description(self) -> &'static str {
        match self {
            Local::Exec => "Runs a command on the user's machine and returns its output.",
            Local::Shell => "Runs shell commands on the user's machine and returns their outputs.",
            Local::ApplyPatch => {
                "Creates, updates or deletes one file. The diff is in V4A format: lines begin with a space (context), - or +."
            }
        }
    }

    fn parameters(self) -> Value {
        let text = || json!({"type": "string"});
        let texts = || json!({"type": "array", "items": {"type": "string"}});
        match self {
            Local::Exec => json!({"type": "object", "properties": {
                "command": texts(),
                "env": {"type": "object", "additionalProperties": {"type": "string"}},
                "timeout_ms": {"type": "integer"},
                "user": text(),
                "working_directory": text(),
            }, "required": ["command"]}),
            Local::Shell => json!({"type": "object", "properties": {
                "commands": texts(),
                "timeout_ms": {"type": "integer"},
                "max_output_length": {"type": "integer"},
            }, "required": ["commands"]}),
            Local::ApplyPatch => json!({"type": "object", "properties": {
                "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                "path": text(),
                "diff": text(),
            }, "required": ["type", "path"]}),
        }
    }

    /// A call's action or operation as a function's arguments.
    pub fn arguments(self, action: &Value) -> String {
        match (self, action) {
            (Local::Exec, Value::Object(action)) => {
                let mut arguments = action.clone();
                arguments.shift_remove("type");
                Value::Object(arguments).to_string()
            }
            _ => action.to_string(),
        }
    }

    /// A function's arguments as the call's action or operation; none where they are not what the tool takes.
    pub fn action(self, arguments: &str) -> Option<Value> {
        let mut action: Map<String, Value> = serde_json::from_str(arguments).ok()?;
        let texts = |value: Option<&Value>| {
            value
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().all(Value::is_string))
        };
        match self {
            Local::Exec => {
                if !texts(action.get("command")) {
                    return None;
                }
                if !action.get("env").is_some_and(Value::is_object) {
                    action.insert("env".to_owned(), json!({}));
                }
                action.insert("type".to_owned(), "exec".into());
            }
            Local::Shell => {
                if !texts(action.get("commands")) {
                    return None;
                }
            }
            Local::ApplyPatch => {
                let needed: &[&str] = match action.get("type").and_then(Value::as_str)? {
                    "create_file" | "update_file" => &["path", "diff"],
                    "delete_file" => &["path"],
                    _ => return None,
                };
                let is_text = |name: &&str| action.get(*name).is_some_and(Value::is_string);
                if !needed.iter().all(is_text) {
                    return None;
                }
            }
        }
        Some(Value::Object(action))
    }
}
