//! Private keys in PEM: from BEGIN to END, or as far as the key goes. Line ends may be escaped, as in JSON or an
//! environment variable.

use crate::text::{KEY_BYTES_MAX, Text, is_alnum};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const LABEL_BYTES_MAX: usize = 48;
/// Less is a text that speaks of keys.
const BODY_BYTES_MIN: usize = 16;

/// The end of a private key that begins at `from`.
pub fn find(text: &Text, from: usize) -> Option<usize> {
    if !text.is(from, BEGIN) {
        return None;
    }
    let label = from + BEGIN.len();
    let label_end = text.run(label, LABEL_BYTES_MAX, |b| {
        b.is_ascii_uppercase() || matches!(b, b' ' | b'0'..=b'9')
    });
    if !text.slice(label, label_end).ends_with(b"PRIVATE KEY")
        && !text.is(label, b"PGP PRIVATE KEY BLOCK")
    {
        return None;
    }
    if !text.is(label_end, b"-----") {
        return None;
    }
    let body = label_end + 5;
    let limit = from + KEY_BYTES_MAX - END.len() - LABEL_BYTES_MAX - 8;
    let body_end = text.run(body, limit - body, is_body);
    let key_bytes = text
        .slice(body, body_end)
        .iter()
        .filter(|b| is_alnum(**b))
        .count();
    // A dash ends the body's run: it is not in base64.
    let end = if text.is(body_end, END) {
        after_label(text, body_end + END.len())
    } else {
        body_end
    };
    (key_bytes >= BODY_BYTES_MIN).then_some(end)
}

/// Base64, line ends, and the fields that an encrypted key begins with. No text for people: a word of it would be followed by
/// another.
fn is_body(byte: u8) -> bool {
    is_alnum(byte)
        || matches!(
            byte,
            b'+' | b'/' | b'=' | b'\n' | b'\r' | b'\\' | b' ' | b'\t' | b':' | b','
        )
}

fn after_label(text: &Text, from: usize) -> usize {
    let end = text.run(from, LABEL_BYTES_MAX, |b| {
        b.is_ascii_uppercase() || matches!(b, b' ' | b'0'..=b'9')
    });
    text.run(end, 5, |b| b == b'-')
}
