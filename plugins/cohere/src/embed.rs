//! `POST /v2/embed` (<https://docs.cohere.com/reference/embed>): a request, and its answer in OpenAI's shape.

use serde_json::{Map, Value, json};
use weir_openai::{Refused, base64};

use super::config::Config;
use super::usage;

/// Texts that Cohere takes at once.
const TEXTS_MAX: usize = 96;

/// What is asked for where nobody says what the vectors are for: texts that are to be found.
const INPUT_TYPE: &str = "search_document";

/// Members of Cohere's own, which go as they are.
const OWN: [&str; 5] = ["truncate", "max_tokens", "priority", "images", "inputs"];

/// # Errors
/// What Cohere has no form for.
pub fn request(
    request: &Map<String, Value>,
    model: &str,
    config: &Config,
) -> Result<Map<String, Value>, Refused> {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    let has_own = request.contains_key("images") || request.contains_key("inputs");
    if let Some(texts) = texts(request.get("input"))? {
        body.insert("texts".to_owned(), texts);
    } else if !has_own {
        return Err("`input` is missing".to_owned());
    }
    let said = request.get("input_type").and_then(Value::as_str);
    let configured = config.input_type.as_deref();
    let input_type = said.or(configured).unwrap_or(INPUT_TYPE);
    body.insert("input_type".to_owned(), input_type.into());
    body.insert("embedding_types".to_owned(), json!(["float"]));
    if let Some(dimensions) = request.get("dimensions").and_then(Value::as_u64) {
        body.insert("output_dimension".to_owned(), dimensions.into());
    }
    for name in OWN {
        if let Some(value) = request.get(name) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    Ok(body)
}

fn texts(input: Option<&Value>) -> Result<Option<Value>, Refused> {
    let texts = match input {
        None | Some(Value::Null) => return Ok(None),
        Some(text @ Value::String(_)) => vec![text.clone()],
        Some(Value::Array(texts)) if texts.iter().all(Value::is_string) => texts.clone(),
        Some(_) => return Err("Cohere embeds texts; `input` holds something else".to_owned()),
    };
    match texts.len() {
        0 => Err("`input` is empty".to_owned()),
        1..=TEXTS_MAX => Ok(Some(Value::Array(texts))),
        count => Err(format!(
            "Cohere embeds {TEXTS_MAX} texts at once, and there are {count}"
        )),
    }
}

/// The answer in OpenAI's shape, as the request wants its numbers; `None` where there are no vectors in it.
pub fn answer(answer: &Value, request: &Map<String, Value>) -> Option<Value> {
    let vectors = answer["embeddings"]["float"].as_array()?;
    let wants_base64 = request.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data = vectors.iter().enumerate().map(|(index, vector)| {
        let numbers = match wants_base64 {
            true => Value::String(base64(&little_endian(vector))),
            false => vector.clone(),
        };
        json!({"object": "embedding", "index": index, "embedding": numbers})
    });
    let data: Value = data.collect();
    let used = usage::of_meta(&answer["meta"]);
    let model = request.get("model").cloned().unwrap_or_default();
    Some(json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": used.input, "total_tokens": used.input},
    }))
}

fn little_endian(vector: &Value) -> Vec<u8> {
    let numbers = vector.as_array().into_iter().flatten();
    let numbers = numbers.map(|number| number.as_f64().unwrap_or_default() as f32);
    numbers.flat_map(f32::to_le_bytes).collect()
}
