//! Answers as a client gets them: whole, or event by event.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{HeaderMap, StatusCode, Version};
use serde_json::Value;

use super::client::Connection;
use super::sse;
use super::within;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
    /// Why the body did not end as its framing says.
    pub broken: Option<String>,
}

impl Answer {
    #[track_caller]
    pub fn assert_status(&self, expected: u16) -> &Answer {
        assert_eq!(self.status, expected, "{}", self.text());
        self
    }

    /// An answer of `status` and with `code` in OpenAI's error shape.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) -> &Answer {
        self.assert_status(status);
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{self:?}"
        );
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{error}");
        for member in ["message", "type"] {
            assert!(
                error[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {error}"
            );
        }
        assert!(error.get("param").is_some(), "{error}");
        assert_eq!(self.broken, None);
        self
    }

    /// The body ended as its framing promised.
    #[track_caller]
    pub fn assert_whole(&self) -> &Answer {
        assert_eq!(self.broken, None, "{}", self.text());
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        Some(
            self.headers
                .get(name)?
                .to_str()
                .expect("the header is text"),
        )
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    #[track_caller]
    pub fn error(&self) -> Value {
        self.json()["error"].clone()
    }

    /// The payloads of a stream's events, `[DONE]` included.
    pub fn payloads(&self) -> Vec<String> {
        sse::payloads(&self.body)
    }

    /// The code of the error event that ends the stream. There is exactly one, and no `[DONE]` anywhere.
    #[track_caller]
    pub fn error_event(&self) -> Value {
        let payloads = self.payloads();
        assert!(
            !payloads.iter().any(|payload| payload == "[DONE]"),
            "a broken stream has an end marker: {payloads:?}"
        );
        let errors: Vec<Value> = payloads
            .iter()
            .filter_map(|payload| error_of(payload))
            .collect();
        assert_eq!(errors.len(), 1, "{payloads:?}");
        assert!(
            error_of(payloads.last().expect("there is one")).is_some(),
            "the error is not the last: {payloads:?}"
        );
        errors.into_iter().next().expect("there is one")
    }

    /// A stream that ends in `[DONE]` and has no error in it.
    #[track_caller]
    pub fn assert_clean_stream(&self) -> &Answer {
        self.assert_status(200).assert_whole();
        let payloads = self.payloads();
        assert_eq!(
            payloads.last().map(String::as_str),
            Some("[DONE]"),
            "{payloads:?}"
        );
        assert!(
            payloads.iter().all(|payload| error_of(payload).is_none()),
            "{payloads:?}"
        );
        self
    }
}

fn error_of(payload: &str) -> Option<Value> {
    let payload: Value = serde_json::from_str(payload).ok()?;
    Some(payload.get("error")?.clone()).filter(|error| !error.is_null())
}

/// An answer whose head is here and whose body is being read.
pub struct Opened {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
    /// A connection that is only there for this answer.
    connection: Option<Connection>,
}

impl Opened {
    pub fn new(response: hyper::Response<Incoming>) -> Opened {
        let (head, body) = response.into_parts();
        Opened {
            status: head.status,
            version: head.version,
            headers: head.headers,
            body,
            unread: Vec::new(),
            connection: None,
        }
    }

    /// Closes `connection` when this is dropped.
    pub(super) fn keep(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// The payload of the next event that has one; `None` at the end of the body.
    pub async fn event(&mut self) -> Option<String> {
        loop {
            if let Some(end) = sse::end_of_event(&self.unread) {
                let event: Vec<u8> = self.unread.drain(..end).collect();
                match sse::payloads(&event).into_iter().next() {
                    Some(payload) => return Some(payload),
                    None => continue,
                }
            }
            let piece = within("next event", self.piece()).await?;
            self.unread.extend_from_slice(&piece);
        }
    }

    /// The next bytes; `None` at the end of the body, be it clean or not.
    pub async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                return Some(data);
            }
        }
    }

    /// Everything from here to the end.
    pub async fn rest(mut self) -> Answer {
        let mut body = std::mem::take(&mut self.unread);
        let (mut trailers, mut broken) = (None, None);
        loop {
            match within("end of the answer", self.body.frame()).await {
                None => break,
                Some(Err(error)) => {
                    broken = Some(format!("{error:?}"));
                    break;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => body.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
            }
        }
        Answer {
            status: self.status.as_u16(),
            version: self.version,
            headers: self.headers,
            body: body.into(),
            trailers,
            broken,
        }
    }
}
