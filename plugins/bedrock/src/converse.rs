//! A request of `Converse` and `ConverseStream`, which take the same.

use serde_json::{Map, Value, json};
use weir_openai::{Output, Refused, Tools, Wishes, messages};

use super::blocks::Blocks;
use super::config::Config;
use super::documents::Documents;
use super::family::Family;
use super::fields::{About, Fields, fields};
use super::tools;
use super::turns::Turns;

/// Members of Converse's own, which clients may add to a request, and which go as they are.
const OWN: [&str; 5] = [
    "guardrailConfig",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
];

/// # Errors
/// What Converse has no form for.
pub fn request(
    request: &mut Map<String, Value>,
    wishes: &Wishes,
    model: &str,
    config: &Config,
) -> Result<Map<String, Value>, Refused> {
    let family = config.family(model);
    let mut blocks = Blocks {
        family,
        config,
        documents: Documents::default(),
    };
    let mut turns = Turns::of(messages(request)?, &mut blocks)?;
    let tools = Tools::read(request)?;
    let format = format(&wishes.output, family, &mut turns.system);
    let tool_config = tools::config(&tools, &turns.messages, turns.has_tools);
    let about = About {
        family,
        model,
        choice: &tools.choice,
        breaks_thinking: turns.breaks_thinking,
    };
    let fields = fields(wishes, &about);
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("messages", Some(Value::Array(turns.messages)));
    put("system", some_list(turns.system));
    put("toolConfig", tool_config);
    put("outputConfig", output_config(format, &fields));
    put(
        "additionalModelRequestFields",
        additional(request, model, config, &fields),
    );
    put("inferenceConfig", some_object(fields.inference));
    put("serviceTier", tier(request));
    put("requestMetadata", metadata(request));
    for name in OWN {
        put(name, request.get(name).cloned());
    }
    put(
        "guardrailConfig",
        config.guardrail.clone().map(Value::Object),
    );
    Ok(body)
}

fn some_list(list: Vec<Value>) -> Option<Value> {
    (!list.is_empty()).then_some(Value::Array(list))
}

fn some_object(members: Map<String, Value>) -> Option<Value> {
    (!members.is_empty()).then_some(Value::Object(members))
}

/// What is said in the model's own words: by the configuration, then by the request, then by the client itself.
fn additional(
    request: &Map<String, Value>,
    model: &str,
    config: &Config,
    fields: &Fields,
) -> Option<Value> {
    let mut additional = config.fields(model);
    additional.extend(fields.additional.clone());
    if let Some(Value::Object(own)) = request.get("additionalModelRequestFields") {
        additional.extend(own.clone());
    }
    some_object(additional)
}

fn output_config(format: Option<Value>, fields: &Fields) -> Option<Value> {
    let mut config = Map::new();
    if let Some(format) = format {
        config.insert("textFormat".to_owned(), format);
    }
    if let Some(effort) = fields.effort {
        config.insert("effort".to_owned(), effort.into());
    }
    some_object(config)
}

/// The form of the answer. Converse knows schemas and no bare JSON mode, and not every model has schemas: they are told in words there.
fn format(output: &Output, family: Family, system: &mut Vec<Value>) -> Option<Value> {
    let mut tell = |words: String| system.push(json!({"text": words}));
    match output {
        Output::Text => None,
        Output::Object => {
            tell("Answer with one JSON object and nothing else.".to_owned());
            None
        }
        Output::Schema { schema, .. } if matches!(family, Family::ClaudeOfOld | Family::Nova) => {
            tell(format!(
                "Answer with one JSON object and nothing else. It has to satisfy this JSON Schema: {schema}"
            ));
            None
        }
        Output::Schema {
            name,
            description,
            schema,
        } => {
            let mut told = json!({"schema": schema.to_string()});
            for (member, text) in [("name", name), ("description", description)] {
                if let Some(text) = text {
                    told[member] = text.as_str().into();
                }
            }
            Some(json!({"type": "json_schema", "structure": {"jsonSchema": told}}))
        }
    }
}

/// OpenAI's `service_tier`, where Bedrock has a tier of that name.
fn tier(request: &Map<String, Value>) -> Option<Value> {
    match request.get("service_tier").and_then(Value::as_str) {
        Some(tier @ ("priority" | "default" | "flex" | "reserved")) => Some(json!({"type": tier})),
        _ => None,
    }
}

/// Bounds of `requestMetadata`, as the service's model has them.
const METADATA_MAX: usize = 16;
const METADATA_TEXT_MAX: usize = 256;

/// OpenAI's `metadata`, which Bedrock writes into its log of invocations; what its bounds do not allow is left out.
fn metadata(request: &Map<String, Value>) -> Option<Value> {
    let fits = |text: &str| {
        let is_taken = |letter: char| {
            letter.is_ascii_alphanumeric()
                || letter.is_whitespace()
                || ":_@$#=/+,-.".contains(letter)
        };
        text.chars().count() <= METADATA_TEXT_MAX && text.chars().all(is_taken)
    };
    let given = request.get("metadata")?.as_object()?;
    let told = given
        .iter()
        .filter(|(name, value)| !name.is_empty() && fits(name) && value.as_str().is_some_and(fits));
    let told = told.take(METADATA_MAX);
    some_object(
        told.map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}
