//! Takes the framing off an HTTP/1.1 body, whatever pieces it arrives in.
//! Pure: it knows no socket, and nothing of what the body says.

use std::ops::ControlFlow;

use anyhow::{Result, bail};

/// How the end of a body is known.
#[derive(Debug)]
pub enum Framing {
    /// Bytes still to come.
    Length(u64),
    Chunked(Chunked),
    /// The body ends when the connection does.
    UntilClose,
}

/// Where in a chunked body the last piece ended.
#[derive(Debug, Default)]
pub enum Chunked {
    #[default]
    SizeStart,
    Size(u64),
    /// Between a chunk's size and the end of its line.
    SizeRest(u64),
    Data(u64),
    DataEnd,
    /// In the trailer; the value is the length of its current line.
    Trailer(usize),
    Done,
}

impl Framing {
    /// From the headers of a message. A body without length or chunking lasts until the connection closes
    /// (an answer) or is empty (a request); `of_request` says which.
    ///
    /// # Errors
    /// A `Content-Length` that is no number.
    pub fn from_headers(headers: &[httparse::Header<'_>], of_request: bool) -> Result<Framing> {
        let find = |name: &str| headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        if find("transfer-encoding").is_some_and(|h| h.value.eq_ignore_ascii_case(b"chunked")) {
            return Ok(Framing::Chunked(Chunked::default()));
        }
        if let Some(header) = find("content-length") {
            return Ok(Framing::Length(
                std::str::from_utf8(header.value)?.trim().parse()?,
            ));
        }
        Ok(if of_request {
            Framing::Length(0)
        } else {
            Framing::UntilClose
        })
    }

    /// Whether the body is known to have ended.
    pub fn ended(&self) -> bool {
        matches!(self, Framing::Length(0) | Framing::Chunked(Chunked::Done))
    }

    /// Gives the body bytes of `input` to `take`, and returns how many bytes of `input` belonged to the message.
    ///
    /// # Errors
    /// Broken chunk framing, and whatever `take` returns.
    pub fn feed(
        &mut self,
        input: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        match self {
            Framing::UntilClose => {
                take(input)?;
                Ok(input.len())
            }
            Framing::Length(left) => {
                let now = (*left).min(input.len() as u64) as usize;
                take(&input[..now])?;
                *left -= now as u64;
                Ok(now)
            }
            Framing::Chunked(state) => {
                let mut used = 0;
                while used < input.len() {
                    match state.step(&input[used..], take)? {
                        ControlFlow::Continue(step) => used += step,
                        ControlFlow::Break(step) => return Ok(used + step),
                    }
                }
                Ok(used)
            }
        }
    }
}

impl Chunked {
    /// One step over a non-empty `input`: the bytes it used, and whether the body ended with them.
    fn step(
        &mut self,
        input: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<ControlFlow<usize, usize>> {
        if let Chunked::Data(left) = *self {
            let now = left.min(input.len() as u64) as usize;
            take(&input[..now])?;
            *self = if now as u64 == left {
                Chunked::DataEnd
            } else {
                Chunked::Data(left - now as u64)
            };
            return Ok(ControlFlow::Continue(now));
        }
        let byte = input[0];
        *self = match (&*self, byte) {
            (Chunked::SizeStart, _) => Chunked::Size(hex(byte)?),
            (Chunked::Size(0) | Chunked::SizeRest(0), b'\n') => Chunked::Trailer(0),
            (Chunked::Size(size) | Chunked::SizeRest(size), b'\n') => Chunked::Data(*size),
            (Chunked::Size(size), b';' | b'\r' | b' ') => Chunked::SizeRest(*size),
            (Chunked::Size(size), _) if *size > u64::MAX >> 4 => {
                bail!("a chunk size above 64 bits")
            }
            (Chunked::Size(size), _) => Chunked::Size(size << 4 | hex(byte)?),
            (Chunked::SizeRest(size), _) => Chunked::SizeRest(*size),
            (Chunked::DataEnd, b'\r') => Chunked::DataEnd,
            (Chunked::DataEnd, b'\n') => Chunked::SizeStart,
            (Chunked::DataEnd, _) => bail!("byte {byte:#04x} where a chunk should end"),
            (Chunked::Trailer(0), b'\n') => Chunked::Done,
            (Chunked::Trailer(_), b'\n') => Chunked::Trailer(0),
            (Chunked::Trailer(length), b'\r') => Chunked::Trailer(*length),
            (Chunked::Trailer(length), _) => Chunked::Trailer(length + 1),
            (Chunked::Data(_) | Chunked::Done, _) => bail!("bytes after the last chunk"),
        };
        Ok(if matches!(self, Chunked::Done) {
            ControlFlow::Break(1)
        } else {
            ControlFlow::Continue(1)
        })
    }
}

fn hex(byte: u8) -> Result<u64> {
    match (byte as char).to_digit(16) {
        Some(digit) => Ok(u64::from(digit)),
        None => bail!("byte {byte:#04x} in a chunk size"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `wire` in pieces of every size, and returns body and bytes used if all agree.
    fn decode(framing: impl Fn() -> Framing, wire: &[u8]) -> Result<(Vec<u8>, usize, bool)> {
        let mut results = Vec::new();
        for piece_bytes in 1..=wire.len() {
            let (mut state, mut body, mut used) = (framing(), Vec::new(), 0);
            for piece in wire.chunks(piece_bytes) {
                if state.ended() {
                    break;
                }
                used += state.feed(piece, &mut |bytes| {
                    body.extend_from_slice(bytes);
                    Ok(())
                })?;
            }
            results.push((body, used, state.ended()));
        }
        assert!(
            results.windows(2).all(|pair| pair[0] == pair[1]),
            "pieces change the outcome: {results:?}"
        );
        Ok(results.remove(0))
    }

    fn chunked() -> Framing {
        Framing::Chunked(Chunked::default())
    }

    #[test]
    fn chunks_come_off_in_any_pieces() {
        let wire = b"5\r\nhello\r\n10;x=y\r\n, wonderful worl\r\n1\r\nd\r\n0\r\n\r\n";
        let (body, used, ended) = decode(chunked, wire).unwrap();
        assert_eq!(body, b"hello, wonderful world");
        assert_eq!((used, ended), (wire.len(), true));
    }

    #[test]
    fn trailers_end_and_the_next_message_is_left_alone() {
        let (body, used, ended) =
            decode(chunked, b"1\r\na\r\n0\r\nx-t: 1\r\n\r\nHTTP/1.1").unwrap();
        assert_eq!((body.as_slice(), used, ended), (b"a".as_slice(), 19, true));
    }

    #[test]
    fn a_cut_body_has_not_ended() {
        assert!(!decode(chunked, b"5\r\nhel").unwrap().2);
        assert!(!decode(chunked, b"5\r\nhello\r\n").unwrap().2);
        assert!(!decode(|| Framing::Length(9), b"12345").unwrap().2);
        assert!(decode(|| Framing::Length(5), b"12345").unwrap().2);
    }

    #[test]
    fn broken_framing_is_an_error() {
        assert!(decode(chunked, b"zz\r\n").is_err());
        assert!(decode(chunked, b"1\r\nabc").is_err());
    }
}
