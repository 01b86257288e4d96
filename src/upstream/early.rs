//! Sees that an upstream answers while a long request is still being written to it, and the write is stuck because the
//! upstream has stopped reading. HTTP/1.1 in cleartext only: elsewhere what can be read need not be an answer.

use std::net::TcpStream as StdStream;
use std::os::fd::OwnedFd;

use pingora::protocols::UniqueID;
use pingora::protocols::http::client::HttpSession;
use tokio::net::TcpStream;

use super::connection::borrowed;

/// A second look at a connection's socket.
pub struct EarlyAnswer(Option<TcpStream>);

impl EarlyAnswer {
    /// Watches the socket of `session`; watches nothing where that would mislead.
    pub fn of(session: &HttpSession, tls: bool) -> EarlyAnswer {
        EarlyAnswer(match session {
            HttpSession::H1(session) if !tls => {
                let copy = borrowed(session.id()).try_clone_to_owned();
                copy.and_then(second).ok()
            }
            HttpSession::H1(_) | HttpSession::H2(_) | HttpSession::Custom(_) => None,
        })
    }

    /// Waits until an answer that is no informational one begins, or the connection ends.
    pub async fn begun(&self) {
        const STATUS_CLASS: usize = "HTTP/1.1 ".len();
        let mut bytes = [0; STATUS_CLASS + 1];
        let informational = match &self.0 {
            None => true,
            Some(socket) => {
                let peeked = socket.peek(&mut bytes).await;
                peeked.is_ok_and(|read| read == bytes.len()) && bytes[STATUS_CLASS] == b'1'
            }
        };
        if informational {
            // It is read, and skipped, when the request has been written.
            std::future::pending().await
        }
    }
}

fn second(socket: OwnedFd) -> std::io::Result<TcpStream> {
    TcpStream::from_std(StdStream::from(socket))
}
