//! Values whose name gives them away: `password: …`, `API_KEY=…`, `Authorization: Bearer …`, `tel. …`, and the password in
//! a URL.

use super::phone;
use crate::kinds::{Found, Kind};
use crate::text::{Text, VALUE_BYTES_MAX, WORD_BYTES_MAX, is_alnum, is_digit};

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Password,
    Token,
    Phone,
}

/// Parts of names, without `_`, `-` and `.`.
const PASSWORDS: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"passphrase",
    b"passwort",
    b"kennwort",
    b"motdepasse",
    b"contrasena",
    b"senha",
    b"pwd",
];
const TOKENS: &[&[u8]] = &[
    b"secret",
    b"token",
    b"apikey",
    b"accesskey",
    b"privatekey",
    b"authkey",
    b"signingkey",
    b"encryptionkey",
    b"masterkey",
    b"accountkey",
    b"sharedkey",
    b"credential",
    b"bearer",
    b"authorization",
];
/// Whole names.
const SHORT_PASSWORDS: &[&[u8]] = &[b"pass", b"pw", b"pin"];
const SHORT_TOKENS: &[&[u8]] = &[b"key", b"auth", b"jwt", b"sig", b"signature"];
const PHONES: &[&[u8]] = &[
    b"phone",
    b"telephone",
    b"tel",
    b"telefon",
    b"telefono",
    b"telefone",
    b"mobile",
    b"mobil",
    b"handy",
    b"cell",
    b"fax",
    b"whatsapp",
    b"phonenumber",
    b"telefonnummer",
    b"handynummer",
    b"mobilephone",
    b"celular",
    b"movil",
];

/// What `name` says of the value that it has. Case, `_`, `-` and `.` do not matter.
pub fn names(name: &[u8]) -> Option<Names> {
    let mut plain = [0; WORD_BYTES_MAX];
    let mut len = 0;
    for byte in name.iter().filter(|b| is_alnum(**b)).take(WORD_BYTES_MAX) {
        plain[len] = byte.to_ascii_lowercase();
        len += 1;
    }
    let plain = &plain[..len];
    if len < 2 {
        return None;
    }
    let has = |parts: &[&[u8]]| {
        parts
            .iter()
            .any(|part| plain.windows(part.len()).any(|window| window == *part))
    };
    if PHONES.contains(&plain) {
        Some(Names::Phone)
    } else if SHORT_PASSWORDS.contains(&plain) || has(PASSWORDS) {
        Some(Names::Password)
    } else if SHORT_TOKENS.contains(&plain) || has(TOKENS) || plain.ends_with(b"key") {
        Some(Names::Token)
    } else {
        None
    }
}

/// A value after the name that stands from `from` to `name_end`.
pub fn find(
    text: &Text,
    from: usize,
    name_end: usize,
    phones: bool,
    secrets: bool,
) -> Option<Found> {
    if name_end - from > WORD_BYTES_MAX {
        return None;
    }
    if secrets && text.at(name_end) == b':' && text.is(name_end, b"://") {
        return in_url(text, name_end + 3);
    }
    if goes_on_as_prose(text, name_end) {
        return None;
    }
    // Most words are no names of values: that is decided before anything is read beyond them.
    match names(text.slice(from, name_end))? {
        Names::Phone if phones => named_phone(text, name_end),
        Names::Phone => None,
        names if secrets => {
            let value = value_start(text, from, name_end)?;
            find_value(text, value, names)
        }
        Names::Password | Names::Token => None,
    }
}

/// Whether what is there after a word is no value for certain, whatever the word is: a shortcut past most of a text.
fn goes_on_as_prose(text: &Text, at: usize) -> bool {
    let is_next = |byte: u8| {
        matches!(
            byte,
            b'=' | b':'
                | b'>'
                | b'"'
                | b'\''
                | b'`'
                | b'\\'
                | b'*'
                | b' '
                | b'\t'
                | b'.'
                | b'#'
                | b'+'
                | b'('
        ) || is_digit(byte)
    };
    match text.peek(at) {
        // `bearer`, whose token stands right after it, may be followed by anything.
        Some(b' ') => {
            let bearer = matches!(text.before(at, 1), b'r' | b'R')
                && matches!(text.before(at, 6), b'b' | b'B');
            !bearer && text.peek(at + 1).is_some_and(|byte| !is_next(byte))
        }
        Some(byte) => !is_next(byte),
        None => false,
    }
}

/// The value that begins at `from`, if it is worth hiding.
pub fn find_value(text: &Text, from: usize, names: Names) -> Option<Found> {
    if names == Names::Phone {
        return phone::find_named(text, from).map(|end| Found::value(Kind::Phone, from, end));
    }
    let mut start = from;
    for scheme in [&b"bearer "[..], b"basic ", b"token "] {
        if text.has(start, scheme) {
            start += scheme.len();
        }
    }
    let probe = text.run(start, PROBE_BYTES, is_value);
    let value = trimmed(text.slice(start, probe));
    let hidden = match names {
        Names::Password => is_password(value) || is_random(value),
        Names::Token | Names::Phone => is_random(value),
    };
    if !hidden {
        return None;
    }
    let end = text.run(probe, VALUE_BYTES_MAX - PROBE_BYTES, is_value);
    let value = trimmed(text.slice(start, end));
    Some(Found::value(Kind::Secret, start, start + value.len()))
}

