//! Hosts that do what a script says, byte by byte, for what the simulated host cannot be awkward enough for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::weir::{Host, label_of};
use super::{MODEL, eventually};

/// A host that plays a script on each connection. Dropping it stops it.
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    task: Option<JoinHandle<()>>,
    /// What keeps a full backlog full.
    _fillers: Vec<Socket>,
}

struct State {
    connections: AtomicUsize,
    sent: AtomicU64,
    received: AtomicU64,
    seen: Mutex<Vec<Seen>>,
    closings: Mutex<Vec<Instant>>,
    word: tokio::sync::Semaphore,
}

/// One connection, as a script sees it.
pub struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    state: Arc<State>,
    /// 1 for the first connection.
    pub number: usize,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When its head had been read.
    pub at: Instant,
}

impl Default for State {
    fn default() -> State {
        State {
            connections: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            seen: Mutex::default(),
            closings: Mutex::default(),
            word: tokio::sync::Semaphore::new(0),
        }
    }
}

impl Upstream {
    /// A host that plays `script` on every connection.
    pub async fn start<F, P>(script: F) -> Upstream
    where
        F: Fn(Peer) -> P + Send + Sync + 'static,
        P: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a TCP socket takes it");
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(script(Peer {
                    stream,
                    unread: Vec::new(),
                    state: shared.clone(),
                    number,
                }));
            }
        });
        Upstream {
            address,
            state,
            task: Some(task),
            _fillers: Vec::new(),
        }
    }

    /// A host that gives the same answer to every request and keeps its connections.
    pub async fn answering(bytes: impl Into<Vec<u8>>) -> Upstream {
        let bytes: Arc<[u8]> = bytes.into().into();
        Upstream::start(move |mut peer| {
            let bytes = bytes.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.say(&bytes).await;
                }
            }
        })
        .await
    }

    /// A host that answers every request with these events, all at once, and keeps its connections.
    pub async fn streaming(events: impl AsRef<[u8]>) -> Upstream {
        let mut answer = stream_head().into_bytes();
        answer.extend(chunk(events.as_ref()));
        answer.extend(b"0\r\n\r\n");
        Upstream::answering(answer).await
    }

    /// An address where connecting hangs: a listener whose backlog is full.
    pub async fn blackhole() -> Upstream {
        let socket =
            || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        let listener = socket();
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .expect("a port is free");
        listener.listen(0).expect("a bound socket listens");
        let address = listener
            .local_addr()
            .expect("it is bound")
            .as_socket()
            .expect("it is IP");
        let mut fillers = vec![listener];
        loop {
            let filler = socket();
            let connected = filler.connect_timeout(&address.into(), Duration::from_millis(50));
            fillers.push(filler);
            if connected.is_err() {
                return Upstream {
                    address,
                    state: Arc::default(),
                    task: None,
                    _fillers: fillers,
                };
            }
        }
    }

    /// An address that refuses connections: it was free a moment ago.
    pub async fn dead() -> Upstream {
        let mut upstream = Upstream::start(|_| async {}).await;
        let task = upstream.task.take().expect("it runs");
        task.abort();
        let _ = task.await;
        upstream
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Whole requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.state
            .seen
            .lock()
            .expect("no script has panicked")
            .clone()
    }

    /// The labels of the keys that requests came with, one after another.
    pub fn keys_used(&self) -> String {
        let requests = self.requests();
        requests.iter().map(|seen| label_of(seen.key())).collect()
    }

    #[track_caller]
    pub fn last_request(&self) -> Seen {
        self.requests()
            .pop()
            .expect("a request has reached the host")
    }

    /// Waits for the `count`th request.
    pub async fn has_requests(&self, count: usize) {
        eventually("request at the host", async || {
            (self.requests().len() >= count).then_some(())
        })
        .await;
    }

    /// Lets one script that waits for a word go on, now or when it comes to wait.
    pub fn go_on(&self) {
        self.state.word.add_permits(1);
    }

    /// Bytes that scripts could write so far.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Bytes that came so far.
    pub fn received(&self) -> u64 {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Waits until a script has seen its connection closed by the other side; when that was.
    pub async fn closed(&self) -> Instant {
        eventually("closing of the host's connection", async || {
            self.state
                .closings
                .lock()
                .expect("no script has panicked")
                .first()
                .copied()
        })
        .await
    }

    pub fn closings(&self) -> usize {
        self.state
            .closings
            .lock()
            .expect("no script has panicked")
            .len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Host for Upstream {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn models(&self) -> Vec<String> {
        vec![MODEL.to_owned()]
    }
}

impl Peer {
    /// Reads the head of a request; `None` when the connection ends instead.
    pub async fn head(&mut self) -> Option<Seen> {
        let end = loop {
            if let Some(at) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break at + 4;
            }
            if !self.read().await {
                self.note_closing();
                return None;
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        Some(Seen::parse(
            &String::from_utf8(head).expect("a request's head is text"),
        ))
    }

    /// Reads a whole request; `None` when the connection ends instead.
    pub async fn request(&mut self) -> Option<Seen> {
        let mut seen = self.head().await?;
        self.body(&mut seen).await?;
        Some(seen)
    }

    /// Reads the body that belongs to a head.
    pub async fn body(&mut self, seen: &mut Seen) -> Option<()> {
        if let Some(length) = seen.header("content-length") {
            let length: usize = length.parse().expect("a length is a number");
            seen.body = self.exactly(length).await?;
        } else if seen.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.line().await?;
                let size = usize::from_str_radix(&size, 16).expect("a chunk has its size");
                seen.body.extend(self.exactly(size).await?);
                self.line().await?;
                if size == 0 {
                    break;
                }
            }
        }
        self.state
            .seen
            .lock()
            .expect("no script has panicked")
            .push(seen.clone());
        Some(())
    }

    async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            if !self.read().await {
                self.note_closing();
                return None;
            }
        }
        Some(self.unread.drain(..length).collect())
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).take(at).collect();
                return Some(String::from_utf8(line).expect("a line is text"));
            }
            if !self.read().await {
                self.note_closing();
                return None;
            }
        }
    }

    async fn read(&mut self) -> bool {
        let mut piece = vec![0; 64 * 1024];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.state.received.fetch_add(read as u64, Ordering::SeqCst);
                self.unread.extend_from_slice(&piece[..read]);
                true
            }
        }
    }

    /// Writes; whether all of it could be written.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            match self.stream.write(rest).await {
                Ok(written) => {
                    self.state.sent.fetch_add(written as u64, Ordering::SeqCst);
                    rest = &rest[written..];
                }
                Err(_) => {
                    self.note_closing();
                    return false;
                }
            }
        }
        true
    }

    /// Writes one chunk of a chunked body.
    pub async fn chunk(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.say(chunk(bytes.as_ref())).await
    }

    /// Writes one event, in a chunk of its own.
    pub async fn event(&mut self, payload: impl AsRef<str>) -> bool {
        self.chunk(format!("data: {}\n\n", payload.as_ref())).await
    }

    pub async fn last_chunk(&mut self) -> bool {
        self.say("0\r\n\r\n").await
    }

    /// Passes the connection on to a host at `port`, whose first bytes it holds back for `pause`.
    pub async fn pass_on(mut self, port: u16, pause: Duration) {
        let Ok(mut host) = TcpStream::connect(("127.0.0.1", port)).await else {
            return;
        };
        host.set_nodelay(true).expect("a TCP socket takes it");
        if self.read().await && host.write_all(&self.unread).await.is_ok() {
            tokio::time::sleep(pause).await;
            // However it ends, both sides are closed when this returns.
            let _ = tokio::io::copy_bidirectional(&mut self.stream, &mut host).await;
        }
    }

    /// Waits until the test says to go on.
    pub async fn await_word(&self) {
        self.state
            .word
            .acquire()
            .await
            .expect("it is never closed")
            .forget();
    }

    /// Waits until the other side closes, and notes when.
    pub async fn until_closed(mut self) {
        while self.read().await {}
        self.note_closing();
    }

    /// Closes by RST.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a TCP socket takes it");
    }

    fn note_closing(&self) {
        self.state
            .closings
            .lock()
            .expect("no script has panicked")
            .push(Instant::now());
    }
}

impl Seen {
    fn parse(head: &str) -> Seen {
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let mut words = lines.next().expect("a head has a first line").split(' ');
        let (method, target) = (
            words.next().expect("a method"),
            words.next().expect("a target"),
        );
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a header has a colon");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Seen {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.collect(),
            body: Vec::new(),
            at: Instant::now(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The key that it shows.
    pub fn key(&self) -> &str {
        let shown = self.header("authorization").unwrap_or_default();
        shown.strip_prefix("Bearer ").unwrap_or(shown)
    }

    pub fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// A whole HTTP/1.1 message: `http("200 OK", &[("content-type", "text/plain")], "ok")`, with its length.
pub fn http(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let mut message = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    message
}

/// A JSON answer.
pub fn reply(status: &str, json: impl AsRef<str>) -> Vec<u8> {
    http(
        status,
        &[("content-type", "application/json")],
        json.as_ref(),
    )
}

/// The head of a stream of events in chunks.
pub fn stream_head() -> String {
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n".to_owned()
}
