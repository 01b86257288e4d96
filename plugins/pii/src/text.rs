//! A text as detectors read it: byte by byte, knowing whether they have asked for what has not arrived yet.
//!
//! This is what makes streams exact. A detector whose answer did not depend on anything beyond the end of what is there
//! gives the same answer however the text goes on; one that did has to be asked again when more is there, or all.

use std::cell::Cell;

const ALNUM: u8 = 1;
const DIGIT: u8 = 2;
const HEX: u8 = 4;
const LOCAL: u8 = 8;

/// What each byte is.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            table[byte] |= ALNUM | LOCAL;
        }
        if b.is_ascii_digit() {
            table[byte] |= DIGIT;
        }
        if b.is_ascii_hexdigit() {
            table[byte] |= HEX;
        }
        if matches!(b, b'.' | b'_' | b'%' | b'+' | b'-') {
            table[byte] |= LOCAL;
        }
        byte += 1;
    }
    table
}

pub fn is_alnum(byte: u8) -> bool {
    CLASSES[byte as usize] & ALNUM != 0
}

pub fn is_digit(byte: u8) -> bool {
    CLASSES[byte as usize] & DIGIT != 0
}

pub fn is_hex(byte: u8) -> bool {
    CLASSES[byte as usize] & HEX != 0
}

/// May stand in the part of an e-mail address before the `@`, and in a name that a value is assigned to.
pub fn is_local(byte: u8) -> bool {
    CLASSES[byte as usize] & LOCAL != 0
}

/// The first byte of a letter of the Latin, Greek, Cyrillic or Armenian blocks, which has two bytes.
pub fn is_letter_lead(byte: u8) -> bool {
    (0xC3..=0xD5).contains(&byte)
}

/// How many bytes before a place a detector may look at.
pub const CONTEXT_BYTES: usize = 8;

/// The longest address, word or name; what is longer is none.
pub const WORD_BYTES_MAX: usize = 64;

/// The longest token or password.
pub const VALUE_BYTES_MAX: usize = 8 * 1024;

/// The longest private key with its BEGIN and END. No detector looks further than this.
pub const KEY_BYTES_MAX: usize = 16 * 1024;

/// A text, or as much of it as there is.
pub struct Text<'a> {
    bytes: &'a [u8],
    /// Nothing comes after `bytes`.
    whole: bool,
    touched: Cell<bool>,
}

impl<'a> Text<'a> {
    pub fn new(bytes: &'a [u8], whole: bool) -> Text<'a> {
        Text {
            bytes,
            whole,
            touched: Cell::new(false),
        }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The byte at `index`; 0 after the end, which is in no class.
    pub fn at(&self, index: usize) -> u8 {
        match self.bytes.get(index) {
            Some(byte) => *byte,
            None => {
                self.touched.set(true);
                0
            }
        }
    }

    /// The byte at `index` if it is there; that it is not may not decide anything.
    pub fn peek(&self, index: usize) -> Option<u8> {
        self.bytes.get(index).copied()
    }

    /// The byte `back` places before `index`; 0 before the beginning.
    pub fn before(&self, index: usize, back: usize) -> u8 {
        debug_assert!(back <= CONTEXT_BYTES);
        index
            .checked_sub(back)
            .and_then(|place| self.bytes.get(place))
            .copied()
            .unwrap_or(0)
    }

    pub fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or(&[])
    }

    /// `word`, whatever its case; the word is in lower case.
    pub fn has(&self, index: usize, word: &[u8]) -> bool {
        word.iter()
            .enumerate()
            .all(|(i, b)| self.at(index + i).to_ascii_lowercase() == *b)
    }

    /// `word` as it is.
    pub fn is(&self, index: usize, word: &[u8]) -> bool {
        word.iter()
            .enumerate()
            .all(|(i, b)| self.at(index + i) == *b)
    }

    /// The end of what `accepts` takes from `from`, at most `bytes_max` of it.
    pub fn run(&self, from: usize, bytes_max: usize, accepts: impl Fn(u8) -> bool) -> usize {
        let mut end = from;
        while end - from < bytes_max && accepts(self.at(end)) {
            end += 1;
        }
        end
    }

    /// Whether a letter or digit stands right before `index`.
    pub fn in_word(&self, index: usize) -> bool {
        let last = self.before(index, 1);
        is_alnum(last) || ((0x80..0xC0).contains(&last) && is_letter_lead(self.before(index, 2)))
    }

    /// Whether a letter or digit stands at `index`.
    pub fn word_at(&self, index: usize) -> bool {
        let byte = self.at(index);
        is_alnum(byte) || is_letter_lead(byte)
    }

    /// Forgets that anything was asked for beyond the end.
    pub fn forget(&self) {
        self.touched.set(false);
    }

    /// Whether more text could change what was answered since [`Text::forget`].
    pub fn undecided(&self) -> bool {
        !self.whole && self.touched.get()
    }
}
