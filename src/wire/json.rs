//! Finds top-level members of a JSON object without parsing or copying what it does not need, and edits
//! them in place. It checks brackets and strings only: the rest of the grammar is the upstream's to judge.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use memchr::memchr2;
use memchr::memmem::Finder;

/// A member of an object, as byte ranges of the text that was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes.
    pub key: Range<usize>,
    /// The value, without the white space around it.
    pub value: Range<usize>,
}

/// Why a text is not a JSON object, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    pub what: &'static str,
    pub offset: usize,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

/// Deepest nesting accepted; more is an attack or a mistake.
pub const DEPTH_MAX: usize = 128;

/// Walks the members of the object that `text` is. `visit` is called for each in order.
///
/// # Errors
/// When the text is not one object, or its brackets or strings do not close.
pub fn members<'a>(
    text: &'a [u8],
    mut visit: impl FnMut(&'a [u8], Member),
) -> Result<Object, Malformed> {
    let mut at = skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return Err(malformed("expected a JSON object", at));
    }
    let open = at;
    at = skip_space(text, at + 1);
    let mut empty = true;
    while text.get(at) != Some(&b'}') {
        if !empty {
            if text.get(at) != Some(&b',') {
                return Err(malformed("expected `,` or `}`", at));
            }
            at = skip_space(text, at + 1);
        }
        let key = string(text, at)?;
        at = skip_space(text, key.end);
        if text.get(at) != Some(&b':') {
            return Err(malformed("expected `:` after a key", at));
        }
        let value = value(text, skip_space(text, at + 1))?;
        at = skip_space(text, value.end);
        visit(&text[key.start + 1..key.end - 1], Member { key, value });
        empty = false;
    }
    let end = skip_space(text, at + 1);
    if end != text.len() {
        return Err(malformed("unexpected text after the JSON object", end));
    }
    Ok(Object {
        open,
        close: at,
        empty,
    })
}

/// Where an object's braces stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    pub open: usize,
    pub close: usize,
    pub empty: bool,
}

/// Whether a text holds at most `values_max` values, by its commas and brackets outside of strings; nothing is parsed.
pub fn has_at_most(text: &[u8], values_max: usize) -> bool {
    // Each takes a byte at least.
    if text.len() <= values_max {
        return true;
    }
    let (mut at, mut values) = (0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at),
            b',' | b'{' | b'[' => {
                values += 1;
                at += 1;
            }
            _ => at += 1,
        }
        if values > values_max {
            return false;
        }
    }
    true
}

/// Where the string that begins at `start` is over; the end of the text where it is not.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = text
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        match text[at + found] {
            b'"' => return at + found + 1,
            _ => at += found + 2,
        }
    }
    text.len()
}

/// The text of a JSON string value, unescaped; `None` where the value is no string.
pub fn text_of(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(value).ok().map(Cow::Owned)
}

/// A whole number of 0 or more; `None` where the value is something else.
pub fn whole_number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A JSON string literal for `text`, with its quotes.
pub fn literal(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    super::literal::push(text, &mut out);
    out
}

/// Whether an object key, given without its quotes, is `name`. Escapes in keys are honoured.
pub fn key_is(raw_key: &[u8], name: &str) -> bool {
    // An escape takes more room than what it stands for.
    if raw_key.len() <= name.len() || !raw_key.contains(&b'\\') {
        return raw_key == name.as_bytes();
    }
    let mut quoted = Vec::with_capacity(raw_key.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(raw_key);
    quoted.push(b'"');
    text_of(&quoted).is_some_and(|key| key == name)
}

/// Replacements of byte ranges, applied in one copy.
#[derive(Debug, Default)]
pub struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    /// Ranges must not overlap; an empty range inserts.
    pub fn replace(&mut self, range: Range<usize>, with: impl Into<Vec<u8>>) {
        self.0.push((range, with.into()));
    }

    /// The edited text; the same bytes, uncopied, where there is nothing to edit.
    pub fn apply(mut self, text: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return text.clone();
        }
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let added: usize = self.0.iter().map(|(_, with)| with.len()).sum();
        let mut edited = Vec::with_capacity(text.len() + added);
        let mut copied_to = 0;
        for (range, with) in &self.0 {
            debug_assert!(range.start >= copied_to, "edits overlap");
            edited.extend_from_slice(&text[copied_to..range.start.max(copied_to)]);
            edited.extend_from_slice(with);
            copied_to = copied_to.max(range.end);
        }
        edited.extend_from_slice(&text[copied_to..]);
        edited.into()
    }
}

