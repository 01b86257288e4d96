//! `POST /v1/embeddings` and vLLM's `/pooling`: unit vectors that only depend on the text.
//! It must not know what they mean; nothing does.

use bytes::Bytes;
use serde_json::{Value, json};

use super::body::wait_until;
use super::chat_request::{integer, json_body};
use super::encoding::base64;
use super::engine::Work;
use super::host::Host;
use super::models::of_request;
use super::random::Random;
use super::refusal::Refusal;
use super::reply::Reply;
use super::token;

const DIMENSIONS_DEFAULT: u64 = 256;
const DIMENSIONS_MAX: u64 = 4096;
const INPUTS_MAX: usize = 2048;

pub async fn answer(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let model = of_request(host, &body)?;
    let inputs = inputs(host, &body)?;
    let dimensions =
        integer(&body, "dimensions", 1, DIMENSIONS_MAX)?.unwrap_or(DIMENSIONS_DEFAULT) as usize;
    let as_base64 = match body.get("encoding_format").and_then(Value::as_str) {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(Refusal::invalid(
                "encoding_format",
                format!("encoding_format must be float or base64, got {other}"),
            ));
        }
    };
    let prompt_tokens = work_on(host, &inputs).await;
    let rows = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(host, model, input, dimensions);
        let embedding = if as_base64 {
            Value::from(base64(
                &vector
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect::<Vec<u8>>(),
            ))
        } else {
            vector.into()
        };
        json!({"index": index, "object": "embedding", "embedding": embedding})
    });
    let data: Value = rows.collect();
    let (id, created) = host.answer_id("embd-", &host.random(model, &inputs.concat(), None));
    Ok(Reply::json(&json!({
        "id": id, "object": "list", "created": created, "model": model, "data": data,
        "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens, "completion_tokens": 0, "prompt_tokens_details": null},
    }))
    .after(Work::reading(prompt_tokens)))
}

/// vLLM's `/pooling`, in the shape of embeddings.
pub async fn pool(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let model = of_request(host, &body)?;
    let inputs = inputs(host, &body)?;
    let prompt_tokens = work_on(host, &inputs).await;
    let data: Value = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| json!({"index": index, "object": "pooling", "data": vector(host, model, input, DIMENSIONS_DEFAULT as usize)}))
        .collect();
    let (id, created) = host.answer_id("pool-", &host.random(model, &inputs.concat(), None));
    Ok(Reply::json(&json!({
        "id": id, "object": "list", "created": created, "model": model, "data": data,
        "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens, "completion_tokens": 0, "prompt_tokens_details": null},
    }))
    .after(Work::reading(prompt_tokens)))
}

/// Runs the prompts through the engine, which makes no tokens of them, and counts them.
pub async fn work_on(host: &Host, inputs: &[String]) -> usize {
    let prompt_tokens = inputs.iter().map(|input| token::count(input)).sum();
    let mut turn = host.engine.begin(Work::reading(prompt_tokens)).await;
    wait_until(turn.due(0)).await;
    turn.end("stop");
    prompt_tokens
}

/// A unit vector for a text.
pub fn vector(host: &Host, model: &str, input: &str, dimensions: usize) -> Vec<f32> {
    let mut random: Random = host.random(model, input, None);
    let raw: Vec<f64> = (0..dimensions).map(|_| random.unit() * 2.0 - 1.0).collect();
    let length = raw
        .iter()
        .map(|value| value * value)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE);
    raw.into_iter()
        .map(|value| (value / length) as f32)
        .collect()
}

/// A text, several, token ids, or several lists of them; ids become the text they stand for.
pub fn inputs(host: &Host, body: &Value) -> Result<Vec<String>, Refusal> {
    let wrong = || {
        Refusal::invalid(
            "input",
            "input: Input should be a string, a list of strings, or lists of token ids",
        )
    };
    let of_ids = |ids: &[Value]| {
        let mut text = String::new();
        for id in ids {
            token::push_text_of(id.as_u64().ok_or_else(wrong)?, &mut text);
        }
        Ok(text)
    };
    match body.get("input") {
        None | Some(Value::Null) => Err(Refusal::missing(host.options.kind, "input")),
        Some(Value::String(input)) => Ok(vec![input.clone()]),
        Some(Value::Array(list)) if list.is_empty() || list.len() > INPUTS_MAX => Err(wrong()),
        Some(Value::Array(list)) if list[0].is_number() => Ok(vec![of_ids(list)?]),
        Some(Value::Array(list)) => list
            .iter()
            .map(|input| match input {
                Value::String(input) => Ok(input.clone()),
                Value::Array(ids) => of_ids(ids),
                _ => Err(wrong()),
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}
