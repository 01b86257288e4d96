//! Requests that are forms: transcriptions, translations, edits of images. Files count by what they are, fields as text.

use memchr::memmem;

use super::media::Medium;
use super::request::Found;
use super::weight::weigh;

/// What a `multipart/form-data` body comes to; what does not follow its boundary counts as far as it does.
pub fn scanned(body: &[u8], boundary: &str) -> Found {
    let delimiter = format!("--{boundary}");
    let mut found = Found::default();
    let mut starts = memmem::find_iter(body, delimiter.as_bytes());
    let mut start = starts.next();
    while let Some(at) = start {
        start = starts.next();
        let part = &body[at + delimiter.len()..start.unwrap_or(body.len())];
        add(&mut found, part);
    }
    found
}

fn add(found: &mut Found, part: &[u8]) {
    let Some(end) = memmem::find(part, b"\r\n\r\n") else {
        return;
    };
    let content = &part[end + 4..];
    let content = content.strip_suffix(b"\r\n").unwrap_or(content);
    let Ok(head) = std::str::from_utf8(&part[..end]) else {
        return;
    };
    let file = value_after(head, "filename=\"");
    let kind = value_after(head, "filename*=").or(file);
    match (kind, value_after(head, "name=\"")) {
        (Some(file), _) => {
            let said = head_of(head, "content-type").and_then(Medium::of_type);
            let medium = said.or_else(|| Medium::of_file(file));
            let medium = medium.unwrap_or(Medium::Document);
            found.weight += medium.weight(content.len() as u64);
        }
        (None, Some("n")) => {
            let count = std::str::from_utf8(content).ok();
            let count = count.and_then(|text| text.trim().parse().ok());
            found.choices = count.unwrap_or(1).max(1);
        }
        (None, Some("prompt" | "input" | "text")) => found.weight += weigh(content),
        (None, _) => {}
    }
}

/// What stands between `start` and the next quote or end.
fn value_after<'a>(head: &'a str, start: &str) -> Option<&'a str> {
    // `filename="` ends with `name="` as well.
    let at = head.match_indices(start).map(|(at, _)| at);
    let mut at = at.filter(|at| !head[..*at].ends_with("file"));
    let rest = &head[at.next()? + start.len()..];
    Some(rest.split(['"', '\r', ';']).next().unwrap_or(rest))
}

fn head_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header
            .trim()
            .eq_ignore_ascii_case(name)
            .then_some(value.trim())
    })
}