/// The range that removes `member` and one comma beside it from the object around it.
pub fn removal(text: &[u8], member: &Member) -> Range<usize> {
    let after = skip_space(text, member.value.end);
    if text.get(after) == Some(&b',') {
        return member.key.start..skip_space(text, after + 1);
    }
    let before = text[..member.key.start]
        .iter()
        .rposition(|byte| !byte.is_ascii_whitespace());
    match before {
        Some(comma) if text[comma] == b',' => comma..member.value.end,
        _ => member.key.start..member.value.end,
    }
}

/// The range of the value that starts at `start`.
///
/// # Errors
/// When no value starts there, or it does not end.
pub fn value(text: &[u8], start: usize) -> Result<Range<usize>, Malformed> {
    match text.get(start) {
        Some(b'"') => string(text, start),
        Some(b'{' | b'[') => nested(text, start),
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Ok(start..scalar_end(text, start)),
        _ => Err(malformed("expected a value", start)),
    }
}

/// A member's name that is looked for in every event, anywhere in it. A quote inside a string is escaped, so that the name in
/// quotes can only be a key, or a whole value, which no colon follows.
#[derive(Debug)]
pub struct Name {
    quoted: &'static str,
    /// Made once: that costs as much as the search of an event.
    finder: OnceLock<Finder<'static>>,
}

impl Name {
    /// `quoted`: the name in its quotes.
    pub const fn new(quoted: &'static str) -> Name {
        Name {
            quoted,
            finder: OnceLock::new(),
        }
    }

    /// Without its quotes.
    pub fn name(&self) -> &'static [u8] {
        self.quoted.trim_matches('"').as_bytes()
    }

    fn finder(&self) -> &Finder<'static> {
        self.finder.get_or_init(|| Finder::new(self.quoted))
    }

    /// Whether the name stands there at all, as a key or as a value.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.finder().find(text).is_some()
    }

    /// The values of all members with this name, at any depth. Nothing else is looked at.
    pub fn values<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let rests = self.rests(text);
        rests.filter_map(|rest| value(rest, 0).ok().map(|value| &rest[value]))
    }

    /// The same, each with all that follows it.
    pub fn rests<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let found = self.finder().find_iter(text);
        found.filter_map(|found| {
            let colon = skip_space(text, found + self.quoted.len());
            let is_key = text.get(colon) == Some(&b':');
            is_key.then(|| &text[skip_space(text, colon + 1)..])
        })
    }
}

fn scalar_end(text: &[u8], start: usize) -> usize {
    let is_scalar = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    start
        + text[start..]
            .iter()
            .take_while(|byte| is_scalar(byte))
            .count()
}

fn nested(text: &[u8], start: usize) -> Result<Range<usize>, Malformed> {
    let mut open = [0u8; DEPTH_MAX];
    let mut depth = 0;
    let mut at = start;
    loop {
        // Most bytes between strings mean nothing here.
        while text
            .get(at)
            .is_some_and(|byte| !IS_STRUCTURE[usize::from(*byte)])
        {
            at += 1;
        }
        match text.get(at) {
            None => return Err(malformed("the JSON ends too early", at)),
            Some(b'"') => {
                at = string(text, at)?.end;
                continue;
            }
            Some(&bracket @ (b'{' | b'[')) => {
                if depth == DEPTH_MAX {
                    return Err(malformed("nested too deeply", at));
                }
                open[depth] = bracket;
                depth += 1;
            }
            // In ASCII the closing bracket stands two places after its opening one.
            Some(&bracket) => {
                if open[depth - 1] + 2 != bracket {
                    return Err(malformed("a bracket closes another kind", at));
                }
                depth -= 1;
                if depth == 0 {
                    return Ok(start..at + 1);
                }
            }
        }
        at += 1;
    }
}

/// Quotes and brackets.
const IS_STRUCTURE: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};

/// Keys and most values end within this many bytes, which are looked at faster than a search is set up.
const SHORT_STRING_BYTES: usize = 16;

fn string(text: &[u8], start: usize) -> Result<Range<usize>, Malformed> {
    if text.get(start) != Some(&b'"') {
        return Err(malformed("expected a string", start));
    }
    let mut at = start + 1;
    let short = &text[at..text.len().min(at + SHORT_STRING_BYTES)];
    match short.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        Some(end) if short[end] == b'"' => return Ok(start..at + end + 1),
        Some(escape) => at += escape,
        None => at += short.len(),
    }
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return Ok(start..at + 1);
        }
        at += 2;
    }
    Err(malformed("a string does not end", start))
}

