//! The edits that plugins ask for, made all together or not at all. It must not know whether a request or an answer is edited.

use http::{HeaderName, HeaderValue, header};
use serde_json::Value;
use weir_plugin::{Edit, Header, Rejection, Segment};

use crate::fault::Rejected;

/// What edits have come to.
#[derive(Debug, Default)]
pub struct Edited {
    /// The new body, where it has changed.
    pub body: Option<Vec<u8>>,
    pub model: Option<String>,
    pub tags: Vec<(String, String)>,
    /// Header fields to be set, or taken out.
    pub headers: Vec<(HeaderName, Option<HeaderValue>)>,
}

/// Header fields that one verdict may set.
const HEADERS_MAX: usize = 64;
/// Tags that one verdict may set, and how long each may be. In bytes.
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 256;

/// Makes edits. `texts`: what [`Edit::SetSegment`] counts by.
///
/// # Errors
/// What is wrong with one of them; nothing is made then.
pub fn apply(
    edits: Vec<Edit>,
    json: Option<&Value>,
    texts: &[Segment],
    body_bytes_max: usize,
) -> Result<Edited, String> {
    let mut edited = Edited::default();
    // Made on the first edit of the body.
    let mut draft: Option<Value> = None;
    for edit in edits {
        match edit {
            Edit::SetHeader(Header { name, value }) => {
                let name = settable(&name)?;
                let value = HeaderValue::from_bytes(&value).map_err(|_| {
                    format!("set-header {name}: the value is not one that a header can carry")
                })?;
                edited.headers.push((name, Some(value)));
            }
            Edit::RemoveHeader(name) => edited.headers.push((settable(&name)?, None)),
            Edit::SetSegment(index, text) => {
                let segment = texts.get(index as usize).ok_or_else(|| {
                    format!("set-segment {index}: there are {} segments", texts.len())
                })?;
                set(
                    tree(&mut draft, json)?,
                    &segment.pointer,
                    Value::String(text),
                )?;
            }
            Edit::SetJson(pointer, text) => {
                let value = serde_json::from_str(&text)
                    .map_err(|error| format!("set-json {pointer}: {error}"))?;
                set(tree(&mut draft, json)?, &pointer, value)?;
            }
            Edit::RemoveJson(pointer) => remove(tree(&mut draft, json)?, &pointer)?,
            Edit::ReplaceBody(body) => {
                let value = serde_json::from_slice(&body)
                    .map_err(|error| format!("replace-body: it is not valid JSON: {error}"))?;
                draft = Some(value);
            }
            Edit::SetModel(model) if model.trim().is_empty() => {
                return Err("set-model: the name is empty".to_owned());
            }
            Edit::SetModel(model) => edited.model = Some(model),
            Edit::SetTag(name, value) => edited.tags.push(tag(name, value)?),
        }
    }
    if edited.headers.len() > HEADERS_MAX || edited.tags.len() > TAGS_MAX {
        return Err(format!(
            "more than {HEADERS_MAX} headers or {TAGS_MAX} tags are set at once"
        ));
    }
    if let Some(draft) = draft {
        let body = draft.to_string().into_bytes();
        if body.len() > body_bytes_max {
            return Err(format!(
                "the body would have {} bytes; the most is {body_bytes_max}",
                body.len()
            ));
        }
        edited.body = Some(body);
    }
    Ok(edited)
}

fn tree<'d>(draft: &'d mut Option<Value>, json: Option<&Value>) -> Result<&'d mut Value, String> {
    if draft.is_none() {
        let json = json.ok_or("the body is no JSON, and cannot be edited")?;
        *draft = Some(json.clone());
    }
    Ok(draft.as_mut().expect("it was made just now"))
}

fn tag(name: String, value: String) -> Result<(String, String), String> {
    let fits = |text: &str| !text.is_empty() && text.len() <= TAG_BYTES_MAX;
    match fits(&name) && fits(&value) {
        true => Ok((name, value)),
        false => Err(format!(
            "set-tag: names and values have 1 to {TAG_BYTES_MAX} bytes"
        )),
    }
}

/// The header of that name, unless weir itself answers for it: framing, the connection, credentials.
///
/// # Errors
/// Why it cannot be set.
pub fn settable(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| format!("header `{name}`: that is no name of a header"))?;
    let refused = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
        header::CONTENT_ENCODING,
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::PROXY_AUTHENTICATE,
        header::COOKIE,
        header::SET_COOKIE,
    ];
    let own = [
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "keep-alive",
        "proxy-connection",
    ];
    match refused.contains(&parsed) || own.contains(&parsed.as_str()) {
        true => Err(format!("header `{name}` is not a plugin's to set")),
        false => Ok(parsed),
    }
}

/// Puts a value where the pointer leads; a member that is not there is added.
fn set(root: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    if pointer.is_empty() {
        *root = value;
        return Ok(());
    }
    let (parent, last) = parent(root, pointer)?;
    match parent {
        Value::Object(members) => {
            members.insert(last, value);
            Ok(())
        }
        Value::Array(elements) => {
            let at = index(pointer, &last, elements.len())?;
            elements[at] = value;
            Ok(())
        }
        _ => Err(format!("pointer `{pointer}` leads into no object or list")),
    }
}

fn remove(root: &mut Value, pointer: &str) -> Result<(), String> {
    let (parent, last) = parent(root, pointer)?;
    match parent {
        // In order: the members after it keep their places.
        Value::Object(members) => match members.shift_remove(&last) {
            Some(_) => Ok(()),
            None => Err(format!("remove-json {pointer}: there is nothing")),
        },
        Value::Array(elements) => {
            let at = index(pointer, &last, elements.len())?;
            elements.remove(at);
            Ok(())
        }
        _ => Err(format!("remove-json {pointer}: there is nothing")),
    }
}

fn parent<'v>(root: &'v mut Value, pointer: &str) -> Result<(&'v mut Value, String), String> {
    let (above, last) = pointer
        .rsplit_once('/')
        .filter(|_| pointer.starts_with('/'))
        .ok_or_else(|| format!("`{pointer}` is no JSON pointer"))?;
    let parent = root
        .pointer_mut(above)
        .ok_or_else(|| format!("pointer `{pointer}`: there is nothing at `{above}`"))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn index(pointer: &str, last: &str, length: usize) -> Result<usize, String> {
    let at = last.parse::<usize>().ok().filter(|at| *at < length);
    at.ok_or_else(|| format!("pointer `{pointer}`: the list has {length} elements"))
}

/// A plugin's rejection as a fault carries it.
///
/// # Errors
/// What makes it none.
pub fn rejected(rejection: Rejection) -> Result<Rejected, String> {
    let Rejection {
        status,
        code,
        message,
        headers,
    } = rejection;
    if !(400..=599).contains(&status) {
        return Err(format!(
            "reject: {status} is no status of a refusal (400 to 599)"
        ));
    }
    let headers = headers.into_iter().take(HEADERS_MAX).map(|header| {
        let name = settable(&header.name)?;
        let value = HeaderValue::from_bytes(&header.value)
            .map_err(|_| format!("reject: header {name} has a value that none can carry"))?;
        Ok((name, value))
    });
    Ok(Rejected {
        status,
        code: match code.is_empty() {
            true => "rejected".to_owned(),
            false => code,
        },
        message: match message.is_empty() {
            true => "the request was refused".to_owned(),
            false => message,
        },
        headers: headers.collect::<Result<_, String>>()?,
    })
}
