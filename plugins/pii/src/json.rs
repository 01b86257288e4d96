//! Masks JSON texts that arrive in pieces: the arguments of a tool call. The strings in them are read without their escapes,
//! each as a text of its own, and what is not replaced is given out exactly as it came. What is no JSON is masked all the same.

use std::sync::Arc;

use crate::detect::assigned::{self, Names};
use crate::masker::{Form, Masker, context_start, find};
use crate::text::WORD_BYTES_MAX;

/// The end of a JSON text that arrives in pieces.
#[derive(Default)]
pub struct HeldJson {
    part: Part,
    inside: bool,
    /// An escape that is cut.
    escape: String,
    /// The string before, as far as it may be a name.
    last_string: String,
    /// Only a colon has come since.
    colon: bool,
    changed: bool,
}

/// What is between two quotes, or outside of them: its text, and how many bytes each character of it has in the JSON.
#[derive(Default)]
struct Part {
    text: String,
    raw: String,
    /// For each byte of `text`: the bytes in `raw` of the character that begins there.
    widths: Vec<u8>,
    /// Before it there is only what was given out.
    start: usize,
    named: Option<(usize, Names)>,
}

/// Whether a tool's arguments are JSON, by what they begin with; none as long as that is not there. Some tools take free text.
pub fn is_json(arguments: &str) -> Option<bool> {
    let first = arguments.bytes().find(|b| !b.is_ascii_whitespace())?;
    Some(matches!(first, b'{' | b'[' | b'"'))
}

/// The arguments of one call; none where they stay as they are.
pub fn whole_arguments(masker: &mut Masker, arguments: &str) -> Option<String> {
    match is_json(arguments) {
        Some(true) => HeldJson::whole(masker, arguments),
        Some(false) => masker.whole(arguments),
        None => None,
    }
}

/// The longest escape: two surrogates.
const ESCAPE_BYTES_MAX: usize = 12;

impl HeldJson {
    /// A whole JSON text; none where it stays as it is.
    pub fn whole(masker: &mut Masker, json: &str) -> Option<String> {
        let mut held = HeldJson::default();
        let out = held.push(masker, json, true);
        held.changed.then_some(out)
    }

    /// The next piece; gives back what is certain. Nothing is held after the last piece.
    pub fn push(&mut self, masker: &mut Masker, piece: &str, last: bool) -> String {
        let joined = std::mem::take(&mut self.escape) + piece;
        let mut out = String::with_capacity(joined.len());
        let mut rest = joined.as_str();
        while let Some(first) = rest.chars().next() {
            let taken = match first {
                '"' => {
                    self.quote(masker, &mut out);
                    1
                }
                '\\' if self.inside => match unescape(rest, last) {
                    Some((character, width)) => {
                        self.name(character);
                        self.part.push(character, &rest[..width]);
                        width
                    }
                    None => {
                        rest.clone_into(&mut self.escape);
                        break;
                    }
                },
                character => {
                    self.plain(character, &rest[..character.len_utf8()]);
                    character.len_utf8()
                }
            };
            rest = &rest[taken..];
        }
        out.push_str(&self.take(masker, last));
        if last {
            let changed = self.changed;
            *self = HeldJson {
                changed,
                ..HeldJson::default()
            };
        }
        out
    }

    /// Gives out what is held, though more may come; what comes is a text of its own for detectors.
    pub fn let_go(&mut self, masker: &mut Masker) -> String {
        self.take(masker, true)
    }

    pub fn is_empty(&self) -> bool {
        self.escape.is_empty() && self.part.start == self.part.text.len()
    }

    fn plain(&mut self, character: char, raw: &str) {
        if self.inside {
            self.name(character);
        } else if !character.is_ascii_whitespace() {
            self.colon = character == ':' && !self.last_string.is_empty();
        }
        self.part.push(character, raw);
    }

    /// Keeps the beginning of a string, which may be a name.
    fn name(&mut self, character: char) {
        if self.last_string.len() <= WORD_BYTES_MAX {
            self.last_string.push(character);
        }
    }

