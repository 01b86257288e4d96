//! The pass over a JSON body: brackets, strings and the names of members, and nothing else of the grammar.

use memchr::memchr2;

use super::media::{self, Medium};
use super::members::{self, Bound, Means};
use super::request::Found;
use super::weight::{TOKEN, Weight, of_byte, of_unit, weigh, weigh_string};
use crate::wire::json::DEPTH_MAX;

/// The marks around a message, in tokens: three or four in the templates of common models.
const MESSAGE_TOKENS: u64 = 4;

/// Bytes of numbers, and of `true`, `false` and `null`.
const IS_SCALAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let it = byte as u8;
        table[byte] = it.is_ascii_alphanumeric() || matches!(it, b'+' | b'-' | b'.');
        byte += 1;
    }
    table
};

/// What a body comes to.
pub fn scanned(body: &[u8]) -> Found {
    let mut scan = Scan {
        body,
        at: 0,
        frames: [Frame::BODY; DEPTH_MAX],
        depth: 0,
        means: Means::Said,
        wants_name: false,
        weight: 0,
        query: 0,
        documents: 0,
        prompts: 0,
        choices: 1,
        bounds: [None; Bound::COUNT],
    };
    scan.run();
    scan.found()
}

/// An object or a list that is open.
#[derive(Debug, Clone, Copy)]
struct Frame {
    is_object: bool,
    /// What it is; a list's entries are the same.
    means: Means,
    /// Whether it is the body itself.
    is_body: bool,
}

impl Frame {
    const BODY: Frame = Frame {
        is_object: true,
        means: Means::Nothing,
        is_body: true,
    };
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
    frames: [Frame; DEPTH_MAX],
    depth: usize,
    /// What the value is that comes next.
    means: Means,
    wants_name: bool,
    weight: Weight,
    query: Weight,
    documents: u64,
    prompts: u64,
    choices: u64,
    bounds: [Option<u64>; Bound::COUNT],
}

