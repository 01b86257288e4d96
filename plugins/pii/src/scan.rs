//! Goes through a text once, from left to right, and asks the detectors where something may begin. The first that finds
//! something has it; the next search begins behind it.
//!
//! What is found depends on nothing but the text: the places that are visited, and what detectors answer there, are the same
//! however the text is cut.

use crate::custom::Search;
use crate::detect::assigned::{self, Names};
use crate::detect::{card, email, iban, ip, key, phone, token};
use crate::kinds::{Found, Kind, What};
use crate::text::{Text, is_alnum, is_digit, is_hex};

/// Which of the known kinds are looked for, by [`Kind::place`].
pub type Wanted = [bool; crate::kinds::KINDS.len()];

/// One of the operator's own entries.
pub struct Custom {
    pub search: Search,
    /// Matches neither begin nor end inside of a word.
    pub word: bool,
}

/// Something may begin with this byte: at the beginning of a word, or anywhere.
const WORD: u8 = 1;
const ANYWHERE: u8 = 2;

pub struct Scanner {
    wanted: Wanted,
    custom: Vec<Custom>,
    starts: [u8; 256],
    /// Vendors of keys by the first byte of their prefix.
    vendors: Vec<Vec<u8>>,
    inside_words: bool,
}

impl Scanner {
    pub fn new(wanted: Wanted, custom: Vec<Custom>) -> Scanner {
        let mut scanner = Scanner {
            wanted,
            inside_words: custom.iter().any(|custom| !custom.word),
            custom,
            starts: [0; 256],
            vendors: vec![Vec::new(); 256],
        };
        for byte in 0..=255u8 {
            if scanner.wants(Kind::Secret) {
                scanner.vendors[usize::from(byte)] = token::beginning_with(byte);
            }
            scanner.starts[usize::from(byte)] = scanner.start(byte);
        }
        scanner
    }

    fn wants(&self, kind: Kind) -> bool {
        self.wanted[kind.place()]
    }

    fn start(&self, byte: u8) -> u8 {
        if (0x80..0xC0).contains(&byte) {
            return 0;
        }
        let words = self.wants(Kind::Email)
            || self.wants(Kind::Secret)
            || self.wants(Kind::Iban)
            || self.wants(Kind::Jwt);
        let letters = words || self.wants(Kind::Phone) || self.wants(Kind::Ip);
        let digits =
            words || self.wants(Kind::Phone) || self.wants(Kind::Card) || self.wants(Kind::Ip);
        let word = (byte.is_ascii_alphabetic() && letters)
            || (byte.is_ascii_digit() && digits)
            || (matches!(byte, b'+' | b'(') && self.wants(Kind::Phone))
            || (matches!(byte, b'_' | b'%' | b'.' | b'+') && self.wants(Kind::Email))
            || (crate::text::is_letter_lead(byte) && self.wants(Kind::Email))
            || (byte == b':' && self.wants(Kind::Ip))
            || (byte == b'-' && self.wants(Kind::PrivateKey))
            || self
                .custom
                .iter()
                .any(|custom| custom.word && custom.search.begins(byte));
        let anywhere = self
            .custom
            .iter()
            .any(|custom| !custom.word && custom.search.begins(byte));
        u8::from(word) * WORD + u8::from(anywhere) * ANYWHERE
    }

    /// Whether values may be what their name says, which stands outside of the text.
    pub fn wants_named(&self, names: Names) -> bool {
        match names {
            Names::Phone => self.wants(Kind::Phone),
            Names::Password | Names::Token => self.wants(Kind::Secret),
        }
    }

    /// What is in `text` from `from` on. Gives back how far that is certain; it is asked again from there.
    pub fn scan(
        &self,
        text: &Text,
        from: usize,
        outside: &Outside,
        found: &mut Vec<Found>,
    ) -> usize {
        let mut at = from;
        while at < text.len() {
            let byte = text.at(at);
            let special = outside.begins(at, byte);
            let starts = if outside.bare && byte == b':' {
                0
            } else {
                self.starts[usize::from(byte)]
            };
            if starts == 0 && !special {
                at += 1;
                continue;
            }
            let inside = text.in_word(at);
            if inside && starts & ANYWHERE == 0 && !special {
                at = self.skip(text, at);
                continue;
            }
            text.forget();
            let hit = self.begin(text, at, byte, inside, outside);
            if text.undecided() {
                return at;
            }
            match hit {
                Some(hit) => {
                    at = hit.end;
                    found.push(hit);
                }
                None => at += 1,
            }
        }
        at
    }

    /// To the end of a word, unless something may begin inside of it.
    fn skip(&self, text: &Text, at: usize) -> usize {
        let mut end = at + 1;
        let walks = !self.inside_words && is_alnum(text.at(at));
        while walks && end < text.len() && is_alnum(text.at(end)) {
            end += 1;
        }
        end
    }

    fn begin(
        &self,
        text: &Text,
        at: usize,
        byte: u8,
        inside: bool,
        outside: &Outside,
    ) -> Option<Found> {
        if let Some(hit) = outside.find(self, text, at) {
            return Some(hit);
        }
        if let Some(hit) = self.custom(text, at, inside) {
            return Some(whole_characters(text, hit));
        }
        if inside {
            return None;
        }
        self.known(text, at, byte)
            .map(|hit| whole_characters(text, hit))
    }

    fn custom(&self, text: &Text, at: usize, inside: bool) -> Option<Found> {
        self.custom.iter().enumerate().find_map(|(place, custom)| {
            if custom.word && inside {
                return None;
            }
            let end = custom.search.find(text, at)?;
            // A text that ends with a sign, not with a letter, may have a word right after it.
            let cut = custom.word && is_alnum(text.before(end, 1)) && text.word_at(end);
            (!cut).then(|| Found::value(Kind::Custom(place as u16), at, end))
        })
    }

