//! Texts to vectors: `:embedContent` for one, `:batchEmbedContents` for many.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::wire::Usage;
use crate::wire::members::Members;
use crate::wire::neutral::{
    EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Loss, Losses, Malformed, Refused,
    Unintelligible,
};
use crate::wire::translate::{RequestLine, Written};

use super::request_out::model_path;

/// Reads a client's request of either method. What a batch says of its texts' use must be the same for all: the first text's
/// words count.
///
/// # Errors
/// When a member has a wrong type, or a content is no text.
pub fn read_embedding_request(
    line: &RequestLine<'_>,
    body: &[u8],
) -> Result<EmbeddingRequest, Malformed> {
    let mut members = Members::of_body(body)?.in_either_case();
    let mut texts = Vec::new();
    let mut read = None;
    let list = members.list("requests")?;
    let is_single = list.is_empty();
    if is_single {
        let (text, one) = read_one(line, members)?;
        texts.push(text);
        read = Some(one);
    }
    for element in list {
        let (text, one) = read_one(line, element.members()?)?;
        texts.push(text);
        read.get_or_insert(one);
    }
    let mut request = read.ok_or_else(|| Malformed::new("requests", "must not be empty"))?;
    request.input = EmbeddingInput::Texts(texts);
    request.is_single = is_single;
    Ok(request)
}

fn read_one(
    line: &RequestLine<'_>,
    mut members: Members,
) -> Result<(String, EmbeddingRequest), Malformed> {
    let named = members.text("model")?;
    let model = line.model.map(str::to_owned).or(named).unwrap_or_default();
    let missing = members.wrong("content", "an object", &Value::Null);
    let mut content = members.object("content")?.ok_or(missing)?;
    let mut texts = Vec::new();
    for part in content.list("parts")? {
        let mut part = part.members()?;
        let missing = part.wrong("text", "a string", &Value::Null);
        texts.push(part.text("text")?.ok_or(missing)?);
    }
    let request = EmbeddingRequest {
        model: model.strip_prefix("models/").unwrap_or(&model).to_owned(),
        input: EmbeddingInput::Texts(Vec::new()),
        is_single: true,
        dimensions: members.count("outputDimensionality")?,
        base64: false,
        truncate: None,
        task: members.text("taskType")?,
        title: members.text("title")?,
        user: None,
    };
    Ok((texts.join("\n"), request))
}

/// Writes the request for an upstream; of many texts always as a batch, and of one as well unless it came alone.
///
/// # Errors
/// For token ids.
pub fn write_embedding_request(
    request: &EmbeddingRequest,
    model: &str,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let texts = request.texts(losses)?;
    losses.note_if(request.user.is_some(), Loss::User)?;
    // Too long texts are cut by Google in any case.
    losses.note_if(request.truncate == Some(false), Loss::UnknownMember)?;
    let path = model_path(model);
    let mut each: Vec<Value> = texts
        .iter()
        .map(|text| one(request, &path[1..], text))
        .collect();
    let (method, body) = match each.pop() {
        Some(only) if request.is_single && each.is_empty() => ("embedContent", only),
        last => {
            each.extend(last);
            ("batchEmbedContents", json!({ "requests": each }))
        }
    };
    Ok(Written {
        path: format!("{path}:{method}"),
        body: body.to_string().into_bytes(),
    })
}

fn one(request: &EmbeddingRequest, model: &str, text: &str) -> Value {
    let mut written = Map::new();
    written.insert("model".into(), model.into());
    written.insert("content".into(), json!({ "parts": [{ "text": text }] }));
    if let Some(task) = &request.task {
        written.insert("taskType".into(), task.as_str().into());
    }
    if let Some(title) = &request.title {
        written.insert("title".into(), title.as_str().into());
    }
    if let Some(dimensions) = request.dimensions {
        written.insert("outputDimensionality".into(), dimensions.into());
    }
    written.into()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerIn {
    #[serde(default)]
    embedding: Option<Values>,
    #[serde(default)]
    embeddings: Option<Vec<Values>>,
    #[serde(default)]
    usage_metadata: Option<UsageIn>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Values {
    values: Vec<f32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageIn {
    #[serde(default)]
    prompt_token_count: Option<u64>,
}

/// Reads an upstream's answer, of either method. It does not name its model.
///
/// # Errors
/// When it has no vectors.
pub fn read_embedding_answer(body: &[u8]) -> Result<EmbeddingAnswer, Unintelligible> {
    let answer: AnswerIn = serde_json::from_slice(body)
        .map_err(|error| Unintelligible(format!("no embeddings of Gemini's: {error}")))?;
    let list = match (answer.embeddings, answer.embedding) {
        (Some(list), _) => list,
        (None, Some(one)) => vec![one],
        (None, None) => return Err(Unintelligible("the answer has no `embeddings`".into())),
    };
    let tokens = answer
        .usage_metadata
        .and_then(|usage| usage.prompt_token_count);
    Ok(EmbeddingAnswer {
        model: String::new(),
        vectors: list.into_iter().map(|one| one.values).collect(),
        usage: tokens.map(Usage::of_input),
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<ValuesOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<ValuesOut<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<UsageOut>,
}

#[derive(Debug, Serialize)]
struct ValuesOut<'a> {
    values: &'a [f32],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageOut {
    prompt_token_count: u64,
}

/// Writes an answer for the method that the client called.
pub fn write_embedding_answer(answer: &EmbeddingAnswer, asked: &EmbeddingRequest) -> Vec<u8> {
    let mut all = answer.vectors.iter().map(|values| ValuesOut { values });
    let usage_metadata = answer.usage.map(|usage| UsageOut {
        prompt_token_count: usage.input(),
    });
    let (embedding, embeddings) = if asked.is_single {
        (Some(all.next().unwrap_or(ValuesOut { values: &[] })), None)
    } else {
        (None, Some(all.collect()))
    };
    let written = AnswerOut {
        embedding,
        embeddings,
        usage_metadata,
    };
    serde_json::to_vec(&written).expect("vectors always serialise")
}
