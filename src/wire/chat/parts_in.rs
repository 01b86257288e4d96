//! The content of messages: a text or parts, in Chat's own shapes and in those of Responses and Anthropic, which some
//! clients send here.

use serde_json::{Map, Value};

use crate::wire::Dialect;
use crate::wire::members::{Members, Path, elements, wrong};
use crate::wire::neutral::{
    CacheMark, Call, CallKind, Malformed, Media, Part, Reasoning, Signature, Source, Text,
    ToolResult,
};
use crate::wire::parsed::Parsed;

use super::values::required_at as required;

/// Reads `content`. Absent, null and empty content has no parts.
pub fn content(path: &Path, value: Option<Parsed<'_>>) -> Result<Vec<Part>, Malformed> {
    match value {
        None | Some(Parsed::Null) => Ok(Vec::new()),
        Some(Parsed::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Parsed::String(text)) => Ok(vec![plain(text.into_owned())]),
        Some(list @ Parsed::Array(_)) => {
            let parts = elements(list, path)?.into_iter();
            parts
                .map(|element| part(element.path, element.value))
                .filter(|part| !part.as_ref().is_ok_and(says_nothing))
                .collect()
        }
        // One part, and no list of one.
        Some(value @ Parsed::Object(_)) => Ok(vec![part(path.clone(), value)?]),
        Some(other) => {
            let expected = "a string or an array of parts";
            Err(wrong(path.clone(), expected, &other.into()))
        }
    }
}

/// An empty text, which some vendors refuse.
fn says_nothing(part: &Part) -> bool {
    matches!(part, Part::Text(text) if text.text.is_empty() && text.cache.is_none())
}

/// A text without anything beside it.
pub fn plain(text: String) -> Part {
    Part::Text(Text {
        text,
        ..Text::default()
    })
}

fn part(path: Path, value: Parsed<'_>) -> Result<Part, Malformed> {
    let mut members = match value {
        Parsed::String(text) => return Ok(plain(text.into_owned())),
        other => Members::of(other, path)?,
    };
    let kind = members.text("type")?;
    let kind = required(kind, || members.path_of("type"))?;
    let cache = take_cache(&mut members);
    match kind.as_str() {
        "text" | "input_text" | "output_text" => {
            let text = members.text("text")?;
            Ok(Part::Text(Text {
                text: required(text, || members.path_of("text"))?,
                citations: Vec::new(),
                cache,
            }))
        }
        "image_url" => image_url(members, cache),
        "input_image" => input_image(members, cache),
        "input_audio" => input_audio(members, cache),
        "file" => file(members, cache),
        "input_file" => file_of(members, cache),
        "image" => Ok(Part::Image(block_media(members, cache)?)),
        "document" => Ok(Part::Document(block_media(members, cache)?)),
        "refusal" => {
            let refusal = members.text("refusal")?;
            required(refusal, || members.path_of("refusal")).map(Part::Refusal)
        }
        "thinking" | "redacted_thinking" => thinking_block(members).map(Part::Reasoning),
        "tool_use" => tool_use(members).map(Part::Call),
        "tool_result" => tool_result(members, cache).map(Part::Result),
        // What only some server knows (`video_url`, …) goes back as it came.
        _ => {
            let mut value = Map::new();
            value.insert("type".to_owned(), kind.into());
            value.extend(members.rest());
            Ok(Part::Opaque {
                dialect: Dialect::Chat,
                value: Value::Object(value),
            })
        }
    }
}

fn take_cache(members: &mut Members<'_>) -> Option<CacheMark> {
    let mark = members.take("cache_control");
    let mark = mark.or_else(|| members.take("prompt_cache_breakpoint"));
    cache_mark(&mark?)
}

/// Reads Anthropic's `cache_control` (OpenRouter takes it) or OpenAI's `prompt_cache_breakpoint`.
pub fn cache_mark(mark: &Value) -> Option<CacheMark> {
    mark.as_object()?;
    let ttl = mark["ttl"].as_str().map(str::to_owned);
    Some(CacheMark {
        ttl,
        ..CacheMark::default()
    })
}

