//! Lists of models in Google's shape.

use serde_json::{Map, Value, json};

use crate::wire::capability::{ListedModel, ThinkingStyle};
use crate::wire::tree;

/// Models in a page where the client does not say it, and at most, as Google has it.
const PAGE_MODELS: usize = 50;
const PAGE_MODELS_MAX: usize = 1000;

/// The body of `GET /v1beta/models`: a page from `page_token` on, which is the number of models before it. `page_size` 0
/// stands for what Google does where nothing is said.
pub fn model_list(
    models: &[ListedModel<'_>],
    page_size: usize,
    page_token: Option<&str>,
) -> Vec<u8> {
    let size = if page_size == 0 {
        PAGE_MODELS
    } else {
        page_size.min(PAGE_MODELS_MAX)
    };
    let token = page_token.and_then(|token| token.parse::<usize>().ok());
    let start = token.unwrap_or(0).min(models.len());
    let end = models.len().min(start + size);
    let page: Vec<Value> = models[start..end].iter().map(entry).collect();
    let mut body = Map::new();
    body.insert("models".into(), page.into());
    if end < models.len() {
        body.insert("nextPageToken".into(), end.to_string().into());
    }
    tree::bytes_of(&Value::Object(body))
}

/// The body of `GET /v1beta/models/{id}`.
pub fn model(model: &ListedModel<'_>) -> Vec<u8> {
    entry(model).to_string().into_bytes()
}

fn entry(model: &ListedModel<'_>) -> Value {
    let known = model.capabilities;
    let methods = if known.embeds {
        json!(["embedContent", "batchEmbedContents"])
    } else {
        json!(["generateContent", "countTokens"])
    };
    let thinks = match known.thinking {
        ThinkingStyle::Budget | ThinkingStyle::Adaptive | ThinkingStyle::Always => true,
        ThinkingStyle::Never | ThinkingStyle::Unknown => false,
    };
    let mut entry = Map::new();
    entry.insert("name".into(), format!("models/{}", model.id).into());
    entry.insert("version".into(), "001".into());
    entry.insert("displayName".into(), model.id.into());
    entry.insert(
        "description".into(),
        format!("{} by {}", model.id, model.owner).into(),
    );
    if let Some(tokens) = known.context_tokens {
        entry.insert("inputTokenLimit".into(), tokens.into());
    }
    if let Some(tokens) = known.output_tokens_max {
        entry.insert("outputTokenLimit".into(), tokens.into());
    }
    entry.insert("supportedGenerationMethods".into(), methods);
    if thinks {
        entry.insert("thinking".into(), true.into());
    }
    entry.into()
}
