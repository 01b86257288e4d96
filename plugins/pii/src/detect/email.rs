//! E-mail addresses: a local part of up to 64 bytes, `@`, and a host name with a top-level domain of letters.

use crate::text::{Text, WORD_BYTES_MAX, is_alnum, is_letter_lead, is_local};

/// Host names have no more (RFC 1035).
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Files are named like addresses: `logo@2x.png`.
const FILE_ENDINGS: [&[u8]; 10] = [
    b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"ts", b"json",
];

/// The end of the run of letters, digits and `._%+-` that begins at `from`.
pub fn local_end(text: &Text, from: usize) -> usize {
    let mut end = from;
    while end - from <= WORD_BYTES_MAX {
        let byte = text.at(end);
        if is_local(byte) {
            end += 1;
        } else if is_letter_lead(byte) {
            end += 2;
        } else {
            break;
        }
    }
    end
}

/// The end of an address that begins at `from`, where `local_end` is the end of its local part.
pub fn find(text: &Text, from: usize, local_end: usize) -> Option<usize> {
    if local_end == from || local_end - from > WORD_BYTES_MAX || text.at(local_end) != b'@' {
        return None;
    }
    // `git@host:path` is how a repository is named, not a person.
    if text.slice(from, local_end) == b"git" {
        return None;
    }
    host(text, local_end + 1)
}

/// The end of the longest host name from `from` that has two labels or more and ends with a top-level domain.
fn host(text: &Text, from: usize) -> Option<usize> {
    let mut best = None;
    let mut labels = 0;
    let mut at = from;
    loop {
        let end = label_end(text, at, from + HOST_BYTES_MAX);
        if end == at {
            return best;
        }
        labels += 1;
        if labels > 1 && is_top_level(text.slice(at, end)) {
            best = Some(end);
        }
        if text.at(end) != b'.' {
            return best;
        }
        at = end + 1;
    }
}

/// Labels begin and end with a letter or digit.
fn label_end(text: &Text, from: usize, limit: usize) -> usize {
    let mut end = from;
    let mut last_alnum = from;
    while end < limit && end - from < LABEL_BYTES_MAX {
        let byte = text.at(end);
        if is_alnum(byte) {
            end += 1;
            last_alnum = end;
        } else if is_letter_lead(byte) {
            end += 2;
            last_alnum = end;
        } else if byte == b'-' && end > from {
            end += 1;
        } else {
            break;
        }
    }
    last_alnum
}

fn is_top_level(label: &[u8]) -> bool {
    let letters = label.len() >= 2 && label.iter().all(|b| !b.is_ascii_digit() && *b != b'-');
    let punycode = label.len() > 4 && label[..4].eq_ignore_ascii_case(b"xn--");
    (letters || punycode)
        && !FILE_ENDINGS
            .iter()
            .any(|ending| label.eq_ignore_ascii_case(ending))
}
