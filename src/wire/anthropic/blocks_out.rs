//! The parts of a turn as blocks for an upstream of this dialect.

use std::borrow::Cow;

use crate::wire::Dialect;
use crate::wire::neutral::{
    CacheMark, Call, CallKind, Loss, Losses, Media, Part, Reasoning, Refused, Request, Source,
    Text, ToolResult,
};

use super::answer_out::input;
use super::blocks_in::SEARCH_RESULT;
use super::citation;
use super::ids::Ids;
use crate::wire::tree::{Json, Object};

/// What blocks are written with.
pub(super) struct Blocks<'a, 'l> {
    pub ids: Ids<'a>,
    pub losses: &'l mut Losses,
    /// The client speaks this dialect as well: what only this dialect knows may go back.
    pub is_own: bool,
}

impl<'a, 'l> Blocks<'a, 'l> {
    pub fn new(request: &'a Request, losses: &'l mut Losses) -> Blocks<'a, 'l> {
        Blocks {
            ids: Ids::of(&request.messages),
            losses,
            is_own: request.dialect == Dialect::Anthropic,
        }
    }

    /// The blocks of `parts`, without those that say nothing: the vendor refuses empty texts.
    pub fn of(&mut self, parts: &'a [Part]) -> Result<Vec<Json<'a>>, Refused> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            self.push(part, &mut blocks)?;
        }
        Ok(blocks)
    }

    fn push(&mut self, part: &'a Part, blocks: &mut Vec<Json<'a>>) -> Result<(), Refused> {
        match part {
            Part::Text(text) => blocks.extend(text_block(text)),
            Part::Refusal(text) => blocks.extend(plain_text(text)),
            Part::Image(media) => blocks.push(self.image(media)?),
            Part::Document(media) => blocks.push(self.document(media)?),
            Part::Audio(_) => self.losses.note(Loss::Audio)?,
            Part::Reasoning(reasoning) => self.reasoning(reasoning, blocks)?,
            Part::Call(call) => blocks.push(self.call(call)),
            Part::Result(result) => blocks.push(self.result(result)?),
            Part::Opaque { dialect, value } if *dialect == Dialect::Anthropic => {
                blocks.push(value.into());
            }
            Part::Opaque { .. } => self.losses.note(Loss::OpaqueBlock)?,
        }
        Ok(())
    }

    /// Only reasoning that its maker has signed may go back.
    fn reasoning(
        &mut self,
        reasoning: &'a Reasoning,
        blocks: &mut Vec<Json<'a>>,
    ) -> Result<(), Refused> {
        let signature = reasoning.signature.as_ref();
        match signature.filter(|signature| signature.dialect == Dialect::Anthropic) {
            Some(redacted) if redacted.is_redacted => {
                let block = Object::typed("redacted_thinking").with("data", &redacted.data);
                blocks.push(block.into());
            }
            Some(signature) => {
                let block = Object::typed("thinking").with("thinking", &reasoning.text);
                blocks.push(block.with("signature", &signature.data).into());
            }
            None => self.losses.note(Loss::ReasoningOfOthers)?,
        }
        Ok(())
    }

    fn call(&self, call: &'a Call) -> Json<'a> {
        let input = match call.kind {
            // A tool with free text has become a function with one argument.
            CallKind::Custom => serde_json::json!({ "input": call.arguments }),
            CallKind::Function | CallKind::Namespaced(_) => input(&call.arguments),
        };
        Object::typed("tool_use")
            .with("id", self.ids.sent(&call.id))
            .with("name", &call.name)
            .with("input", input)
            .into()
    }

    fn result(&mut self, result: &'a ToolResult) -> Result<Json<'a>, Refused> {
        let content = match lone_text(&result.parts) {
            Some(text) => (!text.is_empty()).then(|| text.into()),
            None => {
                let blocks = self.of(&result.parts)?;
                (!blocks.is_empty()).then_some(Json::List(blocks))
            }
        };
        let block = Object::typed("tool_result")
            .with("tool_use_id", self.ids.sent(&result.id))
            .with_some("content", content)
            .with_some("is_error", result.is_error.then_some(true))
            .with_some("cache_control", mark(result.cache.as_ref()));
        Ok(block.into())
    }

    fn image(&mut self, media: &'a Media) -> Result<Json<'a>, Refused> {
        self.losses.note_if(media.detail.is_some(), Loss::Detail)?;
        let source = match &media.source {
            Source::Base64 { media_type, data } => Object::typed("base64")
                .with("media_type", image_type(media_type, data))
                .with("data", data),
            Source::Url { url, .. } => Object::typed("url").with("url", url),
            Source::File { dialect, id } => self.file(*dialect, id)?,
            // No dialect has images of text.
            Source::Text(_) => return self.refuse(Loss::Image, "an image of text"),
        };
        Ok(self.media(Object::typed("image").with("source", source), media))
    }

    fn document(&mut self, media: &'a Media) -> Result<Json<'a>, Refused> {
        if let (true, Some(value)) = (self.is_own, media.own.get(SEARCH_RESULT)) {
            let members = value.as_object().into_iter().flatten();
            let mut block = Object::default();
            block.fill(members);
            return Ok(block
                .with_some("cache_control", mark(media.cache.as_ref()))
                .into());
        }
        let source = match &media.source {
            Source::Base64 { media_type, .. } if media_type.starts_with("image/") => {
                return self.image(media);
            }
            Source::Base64 { media_type, data } if media_type == PDF => Object::typed("base64")
                .with("media_type", PDF)
                .with("data", data),
            Source::Base64 { media_type, data } => match decoded_text(media_type, data) {
                Some(text) => plain_source(text.into()),
                None => return self.refuse(Loss::Document, media_type),
            },
            Source::Url { url, .. } => Object::typed("url").with("url", url),
            Source::File { dialect, id } => self.file(*dialect, id)?,
            Source::Text(text) => plain_source(text.into()),
        };
        let mut block = Object::typed("document");
        if !(self.is_own && media.own.contains_key("source")) {
            block.put("source", source);
        }
        let block = block.with_some("title", media.name.as_ref());
        Ok(self.media(block, media))
    }

    fn file(&mut self, dialect: Dialect, id: &'a str) -> Result<Object<'a>, Refused> {
        if dialect != Dialect::Anthropic {
            self.losses.note_at(Loss::FileId, Some(id.to_owned()))?;
        }
        Ok(Object::typed("file").with("file_id", id))
    }

    fn media(&self, mut block: Object<'a>, media: &'a Media) -> Json<'a> {
        if self.is_own {
            block.fill(&media.own);
        }
        block
            .with_some("cache_control", mark(media.cache.as_ref()))
            .into()
    }

    fn refuse<T>(&mut self, loss: Loss, what: &str) -> Result<T, Refused> {
        let place = Some(what.to_owned());
        self.losses.note_at(loss, place.clone())?;
        // Losses of this weight always refuse; whatever the table says, there is nothing to send here.
        Err(Refused { loss, place })
    }
}

const PDF: &str = "application/pdf";

fn plain_source(text: Json<'_>) -> Object<'_> {
    let source = Object::typed("text").with("media_type", "text/plain");
    source.with("data", text)
}

/// The text where a content is one text and nothing more.
pub(super) fn lone_text(parts: &[Part]) -> Option<&str> {
    match parts {
        [Part::Text(text)] if text.cache.is_none() && text.citations.is_empty() => Some(&text.text),
        _ => None,
    }
}

pub(super) fn text_block(text: &Text) -> Option<Json<'_>> {
    if text.text.trim().is_empty() {
        return None;
    }
    let citations: Vec<Json<'_>> = text
        .citations
        .iter()
        .filter_map(|cited| citation::own(cited).map(Json::from))
        .collect();
    let block = Object::typed("text")
        .with("text", &text.text)
        .with_some("citations", (!citations.is_empty()).then_some(citations))
        .with_some("cache_control", mark(text.cache.as_ref()));
    Some(block.into())
}

fn plain_text(text: &str) -> Option<Json<'_>> {
    let says = !text.trim().is_empty();
    says.then(|| Object::typed("text").with("text", text).into())
}

/// A cache mark. Lifetimes that the vendor does not sell are left to its default, which is the cheaper one.
pub(super) fn mark(mark: Option<&CacheMark>) -> Option<Object<'_>> {
    let mark = mark?;
    let ttl = mark.ttl.as_deref();
    let ttl = ttl.filter(|ttl| ["5m", "1h"].contains(ttl));
    let mut written = Object::typed("ephemeral").with_some("ttl", ttl);
    written.fill(&mark.own);
    Some(written)
}

/// The type that an image's first bytes show, which the vendor compares with what is said: clients often say the wrong one.
fn image_type<'a>(said: &'a str, data: &str) -> &'a str {
    let shown = [
        ("/9j/", "image/jpeg"),
        ("iVBORw0KGgo", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ];
    let found = shown.iter().find(|(start, _)| data.starts_with(start));
    match found {
        Some((_, shown)) => shown,
        None if said == "image/jpg" => "image/jpeg",
        None => said,
    }
}

/// The text of a file that is text; the vendor takes base64 of PDFs only.
fn decoded_text(media_type: &str, base64: &str) -> Option<String> {
    let is_text = media_type.starts_with("text/")
        || ["application/json", "application/xml", "application/yaml"].contains(&media_type);
    if !is_text {
        return None;
    }
    String::from_utf8(decoded(base64)?).ok()
}

/// Decodes standard base64; `None` where it is none.
fn decoded(base64: &str) -> Option<Vec<u8>> {
    let digits = base64.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            bits = bits << 6 | u32::from(six_bits(*digit)?);
        }
        bits <<= 6 * (4 - group.len());
        let count = group.len().checked_sub(1).filter(|count| *count > 0)?;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=count]);
    }
    Some(bytes)
}

fn six_bits(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// A text as it stands in a turn that holds nothing else.
pub(super) fn borrowed(text: &str) -> Json<'_> {
    Json::Text(Cow::Borrowed(text))
}