/// The first place at or after `at` that is not JSON white space.
pub fn skip_space(text: &[u8], at: usize) -> usize {
    let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    at + text
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take_while(space)
        .count()
}

fn malformed(what: &'static str, offset: usize) -> Malformed {
    Malformed { what, offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        let numbers = format!("[{}]", vec!["0"; 100].join(","));
        assert!(has_at_most(numbers.as_bytes(), 100));
        assert!(!has_at_most(numbers.as_bytes(), 99));
        let text = format!("{{\"a\":\"{}\"}}", r#",[\""#.repeat(100));
        assert!(has_at_most(text.as_bytes(), 2), "{text}");
        assert!(has_at_most(b"\"never, ends", 1));
    }

    fn keys(text: &str) -> Result<Vec<(String, String)>, Malformed> {
        let mut found = Vec::new();
        members(text.as_bytes(), |key, member| {
            let key = String::from_utf8_lossy(key).into_owned();
            found.push((key, text[member.value].to_owned()));
        })?;
        Ok(found)
    }

    #[test]
    fn finds_members_and_leaves_their_text_alone() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("{}", &[]),
            (" { \"a\" : 1e400 }\n", &[("a", "1e400")]),
            (
                r#"{"a":"}\"{","b":[{"c":"]"}],"d":null}"#,
                &[("a", r#""}\"{""#), ("b", r#"[{"c":"]"}]"#), ("d", "null")],
            ),
            (r#"{"a":1,"a":2}"#, &[("a", "1"), ("a", "2")]),
        ];
        for (text, expected) in cases {
            let found = keys(text).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect();
            assert_eq!(&found, expected, "{text}");
        }
    }

    #[test]
    fn strings_of_every_length_end_where_they_do() {
        for length in 0..40 {
            for escape in 0..=length {
                let inner = format!("{}\\\"{}", "x".repeat(escape), "y".repeat(length - escape));
                for text in [
                    format!("{{\"k\":\"{inner}\"}}"),
                    format!("{{\"k\":[\"{inner}\",1]}}"),
                ] {
                    let found = keys(&text).unwrap();
                    assert_eq!(found.len(), 1, "{text}");
                    assert_eq!(found[0].1, text[5..text.len() - 1], "{text}");
                    assert!(keys(&text[..text.len() - 2]).is_err(), "{text}");
                }
            }
        }
    }

    #[test]
    fn refuses_what_is_no_object_and_says_where() {
        let cases = [
            ("", "expected a JSON object at byte 0"),
            ("[1]", "expected a JSON object at byte 0"),
            ("{", "expected a string at byte 1"),
            (r#"{"a""#, "expected `:` after a key at byte 4"),
            (r#"{"a":}"#, "expected a value at byte 5"),
            (r#"{"a":[}"#, "a bracket closes another kind at byte 6"),
            (r#"{"a":["#, "the JSON ends too early at byte 6"),
            (r#"{"a":"b"#, "a string does not end at byte 5"),
            (r#"{"a":1 "b":2}"#, "expected `,` or `}` at byte 7"),
            (r#"{"a":1,}"#, "expected a string at byte 7"),
            ("{} x", "unexpected text after the JSON object at byte 3"),
        ];
        for (text, expected) in cases {
            assert_eq!(keys(text).unwrap_err().to_string(), expected, "{text}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(200));
        assert_eq!(keys(&deep).unwrap_err().what, "nested too deeply");
    }

    #[test]
    fn removes_a_member_with_one_comma() {
        let cases = [
            (r#"{"u":1}"#, "{}"),
            (r#"{"u":1,"b":2}"#, r#"{"b":2}"#),
            (r#"{"a":1,"u":1}"#, r#"{"a":1}"#),
            (r#"{"a":1 , "u":1 , "b":2}"#, r#"{"a":1 , "b":2}"#),
        ];
        for (text, expected) in cases {
            let mut edits = Edits::default();
            members(text.as_bytes(), |key, member| {
                if key == b"u" {
                    edits.replace(removal(text.as_bytes(), &member), "");
                }
            })
            .unwrap();
            assert_eq!(edits.apply(&Bytes::from(text)), expected);
        }
    }

    #[test]
    fn escaped_keys_and_texts_are_understood() {
        assert!(key_is(br"m\u006fdel", "model"));
        assert!(!key_is(br"m\u006fdels", "model"));
        assert_eq!(text_of(br#""caf\u00e9""#).unwrap(), "café");
        assert_eq!(text_of(b"12"), None);
        assert_eq!(literal("a\"b"), br#""a\"b""#);
    }
}