    /// A string begins or ends.
    fn quote(&mut self, masker: &mut Masker, out: &mut String) {
        out.push_str(&self.take(masker, true));
        out.push('"');
        if self.inside {
            self.part = Part::default();
        } else {
            let names = if self.colon {
                assigned::names(self.last_string.as_bytes())
            } else {
                None
            };
            self.part = Part {
                named: names.map(|names| (0, names)),
                ..Part::default()
            };
            self.last_string.clear();
        }
        self.colon = false;
        self.inside = !self.inside;
    }

    fn take(&mut self, masker: &mut Masker, last: bool) -> String {
        let form = if self.inside {
            Form::JsonString
        } else {
            Form::JsonBare
        };
        let (out, changed) = self.part.take(masker, last, form);
        self.changed |= changed;
        out
    }
}

impl Part {
    fn push(&mut self, character: char, raw: &str) {
        self.text.push(character);
        self.raw.push_str(raw);
        self.widths.push(raw.len() as u8);
        self.widths.resize(self.text.len(), 0);
    }

    fn take(&mut self, masker: &mut Masker, last: bool, form: Form) -> (String, bool) {
        let rules = Arc::clone(&masker.rules);
        let (found, certain) = find(
            &rules,
            masker.restored.as_ref(),
            self.text.as_bytes(),
            self.start,
            last,
            self.named,
            form,
        );
        let mut out = String::new();
        let mut from = self.start;
        let mut changed = false;
        for hit in found {
            if let Some(replacement) =
                masker.replace(hit.what, &self.text[hit.start..hit.end], form)
            {
                out.push_str(self.raw(from, hit.start));
                out.push_str(&replacement);
                from = hit.end;
                changed = true;
            }
        }
        out.push_str(self.raw(from, certain));
        self.forget(certain);
        (out, changed)
    }

    fn raw(&self, from: usize, to: usize) -> &str {
        let width = |range: std::ops::Range<usize>| {
            self.widths[range]
                .iter()
                .map(|w| usize::from(*w))
                .sum::<usize>()
        };
        let begin = width(0..from);
        &self.raw[begin..begin + width(from..to)]
    }

    /// What is certain was given out; a few bytes of it are kept to look back at.
    fn forget(&mut self, certain: usize) {
        let context = context_start(&self.text, certain);
        let raw: usize = self.widths[..context].iter().map(|w| usize::from(*w)).sum();
        self.text.drain(..context);
        self.widths.drain(..context);
        self.raw.drain(..raw);
        self.start = certain - context;
        self.named = self
            .named
            .and_then(|(place, names)| Some((place.checked_sub(context)?, names)));
    }
}

/// The character that an escape at the beginning of `text` means, and the escape's length; none where it is cut. An escape that
/// means nothing is its backslash.
fn unescape(text: &str, last: bool) -> Option<(char, usize)> {
    let bytes = text.as_bytes();
    let Some(kind) = bytes.get(1) else {
        return last.then_some(('\\', 1));
    };
    let simple = match kind {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_code(bytes, last),
        _ => return Some(('\\', 1)),
    };
    Some((simple, 2))
}

fn unescape_code(bytes: &[u8], last: bool) -> Option<(char, usize)> {
    let cut = |wanted: usize| {
        bytes.len() < wanted
            && !last
            && bytes[2..]
                .iter()
                .all(|b| b.is_ascii_hexdigit() || matches!(b, b'\\' | b'u'))
    };
    if cut(6) {
        return None;
    }
    let Some(first) = code(bytes, 0) else {
        return Some(('\\', 1));
    };
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    if cut(ESCAPE_BYTES_MAX) {
        return None;
    }
    let second =
        code(bytes, 6).filter(|second| (0xDC00..0xE000).contains(second) && first < 0xDC00);
    let pair = second
        .and_then(|second| char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)));
    // Half a character.
    Some(pair.map_or((char::REPLACEMENT_CHARACTER, 6), |character| {
        (character, ESCAPE_BYTES_MAX)
    }))
}

/// `\uXXXX` at `at`.
fn code(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    let digits = std::str::from_utf8(&escape[2..])
        .ok()
        .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    (escape.starts_with(b"\\u")).then(|| u32::from_str_radix(digits, 16).ok())?
}
