//! Numbers and text as bytes: what rows, holds and totals are written with.
//! Text that comes again in the same value is written once.

use std::sync::Arc;

use super::hash::QuickMap;

/// Longest text that is kept, in bytes; the rest is cut off.
const TEXT_BYTES_MAX: usize = 256;

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(pub &'static str);

/// Writes one value.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub bytes: Vec<u8>,
    known: QuickMap<Box<str>, u64>,
}

impl Writer {
    /// Seven bits a byte, the lowest first.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Small either way.
    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Text that is not likely to come again.
    pub fn once(&mut self, text: &str) {
        let text = shortened(text);
        self.number(text.len() as u64);
        self.raw(text.as_bytes());
    }

    /// Text that is likely to come again: the first time in full.
    pub fn text(&mut self, text: &str) {
        let text = shortened(text);
        if let Some(place) = self.known.get(text) {
            let place = *place;
            return self.number(place);
        }
        let place = self.known.len() as u64 + 1;
        self.known.insert(text.into(), place);
        self.number(0);
        self.once(text);
    }

    /// Empty text stands for none, too.
    pub fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }
}

/// As much of a text as is kept.
pub(super) fn shortened(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads one value.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    known: Vec<Arc<str>>,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader {
            rest: bytes,
            known: Vec::new(),
        }
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or(DecodeError("it breaks off"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub fn number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError("a number has no end"))
    }

    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, DecodeError> {
        T::try_from(self.number()?).map_err(|_| DecodeError("a number is too large"))
    }

    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(DecodeError("it breaks off"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn id(&mut self) -> Result<[u8; 16], DecodeError> {
        let id = self.raw(16)?;
        id.try_into().map_err(|_| DecodeError("it breaks off"))
    }

    pub fn once(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.small()?;
        std::str::from_utf8(self.raw(length)?).map_err(|_| DecodeError("a text is not UTF-8"))
    }

    pub fn text(&mut self) -> Result<Arc<str>, DecodeError> {
        let place: usize = self.small()?;
        if place > 0 {
            let known = self.known.get(place - 1);
            return known.cloned().ok_or(DecodeError("a text is not there"));
        }
        let text: Arc<str> = self.once()?.into();
        self.known.push(text.clone());
        Ok(text)
    }

    pub fn optional(&mut self) -> Result<Option<Arc<str>>, DecodeError> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(DecodeError("neither a text nor none")),
        }
    }
}
