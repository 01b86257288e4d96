//! The messages of a client's request and the blocks within them.

use serde_json::{Map, Value};

use crate::wire::Dialect;
use crate::wire::neutral::{
    CacheMark, Call, CallKind, Malformed, Media, Message, Part, Reasoning, Role, Signature, Source,
    Text, ToolResult,
};
use crate::wire::parsed::Parsed;

use super::citation;
use super::members::{self, Members};

/// Instructions: one text, or blocks, each of which stays a part of its own.
pub(super) fn system(value: Option<Parsed<'_>>) -> Result<Vec<Message>, Malformed> {
    let mut messages = Vec::new();
    let parts = content(value)?;
    push(&mut messages, Role::System, parts);
    Ok(messages)
}

/// A message, added to those before it. Results of tools come first, in a message of their own.
pub(super) fn message(value: Parsed<'_>, messages: &mut Vec<Message>) -> Result<(), Malformed> {
    let mut message = members::as_object(value)?;
    let role = match members::needed_text(&mut message, "role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let problem = format!("must be user, assistant or system, and is {other:?}");
            return Err(Malformed::new("role", problem));
        }
    };
    let content = members::value(&mut message, "content");
    let parts = self::content(content).map_err(|error| members::within("content", error))?;
    let (results, others): (Vec<Part>, Vec<Part>) = parts
        .into_iter()
        .partition(|part| matches!(part, Part::Result(_)));
    let others = hand_signatures_to_calls(others);
    match role {
        // An assistant's results are no one's but the next turn's.
        Role::Assistant => {
            push(messages, role, others);
            push_results(messages, results);
        }
        _ => {
            push_results(messages, results);
            push(messages, role, others);
        }
    }
    Ok(())
}

fn push(messages: &mut Vec<Message>, role: Role, parts: Vec<Part>) {
    if !parts.is_empty() {
        messages.push(Message {
            role,
            parts,
            name: None,
        });
    }
}

fn push_results(messages: &mut Vec<Message>, results: Vec<Part>) {
    match messages.last_mut() {
        Some(last) if last.role == Role::Tool => last.parts.extend(results),
        _ => push(messages, Role::Tool, results),
    }
}

/// Gemini signs calls, and here only reasoning can be signed: the writer of answers puts an empty block before a signed call.
fn hand_signatures_to_calls(parts: Vec<Part>) -> Vec<Part> {
    let mut handed: Vec<Part> = Vec::with_capacity(parts.len());
    for mut part in parts {
        if let (Some(Part::Reasoning(reasoning)), Part::Call(call)) = (handed.last_mut(), &mut part)
            && reasoning.text.is_empty()
            && let Some(signature) = &mut reasoning.signature
            && signature.dialect == Dialect::Gemini
        {
            call.signature = reasoning.signature.take();
            handed.pop();
        }
        handed.push(part);
    }
    handed
}

/// A text, a list of blocks, or nothing at all.
fn content(value: Option<Parsed<'_>>) -> Result<Vec<Part>, Malformed> {
    match value {
        None | Some(Parsed::Null) => Ok(Vec::new()),
        Some(Parsed::String(text)) => Ok(vec![Part::Text(Text {
            text: text.into_owned(),
            ..Text::default()
        })]),
        Some(Parsed::Array(list)) => members::each("", list, block),
        Some(other) => Err(members::wrong("", "a string or a list of blocks", other)),
    }
}

fn block(value: Parsed<'_>) -> Result<Part, Malformed> {
    let mut block = members::as_object(value)?;
    let Some(kind) = block.get("type") else {
        return Err(members::missing("type", "a string"));
    };
    let Some(kind) = kind.as_str() else {
        return Err(members::wrong("type", "a string", kind.clone()));
    };
    match kind {
        "text" => text(&mut block).map(Part::Text),
        "thinking" => thinking(&mut block).map(Part::Reasoning),
        "redacted_thinking" => redacted(&mut block).map(Part::Reasoning),
        "tool_use" => call(&mut block).map(Part::Call),
        "tool_result" => result(&mut block).map(Part::Result),
        "image" => media(block, Part::Image),
        "document" => media(block, Part::Document),
        "search_result" => search_result(block),
        _ => Ok(opaque(block)),
    }
}

/// What only this dialect can say: blocks of the vendor's own tools, and what is newer than weir.
fn opaque(block: Members<'_>) -> Part {
    Part::Opaque {
        dialect: Dialect::Anthropic,
        value: Value::Object(block.into()),
    }
}

/// The mark that the prompt is to be cached up to here.
pub(super) fn cache(members: &mut Members<'_>) -> Result<Option<CacheMark>, Malformed> {
    let Some(mut mark) = members::object(members, "cache_control")? else {
        return Ok(None);
    };
    let ttl = members::text(&mut mark, "ttl");
    let ttl = ttl.map_err(|error| members::within("cache_control", error))?;
    mark.take("type");
    let own = mark.into();
    Ok(Some(CacheMark { ttl, own }))
}

