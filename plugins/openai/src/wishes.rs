//! How an answer is to be made: bounds, sampling, thinking and its form.

use serde_json::{Map, Value};

use super::Refused;
use super::content::string;

#[derive(Debug, Clone, PartialEq)]
pub struct Wishes {
    pub stream: bool,
    pub output_tokens_max: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub seed: Option<u64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    /// None is empty.
    pub stop: Vec<String>,
    pub thinking: Thinking,
    pub output: Output,
}

/// What is asked for of thinking; all `None` where nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinking {
    pub on: Option<bool>,
    pub effort: Option<Effort>,
    pub budget_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
}

impl Effort {
    fn parse(word: &str) -> Option<Effort> {
        match word {
            "minimal" => Some(Effort::Minimal),
            "low" => Some(Effort::Low),
            "medium" => Some(Effort::Medium),
            "high" => Some(Effort::High),
            "xhigh" => Some(Effort::ExtraHigh),
            "max" => Some(Effort::Max),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::ExtraHigh => "xhigh",
            Effort::Max => "max",
        }
    }

    /// A budget for it, in tokens: those that weir has for other providers.
    pub fn budget_tokens(self) -> u64 {
        match self {
            Effort::Minimal | Effort::Low => 1024,
            Effort::Medium => 4096,
            Effort::High => 16384,
            Effort::ExtraHigh | Effort::Max => 32000,
        }
    }

    /// The effort that a budget comes to.
    pub fn of_budget(tokens: u64) -> Effort {
        match tokens {
            0..2000 => Effort::Low,
            2000..8000 => Effort::Medium,
            8000..24000 => Effort::High,
            _ => Effort::ExtraHigh,
        }
    }
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Text,
    /// Any JSON object.
    Object,
    Schema {
        name: Option<String>,
        description: Option<String>,
        schema: Value,
    },
}

impl Wishes {
    /// # Errors
    /// When more than one answer is asked for, which no provider of ours gives.
    pub fn read(request: &Map<String, Value>) -> Result<Wishes, Refused> {
        let get = |name: &str| request.get(name).unwrap_or(&Value::Null);
        let number = |name: &str| get(name).as_f64();
        let count = |name: &str| get(name).as_u64();
        match count("n") {
            None | Some(1) => {}
            Some(n) => return Err(format!("this provider gives one answer, and `n` is {n}")),
        }
        Ok(Wishes {
            stream: get("stream") == &Value::Bool(true),
            output_tokens_max: count("max_completion_tokens").or(count("max_tokens")),
            temperature: number("temperature"),
            top_p: number("top_p"),
            top_k: count("top_k"),
            seed: count("seed"),
            frequency_penalty: number("frequency_penalty"),
            presence_penalty: number("presence_penalty"),
            stop: stop(get("stop")),
            thinking: thinking(request),
            output: output(get("response_format")),
        })
    }
}

fn stop(stop: &Value) -> Vec<String> {
    let given = match stop {
        Value::String(text) => vec![text.clone()],
        Value::Array(texts) => texts.iter().filter_map(string).collect(),
        _ => Vec::new(),
    };
    given.into_iter().filter(|text| !text.is_empty()).collect()
}

/// OpenAI's `reasoning_effort`, `thinking` in Anthropic's form, and OpenRouter's `reasoning`.
fn thinking(request: &Map<String, Value>) -> Thinking {
    let get = |name: &str| request.get(name).unwrap_or(&Value::Null);
    let (object, given) = (get("reasoning"), get("thinking"));
    let word = get("reasoning_effort")
        .as_str()
        .or(object["effort"].as_str());
    let budget = given["budget_tokens"]
        .as_u64()
        .or(object["max_tokens"].as_u64());
    let on = match given["type"].as_str() {
        Some("enabled" | "adaptive") => Some(true),
        Some("disabled") => Some(false),
        _ => object["enabled"].as_bool(),
    };
    let effort = word.and_then(Effort::parse);
    let implied = match word {
        Some("none") => Some(false),
        _ => (effort.is_some() || budget.is_some()).then_some(true),
    };
    Thinking {
        on: on.or(implied),
        effort,
        budget_tokens: budget,
    }
}

fn output(format: &Value) -> Output {
    match format["type"].as_str() {
        Some("json_object") => Output::Object,
        Some("json_schema") => {
            let given = &format["json_schema"];
            match given.get("schema") {
                None => Output::Object,
                Some(schema) => Output::Schema {
                    name: string(&given["name"]),
                    description: string(&given["description"]),
                    schema: schema.clone(),
                },
            }
        }
        _ => Output::Text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(request: Value, on: Option<bool>, effort: Option<Effort>, budget: Option<u64>) {
        let read = Wishes::read(request.as_object().expect("it is one")).expect("it can be read");
        assert_eq!(
            read.thinking,
            Thinking {
                on,
                effort,
                budget_tokens: budget
            },
            "{request}"
        );
    }

    #[test]
    fn thinking_is_asked_for_in_three_forms() {
        check(json!({}), None, None, None);
        check(json!({"reasoning_effort": "none"}), Some(false), None, None);
        check(
            json!({"reasoning_effort": "high"}),
            Some(true),
            Some(Effort::High),
            None,
        );
        check(
            json!({"thinking": {"type": "enabled", "budget_tokens": 5}}),
            Some(true),
            None,
            Some(5),
        );
        check(
            json!({"thinking": {"type": "disabled"}}),
            Some(false),
            None,
            None,
        );
        check(
            json!({"reasoning": {"max_tokens": 9}}),
            Some(true),
            None,
            Some(9),
        );
        check(
            json!({"reasoning": {"enabled": false}}),
            Some(false),
            None,
            None,
        );
    }

    #[test]
    fn several_answers_are_refused() {
        let request = json!({"n": 2});
        assert!(Wishes::read(request.as_object().expect("it is one")).is_err());
    }
}
