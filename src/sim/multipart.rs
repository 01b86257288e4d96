//! Reading `multipart/form-data` (RFC 7578) that lies in memory.
//! It must not know what the parts mean.

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub name: String,
    pub filename: Option<String>,
    pub bytes: &'a [u8],
}

/// Parts of one form.
const PARTS_MAX: usize = 256;

/// The parts of a form.
///
/// # Errors
/// It has no boundary, or does not end with it.
pub fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, String> {
    let boundary = boundary(content_type).ok_or("multipart: the content type has no boundary")?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter may stand at the very beginning, without a line end before it.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => after(body, &delimiter).ok_or("multipart: the boundary does not occur")?,
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        if parts.len() == PARTS_MAX {
            return Err(format!("multipart: more than {PARTS_MAX} parts"));
        }
        let content = after(rest, b"\r\n").ok_or("multipart: a boundary's line does not end")?;
        let end = memchr::memmem::find(content, &delimiter)
            .ok_or("multipart: the last boundary is missing")?;
        parts.push(part(&content[..end])?);
        rest = &content[end + delimiter.len()..];
    }
    Ok(parts)
}

fn boundary(content_type: &str) -> Option<&str> {
    let at = content_type.to_ascii_lowercase().find("boundary=")?;
    let value = &content_type[at + "boundary=".len()..];
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split([';', ' ']).next(),
    }
    .filter(|boundary| !boundary.is_empty())
}

fn part(content: &[u8]) -> Result<Part<'_>, String> {
    // A part without headers begins with the blank line itself.
    let (head, bytes) = match content.strip_prefix(b"\r\n") {
        Some(bytes) => (&b""[..], bytes),
        None => {
            let end = memchr::memmem::find(content, b"\r\n\r\n")
                .ok_or("multipart: the headers of a part do not end")?;
            (&content[..end], &content[end + 4..])
        }
    };
    let head = String::from_utf8_lossy(head);
    let disposition = head.split("\r\n").find(|line| {
        line.to_ascii_lowercase()
            .starts_with("content-disposition:")
    });
    let disposition = disposition.ok_or("multipart: a part has no Content-Disposition")?;
    let name = parameter(disposition, "name").ok_or("multipart: a part has no name")?;
    Ok(Part {
        name,
        filename: parameter(disposition, "filename"),
        bytes,
    })
}

/// The value of `; name="value"`; a parameter whose name only ends so is another.
fn parameter(disposition: &str, name: &str) -> Option<String> {
    disposition.split(';').find_map(|piece| {
        let (key, value) = piece.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim_matches('"').to_string())
    })
}

fn after<'a>(bytes: &'a [u8], what: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find(bytes, what).map(|at| &bytes[at + what.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x-y\"";

    #[test]
    fn reads_fields_and_files() {
        let body = b"--x-y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm1\r\n--x-y\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\x00\r\n--x\r\n\r\n--x-y--\r\n";
        let parts = parts(TYPE, body).unwrap();
        assert_eq!(
            (parts[0].name.as_str(), parts[0].bytes),
            ("model", &b"m1"[..])
        );
        assert_eq!(parts[1].filename.as_deref(), Some("a.wav"));
        assert_eq!(
            parts[1].bytes, b"\x00\r\n--x\r\n",
            "what only looks like a boundary belongs to the file"
        );
    }

    #[test]
    fn refuses_what_is_cut_off() {
        for (content_type, body) in [
            ("multipart/form-data", &b"--x-y--"[..]),
            (TYPE, b"nothing"),
            (
                TYPE,
                b"--x-y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm1",
            ),
            (
                TYPE,
                b"--x-y\r\nContent-Disposition: form-data\r\n\r\nm1\r\n--x-y--",
            ),
        ] {
            assert!(parts(content_type, body).is_err());
        }
    }
}
