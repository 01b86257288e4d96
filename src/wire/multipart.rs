//! Finds short fields in a `multipart/form-data` body (RFC 7578) without copying the files beside it.

use std::ops::Range;

use memchr::memmem;

/// The boundary that a `multipart/form-data` content type names; `None` where it is another type or names none.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameter(parameters, "boundary")?;
    // RFC 2046 §5.1.1 allows 1 to 70 characters.
    (1..=70).contains(&value.len()).then_some(value)
}

/// The values of all parts named `field`, as ranges of `body`.
///
/// # Errors
/// When the body does not follow its boundary to the closing delimiter.
pub fn fields(body: &[u8], boundary: &str, field: &str) -> Result<Vec<Range<usize>>, &'static str> {
    let delimiter = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let next = memmem::Finder::new(next.as_bytes());
    let start = memmem::find(body, delimiter.as_bytes())
        .ok_or("the boundary does not occur in the body")?;
    let mut at = start + delimiter.len();
    let mut found = Vec::new();
    loop {
        match body.get(at..at + 2) {
            Some(b"--") => return Ok(found),
            Some(b"\r\n") => at += 2,
            _ => return Err("a boundary is followed by neither a part nor the end"),
        }
        let head =
            memmem::find(&body[at..], b"\r\n\r\n").ok_or("the headers of a part do not end")?;
        let content = at + head + 4;
        // A part may be empty: its delimiter then begins with the blank line's own line end.
        let end = next
            .find(&body[content - 2..])
            .ok_or("a part does not end")?
            + content
            - 2;
        if part_name(&body[at..at + head]) == Some(field) {
            found.push(content..end.max(content));
        }
        at = end + 2 + delimiter.len();
    }
}

/// The `name` of a part, out of its `Content-Disposition`.
fn part_name(headers: &[u8]) -> Option<&str> {
    let headers = std::str::from_utf8(headers).ok()?;
    headers.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        let disposition = header.trim().eq_ignore_ascii_case("content-disposition");
        let (_, parameters) = value.split_once(';')?;
        disposition.then(|| parameter(parameters, "name"))?
    })
}

/// A parameter of a header value, without its quotes. Semicolons within quotes part nothing.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let mut quoted = false;
    let mut parts = parameters.split(|character| {
        quoted ^= character == '"';
        character == ';' && !quoted
    });
    parts.find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim();
        let value = value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'))
            .unwrap_or(value);
        key.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_of_content_types() {
        let cases = [
            ("multipart/form-data; boundary=abc", Some("abc")),
            (
                "Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"",
                Some("a b"),
            ),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=abc", None),
            ("application/json", None),
            ("multipart/form-data; boundary=", None),
        ];
        for (content_type, expected) in cases {
            assert_eq!(boundary(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn the_field_is_found_wherever_it_stands() {
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a; name=model; b\"\r\nContent-Type: audio/wav\r\n\r\n\x01--b\r\n\0";
        let model = "content-disposition: form-data; name=model\r\n\r\nwhisper-1";
        let bodies = [
            format!("--b\r\n{model}\r\n--b\r\n{file}\r\n--b--\r\n"),
            format!("--b\r\n{file}\r\n--b\r\n{model}\r\n--b--"),
            format!("preamble\r\n--b\r\n{file}\r\n--b\r\n{model}\r\n--b--\r\nepilogue"),
        ];
        for body in bodies {
            let found = fields(body.as_bytes(), "b", "model").unwrap();
            assert_eq!(&body[found[0].clone()], "whisper-1");
            assert_eq!(
                (
                    found.len(),
                    fields(body.as_bytes(), "b", "prompt").unwrap().len()
                ),
                (1, 0)
            );
        }
    }

    #[test]
    fn broken_bodies_are_refused() {
        let part = "Content-Disposition: form-data; name=\"model\"\r\n\r\n";
        let cases = [
            (String::new(), "the boundary does not occur in the body"),
            (
                "--b".to_owned(),
                "a boundary is followed by neither a part nor the end",
            ),
            (format!("--b\r\n{part}whisper"), "a part does not end"),
            (
                "--b\r\nContent-Disposition: x".to_owned(),
                "the headers of a part do not end",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(fields(body.as_bytes(), "b", "model").unwrap_err(), expected);
        }
        let empty = format!("--b\r\n{part}\r\n--b--");
        assert_eq!(fields(empty.as_bytes(), "b", "model").unwrap()[0].len(), 0);
    }
}
