//! The parser. It takes what is common and gives the rest up: names that stand twice, and whatever is no JSON.

use std::borrow::Cow;

use crate::wire::literal::plain_bytes;

use super::{Fields, Parsed};

/// As deep as `serde_json` goes.
const DEPTH_MAX: usize = 127;

/// Up to here each name is compared with those before it; longer lists of members are sorted to find one that stands twice.
const COMPARED_MAX: usize = 32;

/// The body as a tree; `None` where it is not for this parser.
pub fn parse(body: &[u8]) -> Option<Parsed<'_>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    (parser.at == text.len()).then_some(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        self.skip_space();
        self.peek()
    }

    /// Whether the next byte is this one, which is then passed.
    fn passes(&mut self, byte: u8) -> bool {
        let is_it = self.next() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn value(&mut self, depth: usize) -> Option<Parsed<'a>> {
        match self.next()? {
            b'"' => self.string().map(Parsed::String),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'n' => self.word("null", Parsed::Null),
            b't' => self.word("true", Parsed::Bool(true)),
            b'f' => self.word("false", Parsed::Bool(false)),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Parsed<'a>) -> Option<Parsed<'a>> {
        let is_it = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        is_it.then_some(value)
    }

    fn object(&mut self, depth: usize) -> Option<Parsed<'a>> {
        self.at += 1;
        let mut members: Vec<(Cow<'a, str>, Parsed<'a>)> = Vec::new();
        if self.passes(b'}') {
            return Some(Parsed::Object(Fields(members)));
        }
        loop {
            if self.next()? != b'"' || depth > DEPTH_MAX {
                return None;
            }
            let name = self.string()?;
            if members.len() < COMPARED_MAX && members.iter().any(|(known, _)| *known == name) {
                return None;
            }
            if !self.passes(b':') {
                return None;
            }
            let value = self.value(depth)?;
            members.push((name, value));
            if !self.passes(b',') {
                break;
            }
        }
        let is_whole = self.passes(b'}') && (members.len() <= COMPARED_MAX || !repeats(&members));
        is_whole.then_some(Parsed::Object(Fields(members)))
    }

    fn array(&mut self, depth: usize) -> Option<Parsed<'a>> {
        self.at += 1;
        let mut list = Vec::new();
        if self.passes(b']') {
            return Some(Parsed::Array(list));
        }
        if depth > DEPTH_MAX {
            return None;
        }
        loop {
            list.push(self.value(depth)?);
            if !self.passes(b',') {
                break;
            }
        }
        self.passes(b']').then_some(Parsed::Array(list))
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start + plain_bytes(&bytes[start..]);
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return self.text.get(start..end).map(Cow::Borrowed);
        }
        while *bytes.get(end)? == b'\\' {
            end += 2;
            end += plain_bytes(bytes.get(end..)?);
        }
        if bytes[end] != b'"' {
            return None;
        }
        self.at = end + 1;
        let literal = self.text.get(start - 1..self.at)?;
        serde_json::from_str(literal).ok().map(Cow::Owned)
    }

    fn number(&mut self) -> Option<Parsed<'a>> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.at;
        let digits = self.digits()?;
        if digits > 1 && self.text.as_bytes()[whole] == b'0' {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        Some(Parsed::Number(Cow::Borrowed(text)))
    }

    /// Passes digits; how many. `None` where there is none.
    fn digits(&mut self) -> Option<usize> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Some(self.at - start).filter(|count| *count > 0)
    }
}

fn repeats(members: &[(Cow<'_, str>, Parsed<'_>)]) -> bool {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}