    fn known(&self, text: &Text, at: usize, byte: u8) -> Option<Found> {
        let value = |kind: Kind, end: Option<usize>| end.map(|end| Found::value(kind, at, end));
        if is_digit(byte) || matches!(byte, b'+' | b'(' | b':') {
            if let Some(hit) = self.numeric(text, at, byte) {
                return Some(hit);
            }
        } else if byte == b'-' {
            return value(Kind::PrivateKey, key::find(text, at));
        } else {
            let vendors = &self.vendors[usize::from(byte)];
            if !vendors.is_empty()
                && let Some(end) = token::find(text, at, vendors)
            {
                return Some(Found::value(Kind::Secret, at, end));
            }
            if byte == b'e'
                && self.wants(Kind::Jwt)
                && let Some(end) = token::find_jwt(text, at)
            {
                return Some(Found::value(Kind::Jwt, at, end));
            }
            if self.wants(Kind::Iban)
                && let Some(end) = iban::find(text, at)
            {
                return Some(Found::value(Kind::Iban, at, end));
            }
            if is_hex(byte)
                && self.wants(Kind::Ip)
                && let Some(end) = ip::find_v6(text, at)
            {
                return Some(Found::value(Kind::Ip, at, end));
            }
        }
        self.word(text, at)
    }

    fn numeric(&self, text: &Text, at: usize, byte: u8) -> Option<Found> {
        let value = |kind: Kind, end: usize| Found::value(kind, at, end);
        if self.wants(Kind::Ip) && byte != b'+' && byte != b'(' {
            let v4 = if is_digit(byte) {
                ip::find_v4(text, at)
            } else {
                None
            };
            if let Some(end) = v4.or_else(|| ip::find_v6(text, at)) {
                return Some(value(Kind::Ip, end));
            }
        }
        if self.wants(Kind::Card)
            && is_digit(byte)
            && let Some(end) = card::find(text, at)
        {
            return Some(value(Kind::Card, end));
        }
        if self.wants(Kind::Phone)
            && byte != b':'
            && let Some(end) = phone::find(text, at)
        {
            return Some(value(Kind::Phone, end));
        }
        None
    }

    /// What a run of letters, digits and dots is: an e-mail address, or the name of a value.
    fn word(&self, text: &Text, at: usize) -> Option<Found> {
        let (mails, secrets, phones) = (
            self.wants(Kind::Email),
            self.wants(Kind::Secret),
            self.wants(Kind::Phone),
        );
        if !(mails || secrets || phones) {
            return None;
        }
        let end = email::local_end(text, at);
        if mails && let Some(end) = email::find(text, at, end) {
            return Some(Found::value(Kind::Email, at, end));
        }
        if !is_alnum(text.at(at)) {
            return None;
        }
        assigned::find(text, at, end, phones, secrets)
    }
}

/// A match of bytes ends where a character does.
fn whole_characters(text: &Text, hit: Found) -> Found {
    let mut end = hit.end.min(text.len());
    while end < text.len() && (0x80..0xC0).contains(&text.at(end)) {
        end += 1;
    }
    Found { end, ..hit }
}

/// What is known of a text besides its bytes.
#[derive(Default, Clone, Copy)]
pub struct Outside<'a> {
    /// Where a value begins whose name stands elsewhere.
    pub named: Option<(usize, Names)>,
    pub placeholders: Option<&'a Placeholders>,
    /// The text stands between the strings of a JSON text, where a colon is no part of anything.
    pub bare: bool,
}

impl Outside<'_> {
    fn begins(&self, at: usize, byte: u8) -> bool {
        self.named.is_some_and(|(place, _)| place == at)
            || self
                .placeholders
                .is_some_and(|all| all.first[usize::from(byte)])
    }

    fn find(&self, scanner: &Scanner, text: &Text, at: usize) -> Option<Found> {
        if let Some(hit) = self.placeholders.and_then(|all| all.find(text, at)) {
            return Some(hit);
        }
        let (place, names) = self.named?;
        if place != at || !scanner.wants_named(names) {
            return None;
        }
        assigned::find_value(text, at, names)
    }
}

/// What the request's values were replaced by, in order, so that those which go on like the text are neighbours.
pub struct Placeholders {
    sorted: Vec<(Vec<u8>, u32)>,
    first: [bool; 256],
}

impl Placeholders {
    /// The place of each in the list that is given is what is found of it. None of them begins with another.
    pub fn new<'a>(all: impl Iterator<Item = &'a str>) -> Placeholders {
        let mut sorted: Vec<(Vec<u8>, u32)> = (0u32..)
            .zip(all)
            .map(|(place, text)| (text.as_bytes().to_vec(), place))
            .collect();
        sorted.sort();
        let mut first = [false; 256];
        sorted
            .iter()
            .filter_map(|(text, _)| text.first())
            .for_each(|byte| first[usize::from(*byte)] = true);
        Placeholders { sorted, first }
    }

    fn find(&self, text: &Text, at: usize) -> Option<Found> {
        let mut rest = &self.sorted[..];
        let mut len = 0;
        while let Some((first, place)) = rest.first() {
            if first.len() == len {
                let what = What::Placeholder(*place);
                return (len > 0).then_some(Found {
                    start: at,
                    end: at + len,
                    what,
                });
            }
            let byte = text.at(at + len);
            let low = rest.partition_point(|(text, _)| text[len] < byte);
            let high = rest.partition_point(|(text, _)| text[len] <= byte);
            rest = &rest[low..high];
            len += 1;
        }
        None
    }
}
