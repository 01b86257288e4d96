//! Texts to vectors: `/api/embed`, and `/api/embeddings`, its older form for one text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::wire::Usage;
use crate::wire::members::{Element, Members, elements, wrong};
use crate::wire::neutral::{
    EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Loss, Losses, Malformed, Refused,
    Unintelligible,
};
use crate::wire::parsed::Parsed;
use crate::wire::translate::{RequestLine, Written};
use crate::wire::tree;

/// Reads a client's request; `prompt` is the older form's member.
///
/// # Errors
/// When a member has a wrong type.
pub fn read_embedding_request(
    line: &RequestLine<'_>,
    body: &[u8],
) -> Result<EmbeddingRequest, Malformed> {
    let mut members = Members::of_body(body)?;
    let model = members.text("model")?.or(line.model.map(str::to_owned));
    let prompt = members.text("prompt")?;
    let path = members.path_of("input");
    let input = members.parsed("input");
    let is_single = prompt.is_some() && input.is_none();
    let texts = match (input, prompt) {
        (None, Some(prompt)) => vec![prompt],
        (None, None) => Vec::new(),
        (Some(Parsed::String(text)), _) => vec![text.into_owned()],
        (Some(list @ Parsed::Array(_)), _) => {
            let texts = elements(list, &path)?.into_iter().map(Element::text);
            texts.collect::<Result<_, _>>()?
        }
        (Some(other), _) => {
            return Err(wrong(path, "a string or a list of strings", &other.into()));
        }
    };
    Ok(EmbeddingRequest {
        model: model.unwrap_or_default(),
        input: EmbeddingInput::Texts(texts),
        is_single,
        dimensions: members.count("dimensions")?,
        base64: false,
        truncate: members.flag("truncate")?,
        task: None,
        title: None,
        user: None,
    })
}

/// Writes the request for an upstream's `/api/embed`.
///
/// # Errors
/// For token ids.
pub fn write_embedding_request(
    request: &EmbeddingRequest,
    model: &str,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let texts = request.texts(losses)?;
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), json!(texts));
    if let Some(truncate) = request.truncate {
        body.insert("truncate".into(), truncate.into());
    }
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".into(), dimensions.into());
    }
    let is_special = request.task.is_some() || request.title.is_some();
    losses.note_if(is_special, Loss::UnknownMember)?;
    losses.note_if(request.user.is_some(), Loss::User)?;
    Ok(Written {
        path: "/api/embed".into(),
        body: tree::bytes_of(&Value::Object(body)),
    })
}

#[derive(Debug, Deserialize)]
struct AnswerIn {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    embeddings: Option<Vec<Vec<f32>>>,
    #[serde(default)]
    embedding: Option<Vec<f32>>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
}

/// Reads an upstream's answer, of either endpoint.
///
/// # Errors
/// When it has no vectors.
pub fn read_embedding_answer(body: &[u8]) -> Result<EmbeddingAnswer, Unintelligible> {
    let answer: AnswerIn = serde_json::from_slice(body)
        .map_err(|error| Unintelligible(format!("no embeddings of Ollama's: {error}")))?;
    let vectors = match (answer.embeddings, answer.embedding) {
        (Some(vectors), _) => vectors,
        (None, Some(vector)) => vec![vector],
        (None, None) => return Err(Unintelligible("the answer has no `embeddings`".into())),
    };
    Ok(EmbeddingAnswer {
        model: answer.model.unwrap_or_default(),
        vectors,
        usage: answer.prompt_eval_count.map(Usage::of_input),
    })
}

#[derive(Debug, Serialize)]
struct AnswerOut<'a> {
    model: &'a str,
    embeddings: &'a [Vec<f32>],
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_count: Option<u64>,
}

#[derive(Debug, Serialize)]
struct SingleOut<'a> {
    embedding: &'a [f32],
}

/// Writes an answer for the endpoint that the client called.
pub fn write_embedding_answer(answer: &EmbeddingAnswer, asked: &EmbeddingRequest) -> Vec<u8> {
    let written = if asked.is_single {
        let embedding = answer.vectors.first().map_or(&[][..], |vector| vector);
        serde_json::to_vec(&SingleOut { embedding })
    } else {
        serde_json::to_vec(&AnswerOut {
            model: &asked.model,
            embeddings: &answer.vectors,
            prompt_eval_count: answer.usage.map(|usage| usage.input()),
        })
    };
    written.expect("vectors always serialise")
}
