//! Who asked what, as the access log says it. It must not know how it ended.

use std::net::SocketAddr;

use pingora_proxy::Session;

/// Longer paths are cut. In bytes.
const LOGGED_TEXT_BYTES: usize = 256;

/// What was asked, and by whom.
pub struct Asked<'a> {
    pub client: Option<&'a SocketAddr>,
    pub method: &'a str,
    pub path: &'a str,
}

impl<'a> Asked<'a> {
    pub fn of(session: &'a Session) -> Asked<'a> {
        let head = session.req_header();
        Asked {
            client: session.client_addr().and_then(|address| address.as_inet()),
            method: head.method.as_str(),
            path: cut(head.uri.path()),
        }
    }

    /// For what outlives the session.
    pub fn kept(&self) -> KeptAsked {
        KeptAsked {
            client: self.client.copied(),
            method: self.method.to_owned(),
            path: self.path.to_owned(),
        }
    }
}

/// [`Asked`], without the session.
pub struct KeptAsked {
    client: Option<SocketAddr>,
    method: String,
    path: String,
}

impl KeptAsked {
    pub fn borrowed(&self) -> Asked<'_> {
        Asked {
            client: self.client.as_ref(),
            method: &self.method,
            path: &self.path,
        }
    }
}

/// Enough of a client's text to know it by.
fn cut(text: &str) -> &str {
    let end = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at >= LOGGED_TEXT_BYTES);
    &text[..end.unwrap_or(text.len())]
}
