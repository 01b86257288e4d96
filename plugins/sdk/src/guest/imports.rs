//! The contract's imports, as the [`Host`] of a guest.

use super::abi::Abi;
use crate::host::{Host, HttpAnswer, HttpCall, HttpError, Level};
use crate::types::{Header, RequestMeta, Segment};

/// The host that runs this guest.
pub struct Imports;

/// Where the host writes what it answers. No answer is larger; [`heard`] holds every type to it.
#[repr(C, align(8))]
struct Area([u8; AREA_BYTES]);
const AREA_BYTES: usize = 256;

/// The answer of a call that is given the address to write it to.
fn heard<T: Abi>(call: impl FnOnce(*mut u8)) -> T {
    const { assert!(T::SIZE <= AREA_BYTES && T::ALIGN <= 8) };
    let mut area = Area([0; AREA_BYTES]);
    let at = area.0.as_mut_ptr();
    call(at);
    unsafe { T::read(at) }
}

/// Two strings, or a string and bytes, as a record of two lists.
type Words = [usize; 4];

fn label_words(labels: &[(&str, &str)]) -> Vec<Words> {
    let words = |(key, value): &(&str, &str)| {
        [
            key.as_ptr() as usize,
            key.len(),
            value.as_ptr() as usize,
            value.len(),
        ]
    };
    labels.iter().map(words).collect()
}

fn header_words(headers: &[Header]) -> Vec<Words> {
    let words = |header: &Header| {
        [
            header.name.as_ptr() as usize,
            header.name.len(),
            header.value.as_ptr() as usize,
            header.value.len(),
        ]
    };
    headers.iter().map(words).collect()
}

impl Host for Imports {
    fn meta(&self) -> RequestMeta {
        heard(|at| unsafe { exchange::meta(at) })
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        heard(|at| unsafe { exchange::request_header(name.as_ptr(), name.len(), at) })
    }

    fn request_headers(&self) -> Vec<Header> {
        heard(|at| unsafe { exchange::request_headers(at) })
    }

    fn request_segments(&self) -> Vec<Segment> {
        heard(|at| unsafe { exchange::request_segments(at) })
    }

    fn request_json(&self, pointer: &str) -> Option<String> {
        heard(|at| unsafe { exchange::request_json(pointer.as_ptr(), pointer.len(), at) })
    }

    fn request_body(&self) -> Vec<u8> {
        heard(|at| unsafe { exchange::request_body(at) })
    }

    fn response_status(&self) -> u16 {
        unsafe { exchange::response_status() as u16 }
    }

    fn response_headers(&self) -> Vec<Header> {
        heard(|at| unsafe { exchange::response_headers(at) })
    }

    fn response_segments(&self) -> Vec<Segment> {
        heard(|at| unsafe { exchange::response_segments(at) })
    }

    fn response_body(&self) -> Vec<u8> {
        heard(|at| unsafe { exchange::response_body(at) })
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => 0,
            Level::Info => 1,
            Level::Warn => 2,
            Level::Error => 3,
        };
        unsafe { log::write(level, message.as_ptr(), message.len()) }
    }

    fn count(&self, name: &str, labels: &[(&str, &str)], delta: f64) {
        let labels = label_words(labels);
        unsafe {
            metrics::count(
                name.as_ptr(),
                name.len(),
                labels.as_ptr(),
                labels.len(),
                delta,
            )
        }
    }

    fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = label_words(labels);
        unsafe {
            metrics::observe(
                name.as_ptr(),
                name.len(),
                labels.as_ptr(),
                labels.len(),
                value,
            )
        }
    }

    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = label_words(labels);
        unsafe {
            metrics::gauge(
                name.as_ptr(),
                name.len(),
                labels.as_ptr(),
                labels.len(),
                value,
            )
        }
    }

    fn unix_ms(&self) -> u64 {
        unsafe { clock::unix_ms() }
    }

    fn monotonic_ns(&self) -> u64 {
        unsafe { clock::monotonic_ns() }
    }

    fn random(&self, bytes: u32) -> Vec<u8> {
        heard(|at| unsafe { random::bytes(bytes, at) })
    }

    fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        heard(|at| unsafe { kv::get(key.as_ptr(), key.len(), at) })
    }

    fn kv_set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), String> {
        let (has_ttl, ttl) = (u32::from(ttl_ms.is_some()), ttl_ms.unwrap_or(0));
        heard(|at| unsafe {
            kv::set(
                key.as_ptr(),
                key.len(),
                value.as_ptr(),
                value.len(),
                has_ttl,
                ttl,
                at,
            )
        })
    }

    fn kv_add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, String> {
        let (has_ttl, ttl) = (u32::from(ttl_ms.is_some()), ttl_ms.unwrap_or(0));
        heard(|at| unsafe { kv::add(key.as_ptr(), key.len(), delta, has_ttl, ttl, at) })
    }

    fn kv_delete(&self, key: &str) -> Result<(), String> {
        heard(|at| unsafe { kv::delete(key.as_ptr(), key.len(), at) })
    }

    fn secret(&self, name: &str) -> Option<String> {
        heard(|at| unsafe { secrets::get(name.as_ptr(), name.len(), at) })
    }

    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, HttpError> {
        let headers = header_words(&call.headers);
        heard(|at| unsafe {
            http::send(
                call.method.as_ptr(),
                call.method.len(),
                call.url.as_ptr(),
                call.url.len(),
                headers.as_ptr(),
                headers.len(),
                call.body.as_ptr(),
                call.body.len(),
                call.timeout_ms,
                at,
            )
        })
    }
}

