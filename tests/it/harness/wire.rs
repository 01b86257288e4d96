//! A client that writes and reads exact bytes, for what a proper HTTP client would never do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub async fn dial(to: SocketAddr) -> Wire {
        let stream = within("connection", TcpStream::connect(to))
            .await
            .expect("weir accepts connections");
        stream.set_nodelay(true).expect("a TCP socket takes it");
        Wire {
            stream,
            unread: Vec::new(),
        }
    }

    /// A client whose receive buffer is as small as it goes, so that not reading is felt soon.
    pub async fn dial_narrow(to: SocketAddr) -> Wire {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        socket
            .set_recv_buffer_size(4096)
            .expect("a socket takes it");
        socket
            .connect(&to.into())
            .expect("weir accepts connections");
        socket.set_nonblocking(true).expect("a socket takes it");
        Wire {
            stream: TcpStream::from_std(socket.into()).expect("it is a socket"),
            unread: Vec::new(),
        }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .await
            .expect("weir reads");
    }

    /// Writes; whether weir took it.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Everything up to and with `end`.
    pub async fn read_until(&mut self, end: &str) -> String {
        let end = end.as_bytes();
        loop {
            if let Some(at) = self
                .unread
                .windows(end.len())
                .position(|window| window == end)
            {
                let text = self.unread.drain(..at + end.len()).collect();
                return String::from_utf8(text).expect("it is text");
            }
            assert!(
                within("more of an answer", self.read()).await,
                "the connection ended before {:?}: {:?}",
                String::from_utf8_lossy(end),
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    /// One answer, by its content-length or its chunks: head and body.
    pub async fn read_answer(&mut self) -> (String, Vec<u8>) {
        let head = self.read_until("\r\n\r\n").await.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        if let Some(length) = length {
            let length = length.trim().parse().expect("a length is a number");
            return (head, self.read_exactly(length).await);
        }
        let mut body = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let size = self.read_until("\r\n").await;
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk has its size");
                body.extend(self.read_exactly(size).await);
                self.read_until("\r\n").await;
                if size == 0 {
                    break;
                }
            }
        }
        (head, body)
    }

    pub async fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(
                within("more of an answer", self.read()).await,
                "the connection ended {} bytes in",
                self.unread.len()
            );
        }
        self.unread.drain(..length).collect()
    }

    async fn read(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.unread.extend_from_slice(&piece[..read]);
                true
            }
        }
    }

    /// Everything until the connection ends, be it by FIN or RST.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        while within("end of the connection", self.read()).await {}
        std::mem::take(&mut self.unread)
    }

    /// Closes; says when.
    pub fn close(self) -> Instant {
        let now = Instant::now();
        drop(self);
        now
    }

    /// Closes by RST.
    pub fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a TCP socket takes it");
    }
}
