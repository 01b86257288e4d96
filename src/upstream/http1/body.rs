//! The body of an answer of HTTP/1.1, out of the bytes that carry it. Pure; it knows no socket. A body that breaks off is
//! never taken for one that ends.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use pingora::http::header_value_from_raw;

use super::head::{Framing, Malformed};

/// The line with a chunk's size, extensions included, may have this many bytes.
const CHUNK_LINE_BYTES_MAX: usize = 8 * 1024;
/// All trailers together.
const TRAILER_BYTES_MAX: usize = 64 * 1024;
const TRAILERS_MAX: usize = 64;

/// Where in a body the reading is.
pub struct Body {
    state: State,
    trailers: Option<HeaderMap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes are to come.
    Length(u64),
    ChunkLine,
    /// So many bytes of this chunk are to come.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Trailers,
    UntilClose,
    Ended,
}

/// What was found in the bytes that have come.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A piece of the body; chunks that came together are one piece.
    Piece(Bytes),
    /// Nothing yet.
    Nothing,
    /// The end.
    End,
}

impl Body {
    pub fn new(framing: Framing) -> Body {
        let state = match framing {
            Framing::Empty => State::Ended,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        Body {
            state,
            trailers: None,
        }
    }

    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What followed the last chunk, once.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take().filter(|trailers| !trailers.is_empty())
    }

    /// Takes what can be read off the front of `input`; what belongs to nobody stays there.
    ///
    /// # Errors
    /// When the chunks are not framed as they must be; what came before is given out first.
    pub fn find(&mut self, input: &mut BytesMut) -> Result<Found, Malformed> {
        match self.state {
            State::Ended => Ok(Found::End),
            _ if input.is_empty() => Ok(Found::Nothing),
            State::UntilClose => Ok(Found::Piece(std::mem::take(input).freeze())),
            State::Length(left) => Ok(Found::Piece(self.counted(left, input))),
            State::ChunkLine | State::Chunk(_) | State::ChunkEnd | State::Trailers => {
                self.chunks(input)
            }
        }
    }

    /// The connection has ended, and nothing more will come.
    ///
    /// # Errors
    /// When the body has not.
    pub fn close(&mut self) -> Result<(), String> {
        match self.state {
            State::Ended | State::UntilClose => {
                self.state = State::Ended;
                Ok(())
            }
            State::Length(left) => Err(format!(
                "it closed the connection {left} bytes before the end of its answer"
            )),
            State::ChunkLine | State::Chunk(_) | State::ChunkEnd | State::Trailers => {
                Err("it closed the connection before the last chunk of its answer".to_owned())
            }
        }
    }

    fn counted(&mut self, left: u64, input: &mut BytesMut) -> Bytes {
        let here = available(left, input.len());
        self.state = match left - here as u64 {
            0 => State::Ended,
            left => State::Length(left),
        };
        take_front(input, here).freeze()
    }

    /// Joins all payload in `input` where the first of it lies, over the framing between.
    fn chunks(&mut self, input: &mut BytesMut) -> Result<Found, Malformed> {
        let (mut read, mut payload) = (0, 0..0);
        loop {
            match self.step(&input[read..]) {
                Ok(Step::Framing(bytes)) => read += bytes,
                Ok(Step::Payload(bytes)) => {
                    if payload.is_empty() {
                        payload = read..read;
                    } else if payload.end != read {
                        input.copy_within(read..read + bytes, payload.end);
                    }
                    payload.end += bytes;
                    read += bytes;
                }
                Ok(Step::Wait) => break,
                // Found again when what came before it has been given out.
                Err(_) if !payload.is_empty() => break,
                Err(malformed) => {
                    take_front(input, read);
                    return Err(malformed);
                }
            }
        }
        let mut taken = take_front(input, read);
        if !payload.is_empty() {
            taken.truncate(payload.end);
            taken.advance(payload.start);
            return Ok(Found::Piece(taken.freeze()));
        }
        Ok(if self.has_ended() {
            Found::End
        } else {
            Found::Nothing
        })
    }