fn text(block: &mut Members<'_>) -> Result<Text, Malformed> {
    let citations = members::list(block, "citations")?.unwrap_or_default();
    Ok(Text {
        text: members::needed_text(block, "text")?,
        citations: citations
            .into_iter()
            .map(|it| citation::read(it.into()))
            .collect(),
        cache: cache(block)?,
    })
}

fn thinking(block: &mut Members<'_>) -> Result<Reasoning, Malformed> {
    let signature = members::text(block, "signature")?.filter(|text| !text.is_empty());
    Ok(Reasoning {
        text: members::text(block, "thinking")?.unwrap_or_default(),
        signature: signature.map(|text| Signature::from_slot(Dialect::Anthropic, &text)),
        ..Reasoning::default()
    })
}

fn redacted(block: &mut Members<'_>) -> Result<Reasoning, Malformed> {
    let data = members::needed_text(block, "data")?;
    let mut signature = Signature::from_slot(Dialect::Anthropic, &data);
    signature.is_redacted |= signature.dialect == Dialect::Anthropic;
    Ok(Reasoning {
        signature: Some(signature),
        ..Reasoning::default()
    })
}

fn call(block: &mut Members<'_>) -> Result<Call, Malformed> {
    let input = members::object(block, "input")?.unwrap_or_default();
    Ok(Call {
        id: members::needed_text(block, "id")?,
        name: members::needed_text(block, "name")?,
        arguments: Value::Object(input.into()).to_string(),
        kind: CallKind::Function,
        signature: None,
    })
}

fn result(block: &mut Members<'_>) -> Result<ToolResult, Malformed> {
    let content = members::value(block, "content");
    let mut parts = self::content(content).map_err(|error| members::within("content", error))?;
    // A result within a result means nothing.
    parts.retain(|part| !matches!(part, Part::Result(_)));
    Ok(ToolResult {
        id: members::needed_text(block, "tool_use_id")?,
        name: None,
        parts,
        is_error: members::flag(block, "is_error")?.unwrap_or(false),
        is_custom: false,
        cache: cache(block)?,
    })
}

/// An image or a document. What the source is, decides; a kind of source that is not known stays as it is.
fn media(mut block: Members<'_>, part: fn(Media) -> Part) -> Result<Part, Malformed> {
    let Some(mut source) = members::object(&mut block, "source")? else {
        return Err(members::missing("source", "an object"));
    };
    let inside = |error| members::within("source", error);
    let kind = source.get("type").and_then(Parsed::as_str);
    let source = match kind.unwrap_or_default() {
        "base64" => Source::Base64 {
            media_type: members::needed_text(&mut source, "media_type").map_err(inside)?,
            data: members::needed_text(&mut source, "data").map_err(inside)?,
        },
        "url" => Source::Url {
            url: members::needed_text(&mut source, "url").map_err(inside)?,
            media_type: None,
        },
        "file" => Source::File {
            dialect: Dialect::Anthropic,
            id: members::needed_text(&mut source, "file_id").map_err(inside)?,
        },
        "text" => Source::Text(members::needed_text(&mut source, "data").map_err(inside)?),
        "content" => {
            let text = texts(source.get("content"));
            block.insert("source", Parsed::Object(source));
            Source::Text(text)
        }
        _ => {
            block.insert("source", Parsed::Object(source));
            return Ok(opaque(block));
        }
    };
    block.take("type");
    Ok(part(Media {
        source,
        name: members::text(&mut block, "title")?,
        detail: None,
        cache: cache(&mut block)?,
        own: block.into(),
    }))
}

/// A result of the client's own search: a document of text to others, and to this dialect what it was.
fn search_result(mut block: Members<'_>) -> Result<Part, Malformed> {
    let cache = cache(&mut block)?;
    let name = block
        .get("title")
        .and_then(Parsed::as_str)
        .map(str::to_owned);
    let text = texts(block.get("content"));
    let mut own = Map::new();
    own.insert(SEARCH_RESULT.to_owned(), Value::Object(block.into()));
    Ok(Part::Document(Media {
        source: Source::Text(text),
        name,
        detail: None,
        cache,
        own,
    }))
}

/// Where a document keeps the search result that it is.
pub(super) const SEARCH_RESULT: &str = "search_result";

/// The texts of a content, one below the other.
fn texts(content: Option<&Parsed<'_>>) -> String {
    match content {
        Some(Parsed::String(text)) => text.to_string(),
        Some(Parsed::Array(blocks)) => {
            let texts = blocks
                .iter()
                .filter_map(|block| block.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        Some(_) | None => String::new(),
    }
}
