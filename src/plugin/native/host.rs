//! The host of a plugin that is part of weir, as one call sees it.

use tokio::runtime::Handle;
use weir_plugin::{
    Api, Header, Host, HttpAnswer, HttpCall, HttpError, Level, RequestMeta, Segment,
};

use crate::plugin::hooks::View;
use crate::plugin::services::{Measure, PluginServices};

/// What one call may ask for.
pub struct NativeHost<'c> {
    /// `None` outside of exchanges.
    pub view: Option<&'c dyn View>,
    pub services: &'c PluginServices,
    /// What waits are waited out on; `None` where the call must not wait.
    pub waits_on: Option<&'c Handle>,
}

impl Host for NativeHost<'_> {
    fn meta(&self) -> RequestMeta {
        self.view.map_or_else(nothing, View::meta)
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        self.view?.request_header(name)
    }

    fn request_headers(&self) -> Vec<Header> {
        self.view.map(View::request_headers).unwrap_or_default()
    }

    fn request_segments(&self) -> Vec<Segment> {
        self.view.map(View::request_segments).unwrap_or_default()
    }

    fn request_json(&self, pointer: &str) -> Option<String> {
        self.view?.request_json(pointer)
    }

    fn request_body(&self) -> Vec<u8> {
        self.view.map(View::request_body).unwrap_or_default()
    }

    fn response_status(&self) -> u16 {
        self.view.map(View::response_status).unwrap_or_default()
    }

    fn response_headers(&self) -> Vec<Header> {
        self.view.map(View::response_headers).unwrap_or_default()
    }

    fn response_segments(&self) -> Vec<Segment> {
        self.view.map(View::response_segments).unwrap_or_default()
    }

    fn response_body(&self) -> Vec<u8> {
        self.view.map(View::response_body).unwrap_or_default()
    }

    fn log(&self, level: Level, message: &str) {
        self.services.log(level, message);
    }

    fn count(&self, name: &str, labels: &[(&str, &str)], delta: f64) {
        self.services.record(Measure::Counter, name, labels, delta);
    }

    fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.services
            .record(Measure::Histogram, name, labels, value);
    }

    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.services.record(Measure::Gauge, name, labels, value);
    }

    fn unix_ms(&self) -> u64 {
        self.services.unix_ms()
    }

    fn monotonic_ns(&self) -> u64 {
        self.services.monotonic_ns()
    }

    fn random(&self, bytes: u32) -> Vec<u8> {
        self.services.random(bytes)
    }

    fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.services.kv_get(key)
    }

    fn kv_set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), String> {
        self.services.kv_set(key, value, ttl_ms)
    }

    fn kv_add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, String> {
        self.services.kv_add(key, delta, ttl_ms)
    }

    fn kv_delete(&self, key: &str) -> Result<(), String> {
        self.services.kv_delete(key)
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.services.secret(name)
    }

    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, HttpError> {
        match self.waits_on {
            Some(handle) => handle.block_on(self.services.http(call.clone())),
            None => Err(HttpError::Other(
                "a plugin that is part of weir may not wait in this hook".to_owned(),
            )),
        }
    }
}

/// Outside of exchanges.
fn nothing() -> RequestMeta {
    RequestMeta {
        id: String::new(),
        api: Api::Other,
        operation: String::new(),
        model: String::new(),
        stream: false,
        method: String::new(),
        path: String::new(),
        client_ip: String::new(),
        received_unix_ms: 0,
        deadline_ms: 0,
        attempt: 0,
        body_bytes: 0,
        message_count: 0,
        prompt_tokens_estimate: 0,
        max_output_tokens: None,
        has_tools: false,
        has_images: false,
        session: None,
        traceparent: None,
        principal: None,
        tags: Vec::new(),
    }
}
