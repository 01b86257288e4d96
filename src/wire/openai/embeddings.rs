//! `/embeddings` of OpenAI, on both sides: lists of numbers or base64 of little-endian 32-bit floats.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::wire::members::{Members, Path, wrong};
use crate::wire::neutral::{
    EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Loss, Losses, Malformed, Refused,
    Unintelligible,
};
use crate::wire::translate::{RequestLine, Written};
use crate::wire::{Usage, base64};

/// Reads a client's request. The official clients ask for base64 unless told otherwise.
///
/// # Errors
/// When a member has a wrong type.
pub fn read_embedding_request(
    line: &RequestLine<'_>,
    body: &[u8],
) -> Result<EmbeddingRequest, Malformed> {
    let mut members = Members::of_body(body)?;
    let model = members.text("model")?.or(line.model.map(str::to_owned));
    let input = members.take("input").unwrap_or_default();
    let input = read_input(input, members.path_of("input"))?;
    let base64 = match members.text("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(members.wrong("encoding_format", "\"float\" or \"base64\"", &other.into()));
        }
    };
    Ok(EmbeddingRequest {
        model: model.unwrap_or_default(),
        input,
        is_single: false,
        dimensions: members.count("dimensions")?,
        base64,
        truncate: None,
        task: None,
        title: None,
        user: members.text("user")?,
    })
}

/// A text, texts, token ids, or lists of token ids.
fn read_input(input: Value, path: Path) -> Result<EmbeddingInput, Malformed> {
    const EXPECTED: &str = "a string, a list of strings or lists of token ids";
    let list = match input {
        Value::String(text) => return Ok(EmbeddingInput::Texts(vec![text])),
        Value::Array(list) if !list.is_empty() => list,
        other => return Err(wrong(path, EXPECTED, &other)),
    };
    if list
        .iter()
        .all(|entry| entry.is_number() || entry.is_array())
    {
        return Ok(EmbeddingInput::Tokens);
    }
    let text = |(at, entry): (usize, Value)| match entry {
        Value::String(text) => Ok(text),
        other => Err(wrong(path.element(at), "a string", &other)),
    };
    let texts: Result<Vec<String>, Malformed> = list.into_iter().enumerate().map(text).collect();
    Ok(EmbeddingInput::Texts(texts?))
}

/// Writes the request for an upstream, which is asked for numbers: every server gives them.
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
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".into(), dimensions.into());
    }
    body.insert("encoding_format".into(), "float".into());
    if let Some(user) = &request.user {
        body.insert("user".into(), user.as_str().into());
    }
    let is_special =
        request.task.is_some() || request.title.is_some() || request.truncate.is_some();
    losses.note_if(is_special, Loss::UnknownMember)?;
    Ok(Written {
        path: "/embeddings".into(),
        body: Value::Object(body).to_string().into_bytes(),
    })
}

#[derive(Debug, Deserialize)]
struct AnswerIn {
    #[serde(default)]
    model: Option<String>,
    data: Vec<EntryIn>,
    #[serde(default)]
    usage: Option<UsageIn>,
}

#[derive(Debug, Deserialize)]
struct EntryIn {
    #[serde(default)]
    index: Option<usize>,
    embedding: VectorIn,
}

/// A list of numbers, or their base64.
#[derive(Debug)]
struct VectorIn(Vec<f32>);

#[derive(Debug, Deserialize)]
struct UsageIn {
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

/// Reads an upstream's answer, in either form, in the order of its indices.
///
/// # Errors
/// When it has no vectors.
pub fn read_embedding_answer(body: &[u8]) -> Result<EmbeddingAnswer, Unintelligible> {
    let mut answer: AnswerIn = serde_json::from_slice(body)
        .map_err(|error| Unintelligible(format!("no embeddings of OpenAI's: {error}")))?;
    // A stable sort: entries without an index stay where they are.
    if answer.data.iter().all(|entry| entry.index.is_some()) {
        answer.data.sort_by_key(|entry| entry.index);
    }
    let tokens = answer.usage.and_then(|usage| usage.prompt_tokens);
    Ok(EmbeddingAnswer {
        model: answer.model.unwrap_or_default(),
        vectors: answer
            .data
            .into_iter()
            .map(|entry| entry.embedding.0)
            .collect(),
        usage: tokens.map(Usage::of_input),
    })
}

impl<'de> Deserialize<'de> for VectorIn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<VectorIn, D::Error> {
        from.deserialize_any(EitherForm)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = VectorIn;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a list of numbers or base64 of 32-bit floats")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<VectorIn, E> {
        let invalid = || E::invalid_value(de::Unexpected::Str("…"), &self);
        floats(text).map(VectorIn).ok_or_else(invalid)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<VectorIn, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(VectorIn(numbers))
    }
}

