//! Content blocks of messages: texts, media, calls and results.

use serde_json::{Value, json};
use weir_openai::{CacheMark, Call, DataUrl, Message, Part, Refused, Thought, object};

use super::config::Config;
use super::documents::Documents;
use super::family::Family;
use super::ids;

/// Stands where a tool has said nothing: blank texts are refused.
const NO_OUTPUT: &str = "(no output)";
/// Results in base64 images of these formats.
const IMAGES: [(&str, &str); 5] = [
    ("image/png", "png"),
    ("image/jpeg", "jpeg"),
    ("image/jpg", "jpeg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
];

/// What blocks are written with.
#[derive(Debug)]
pub struct Blocks<'b> {
    pub family: Family,
    pub config: &'b Config,
    pub documents: Documents,
}

impl Blocks<'_> {
    /// The blocks of a content, blank texts left out, each cache mark behind what it marks.
    ///
    /// # Errors
    /// What Converse has no form for.
    pub fn content(&mut self, parts: Vec<Part>) -> Result<Vec<Value>, Refused> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            let mark = mark_of(&part).map(cache_point);
            if let Some(block) = self.part(part)? {
                blocks.push(block);
                blocks.extend(mark);
            }
        }
        Ok(blocks)
    }

    fn part(&mut self, part: Part) -> Result<Option<Value>, Refused> {
        let (name, block) = match part {
            Part::Text { text, .. } if text.trim().is_empty() => return Ok(None),
            Part::Text { text, .. } => ("text", text.into()),
            Part::Image { url, .. } => ("image", image(&url)?),
            Part::Audio { format, data } => {
                let source = object([("bytes", data.into())]);
                let audio = object([("format", format.into()), ("source", source)]);
                ("audio", audio)
            }
            Part::File { name, data, .. } => {
                ("document", self.documents.block(name.as_deref(), data)?)
            }
        };
        Ok(Some(object([(name, block)])))
    }

    /// What the assistant thought, as far as Bedrock can check it: what has no proof is refused, or of no use.
    pub fn thoughts(&self, thoughts: &[Thought]) -> Vec<Value> {
        let takes_proofs = self.family.is_claude() || self.family == Family::Other;
        let written = thoughts.iter().filter_map(|thought| match thought {
            Thought::Told {
                text,
                signature: Some(signature),
            } => {
                let told = json!({"text": text, "signature": signature});
                Some(json!({"reasoningContent": {"reasoningText": told}}))
            }
            Thought::Told {
                signature: None, ..
            } => None,
            Thought::Hidden(data) => Some(json!({"reasoningContent": {"redactedContent": data}})),
        });
        written.filter(|_| takes_proofs).collect()
    }

    /// The result of a tool.
    ///
    /// # Errors
    /// What Converse has no form for.
    pub fn result(&mut self, message: Message) -> Result<Value, Refused> {
        let Some(id) = &message.call_id else {
            return Err("a tool's message does not say which call it answers".to_owned());
        };
        let mut content = Vec::new();
        for part in message.parts {
            content.extend(match part {
                Part::Text { ref text, .. } if self.config.results_as_json => {
                    match json_object(text) {
                        Some(told) => Some(object([("json", told)])),
                        None => self.part(part)?,
                    }
                }
                Part::Audio { .. } => {
                    return Err("Bedrock takes no audio in a tool's message".to_owned());
                }
                Part::Text { .. } | Part::Image { .. } | Part::File { .. } => self.part(part)?,
            });
        }
        if content.is_empty() {
            content.push(json!({"text": NO_OUTPUT}));
        }
        let (id, content) = (ids::written(id).into(), Value::Array(content));
        let mut result = object([("toolUseId", id), ("content", content)]);
        if message.is_error {
            result["status"] = "error".into();
        }
        Ok(object([("toolResult", result)]))
    }
}

/// A call of the assistant's.
pub fn call(call: &Call) -> Value {
    let input = match json_object(&call.arguments) {
        Some(input) => input,
        None if call.arguments.trim().is_empty() => json!({}),
        // A model wrote this once, and it is part of what was said.
        None => json!({"_raw": call.arguments}),
    };
    let id = ids::written(&call.id);
    json!({"toolUse": {"toolUseId": id, "name": call.name, "input": input}})
}

/// What is to be said of a call that nobody has answered: all have to be.
pub fn unanswered(id: &str) -> Value {
    let content = [json!({"text": NO_OUTPUT})];
    json!({"toolResult": {"toolUseId": id, "content": content, "status": "error"}})
}

pub fn cache_point(mark: &CacheMark) -> Value {
    let mut point = json!({"type": "default"});
    if let Some(ttl) = &mark.ttl {
        point["ttl"] = ttl.as_str().into();
    }
    json!({"cachePoint": point})
}

pub fn mark_of(part: &Part) -> Option<&CacheMark> {
    match part {
        Part::Text { cache, .. } | Part::Image { cache, .. } | Part::File { cache, .. } => {
            cache.as_ref()
        }
        Part::Audio { .. } => None,
    }
}

fn json_object(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then_some(value)
}

fn image(url: &str) -> Result<Value, Refused> {
    if url.starts_with("s3://") {
        let format = format_of_name(url)?;
        return Ok(json!({"format": format, "source": {"s3Location": {"uri": url}}}));
    }
    let Some(DataUrl { media_type, data }) = DataUrl::parse(url) else {
        return Err("Bedrock fetches no images; send them in base64".to_owned());
    };
    let found = IMAGES.iter().find(|(known, _)| *known == media_type);
    let Some((_, format)) = found else {
        return Err(format!(
            "Bedrock takes images in PNG, JPEG, GIF and WebP, and one is {media_type:?}"
        ));
    };
    let source = object([("bytes", data.into())]);
    Ok(object([("format", (*format).into()), ("source", source)]))
}

fn format_of_name(name: &str) -> Result<&'static str, Refused> {
    let ending = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let media_type = format!("image/{ending}");
    let found = IMAGES.iter().find(|(known, _)| *known == media_type);
    let found = found.map(|(_, format)| *format);
    found.ok_or_else(|| "the name of an image in S3 has to end in its format".to_owned())
}
