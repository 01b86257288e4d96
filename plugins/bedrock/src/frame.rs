//! Frames of `application/vnd.amazon.eventstream`, cut anywhere
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>): the length of all and of the headers, a checksum of the two, headers, payload,
//! and a checksum of everything. A byte that is not as it was sent ends the stream.

use weir_openai::permanent;
use weir_plugin::PluginError;

use super::crc32::crc32;

pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Two lengths and their checksum, in bytes.
const PRELUDE: usize = 12;
/// The checksum of everything, in bytes.
const TRAILER: usize = 4;
/// Longer frames are none, in bytes. The format allows 24 MiB; no event of a conversation comes near.
const FRAME_BYTES_MAX: usize = 16 << 20;
/// As the format has it, in bytes.
const HEADERS_BYTES_MAX: usize = 128 << 10;

/// What one frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Headers that are text; others are checked and left out.
    headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Collects bytes and yields frames.
#[derive(Debug, Default)]
pub struct Frames {
    held: Vec<u8>,
    /// How much of it has been read.
    read: usize,
}

impl Frames {
    pub fn push(&mut self, chunk: &[u8]) {
        self.held.drain(..std::mem::take(&mut self.read));
        self.held.extend_from_slice(chunk);
    }

    /// The next frame that is whole.
    ///
    /// # Errors
    /// When the bytes are no frame, or not as they were sent.
    pub fn next(&mut self) -> Result<Option<Frame>, PluginError> {
        let left = &self.held[self.read..];
        let Some(prelude) = left.get(..PRELUDE) else {
            return Ok(None);
        };
        let (total, headers) = (length(prelude, 0), length(prelude, 4));
        if number(prelude, 8) != crc32(&prelude[..8]) {
            return Err(broken("the checksum of a frame's lengths is wrong"));
        }
        let least = PRELUDE + headers + TRAILER;
        if total > FRAME_BYTES_MAX || headers > HEADERS_BYTES_MAX || total < least {
            return Err(broken("a frame's lengths are out of bounds"));
        }
        let Some(frame) = left.get(..total) else {
            return Ok(None);
        };
        self.read += total;
        let (checked, sum) = frame.split_at(total - TRAILER);
        if number(sum, 0) != crc32(checked) {
            return Err(broken("the checksum of a frame is wrong"));
        }
        let (headers, payload) = checked[PRELUDE..].split_at(headers);
        Ok(Some(Frame {
            headers: read_headers(headers)?,
            payload: payload.to_vec(),
        }))
    }

    /// Bytes of a frame that never ended.
    pub fn unfinished(&self) -> usize {
        self.held.len() - self.read
    }
}

/// # Panics
/// When there are no four bytes there; callers have looked.
fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes: [u8; 4] = bytes[at..at + 4].try_into().expect("there are four");
    u32::from_be_bytes(bytes)
}

fn length(bytes: &[u8], at: usize) -> usize {
    usize::try_from(number(bytes, at)).unwrap_or(usize::MAX / 4)
}

fn broken(message: &str) -> PluginError {
    permanent(format!("Bedrock's stream is broken: {message}"))
}

/// Types of values, and the bytes that those of a fixed length take.
const FIXED: [(u8, usize); 8] = [
    (0, 0),  // true
    (1, 0),  // false
    (2, 1),  // byte
    (3, 2),  // short
    (4, 4),  // integer
    (5, 8),  // long
    (8, 8),  // timestamp
    (9, 16), // UUID
];
const BYTES: u8 = 6;
const TEXT: u8 = 7;

fn read_headers(mut rest: &[u8]) -> Result<Vec<(String, String)>, PluginError> {
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let (name, kind) =
            name_and_kind(&mut rest).ok_or_else(|| broken("a header ends before its name does"))?;
        let fixed = FIXED.iter().find(|(known, _)| *known == kind);
        let value = match (fixed, kind) {
            (Some((_, bytes)), _) => take(&mut rest, *bytes),
            (None, BYTES | TEXT) => take_long(&mut rest),
            (None, _) => return Err(broken("a header has a type that is none")),
        };
        let value = value.ok_or_else(|| broken("a header ends before its value does"))?;
        if kind == TEXT {
            let text = String::from_utf8_lossy(value).into_owned();
            headers.push((name, text));
        }
    }
    Ok(headers)
}

fn name_and_kind(rest: &mut &[u8]) -> Option<(String, u8)> {
    let name_bytes = usize::from(take(rest, 1)?[0]);
    let name = String::from_utf8_lossy(take(rest, name_bytes)?).into_owned();
    Some((name, take(rest, 1)?[0]))
}

fn take_long<'r>(rest: &mut &'r [u8]) -> Option<&'r [u8]> {
    let length = take(rest, 2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    take(rest, length)
}

fn take<'r>(rest: &mut &'r [u8], count: usize) -> Option<&'r [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}
