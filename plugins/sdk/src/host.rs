//! What a plugin may ask of its host, during a call.

use crate::types::{Header, RequestMeta, Segment};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// A request to a host that the configuration grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    pub method: String,
    pub url: String,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    pub timeout_ms: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// The configuration grants no such host.
    Denied,
    Timeout,
    Connect(String),
    TooLarge,
    Other(String),
}

/// The host, as one call sees it. "The exchange" is the one that the call is about; outside of a call everything of it is empty.
pub trait Host {
    fn meta(&self) -> RequestMeta;
    /// By its name in lower case. Credentials are never shown.
    fn request_header(&self, name: &str) -> Option<Vec<u8>>;
    fn request_headers(&self) -> Vec<Header>;
    /// All texts for people in the request, in order.
    fn request_segments(&self) -> Vec<Segment>;
    /// RFC 6901 pointer → the JSON text of that part.
    fn request_json(&self, pointer: &str) -> Option<String>;
    fn request_body(&self) -> Vec<u8>;
    /// 0 as long as there is no answer.
    fn response_status(&self) -> u16;
    fn response_headers(&self) -> Vec<Header>;
    fn response_segments(&self) -> Vec<Segment>;
    fn response_body(&self) -> Vec<u8>;

    fn log(&self, level: Level, message: &str);
    /// Adds to a counter of the plugin's own.
    fn count(&self, name: &str, labels: &[(&str, &str)], delta: f64);
    fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64);
    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64);
    fn unix_ms(&self) -> u64;
    /// Since some moment before the call.
    fn monotonic_ns(&self) -> u64;
    fn random(&self, bytes: u32) -> Vec<u8>;

    /// Shared by all instances of the plugin; with the grant `kv`.
    ///
    /// # Errors
    /// Without the grant, and when there is no room.
    fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, String>;
    /// # Errors
    /// As [`Host::kv_get`].
    fn kv_set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), String>;
    /// Adds to a number, which is 0 before it is first set; gives back the sum.
    ///
    /// # Errors
    /// As [`Host::kv_get`]; when the value is no number.
    fn kv_add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, String>;
    /// # Errors
    /// As [`Host::kv_get`].
    fn kv_delete(&self, key: &str) -> Result<(), String>;
    /// A secret that the configuration grants under this name.
    fn secret(&self, name: &str) -> Option<String>;
    /// # Errors
    /// Where it is not granted, and when no answer comes.
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, HttpError>;
}
