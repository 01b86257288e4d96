//! Content of messages and of results of tools into parts.

use serde_json::{Map, Value, json};

use crate::wire::Dialect;
use crate::wire::members::{Members, Path, elements, wrong};
use crate::wire::neutral::{CacheMark, Malformed, Media, Part, Role, Source, Text};

use crate::wire::parsed::Parsed;

use super::annotations;
use super::request_in::plain;

/// Text, or a list of parts; nothing at all is no parts.
///
/// # Errors
/// Where it is neither, or a part is not what its type asks for.
pub fn read_content(
    path: &Path,
    content: Option<Parsed<'_>>,
    role: Role,
) -> Result<Vec<Part>, Malformed> {
    match content {
        None => Ok(Vec::new()),
        Some(Parsed::String(text)) => Ok(vec![plain(text.into_owned())]),
        Some(list @ Parsed::Array(_)) => elements(list, path)?
            .into_iter()
            .map(|part| read_part(part.members()?, role))
            .collect(),
        Some(other) => Err(wrong(
            path.clone(),
            "a string or a list of parts",
            &other.into(),
        )),
    }
}

fn read_part(mut part: Members<'_>, role: Role) -> Result<Part, Malformed> {
    let kind = part.needed_text("type")?;
    match kind.as_str() {
        "input_text" | "output_text" | "text" => read_text(part),
        "refusal" => Ok(Part::Refusal(part.needed_text("refusal")?)),
        "input_image" => read_image(part).map(Part::Image),
        "input_file" => read_file(part).map(Part::Document),
        "input_audio" => read_audio(part).map(Part::Audio),
        _ => {
            let mut value = Map::new();
            value.insert("type".to_owned(), kind.into());
            value.extend(part.rest());
            Ok(unknown(Value::Object(value), role))
        }
    }
}

/// A part that only this dialect knows: in a message, as a message of its own.
fn unknown(part: Value, role: Role) -> Part {
    let role = match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => {
            return Part::Opaque {
                dialect: Dialect::Responses,
                value: part,
            };
        }
    };
    Part::Opaque {
        dialect: Dialect::Responses,
        value: json!({"type": "message", "role": role, "content": [part]}),
    }
}

fn read_text(mut part: Members<'_>) -> Result<Part, Malformed> {
    let annotations = part.list("annotations")?;
    Ok(Part::Text(Text {
        text: part.needed_text("text")?,
        citations: annotations
            .into_iter()
            .map(|it| annotations::read(it.value()))
            .collect(),
        cache: read_mark(&mut part)?,
    }))
}

fn read_mark(part: &mut Members<'_>) -> Result<Option<CacheMark>, Malformed> {
    let mark = part.object("prompt_cache_breakpoint")?;
    mark.map(|mut mark| {
        Ok(CacheMark {
            ttl: mark.text("ttl")?,
            ..CacheMark::default()
        })
    })
    .transpose()
}

fn read_image(mut part: Members<'_>) -> Result<Media, Malformed> {
    let source = if let Some(id) = part.text("file_id")? {
        file(id)
    } else {
        // Some clients write it as Chat does, as an object.
        let url = match part.take("image_url") {
            Some(Value::String(url)) => url,
            Some(Value::Object(object)) if object.get("url").is_some_and(Value::is_string) => {
                object["url"].as_str().unwrap_or_default().to_owned()
            }
            Some(other) => {
                return Err(part.wrong("image_url", "a string", &other));
            }
            None => part.needed_text("image_url")?,
        };
        source_of_url(url)
    };
    media(part, source)
}

fn read_file(mut part: Members<'_>) -> Result<Media, Malformed> {
    let source = if let Some(data) = part.text("file_data")? {
        match source_of_url(data) {
            // Bare base64; the name tells what it is.
            Source::Url { url, .. } => Source::Base64 {
                media_type: media_type_of(part.peek("filename")).to_owned(),
                data: url,
            },
            source => source,
        }
    } else if let Some(url) = part.text("file_url")? {
        Source::Url {
            url,
            media_type: None,
        }
    } else {
        file(part.needed_text("file_id")?)
    };
    media(part, source)
}

fn read_audio(mut part: Members<'_>) -> Result<Media, Malformed> {
    let Some(mut audio) = part.object("input_audio")? else {
        return Err(part.missing("input_audio", "an object"));
    };
    let source = Source::Base64 {
        data: audio.needed_text("data")?,
        media_type: match audio.needed_text("format")?.as_str() {
            "mp3" => "audio/mpeg".to_owned(),
            other => format!("audio/{other}"),
        },
    };
    media(part, source)
}

fn media(mut part: Members<'_>, source: Source) -> Result<Media, Malformed> {
    Ok(Media {
        source,
        name: part.text("filename")?,
        detail: part.text("detail")?,
        cache: read_mark(&mut part)?,
        own: part.rest(),
    })
}

fn file(id: String) -> Source {
    Source::File {
        dialect: Dialect::Responses,
        id,
    }
}

/// What a `data:` URL holds; any other URL as it is.
fn source_of_url(url: String) -> Source {
    let held = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"));
    match held {
        Some((media_type, data)) => Source::Base64 {
            media_type: media_type.to_owned(),
            data: data.to_owned(),
        },
        None => Source::Url {
            url,
            media_type: None,
        },
    }
}

fn media_type_of(name: Option<&str>) -> &'static str {
    let ending = name.and_then(|name| name.rsplit_once('.'));
    match ending
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .as_deref()
    {
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        // Files are PDFs for the most part, and all that models other than OpenAI's take.
        _ => "application/pdf",
    }
}
