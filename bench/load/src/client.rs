//! One HTTP/1.1 connection as a client: sends a request, hands over the body of its answer piece by piece.
//! It judges framing and nothing else; whether the answer is right is for its caller.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::framing::Framing;

/// Bytes taken from the socket at once.
const READ_BYTES: usize = 64 << 10;
/// Largest answer head taken, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most headers of an answer.
const HEADERS_MAX: usize = 64;

/// A connection that can carry one exchange after the other.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What is known of an answer once all of it has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Whether another exchange may follow on this connection.
    pub reusable: bool,
}

/// The head of an answer whose body has yet to be heard. The bytes after it wait in the connection's buffer.
pub struct Head {
    pub status: u16,
    framing: Framing,
    reusable: bool,
    bytes: usize,
    filled: usize,
}

impl Connection {
    /// # Errors
    /// When the address refuses the connection.
    pub async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Sends `request`, a whole message, and gives each piece of the answer's body to `take` as it comes.
    ///
    /// # Errors
    /// An answer that is cut off or is not HTTP/1.1, and whatever `take` returns.
    pub async fn exchange(
        &mut self,
        request: &[u8],
        take: &mut (dyn FnMut(&[u8]) -> Result<()> + Send),
    ) -> Result<Answer> {
        let head = self.ask(request).await?;
        self.hear(head, take).await
    }

    /// Sends `request`, a whole message, and waits for the head of its answer.
    ///
    /// # Errors
    /// When there is none, or it is not HTTP/1.1.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Head> {
        self.stream
            .write_all(request)
            .await
            .context("cannot send the request")?;
        self.read_head().await
    }

    /// The value of a header of the answer that has begun, until its body is heard.
    pub fn header(&self, head: &Head, name: &str) -> Option<String> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        parsed.parse(&self.buffer[..head.bytes]).ok()?;
        let found = parsed
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(found.value).into_owned())
    }

    /// Gives each piece of the answer's body to `take` as it comes.
    ///
    /// # Errors
    /// An answer that is cut off or badly framed, and whatever `take` returns.
    pub async fn hear(
        &mut self,
        mut head: Head,
        take: &mut (dyn FnMut(&[u8]) -> Result<()> + Send),
    ) -> Result<Answer> {
        let (mut start, mut filled) = (head.bytes, head.filled);
        loop {
            let used = head.framing.feed(&self.buffer[start..filled], take)?;
            if head.framing.ended() {
                if start + used != filled {
                    bail!(
                        "{} bytes after the end of the answer",
                        filled - start - used
                    );
                }
                return Ok(Answer {
                    status: head.status,
                    reusable: head.reusable,
                });
            }
            (start, filled) = (
                0,
                self.stream
                    .read(&mut self.buffer)
                    .await
                    .context("the answer broke off")?,
            );
            if filled == 0 {
                return match head.framing {
                    Framing::UntilClose => Ok(Answer {
                        status: head.status,
                        reusable: false,
                    }),
                    _ => bail!(
                        "the connection was closed in the middle of an answer with status {}",
                        head.status
                    ),
                };
            }
        }
    }

    /// Reads until the head is there.
    async fn read_head(&mut self) -> Result<Head> {
        let mut filled = 0;
        loop {
            match self
                .stream
                .read(&mut self.buffer[filled..])
                .await
                .context("cannot read the answer")?
            {
                0 => bail!("the connection was closed before the head of the answer was there"),
                bytes => filled += bytes,
            }
            if let Some(head) = parse_head(&self.buffer[..filled])? {
                return Ok(head);
            }
            if filled >= HEAD_BYTES_MAX {
                bail!("the head of the answer is above {HEAD_BYTES_MAX} bytes");
            }
        }
    }
}

fn parse_head(received: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(bytes) = head.parse(received).context("not an answer")? else {
        return Ok(None);
    };
    let closes = |h: &httparse::Header<'_>| {
        h.name.eq_ignore_ascii_case("connection") && h.value.eq_ignore_ascii_case(b"close")
    };
    let reusable = head.version == Some(1) && !head.headers.iter().any(closes);
    let framing = Framing::from_headers(head.headers, false)?;
    Ok(Some(Head {
        status: head.code.unwrap_or(0),
        framing,
        reusable,
        bytes,
        filled: received.len(),
    }))
}
