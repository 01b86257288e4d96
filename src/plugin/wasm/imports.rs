//! What guests may call: the contract's imports, on the view of the exchange and on the plugin's services. All are always there;
//! what is not granted is denied when it is called.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, Error, Result};

use super::state::State;
use super::v0_1::imports::{clock, exchange, http, kv, log, metrics, random, secrets, types};
use super::v0_1::{bindings, lift, lower, wit};
use crate::plugin::hooks::View;
use crate::plugin::services::{Measure, RANDOM_BYTES_MAX};

/// Links every import of the contract, and nothing else: no file, no socket, no environment.
///
/// # Errors
/// When the contract names something twice.
pub fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    bindings::Every::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl types::Host for State {}

impl State {
    /// What the view says; what is empty outside of an exchange is the type's default.
    fn seen<T: Default>(&self, see: impl FnOnce(&Arc<dyn View>) -> T) -> T {
        self.view().map(see).unwrap_or_default()
    }
}

impl exchange::Host for State {
    fn meta(&mut self) -> Result<wit::RequestMeta> {
        Ok(match self.view() {
            Some(view) => lower::meta(view.meta()),
            None => nothing(),
        })
    }

    fn request_header(&mut self, name: String) -> Result<Option<Vec<u8>>> {
        Ok(self.seen(|view| view.request_header(&name.to_ascii_lowercase())))
    }

    fn request_headers(&mut self) -> Result<Vec<wit::Header>> {
        Ok(self.seen(|view| lower::headers(view.request_headers())))
    }

    fn request_segments(&mut self) -> Result<Vec<wit::Segment>> {
        Ok(self.seen(|view| lower::segments(view.request_segments())))
    }

    fn request_json(&mut self, pointer: String) -> Result<Option<String>> {
        Ok(self.seen(|view| view.request_json(&pointer)))
    }

    fn request_body(&mut self) -> Result<Vec<u8>> {
        Ok(self.seen(|view| view.request_body()))
    }

    fn response_status(&mut self) -> Result<u16> {
        Ok(self.seen(|view| view.response_status()))
    }

    fn response_headers(&mut self) -> Result<Vec<wit::Header>> {
        Ok(self.seen(|view| lower::headers(view.response_headers())))
    }

    fn response_segments(&mut self) -> Result<Vec<wit::Segment>> {
        Ok(self.seen(|view| lower::segments(view.response_segments())))
    }

    fn response_body(&mut self) -> Result<Vec<u8>> {
        Ok(self.seen(|view| view.response_body()))
    }
}

/// What a plugin sees of the exchange outside of one.
fn nothing() -> wit::RequestMeta {
    wit::RequestMeta {
        id: String::new(),
        api: wit::Api::Other,
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

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> Result<()> {
        self.services.log(lift::level(level), &message);
        Ok(())
    }
}

impl State {
    fn record(&mut self, measure: Measure, name: &str, labels: &[wit::Pair], number: f64) {
        let labels: Vec<(&str, &str)> = labels
            .iter()
            .map(|label| (label.key.as_str(), label.value.as_str()))
            .collect();
        self.services.record(measure, name, &labels, number);
    }
}

impl metrics::Host for State {
    fn count(&mut self, name: String, labels: Vec<wit::Pair>, delta: f64) -> Result<()> {
        self.record(Measure::Counter, &name, &labels, delta);
        Ok(())
    }

    fn observe(&mut self, name: String, labels: Vec<wit::Pair>, value: f64) -> Result<()> {
        self.record(Measure::Histogram, &name, &labels, value);
        Ok(())
    }

    fn gauge(&mut self, name: String, labels: Vec<wit::Pair>, value: f64) -> Result<()> {
        self.record(Measure::Gauge, &name, &labels, value);
        Ok(())
    }
}

impl clock::Host for State {
    fn unix_ms(&mut self) -> Result<u64> {
        Ok(self.services.unix_ms())
    }

    fn monotonic_ns(&mut self) -> Result<u64> {
        Ok(self.services.monotonic_ns())
    }
}

impl random::Host for State {
    fn bytes(&mut self, n: u32) -> Result<Vec<u8>> {
        if n as usize > RANDOM_BYTES_MAX {
            let message = format!("asks for {n} random bytes; {RANDOM_BYTES_MAX} is the most");
            return Err(Error::msg(message));
        }
        Ok(self.services.random(n))
    }
}

impl kv::Host for State {
    fn get(&mut self, key: String) -> Result<Result<Option<Vec<u8>>, String>> {
        Ok(self.services.kv_get(&key))
    }

    fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> Result<Result<(), String>> {
        Ok(self.services.kv_set(&key, &value, ttl_ms))
    }

    fn add(&mut self, key: String, delta: i64, ttl_ms: Option<u64>) -> Result<Result<i64, String>> {
        Ok(self.services.kv_add(&key, delta, ttl_ms))
    }

    fn delete(&mut self, key: String) -> Result<Result<(), String>> {
        Ok(self.services.kv_delete(&key))
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> Result<Option<String>> {
        Ok(self.services.secret(&name))
    }
}

impl http::Host for State {
    /// The only import that waits. It is cut off at the call's deadline, so that no other timer is needed.
    async fn send(&mut self, call: http::Call) -> Result<Result<http::Answer, http::HttpError>> {
        let Some(ends) = self.may_wait_until() else {
            let why = "not while the plugin is being configured".to_owned();
            return Ok(Err(http::HttpError::Other(why)));
        };
        let services = self.services.clone();
        let sent = services.http(lift::http_call(call));
        match tokio::time::timeout_at(ends.into(), sent).await {
            Ok(Ok(answer)) => Ok(Ok(lower::http_answer(answer))),
            Ok(Err(error)) => Ok(Err(lower::http_error(error))),
            Err(_) => Err(self.has_waited()),
        }
    }
}
