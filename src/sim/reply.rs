//! What a handler answers with, before faults and HTTP: a whole body, or events with the times at which they may leave.
//! It must not know the connection.

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::engine::{Turn, Work};

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub content: Content,
    /// What the engine did for a whole answer; events tell it as they go.
    pub work: Option<Work>,
}

/// The body of an answer.
pub enum Content {
    Whole(Bytes),
    Events(Box<dyn Source>, Turn),
}

/// Something that writes one event after another.
pub trait Source: Send {
    /// Writes the next event, and says when it may leave; nothing once there is no more.
    fn write_next(&mut self, out: &mut BytesMut) -> Option<When>;

    /// The finish reason that metrics count.
    fn finish_reason(&self) -> &'static str;
}

/// When an event may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Right behind the one before.
    Now,
    /// Together with the token at this index.
    With(u32),
    /// When the token at this index is there, which it carries.
    Token(u32),
}

pub const JSON: &str = "application/json";
/// As vLLM's FastAPI sends it.
pub const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
/// Ollama's lines of JSON.
pub const NDJSON: &str = "application/x-ndjson";
/// A JSON array whose elements come one by one, which only a stream of events has; else `JSON`.
pub const JSON_ARRAY: &str = "application/json; charset=UTF-8";

impl Reply {
    pub fn whole(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            headers: Vec::new(),
            content: Content::Whole(body.into()),
            work: None,
        }
    }

    pub fn json(body: &Value) -> Self {
        Self::whole(JSON, body.to_string())
    }

    pub fn events(source: impl Source + 'static, turn: Turn) -> Self {
        Self::events_as(EVENT_STREAM, source, turn)
    }

    /// Events in another framing than Server-Sent Events.
    pub fn events_as(
        content_type: &'static str,
        source: impl Source + 'static,
        turn: Turn,
    ) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            headers: Vec::new(),
            content: Content::Events(Box::new(source), turn),
            work: None,
        }
    }

    /// Notes what the engine did for it.
    pub fn after(mut self, work: Work) -> Self {
        self.work = Some(work);
        self
    }

    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}
