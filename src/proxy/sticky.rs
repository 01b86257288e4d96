//! What makes the requests of one caller go the same way.

use pingora::http::RequestHeader;

use crate::config::Sticky;
use crate::route::policy;
use crate::wire::openai;

use super::exchange::Exchange;
use super::headers;

/// Headers that name a session.
const SESSION_HEADERS: [&str; 3] = ["x-session-id", "session_id", "x-claude-code-session-id"];

/// A number for what `sticky` names, the same for the same caller; `None` where the request does not say.
pub fn hash(sticky: Option<Sticky>, head: &RequestHeader, exchange: &Exchange) -> Option<u64> {
    match sticky? {
        Sticky::Key => headers::credential(head).map(|value| policy::caller(value.as_bytes())),
        Sticky::User => member(exchange, &["user", "safety_identifier"]),
        Sticky::Session => {
            let mut named = SESSION_HEADERS.iter();
            let value = named.find_map(|name| head.headers.get(*name));
            value
                .map(|value| policy::caller(value.as_bytes()))
                .or_else(|| member(exchange, &["prompt_cache_key"]))
        }
    }
}

/// What keeps the requests of one conversation together, where the client says so.
pub fn session(head: &RequestHeader, body: &[u8]) -> Option<String> {
    let named = SESSION_HEADERS.iter();
    let mut named = named.filter_map(|name| head.headers.get(*name)?.to_str().ok());
    let key = || openai::text_member(body, "prompt_cache_key");
    named.next().map(str::to_owned).or_else(key)
}

fn member(exchange: &Exchange, names: &[&str]) -> Option<u64> {
    let body = exchange.body();
    let value = names
        .iter()
        .find_map(|name| openai::text_member(&body, name));
    value.map(|value| policy::caller(value.as_bytes()))
}
