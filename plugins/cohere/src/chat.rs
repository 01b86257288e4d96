//! A request of `POST /v2/chat` (<https://docs.cohere.com/reference/chat>).

use serde_json::{Map, Value, json};
use weir_openai::{Choice, Effort, Output, Refused, Tool, Tools, Wishes, messages};

use super::config::Config;
use super::messages::Messages;
use super::names::Names;

/// Stop sequences that Cohere takes.
const STOPS_MAX: usize = 5;
/// The bounds of `p`.
const TOP_P: (f64, f64) = (0.01, 0.99);
const TOP_K_MAX: u64 = 500;

/// Members of Cohere's own, which clients may add to a request, and which go as they are.
const OWN: [&str; 7] = [
    "documents",
    "citation_options",
    "safety_mode",
    "strict_tools",
    "priority",
    "k",
    "p",
];

/// # Errors
/// What Cohere has no form for.
pub fn request(
    request: &mut Map<String, Value>,
    model: &str,
    config: &Config,
) -> Result<Map<String, Value>, Refused> {
    let wishes = Wishes::read(request)?;
    let names = Names::of(request);
    let told = Messages::new(model, config, &names).write(messages(request)?)?;
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), Value::Array(told));
    body.insert("stream".to_owned(), wishes.stream.into());
    tools(&mut body, Tools::read(request)?, &names);
    bounds(&mut body, &wishes)?;
    sampling(&mut body, &wishes);
    thinking(&mut body, &wishes);
    if let Some(format) = format(&wishes.output) {
        body.insert("response_format".to_owned(), format);
    }
    if let Some(mode) = &config.safety_mode {
        body.insert("safety_mode".to_owned(), mode.as_str().into());
    }
    for name in OWN {
        if let Some(value) = request.get(name) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    Ok(body)
}

fn tools(body: &mut Map<String, Value>, mut tools: Tools, names: &Names) {
    // There is no word for one tool alone: it is made the only one, and has to be called.
    let word = match &tools.choice {
        Choice::Auto => None,
        Choice::None => Some("NONE"),
        Choice::Required => Some("REQUIRED"),
        Choice::Named(name) => {
            tools.list.retain(|tool| tool.name == *name);
            Some("REQUIRED")
        }
    };
    if tools.list.is_empty() {
        return;
    }
    let is_strict = tools.list.iter().all(|tool| tool.is_strict);
    let list = tools.list.iter().map(|each| tool(each, names));
    body.insert("tools".to_owned(), list.collect());
    if is_strict {
        body.insert("strict_tools".to_owned(), true.into());
    }
    if let Some(word) = word {
        body.insert("tool_choice".to_owned(), word.into());
    }
}

fn tool(tool: &Tool, names: &Names) -> Value {
    let mut function = json!({"name": names.written(&tool.name)});
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    let nothing = || json!({"type": "object", "properties": {}});
    function["parameters"] = tool.parameters.clone().unwrap_or_else(nothing);
    json!({"type": "function", "function": function})
}

fn bounds(body: &mut Map<String, Value>, wishes: &Wishes) -> Result<(), Refused> {
    if let Some(tokens) = wishes.output_tokens_max {
        body.insert("max_tokens".to_owned(), tokens.into());
    }
    match wishes.stop.len() {
        0 => {}
        1..=STOPS_MAX => {
            let stop = wishes.stop.iter().map(String::as_str);
            body.insert("stop_sequences".to_owned(), stop.collect());
        }
        count => {
            return Err(format!(
                "Cohere takes {STOPS_MAX} stop sequences, and there are {count}"
            ));
        }
    }
    Ok(())
}

/// What is out of Cohere's bounds is brought to the nearest that is not.
fn sampling(body: &mut Map<String, Value>, wishes: &Wishes) {
    let mut put = |name: &str, value: Option<f64>, (least, most): (f64, f64)| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.clamp(least, most).into());
        }
    };
    put("temperature", wishes.temperature, (0.0, 1.0));
    // Everything may be drawn: that is no bound at all.
    put("p", wishes.top_p.filter(|p| *p < 1.0), TOP_P);
    put("frequency_penalty", wishes.frequency_penalty, (0.0, 1.0));
    put("presence_penalty", wishes.presence_penalty, (0.0, 1.0));
    if let Some(k) = wishes.top_k {
        body.insert("k".to_owned(), k.min(TOP_K_MAX).into());
    }
    if let Some(seed) = wishes.seed {
        body.insert("seed".to_owned(), seed.into());
    }
}

/// Models that can think do so unless told otherwise.
fn thinking(body: &mut Map<String, Value>, wishes: &Wishes) {
    let asked = &wishes.thinking;
    let budget = asked.budget_tokens.or(match asked.effort {
        // As much as it likes.
        None | Some(Effort::High | Effort::ExtraHigh | Effort::Max) => None,
        Some(effort @ (Effort::Minimal | Effort::Low | Effort::Medium)) => {
            Some(effort.budget_tokens())
        }
    });
    let thinking = match asked.on {
        None => return,
        Some(false) => json!({"type": "disabled"}),
        Some(true) => match budget.filter(|tokens| *tokens > 0) {
            Some(tokens) => json!({"type": "enabled", "token_budget": tokens}),
            None => json!({"type": "enabled"}),
        },
    };
    body.insert("thinking".to_owned(), thinking);
}

fn format(output: &Output) -> Option<Value> {
    match output {
        Output::Text => None,
        Output::Object => Some(json!({"type": "json_object"})),
        Output::Schema { schema, .. } => {
            Some(json!({"type": "json_object", "json_schema": schema}))
        }
    }
}