mod exchange {
    #[link(wasm_import_module = "weir:plugin/exchange@0.1.0")]
    unsafe extern "C" {
        pub fn meta(answer: *mut u8);
        #[link_name = "request-header"]
        pub fn request_header(name: *const u8, name_bytes: usize, answer: *mut u8);
        #[link_name = "request-headers"]
        pub fn request_headers(answer: *mut u8);
        #[link_name = "request-segments"]
        pub fn request_segments(answer: *mut u8);
        #[link_name = "request-json"]
        pub fn request_json(pointer: *const u8, pointer_bytes: usize, answer: *mut u8);
        #[link_name = "request-body"]
        pub fn request_body(answer: *mut u8);
        #[link_name = "response-status"]
        pub fn response_status() -> u32;
        #[link_name = "response-headers"]
        pub fn response_headers(answer: *mut u8);
        #[link_name = "response-segments"]
        pub fn response_segments(answer: *mut u8);
        #[link_name = "response-body"]
        pub fn response_body(answer: *mut u8);
    }
}

mod log {
    #[link(wasm_import_module = "weir:plugin/log@0.1.0")]
    unsafe extern "C" {
        pub fn write(level: u32, message: *const u8, message_bytes: usize);
    }
}

mod metrics {
    use super::Words;
    #[link(wasm_import_module = "weir:plugin/metrics@0.1.0")]
    unsafe extern "C" {
        pub fn count(name: *const u8, bytes: usize, labels: *const Words, many: usize, delta: f64);
        pub fn observe(
            name: *const u8,
            bytes: usize,
            labels: *const Words,
            many: usize,
            value: f64,
        );
        pub fn gauge(name: *const u8, bytes: usize, labels: *const Words, many: usize, value: f64);
    }
}

mod clock {
    #[link(wasm_import_module = "weir:plugin/clock@0.1.0")]
    unsafe extern "C" {
        #[link_name = "unix-ms"]
        pub fn unix_ms() -> u64;
        #[link_name = "monotonic-ns"]
        pub fn monotonic_ns() -> u64;
    }
}

mod random {
    #[link(wasm_import_module = "weir:plugin/random@0.1.0")]
    unsafe extern "C" {
        pub fn bytes(many: u32, answer: *mut u8);
    }
}

mod kv {
    #[link(wasm_import_module = "weir:plugin/kv@0.1.0")]
    unsafe extern "C" {
        pub fn get(key: *const u8, key_bytes: usize, answer: *mut u8);
        pub fn set(
            key: *const u8,
            key_bytes: usize,
            value: *const u8,
            value_bytes: usize,
            has_ttl: u32,
            ttl_ms: u64,
            answer: *mut u8,
        );
        pub fn add(
            key: *const u8,
            key_bytes: usize,
            delta: i64,
            has_ttl: u32,
            ttl_ms: u64,
            answer: *mut u8,
        );
        pub fn delete(key: *const u8, key_bytes: usize, answer: *mut u8);
    }
}

mod secrets {
    #[link(wasm_import_module = "weir:plugin/secrets@0.1.0")]
    unsafe extern "C" {
        pub fn get(name: *const u8, name_bytes: usize, answer: *mut u8);
    }
}

mod http {
    use super::Words;
    #[link(wasm_import_module = "weir:plugin/http@0.1.0")]
    unsafe extern "C" {
        pub fn send(
            method: *const u8,
            method_bytes: usize,
            url: *const u8,
            url_bytes: usize,
            headers: *const Words,
            many_headers: usize,
            body: *const u8,
            body_bytes: usize,
            timeout_ms: u32,
            answer: *mut u8,
        );
    }
}