/// The floats of a base64 text.
fn floats(text: &str) -> Option<Vec<f32>> {
    let bytes = base64::decode(text)?;
    let (floats, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| {
        floats
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    })
}

#[derive(Debug, Serialize)]
struct AnswerOut<'a> {
    object: &'static str,
    data: Vec<EntryOut<'a>>,
    model: &'a str,
    usage: UsageOut,
}

#[derive(Debug, Serialize)]
struct EntryOut<'a> {
    object: &'static str,
    index: usize,
    embedding: VectorOut<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum VectorOut<'a> {
    Numbers(&'a [f32]),
    Base64(String),
}

#[derive(Debug, Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Writes an answer in the form that the client asked for.
pub fn write_embedding_answer(answer: &EmbeddingAnswer, asked: &EmbeddingRequest) -> Vec<u8> {
    let form = |vector: &'_ Vec<f32>| {
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|float| float.to_le_bytes())
            .collect();
        base64::encode(&bytes)
    };
    let entry = |(index, vector)| EntryOut {
        object: "embedding",
        index,
        embedding: if asked.base64 {
            VectorOut::Base64(form(vector))
        } else {
            VectorOut::Numbers(vector)
        },
    };
    // OpenAI's clients demand counts; an upstream that has none counts as 0.
    let tokens = answer.usage.map_or(0, |usage| usage.input());
    let written = AnswerOut {
        object: "list",
        data: answer.vectors.iter().enumerate().map(entry).collect(),
        model: &asked.model,
        usage: UsageOut {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    };
    serde_json::to_vec(&written).expect("vectors always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::neutral::Policy;

    fn read(body: &Value) -> EmbeddingRequest {
        let body = body.to_string();
        read_embedding_request(&RequestLine::default(), body.as_bytes()).unwrap()
    }

    #[test]
    fn case_56_both_forms_of_vectors_are_read_and_written() {
        let numbers = json!([0.1, -2.5, 1e-9]);
        let text = "zczMPQAAIMBfcIkw";
        for given in [numbers.clone(), json!(text)] {
            let upstream = json!({"object": "list", "model": "up", "usage": {"prompt_tokens": 4, "total_tokens": 4},
                "data": [{"object": "embedding", "index": 1, "embedding": [1]}, {"object": "embedding", "index": 0, "embedding": given}]});
            let answer = read_embedding_answer(upstream.to_string().as_bytes()).unwrap();
            assert_eq!(answer.vectors, [vec![0.1f32, -2.5, 1e-9], vec![1.0]]);
            for (form, expected) in [("float", numbers.clone()), ("base64", json!(text))] {
                let asked =
                    read(&json!({"model": "m", "input": ["a", "b"], "encoding_format": form}));
                let written: Value =
                    serde_json::from_slice(&write_embedding_answer(&answer, &asked)).unwrap();
                assert_eq!(
                    written["data"][0]["embedding"].to_string(),
                    expected.to_string()
                );
                assert_eq!(written["model"], "m");
                assert_eq!(
                    written["usage"],
                    json!({"prompt_tokens": 4, "total_tokens": 4})
                );
            }
        }
        for bad in [
            json!("AAA"),
            json!("!"),
            json!({}),
            json!(["x"]),
            json!(null),
        ] {
            let upstream = json!({"data": [{"embedding": bad}]});
            assert!(
                read_embedding_answer(upstream.to_string().as_bytes()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn inputs_are_texts_or_tokens() {
        let cases = [
            (json!("a"), Some(vec!["a"])),
            (json!(["a", "b"]), Some(vec!["a", "b"])),
            (json!([1, 2]), None),
            (json!([[1], [2]]), None),
        ];
        for (input, expected) in cases {
            let request =
                read(&json!({"model": "m", "input": input, "dimensions": 8, "user": "u"}));
            let mut losses = Losses::new(Policy::Strict);
            let written = write_embedding_request(&request, "up", &mut losses);
            match expected {
                None => assert_eq!(written.unwrap_err().loss, Loss::TokenPrompt),
                Some(texts) => {
                    let body: Value = serde_json::from_slice(&written.unwrap().body).unwrap();
                    let expected = json!({"model": "up", "input": texts, "dimensions": 8, "encoding_format": "float", "user": "u"});
                    assert_eq!(body, expected);
                }
            }
        }
        for (body, param) in [
            (json!({"input": ["a", 1]}), "input[1]"),
            (json!({"input": []}), "input"),
            (json!({}), "input"),
            (
                json!({"input": "a", "encoding_format": "x"}),
                "encoding_format",
            ),
        ] {
            let found =
                read_embedding_request(&RequestLine::default(), body.to_string().as_bytes());
            assert_eq!(found.unwrap_err().param, param);
        }
    }
}
