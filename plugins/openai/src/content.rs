//! The parts of a message's content.

use serde_json::{Map, Value};

use super::Refused;

/// Up to here a provider may cache what it has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMark {
    /// `5m` or `1h`.
    pub ttl: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Text {
        text: String,
        cache: Option<CacheMark>,
    },
    Image {
        url: String,
        detail: Option<String>,
        cache: Option<CacheMark>,
    },
    /// In base64.
    Audio { format: String, data: String },
    File {
        name: Option<String>,
        data: DataUrl,
        cache: Option<CacheMark>,
    },
}

/// `data:<type>;base64,<data>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataUrl {
    /// In lower case, without parameters.
    pub media_type: String,
    /// Base64.
    pub data: String,
}

impl DataUrl {
    /// The URL's parts; `None` where it is no URL of data in base64.
    pub fn parse(url: &str) -> Option<DataUrl> {
        let (kind, data) = url.strip_prefix("data:")?.split_once(',')?;
        let kind = kind.strip_suffix(";base64")?;
        let media_type = kind.split(';').next().unwrap_or_default();
        Some(DataUrl {
            media_type: media_type.trim().to_ascii_lowercase(),
            data: data.to_owned(),
        })
    }
}

/// The parts of a content: a text, a list, or nothing. Texts are moved, not copied: they may be megabytes of an image.
///
/// # Errors
/// What is in it that no adapter can read.
pub fn parts(content: Option<Value>) -> Result<Vec<Part>, Refused> {
    match content {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![plain(text)]),
        Some(Value::Array(parts)) => parts.into_iter().map(part).collect(),
        Some(_) => Err("a message's content is neither text nor a list".to_owned()),
    }
}

pub(crate) fn plain(text: String) -> Part {
    Part::Text { text, cache: None }
}

fn part(part: Value) -> Result<Part, Refused> {
    let mut members = match part {
        Value::String(text) => return Ok(plain(text)),
        Value::Object(members) => members,
        _ => return Err("a part of a message is no object".to_owned()),
    };
    let cache = cache_mark(&members);
    let kind = take(&mut members, "type").unwrap_or_default();
    match kind.as_str() {
        "text" | "input_text" | "output_text" => {
            let text = take(&mut members, "text").unwrap_or_default();
            Ok(Part::Text { text, cache })
        }
        "refusal" => {
            let text = take(&mut members, "refusal").unwrap_or_default();
            Ok(Part::Text { text, cache })
        }
        "image_url" => image(members.shift_remove("image_url"), cache),
        "input_audio" => {
            let mut audio = inner(members.shift_remove("input_audio"));
            Ok(Part::Audio {
                format: take(&mut audio, "format").unwrap_or_default(),
                data: take(&mut audio, "data").ok_or("an `input_audio` part has no data")?,
            })
        }
        "file" => file(inner(members.shift_remove("file")), cache),
        kind => Err(format!("a part of the type {kind:?} has no form here")),
    }
}

/// The URL is a member, or all there is.
fn image(image: Option<Value>, cache: Option<CacheMark>) -> Result<Part, Refused> {
    let (url, detail) = match image {
        Some(Value::String(url)) => (Some(url), None),
        image => {
            let mut image = inner(image);
            (take(&mut image, "url"), take(&mut image, "detail"))
        }
    };
    let url = url.ok_or("an `image_url` part has no URL")?;
    Ok(Part::Image { url, detail, cache })
}

fn file(mut file: Map<String, Value>, cache: Option<CacheMark>) -> Result<Part, Refused> {
    let name = take(&mut file, "filename");
    let shown = name.as_deref().unwrap_or("a file");
    let Some(data) = take(&mut file, "file_data") else {
        return Err(format!(
            "{shown} is not in the request; send its content as `file_data`"
        ));
    };
    let data = DataUrl::parse(&data).unwrap_or_else(|| DataUrl {
        media_type: String::new(),
        data,
    });
    Ok(Part::File { name, data, cache })
}

fn inner(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn take(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// An object of these members, which are moved into it.
pub fn object<const COUNT: usize>(members: [(&str, Value); COUNT]) -> Value {
    let members = members.into_iter();
    Value::Object(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// The mark in Anthropic's form (`cache_control`) or OpenAI's (`prompt_cache_breakpoint`).
pub(crate) fn cache_mark(members: &Map<String, Value>) -> Option<CacheMark> {
    let given = |name: &str| members.get(name).filter(|mark| mark.is_object());
    let mark = given("cache_control").or(given("prompt_cache_breakpoint"))?;
    let ttl = string(&mark["ttl"]).filter(|ttl| ttl == "5m" || ttl == "1h");
    Some(CacheMark { ttl })
}

/// All texts of a content, one behind the other.
pub fn text_of(parts: &[Part], between: &str) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        Part::Image { .. } | Part::Audio { .. } | Part::File { .. } => None,
    });
    texts.collect::<Vec<_>>().join(between)
}

pub(crate) fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Base64 (RFC 4648), for vectors.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let is_there = place <= chunk.len();
            text.push(if is_there {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn urls_of_data_are_read() {
        let read = DataUrl::parse("data:image/PNG;charset=x;base64,AAAA").expect("it is one");
        assert_eq!(
            (read.media_type.as_str(), read.data.as_str()),
            ("image/png", "AAAA")
        );
        for other in [
            "https://example.com/a.png",
            "data:text/plain,hello",
            "data:;base64",
        ] {
            assert_eq!(DataUrl::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_part_that_nobody_knows_is_named() {
        let refused = parts(Some(json!([{"type": "hologram"}]))).expect_err("nobody knows it");
        assert!(refused.contains("hologram"), "{refused}");
        let refused = parts(Some(json!([{"type": "file", "file": {"file_id": "f1"}}])));
        assert!(refused.expect_err("it is elsewhere").contains("file_data"));
    }
}
