//! Endpoints that give numbers to texts: `/score`, `/rerank`, `/classify`, `/v1/moderations`.
//! It must not know what the numbers mean; texts that share words with the query score higher, and that is all.

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat_request::{integer, json_body, text_of};
use super::embeddings::{inputs, work_on};
use super::host::Host;
use super::models::of_request;
use super::refusal::Refusal;
use super::reply::Reply;

const TEXTS_MAX: usize = 2048;

/// vLLM's `/score`: `text_1` against each of `text_2`.
pub async fn score(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let model = of_request(host, &body)?;
    let first = texts(host, &body, "text_1")?;
    let second = texts(host, &body, "text_2")?;
    if first.len() != 1 && first.len() != second.len() {
        return Err(Refusal::invalid(
            "text_1",
            "Input lengths must be either 1:1, 1:N or N:N",
        ));
    }
    let tokens = work_on(host, &[first.clone(), second.clone()].concat()).await;
    let pairs = second
        .iter()
        .enumerate()
        .map(|(index, text)| (index, &first[index.min(first.len() - 1)], text));
    let data: Value = pairs.map(|(index, one, two)| json!({"index": index, "object": "score", "score": likeness(host, model, one, two)})).collect();
    let (id, created) = host.answer_id("score-", &host.random(model, &second.concat(), None));
    Ok(Reply::json(&json!({
        "id": id, "object": "list", "created": created, "model": model, "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0, "prompt_tokens_details": null},
    })))
}

/// `/rerank` as Jina, Cohere and vLLM have it: documents by falling relevance.
pub async fn rerank(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let model = of_request(host, &body)?;
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .ok_or_else(|| Refusal::missing(host.options.kind, "query"))?;
    let documents = texts(host, &body, "documents")?;
    let top = integer(&body, "top_n", 0, TEXTS_MAX as u64)?
        .filter(|top| *top > 0)
        .unwrap_or(TEXTS_MAX as u64) as usize;
    let shows = body.get("return_documents") != Some(&Value::Bool(false));
    let tokens = work_on(host, &[vec![query.to_string()], documents.clone()].concat()).await;
    let mut ranked: Vec<(usize, f64)> = documents
        .iter()
        .enumerate()
        .map(|(index, document)| (index, likeness(host, model, query, document)))
        .collect();
    ranked.sort_by(|one, two| two.1.total_cmp(&one.1));
    let results = ranked.into_iter().take(top).map(|(index, score)| {
        let mut result = json!({"index": index, "relevance_score": score});
        if shows {
            result["document"] = json!({"text": documents[index]});
        }
        result
    });
    let results: Value = results.collect();
    let (id, _) = host.answer_id("rerank-", &host.random(model, query, None));
    Ok(Reply::json(
        &json!({"id": id, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}, "results": results}),
    ))
}

/// vLLM's `/classify`.
pub async fn classify(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let model = of_request(host, &body)?;
    let inputs = inputs(host, &body)?;
    let tokens = work_on(host, &inputs).await;
    let rows = inputs.iter().enumerate().map(|(index, input)| {
        let first = host.random(model, input, None).unit();
        let label = if first >= 0.5 { "LABEL_0" } else { "LABEL_1" };
        json!({"index": index, "label": label, "probs": [first, 1.0 - first], "num_classes": 2})
    });
    let data: Value = rows.collect();
    let (id, created) = host.answer_id("classify-", &host.random(model, &inputs.concat(), None));
    Ok(Reply::json(&json!({
        "id": id, "object": "list", "created": created, "model": model, "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0, "prompt_tokens_details": null},
    })))
}

/// `POST /v1/moderations`: flags a text that says so itself.
pub async fn moderate(host: &Host, body: &Bytes) -> Result<Reply, Refusal> {
    const CATEGORIES: [&str; 11] = [
        "harassment",
        "harassment/threatening",
        "hate",
        "hate/threatening",
        "self-harm",
        "self-harm/instructions",
        "self-harm/intent",
        "sexual",
        "sexual/minors",
        "violence",
        "violence/graphic",
    ];
    let body = json_body(body)?;
    let model = of_request(host, &body)?;
    let texts = texts(host, &body, "input")?;
    work_on(host, &texts).await;
    let results = texts.iter().map(|text| {
        let flagged = |category: &str| text.contains(category);
        let scores = CATEGORIES.map(|category| (category.to_string(), json!(if flagged(category) { 0.97 } else { 0.0001 })));
        json!({
            "flagged": CATEGORIES.iter().any(|category| flagged(category)),
            "categories": serde_json::Map::from_iter(CATEGORIES.map(|category| (category.to_string(), flagged(category).into()))),
            "category_scores": serde_json::Map::from_iter(scores),
        })
    });
    let results: Value = results.collect();
    let (id, _) = host.answer_id("modr-", &host.random(model, &texts.concat(), None));
    Ok(Reply::json(
        &json!({"id": id, "model": model, "results": results}),
    ))
}

/// Shared words, with a little of the texts' own randomness so that no two scores are equal; 0.0 to 1.0.
fn likeness(host: &Host, model: &str, one: &str, two: &str) -> f64 {
    let words = |text: &str| {
        text.split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect::<Vec<_>>()
    };
    let (one_words, two_words) = (words(one), words(two));
    let shared = one_words
        .iter()
        .filter(|word| two_words.contains(word))
        .count();
    let share = shared as f64 / one_words.len().max(1) as f64;
    share * 0.9 + host.random(model, &format!("{one}\0{two}"), None).unit() * 0.1
}

/// A text or several; objects with a text too.
fn texts(host: &Host, body: &Value, name: &'static str) -> Result<Vec<String>, Refusal> {
    let wrong = || {
        Refusal::invalid(
            name,
            format!("{name}: Input should be a string or a list of 1 to {TEXTS_MAX} strings"),
        )
    };
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Object(object) => match object.get("text").and_then(Value::as_str) {
            Some(text) => Ok(text.to_string()),
            None => Ok(text_of(value)),
        },
        _ => Err(wrong()),
    };
    match body.get(name) {
        None | Some(Value::Null) => Err(Refusal::missing(host.options.kind, name)),
        Some(Value::Array(list)) if (1..=TEXTS_MAX).contains(&list.len()) => {
            list.iter().map(text).collect()
        }
        Some(Value::Array(_)) => Err(wrong()),
        Some(one) => Ok(vec![text(one)?]),
    }
}
