//! Which tools the simulated model calls, and with what.
//! It must not know how calls are framed.

use serde_json::Value;

use super::answer::Text;
use super::random::Random;
use super::refusal::Refusal;
use super::schema::instance;

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// A call of one.
#[derive(Debug, Clone)]
pub struct Call {
    pub id: String,
    pub name: String,
    /// JSON.
    pub arguments: Text,
}

/// The tools to call for a request whose last message is `text`: every one that it names; else one of them; none under `none`.
///
/// # Errors
/// `tool_choice` names a tool that is not there, or asks for one where there are none.
pub fn chosen(body: &Value, text: &str, random: &mut Random) -> Result<Vec<Tool>, Refusal> {
    let tools: Vec<Tool> = body
        .get("tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Tool::read)
        .collect();
    let choice = body.get("tool_choice").filter(|choice| !choice.is_null());
    let forced = choice.filter(|choice| !matches!(choice.as_str(), Some("auto" | "none")));
    if tools.is_empty() {
        return match forced {
            Some(_) => Err(Refusal::invalid(
                "tool_choice",
                "When using `tool_choice`, `tools` must be set.",
            )),
            None => Ok(Vec::new()),
        };
    }
    if choice.and_then(Value::as_str) == Some("none") {
        return Ok(Vec::new());
    }
    if let Some(name) = choice
        .and_then(|choice| {
            choice
                .pointer("/function/name")
                .or_else(|| choice.get("name"))
        })
        .and_then(Value::as_str)
    {
        let named = tools.into_iter().find(|tool| tool.name == name);
        return named.map(|tool| vec![tool]).ok_or_else(|| {
            Refusal::invalid("tool_choice", format!("The tool specified in `tool_choice` does not match any of the specified `tools`: {name}"))
        });
    }
    let one_at_a_time = body.get("parallel_tool_calls") == Some(&Value::Bool(false));
    let mut named: Vec<Tool> = tools
        .iter()
        .filter(|tool| text.contains(&tool.name))
        .cloned()
        .collect();
    if named.is_empty() {
        named.extend(random.pick(&tools).cloned());
    }
    named.truncate(if one_at_a_time { 1 } else { CALLS_MAX });
    Ok(named)
}

/// Calls of one answer.
const CALLS_MAX: usize = 16;

impl Tool {
    /// Chat's `{"type": "function", "function": {…}}`, or the Responses API's flat form.
    fn read(tool: &Value) -> Option<Self> {
        let function = tool.get("function").unwrap_or(tool);
        let is_function = tool.get("type").is_none_or(|kind| kind == "function");
        let name = function
            .get("name")?
            .as_str()
            .filter(|_| is_function)?
            .to_string();
        let parameters = function
            .get("parameters")
            .cloned()
            .unwrap_or_else(|| serde_json::json!({"type": "object"}));
        Some(Self { name, parameters })
    }

    /// A call with arguments that its schema allows.
    pub fn call(&self, id_prefix: &str, random: &mut Random) -> Call {
        let arguments = instance(&self.parameters, random);
        Call {
            id: format!("{id_prefix}{}", random.hex(24)),
            name: self.name.clone(),
            arguments: Text::of(arguments.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(body: &Value, text: &str) -> Result<Vec<String>, String> {
        let tools = chosen(body, text, &mut Random::of(&[b"x"]));
        tools
            .map(|tools| tools.into_iter().map(|tool| tool.name).collect())
            .map_err(|refusal| refusal.message)
    }

    #[test]
    fn the_choice_and_the_prompt_decide() {
        let tools = json!([{"type": "function", "function": {"name": "get_weather"}}, {"type": "function", "name": "get_time", "parameters": {}}]);
        let check = |more: Value, text, expected: &[&str]| {
            let mut body = more;
            body["tools"] = tools.clone();
            assert_eq!(names(&body, text).unwrap(), expected, "{body} {text}");
        };
        check(json!({}), "call get_time", &["get_time"]);
        check(
            json!({}),
            "get_weather and get_time",
            &["get_weather", "get_time"],
        );
        check(
            json!({"parallel_tool_calls": false}),
            "get_weather and get_time",
            &["get_weather"],
        );
        check(json!({"tool_choice": "none"}), "get_time", &[]);
        check(
            json!({"tool_choice": {"type": "function", "function": {"name": "get_time"}}}),
            "",
            &["get_time"],
        );
        let mut body = json!({"tools": tools});
        assert_eq!(
            names(&body, "hello").unwrap().len(),
            1,
            "without a name in the prompt, one of them"
        );
        body["tool_choice"] = json!({"type": "function", "function": {"name": "nothing"}});
        assert!(names(&body, "").is_err());
        assert!(names(&json!({"tool_choice": "required"}), "").is_err());
    }
}
