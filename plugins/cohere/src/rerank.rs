//! `POST /v2/rerank` (<https://docs.cohere.com/reference/rerank>): a request, and its answer in the shape that Jina and vLLM share.

use serde_json::{Map, Value, json};
use weir_openai::Refused;

use super::usage;

/// # Errors
/// What Cohere has no form for.
pub fn request(request: &Map<String, Value>, model: &str) -> Result<Map<String, Value>, Refused> {
    let query = request.get("query").and_then(Value::as_str);
    let query = query.ok_or("`query` is missing")?;
    let documents = request.get("documents").and_then(Value::as_array);
    let documents: Option<Vec<&str>> = documents
        .ok_or("`documents` is missing")?
        .iter()
        .map(text)
        .collect();
    let documents = documents.ok_or("a document is neither text nor has a `text`")?;
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("query".to_owned(), query.into());
    body.insert("documents".to_owned(), documents.into());
    for name in ["top_n", "max_tokens_per_doc", "priority"] {
        if let Some(value) = request.get(name).filter(|value| value.is_number()) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    Ok(body)
}

fn text(document: &Value) -> Option<&str> {
    document.as_str().or_else(|| document["text"].as_str())
}

/// The answer, with the documents where the request wants them back; `None` where there are no results in it.
pub fn answer(answer: &Value, request: &Map<String, Value>) -> Option<Value> {
    let given = answer["results"].as_array()?;
    let documents = request.get("documents").unwrap_or(&Value::Null);
    let wants_documents = request.get("return_documents") == Some(&Value::Bool(true));
    let results = given.iter().map(|result| {
        let mut told =
            json!({"index": result["index"], "relevance_score": result["relevance_score"]});
        let place = result["index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        let document = place.and_then(|place| documents.get(place)).and_then(text);
        if let (true, Some(document)) = (wants_documents, document) {
            told["document"] = json!({"text": document});
        }
        told
    });
    let results: Value = results.collect();
    let used = usage::of_meta(&answer["meta"]);
    let units = &answer["meta"]["billed_units"]["search_units"];
    Some(json!({
        "id": answer["id"],
        "model": request.get("model").cloned().unwrap_or_default(),
        "results": results,
        "usage": {"prompt_tokens": used.input, "total_tokens": used.input, "search_units": units},
    }))
}