    fn step(&mut self, rest: &[u8]) -> Result<Step, Malformed> {
        match self.state {
            State::ChunkLine => self.chunk_line(rest),
            State::Chunk(left) => Ok(self.chunk(left, rest.len())),
            State::ChunkEnd => self.chunk_end(rest),
            State::Trailers => self.trailers(rest),
            State::Length(_) | State::UntilClose | State::Ended => Ok(Step::Wait),
        }
    }

    fn chunk_line(&mut self, rest: &[u8]) -> Result<Step, Malformed> {
        let no_size = || Malformed::new("the size of a chunk of its answer is no number");
        // httparse takes no digits at all for 0, which would end a body that has not ended.
        if rest.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
            return Err(no_size());
        }
        match httparse::parse_chunk_size(rest).map_err(|_| no_size())? {
            httparse::Status::Complete((bytes, size)) => {
                self.state = match size {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                };
                Ok(Step::Framing(bytes))
            }
            httparse::Status::Partial if rest.len() <= CHUNK_LINE_BYTES_MAX => Ok(Step::Wait),
            httparse::Status::Partial => Err(Malformed(format!(
                "the extensions of a chunk of its answer are longer than {CHUNK_LINE_BYTES_MAX} bytes"
            ))),
        }
    }

    fn chunk(&mut self, left: u64, present: usize) -> Step {
        let here = available(left, present);
        if here == 0 {
            return Step::Wait;
        }
        self.state = match left - here as u64 {
            0 => State::ChunkEnd,
            left => State::Chunk(left),
        };
        Step::Payload(here)
    }

    fn chunk_end(&mut self, rest: &[u8]) -> Result<Step, Malformed> {
        match rest {
            [] | [b'\r'] => Ok(Step::Wait),
            [b'\r', b'\n', ..] => {
                self.state = State::ChunkLine;
                Ok(Step::Framing(2))
            }
            _ => Err(Malformed::new(
                "a chunk of its answer is longer than it says",
            )),
        }
    }

    fn trailers(&mut self, rest: &[u8]) -> Result<Step, Malformed> {
        let Some((bytes, trailers)) = parse_trailers(rest)? else {
            return Ok(Step::Wait);
        };
        self.trailers = Some(trailers);
        self.state = State::Ended;
        Ok(Step::Framing(bytes))
    }
}

/// What stands at the front of the bytes, by their number.
enum Step {
    Framing(usize),
    Payload(usize),
    /// More must come.
    Wait,
}

fn available(left: u64, present: usize) -> usize {
    usize::try_from(left).map_or(present, |left| left.min(present))
}

/// Splits without sharing where all is taken.
fn take_front(input: &mut BytesMut, bytes: usize) -> BytesMut {
    if bytes == input.len() {
        std::mem::take(input)
    } else {
        input.split_to(bytes)
    }
}

fn parse_trailers(rest: &[u8]) -> Result<Option<(usize, HeaderMap)>, Malformed> {
    let malformed = || Malformed::new("the trailers of its answer are malformed");
    match rest {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n', ..] => return Ok(Some((2, HeaderMap::new()))),
        _ => {}
    }
    let mut space = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    let parsed = httparse::parse_headers(rest, &mut space).map_err(|_| malformed())?;
    let (bytes, fields) = match parsed {
        httparse::Status::Complete((bytes, fields)) if bytes <= TRAILER_BYTES_MAX => {
            (bytes, fields)
        }
        httparse::Status::Partial if rest.len() <= TRAILER_BYTES_MAX => return Ok(None),
        _ => return Err(malformed()),
    };
    // A line end without CR is where two readers of the same bytes could part.
    let mut line_ends = memchr::memchr_iter(b'\n', &rest[..bytes]);
    if line_ends.any(|at| at == 0 || rest[at - 1] != b'\r') {
        return Err(malformed());
    }
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| malformed())?;
        let value = header_value_from_raw(Bytes::copy_from_slice(field.value));
        trailers.append(name, value);
    }
    Ok(Some((bytes, trailers)))
}