fn image_url(mut members: Members<'_>, cache: Option<CacheMark>) -> Result<Part, Malformed> {
    let path = members.path_of("image_url");
    let given = required(members.parsed("image_url"), || path.clone())?;
    // Not Chat's shape, but seen often.
    if let Parsed::String(url) = given {
        return Ok(image(url.into_owned(), None, cache, Map::new()));
    }
    let mut inner = Members::of(given, path)?;
    let url = inner.text("url")?;
    let url = required(url, || inner.path_of("url"))?;
    let detail = inner.text("detail")?;
    Ok(image(url, detail, cache, inner.rest()))
}

fn image(
    url: String,
    detail: Option<String>,
    cache: Option<CacheMark>,
    own: Map<String, Value>,
) -> Part {
    Part::Image(Media {
        source: source_of_url(url),
        name: None,
        detail,
        cache,
        own,
    })
}

/// `{image_url: "…", detail}` or `{file_id}`, as Responses has it.
fn input_image(mut members: Members<'_>, cache: Option<CacheMark>) -> Result<Part, Malformed> {
    if members.has("image_url") && members.peek("image_url").is_none() {
        return image_url(members, cache);
    }
    let url = members.text("image_url")?;
    let detail = members.text("detail")?;
    let source = match (url, members.text("file_id")?) {
        (Some(url), _) => source_of_url(url),
        (None, Some(id)) => Source::File {
            dialect: Dialect::Responses,
            id,
        },
        (None, None) => {
            return Err(Malformed::new(members.path_of("image_url"), "is missing"));
        }
    };
    Ok(Part::Image(Media {
        source,
        name: None,
        detail,
        cache,
        own: Map::new(),
    }))
}

fn input_audio(mut members: Members<'_>, cache: Option<CacheMark>) -> Result<Part, Malformed> {
    let inner = members.object("input_audio")?;
    let mut inner = required(inner, || members.path_of("input_audio"))?;
    let data = inner.text("data")?;
    let format = inner.text("format")?;
    let media_type = match format.as_deref() {
        Some("mp3") => "audio/mpeg".to_owned(),
        Some(format) => format!("audio/{format}"),
        None => "audio/wav".to_owned(),
    };
    Ok(Part::Audio(Media {
        source: Source::Base64 {
            media_type,
            data: required(data, || inner.path_of("data"))?,
        },
        name: None,
        detail: None,
        cache,
        own: inner.rest(),
    }))
}

fn file(mut members: Members<'_>, cache: Option<CacheMark>) -> Result<Part, Malformed> {
    let inner = members.object("file")?;
    file_of(required(inner, || members.path_of("file"))?, cache)
}

/// The same, as Responses has it: without an object around it.
fn file_of(mut inner: Members<'_>, cache: Option<CacheMark>) -> Result<Part, Malformed> {
    let name = inner.text("filename")?;
    let data = inner.text("file_data")?;
    let url = inner.text("file_url")?;
    let id = inner.text("file_id")?;
    let source = match (data, url, id) {
        (Some(data), _, _) => file_source(data),
        (None, Some(url), _) => source_of_url(url),
        (None, None, Some(id)) => Source::File {
            dialect: Dialect::Chat,
            id,
        },
        (None, None, None) => {
            return Err(Malformed::new(inner.path_of("file_data"), "is missing"));
        }
    };
    Ok(Part::Document(Media {
        source,
        name,
        detail: None,
        cache,
        own: inner.rest(),
    }))
}

/// A `data:` URL, or bare base64, which is taken for a PDF: nothing else was a file here for long.
fn file_source(data: String) -> Source {
    if data.starts_with("data:") || data.starts_with("http") {
        return source_of_url(data);
    }
    Source::Base64 {
        media_type: "application/pdf".to_owned(),
        data,
    }
}

