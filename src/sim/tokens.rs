//! vLLM's `/tokenize` and `/detokenize`, by the simulated tokenizer's rule.
//! It must not know the rule itself.

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat_request::{json_body, prompt_of_messages};
use super::host::Host;
use super::models::{CONTEXT_TOKENS, of_request};
use super::refusal::Refusal;
use super::reply::Reply;
use super::token;

pub fn tokenize(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    of_request(host, &body)?;
    let prompt = match (body.get("prompt"), body.get("messages")) {
        (Some(Value::String(prompt)), _) => prompt.clone(),
        (None, Some(Value::Array(messages))) => prompt_of_messages(messages)?,
        _ => return Err(Refusal::missing(host.options.kind, "prompt")),
    };
    let tokens: Vec<u32> = token::pieces(&prompt).map(token::id).collect();
    let mut answer = json!({"count": tokens.len(), "max_model_len": CONTEXT_TOKENS, "tokens": tokens, "token_strs": null});
    if body.get("return_token_strs") == Some(&Value::Bool(true)) {
        answer["token_strs"] = token::pieces(&prompt).collect();
    }
    Ok(Reply::json(&answer))
}

pub fn detokenize(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    of_request(host, &body)?;
    let ids = body
        .get("tokens")
        .and_then(Value::as_array)
        .ok_or_else(|| Refusal::missing(host.options.kind, "tokens"))?;
    let mut prompt = String::new();
    for id in ids {
        let id = id
            .as_u64()
            .ok_or_else(|| Refusal::invalid("tokens", "Input should be a valid integer"))?;
        token::push_text_of(id, &mut prompt);
    }
    Ok(Reply::json(&json!({"prompt": prompt})))
}
