//! Clients by hyper: requests as sentences, over connections of their own or over a shared one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::answer::{Answer, Opened};
use super::tls::{Authority, TlsClient};
use super::within;

type Body = BoxBody<Bytes, Infallible>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// A request that is being put together.
#[derive(Debug, Clone)]
pub struct Request {
    to: SocketAddr,
    protocol: Protocol,
    method: Method,
    path: String,
    headers: HeaderMap,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Whole(Bytes),
    Json(Value),
    /// Without a length.
    Pieces(Vec<Bytes>),
}

impl Request {
    pub fn new(to: SocketAddr, method: Method, path: &str) -> Request {
        Request {
            to,
            protocol: Protocol::Http1,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            content: Content::Whole(Bytes::new()),
        }
    }

    pub fn json(mut self, body: Value) -> Request {
        self.content = Content::Json(body);
        self.header("content-type", "application/json")
    }

    /// A body as it stands, called JSON.
    pub fn body(mut self, body: impl Into<Bytes>) -> Request {
        self.content = Content::Whole(body.into());
        if self.headers.contains_key("content-type") {
            self
        } else {
            self.header("content-type", "application/json")
        }
    }

    /// A body that comes in pieces and without a length.
    pub fn pieces(mut self, pieces: Vec<Bytes>) -> Request {
        self.content = Content::Pieces(pieces);
        if self.headers.contains_key("content-type") {
            self
        } else {
            self.header("content-type", "application/json")
        }
    }

    /// Sets a member of a JSON body.
    pub fn set(mut self, member: &str, value: impl Into<Value>) -> Request {
        let Content::Json(body) = &mut self.content else {
            panic!("only a JSON body has members")
        };
        body[member] = value.into();
        self
    }

    pub fn model(self, model: &str) -> Request {
        self.set("model", model)
    }

    pub fn streaming(self) -> Request {
        self.set("stream", true)
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        let name: HeaderName = name.parse().expect("the name is valid");
        self.headers.insert(
            name,
            HeaderValue::from_str(value).expect("the value is valid"),
        );
        self
    }

    pub fn path(mut self, path: &str) -> Request {
        self.path = path.to_owned();
        self
    }

    pub fn over(mut self, protocol: Protocol) -> Request {
        self.protocol = protocol;
        self
    }

    /// Sends it over a connection of its own, and reads the whole answer.
    pub async fn send(self) -> Answer {
        self.open().await.rest().await
    }

    /// Sends it over a connection of its own, and reads the head of the answer. Dropping what comes back closes the connection.
    pub async fn open(self) -> Opened {
        let connection = Connection::open(self.to, self.protocol).await;
        let mut opened = connection.open_answer(self).await;
        opened.keep(connection);
        opened
    }

    /// The body's bytes.
    pub fn bytes(&self) -> Bytes {
        match &self.content {
            Content::Whole(body) => body.clone(),
            Content::Json(body) => body.to_string().into(),
            Content::Pieces(pieces) => pieces.concat().into(),
        }
    }

    fn build(self, authority: &str, scheme: &str, protocol: Protocol) -> hyper::Request<Body> {
        let whole = self.bytes();
        let body: Body = match self.content {
            Content::Whole(_) | Content::Json(_) => Full::new(whole).boxed(),
            Content::Pieces(pieces) => {
                let frames = pieces
                    .into_iter()
                    .map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
                BodyExt::boxed(StreamBody::new(stream::iter(frames)))
            }
        };
        let uri = match protocol {
            Protocol::Http1 => self.path,
            Protocol::Http2 => format!("{scheme}://{authority}{}", self.path),
        };
        let mut request = hyper::Request::builder()
            .method(self.method)
            .uri(uri)
            .body(body)
            .expect("the request is valid");
        *request.headers_mut() = self.headers;
        if protocol == Protocol::Http1 && !request.headers().contains_key("host") {
            request.headers_mut().insert(
                "host",
                HeaderValue::from_str(authority).expect("an address is a valid header"),
            );
        }
        request
    }
}

/// A connection to weir. Dropping it closes it.
pub struct Connection {
    sender: Sender,
    authority: String,
    scheme: &'static str,
    driver: JoinHandle<()>,
}

enum Sender {
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Body>>>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    pub async fn open(to: SocketAddr, protocol: Protocol) -> Connection {
        let stream = within("connection", TcpStream::connect(to))
            .await
            .expect("weir accepts connections");
        stream.set_nodelay(true).expect("a TCP socket takes it");
        Connection::begin(stream, protocol, to.to_string(), "http").await
    }

    /// A TLS connection; the protocol is the one that was negotiated out of `offered`.
    pub async fn open_tls(
        to: SocketAddr,
        authority: &Authority,
        name: &str,
        offered: &[&str],
    ) -> (Connection, Protocol) {
        Connection::over_tls(to, authority.client(name).offering(offered)).await
    }

    /// A connection over TLS, and the protocol that was negotiated.
    pub async fn over_tls(to: SocketAddr, client: TlsClient) -> (Connection, Protocol) {
        let stream = within("connection", TcpStream::connect(to))
            .await
            .expect("weir accepts connections");
        let authority = format!("{}:{}", client.name(), to.port());
        let stream = within("TLS handshake", client.connect(stream))
            .await
            .expect("the handshake succeeds");
        let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let protocol = if chosen.as_deref() == Some(b"h2") {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        (
            Connection::begin(stream, protocol, authority, "https").await,
            protocol,
        )
    }

    async fn begin<S>(
        stream: S,
        protocol: Protocol,
        authority: String,
        scheme: &'static str,
    ) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(stream);
        let (sender, driver) = match protocol {
            Protocol::Http1 => {
                let (sender, driver) = within("handshake", http1::handshake(stream))
                    .await
                    .expect("HTTP/1.1 begins");
                let driver = tokio::spawn(async move { drop(driver.with_upgrades().await) });
                (
                    Sender::Http1(Arc::new(tokio::sync::Mutex::new(sender))),
                    driver,
                )
            }
            Protocol::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), stream);
                let (sender, driver) = within("handshake", handshake).await.expect("HTTP/2 begins");
                (
                    Sender::Http2(sender),
                    tokio::spawn(async move { drop(driver.await) }),
                )
            }
        };
        Connection {
            sender,
            authority,
            scheme,
            driver,
        }
    }

    /// Sends a request over this connection and reads the head of the answer.
    pub async fn open_answer(&self, request: Request) -> Opened {
        within("head of an answer", self.try_open(request))
            .await
            .expect("weir answers")
    }

    /// The same, for requests that may get none.
    pub async fn try_open(&self, request: Request) -> hyper::Result<Opened> {
        let response = match &self.sender {
            Sender::Http1(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender
                    .send_request(request.build(&self.authority, self.scheme, Protocol::Http1))
                    .await?
            }
            Sender::Http2(sender) => {
                let mut sender = sender.clone();
                sender.ready().await?;
                sender
                    .send_request(request.build(&self.authority, self.scheme, Protocol::Http2))
                    .await?
            }
        };
        Ok(Opened::new(response))
    }

    /// Sends a request over this connection and reads the whole answer.
    pub async fn send(&self, request: Request) -> Answer {
        self.open_answer(request).await.rest().await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