/// The content of a `data:` URL in base64, or the URL.
fn source_of_url(url: String) -> Source {
    let data = url.strip_prefix("data:").and_then(|rest| {
        let (head, data) = rest.split_once(',')?;
        let media_type = head.strip_suffix(";base64")?;
        // Parameters (`;charset=…`) mean nothing to those that take media types.
        let media_type = media_type.split(';').next().unwrap_or_default();
        Some(Source::Base64 {
            media_type: media_type.to_owned(),
            data: data.to_owned(),
        })
    });
    data.unwrap_or(Source::Url {
        url,
        media_type: None,
    })
}

/// Anthropic's `source` and what stands beside it.
fn block_media(mut members: Members<'_>, cache: Option<CacheMark>) -> Result<Media, Malformed> {
    let path = members.path_of("source");
    let source = members.take("source").unwrap_or_default();
    let text = |name: &'static str| {
        let text = source[name].as_str().map(str::to_owned);
        required(text, || path.member(name))
    };
    let source = match source["type"].as_str() {
        Some("base64") => Source::Base64 {
            media_type: text("media_type").unwrap_or_default(),
            data: text("data")?,
        },
        Some("url") => Source::Url {
            url: text("url")?,
            media_type: None,
        },
        Some("text") => Source::Text(text("data")?),
        Some("file") => Source::File {
            dialect: Dialect::Anthropic,
            id: text("file_id")?,
        },
        Some(_) | None => return Err(wrong(path.member("type"), "a known type", &source)),
    };
    Ok(Media {
        source,
        name: members.text("title")?,
        detail: None,
        cache,
        own: Map::new(),
    })
}

fn thinking_block(members: Members<'_>) -> Result<Reasoning, Malformed> {
    let said = |name: &str| members.peek(name).unwrap_or_default();
    let proof = |name: &str| Signature::from_slot(Dialect::Anthropic, said(name));
    let signature = if said("data").is_empty() {
        (!said("signature").is_empty()).then(|| proof("signature"))
    } else {
        let own = proof("data");
        let is_redacted = own.is_redacted || own.dialect == Dialect::Anthropic;
        Some(Signature { is_redacted, ..own })
    };
    Ok(Reasoning {
        text: said("thinking").to_owned(),
        is_summary: false,
        signature,
        id: None,
    })
}

fn tool_use(mut members: Members<'_>) -> Result<Call, Malformed> {
    let name = members.text("name")?;
    Ok(Call {
        id: members.text("id")?.unwrap_or_default(),
        name: required(name, || members.path_of("name"))?,
        arguments: arguments(members.parsed("input")),
        kind: CallKind::Function,
        signature: None,
    })
}

fn tool_result(
    mut members: Members<'_>,
    cache: Option<CacheMark>,
) -> Result<ToolResult, Malformed> {
    let id = members.text("tool_use_id")?;
    let is_error = members.parsed("is_error").and_then(|it| it.as_bool());
    let said = members.parsed("content");
    Ok(ToolResult {
        id: required(id, || members.path_of("tool_use_id"))?,
        name: None,
        parts: content(&members.path_of("content"), said)?,
        is_error: is_error.unwrap_or(false),
        is_custom: false,
        cache,
    })
}

/// Arguments as text, whether the client sent text or an object.
pub fn arguments(value: Option<Parsed<'_>>) -> String {
    match value {
        None | Some(Parsed::Null) => String::new(),
        Some(Parsed::String(text)) => text.into_owned(),
        Some(other) => other.into_value().to_string(),
    }
}

/// The texts of a list of parts, as in `summary`.
pub fn joined_texts(parts: &Value) -> String {
    let parts = parts.as_array().into_iter().flatten();
    let texts: Vec<&str> = parts.filter_map(|part| part["text"].as_str()).collect();
    texts.join("\n\n")
}