fn named_phone(text: &Text, from: usize) -> Option<Found> {
    let start = text.run(from, 4, |b| {
        matches!(b, b' ' | b':' | b'.' | b'=' | b'#' | b'"')
    });
    if start == from {
        return None;
    }
    phone::find_named(text, start).map(|end| Found::value(Kind::Phone, start, end))
}

/// Where the value of an assignment begins: after `=`, `:`, `:=` or `=>`, with quotes and spaces around it. `Bearer` is followed
/// by its token.
fn value_start(text: &Text, from: usize, name_end: usize) -> Option<usize> {
    let is_quote = |b: u8| matches!(b, b'"' | b'\'' | b'`' | b'\\' | b'*');
    let is_space = |b: u8| matches!(b, b' ' | b'\t');
    let at = text.run(name_end, 3, is_quote);
    let at = text.run(at, 4, is_space);
    let assigned = text.run(at, 2, |b| matches!(b, b'=' | b':' | b'>'));
    if assigned == at {
        let bearer = text.slice(from, name_end).eq_ignore_ascii_case(b"bearer");
        return (bearer && at > name_end).then_some(at);
    }
    let at = text.run(assigned, 3, is_quote);
    let at = text.run(at, 4, is_space);
    Some(text.run(at, 3, is_quote))
}

/// `://user:password@host`
fn in_url(text: &Text, from: usize) -> Option<Found> {
    let is_part = |b: u8| {
        !matches!(
            b,
            0..=b' ' | b'/' | b'@' | b':' | b'"' | b'\'' | b'<' | b'>' | b'?' | b'#'
        )
    };
    let user_end = text.run(from, WORD_BYTES_MAX, is_part);
    if text.at(user_end) != b':' {
        return None;
    }
    let start = user_end + 1;
    let end = text.run(start, 2 * WORD_BYTES_MAX, is_part);
    let value = text.slice(start, end);
    let placeholder = matches!(value.first(), None | Some(b'$' | b'{' | b'[' | b'*' | b'%'));
    (text.at(end) == b'@' && !placeholder).then(|| Found::value(Kind::Secret, start, end))
}

fn is_value(byte: u8) -> bool {
    byte > b' '
        && byte < 0x7F
        && !matches!(
            byte,
            b'"' | b'\'' | b'`' | b',' | b';' | b')' | b']' | b'}' | b'<' | b'>' | b'&' | b'\\'
        )
}

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let Some((b'.' | b':' | b'?' | b'*', rest)) = bytes.split_last() {
        bytes = rest;
    }
    bytes
}

/// A variable, a call, or what stands for a value in a manual.
fn is_reference(value: &[u8]) -> bool {
    matches!(
        value.first(),
        None | Some(b'$' | b'{' | b'%' | b'<' | b'[' | b'*' | b'/' | b'.' | b'(')
    ) || value.contains(&b'(')
        || value.contains(&b'[')
        || value.iter().all(|b| *b == value[0])
        || value.windows(3).any(|w| w == b"://")
        || has_prefix(
            value,
            &[
                b"process.env",
                b"os.",
                b"env.",
                b"std::",
                b"your",
                b"xxx",
                b"config.",
                b"self.",
                b"this.",
            ],
        )
}

fn has_prefix(value: &[u8], prefixes: &[&[u8]]) -> bool {
    prefixes
        .iter()
        .any(|p| value.len() >= p.len() && value[..p.len()].eq_ignore_ascii_case(p))
}

const PASSWORD_BYTES_MIN: usize = 6;

/// Letters with digits or signs among them.
fn is_password(value: &[u8]) -> bool {
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let digits = value.iter().filter(|b| is_digit(**b)).count();
    let signs = value
        .iter()
        .filter(|b| !matches!(b, b'.' | b'-' | b'_' | b':' | b'|' | b'/'))
        .count()
        - letters
        - digits;
    value.len() >= PASSWORD_BYTES_MIN && !is_reference(value) && letters > 0 && digits + signs > 0
}

const TOKEN_BYTES_MIN: usize = 16;
/// Bits a byte. Words of a language have 2.5 to 3.2 at these lengths, random hexadecimal digits 3.4 and more.
const TOKEN_ENTROPY_MIN: f32 = 3.2;
/// What a value is judged by. A text may be full of names, so that little may be read after each.
const PROBE_BYTES: usize = 256;

/// Drawn by lot, as far as one can see.
fn is_random(value: &[u8]) -> bool {
    let is_part = |b: &u8| is_alnum(*b) || matches!(b, b'+' | b'/' | b'_' | b'.' | b'~' | b'-');
    // `=` is padding at the end, and nothing else.
    let padding = value.iter().rev().take_while(|b| **b == b'=').count();
    if value.len() < TOKEN_BYTES_MIN || !value[..value.len() - padding].iter().all(is_part) {
        return false;
    }
    let digits = value.iter().filter(|b| is_digit(**b)).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let changes = value
        .windows(2)
        .filter(|w| {
            (w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase())
                || (is_digit(w[0]) != is_digit(w[1]))
        })
        .count();
    letters >= 2
        && (digits >= 2 || changes >= 4)
        && changes >= 3
        && !is_reference(value)
        && entropy(value) >= TOKEN_ENTROPY_MIN
}

/// Shannon's, of the bytes.
fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0u16; 128];
    for byte in bytes {
        counts[usize::from(byte & 0x7F)] += 1;
    }
    let total = bytes.len() as f32;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f32::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}