impl Scan<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.body.get(self.at).copied() {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' if self.means == Means::Spelled && !self.wants_name => self.spelled(),
                b'{' | b'[' => {
                    if !self.open(byte == b'{') {
                        return self.rest();
                    }
                }
                b'}' | b']' => self.close(),
                b',' => self.comma(),
                b'-' | b'0'..=b'9' | b'a'..=b'z' => self.scalar(),
                _ => self.at += 1,
            }
        }
    }

    fn found(&self) -> Found {
        // A reranker reads the query with every document.
        let again = self.query.saturating_mul(self.documents.saturating_sub(1));
        Found {
            weight: self.weight.saturating_add(again),
            output_max: self.bounds.iter().flatten().max().copied(),
            choices: self.choices,
            prompts: self.prompts.max(1),
        }
    }

    /// Whether there was room.
    fn open(&mut self, is_object: bool) -> bool {
        if self.depth == DEPTH_MAX {
            return false;
        }
        if !self.wants_name {
            self.entry();
        }
        self.frames[self.depth] = Frame {
            is_object,
            means: self.means,
            is_body: self.depth == 0 && is_object,
        };
        self.depth += 1;
        self.wants_name = is_object;
        self.at += 1;
        true
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth = self.depth.saturating_sub(1);
        self.wants_name = false;
    }

    fn comma(&mut self) {
        self.at += 1;
        if let Some(frame) = self.depth.checked_sub(1).map(|top| self.frames[top]) {
            self.wants_name = frame.is_object;
            if !frame.is_object {
                self.means = frame.means;
            }
        }
    }

    /// Counts the entries of the lists of which each is worked on by itself.
    fn entry(&mut self) {
        if self.depth == 2 && !self.frames[1].is_object {
            match self.frames[1].means {
                Means::Documents => self.documents += 1,
                Means::Prompt => self.prompts += 1,
                _ => {}
            }
        }
    }

    fn string(&mut self) {
        let start = self.at + 1;
        if self.wants_name {
            self.name(start);
            return;
        }
        self.entry();
        match self.means {
            Means::Said | Means::Prompt | Means::Documents => self.text(start, false),
            Means::Spelled => {
                self.weight += 2 * of_byte(b'"');
                self.text_as_it_is(start);
            }
            Means::Query => self.text(start, true),
            Means::Role => {
                self.weight += MESSAGE_TOKENS * TOKEN;
                self.at = end_of_string(self.body, start) + 1;
            }
            Means::Media(expected) => self.media(start, expected),
            Means::Nothing
            | Means::Bound(_)
            | Means::Choices
            | Means::Options
            | Means::Generation => self.at = end_of_string(self.body, start) + 1,
        }
    }

    fn name(&mut self, start: usize) {
        let end = end_of_string(self.body, start);
        let raw = &self.body[start..end.min(self.body.len())];
        self.wants_name = false;
        self.at = end + 1;
        // Names with escapes are rare, and mean the same.
        let unescaped;
        let name = if raw.contains(&b'\\') {
            unescaped = unescape(raw);
            &unescaped[..]
        } else {
            raw
        };
        let frame = self.frames[self.depth.saturating_sub(1)];
        self.means = if frame.is_body {
            members::of_body(name)
        } else {
            match frame.means {
                // Never opened: it is weighed as a whole.
                Means::Spelled => Means::Spelled,
                Means::Said | Means::Prompt | Means::Query | Means::Documents | Means::Role => {
                    members::of_said(name)
                }
                Means::Media(expected) => match members::of_said(name) {
                    Means::Media(Medium::Document | Medium::Image) => Means::Media(expected),
                    Means::Said => Means::Nothing,
                    other => other,
                },
                Means::Options => members::of_options(name),
                Means::Generation => members::of_generation(name),
                Means::Nothing | Means::Bound(_) | Means::Choices => Means::Nothing,
            }
        };
    }

    /// A text up to its quote.
    fn text(&mut self, start: usize, is_query: bool) {
        let rest = self.body.get(start..).unwrap_or_default();
        if rest.starts_with(b"data:") && media::is_base64(rest) {
            self.media(start, Medium::Document);
            return;
        }
        let before = self.weight;
        self.text_as_it_is(start);
        if is_query {
            self.query += self.weight - before;
        }
    }

    fn text_as_it_is(&mut self, start: usize) {
        let mut at = start.min(self.body.len());
        loop {
            let (weight, bytes) = weigh_string(&self.body[at..]);
            self.weight += weight;
            at += bytes;
            // Text without Latin letters may be escapes from end to end.
            while self.body.get(at) == Some(&b'\\') {
                let (weight, bytes) = escape(&self.body[at..]);
                self.weight += weight;
                at += bytes;
            }
            match self.body.get(at) {
                Some(b'"') => return self.at = at + 1,
                Some(_) => {}
                // It does not end.
                None => return self.at = at,
            }
        }
    }

    /// A list or an object that the model reads as it is: all of it counts but the space between.
    fn spelled(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.body.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'"' => {
                    self.weight += 2 * of_byte(b'"');
                    self.text_as_it_is(self.at);
                    continue;
                }
                b' ' | b'\n' | b'\r' | b'\t' => continue,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.weight += of_byte(byte);
            if depth == 0 {
                return;
            }
        }
    }

    fn media(&mut self, start: usize, expected: Medium) {
        let end = end_of_string(self.body, start);
        let text = self.body.get(start..end).unwrap_or_default();
        self.weight += match text.len() {
            0 => 0,
            _ if media::is_address(text) => expected.weight_of_remote(),
            _ if media::is_base64(text) => media::of_base64(text, expected),
            // A document that is plain text.
            _ => return self.text_as_it_is(start),
        };
        self.at = end + 1;
    }

    /// A number, or `true`, `false`, `null`.
    fn scalar(&mut self) {
        let rest = &self.body[self.at..];
        let is_scalar = |byte: &&u8| IS_SCALAR[usize::from(**byte)];
        let length = rest.iter().take_while(is_scalar).count();
        let text = &rest[..length];
        match self.means {
            Means::Spelled => self.weight += weigh(text),
            // A list of numbers is a prompt that has been made into tokens already.
            Means::Said | Means::Prompt | Means::Documents if !self.is_in_object() => {
                self.weight += TOKEN;
            }
            Means::Bound(bound) => self.bounds[bound as usize] = count(text),
            Means::Choices => {
                let asked = count(text).unwrap_or(1);
                self.choices = self.choices.max(asked);
            }
            _ => {}
        }
        self.at += length;
    }

    fn is_in_object(&self) -> bool {
        self.depth == 0 || self.frames[self.depth - 1].is_object
    }

    /// Deeper than anything is: no server reads it either, and it counts as text.
    fn rest(&mut self) {
        self.weight += weigh(&self.body[self.at..]);
        self.at = self.body.len();
    }
}

/// Where the quote is that ends a string, or the end of the body.
fn end_of_string(body: &[u8], start: usize) -> usize {
    let mut at = start.min(body.len());
    while let Some(stop) = memchr2(b'"', b'\\', &body[at..]) {
        at += stop;
        if body[at] == b'"' {
            return at;
        }
        at = (at + 2).min(body.len());
    }
    body.len()
}

/// What an escape weighs, and how long it is; it begins with its backslash.
fn escape(text: &[u8]) -> (Weight, usize) {
    match text.get(1) {
        Some(b'n' | b't' | b'r') => (of_byte(b'\n'), 2),
        Some(b'u') => {
            let digits = text.get(2..6).unwrap_or_default().iter();
            let unit = digits.fold(0_u32, |unit, digit| {
                let digit = char::from(*digit).to_digit(16).unwrap_or_default();
                unit << 4 | digit
            });
            (of_unit(unit as u16), text.len().min(6))
        }
        Some(byte) => (of_byte(*byte), 2),
        None => (0, 1),
    }
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(raw.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
    let text = crate::wire::json::text_of(&quoted);
    text.map_or_else(|| raw.to_vec(), |text| text.into_owned().into_bytes())
}

/// A count; `None` for what is none, such as -1 for no bound.
fn count(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let fraction = || text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    text.parse().ok().or_else(|| Some(fraction()? as u64))
}
