//! Which headers pass, in both directions. Everything passes but what belongs to one hop, what carries a credential, and
//! what weir sets itself.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::access::signing;
use crate::fault::whole_seconds;

/// The head of an answer on its way to the client.
pub type AnswerHead = http::response::Parts;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Anthropic's name for it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The upstream's own `x-request-id`, which vendors ask for in support cases.
pub const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
pub const X_WEIR_UPSTREAM: HeaderName = HeaderName::from_static("x-weir-upstream");
/// The model that answered in place of the one that was asked for, where the configuration allows that.
pub const X_WEIR_FALLBACK: HeaderName = HeaderName::from_static("x-weir-fallback");
/// What a translation has left out of the request.
pub const X_WEIR_DROPPED: HeaderName = HeaderName::from_static("x-weir-dropped");
/// What the exchange costs, in the configuration's currency; on whole answers.
pub const X_WEIR_COST: HeaderName = HeaderName::from_static("x-weir-cost");
pub const X_WEIR_ATTEMPTS: HeaderName = HeaderName::from_static("x-weir-attempts");

/// RFC 9110 §7.6.1 and its usual company: they mean the connection, not the message.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Where clients and vendors put credentials, and what binds a credential to its account.
static CREDENTIALS: [HeaderName; 17] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("ocp-apim-subscription-key"),
    HeaderName::from_static("cf-aig-authorization"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("anthropic-workspace-id"),
    HeaderName::from_static("anthropic-organization-id"),
    HeaderName::from_static("x-goog-user-project"),
    HeaderName::from_static("chatgpt-account-id"),
    HeaderName::from_static(signing::HEADER),
];

/// What weir sets anew on requests of its own making: the body is decoded, its length known, the answer wanted plain.
static REMADE: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::ACCEPT_ENCODING,
    header::EXPECT,
    X_REQUEST_ID,
];

/// What weir says anew to its client, or what binds a client to one host.
static SESSION: [HeaderName; 5] = [
    header::SET_COOKIE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    X_REQUEST_ID,
    header::ALT_SVC,
];

/// How a body is framed.
static FRAMING: [HeaderName; 3] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
];

/// What an upgraded connection says of itself.
static UPGRADE: [HeaderName; 2] = [header::CONNECTION, header::UPGRADE];

/// The names of headers that carry credentials.
pub fn credentials() -> impl Iterator<Item = &'static HeaderName> {
    CREDENTIALS.iter()
}

/// The credential that a client shows, where it shows one.
pub fn credential(head: &RequestHeader) -> Option<&HeaderValue> {
    CREDENTIALS.iter().find_map(|name| head.headers.get(name))
}

/// Whether a header of the client's may go to an upstream. `allowed` are credentials that the configuration lets pass.
pub fn passes_up(name: &HeaderName, connection: &Listed, allowed: &[HeaderName]) -> bool {
    let credential = CREDENTIALS.contains(name) && !allowed.contains(name);
    !credential && !HOP_BY_HOP.contains(name) && !REMADE.contains(name) && !connection.names(name)
}

/// Whether a header of an upstream's may go to the client.
pub fn passes_down(name: &HeaderName, connection: &Listed) -> bool {
    !HOP_BY_HOP.contains(name)
        && !CREDENTIALS.contains(name)
        && !SESSION.contains(name)
        && !connection.names(name)
}

/// Whether a header says how Pingora's relay is to frame a body, or how a connection is upgraded.
pub fn is_framing(name: &HeaderName, upgraded: bool) -> bool {
    FRAMING.contains(name) || (upgraded && UPGRADE.contains(name))
}

/// The headers that a message's `Connection` header names: they are hop-by-hop too.
#[derive(Default)]
pub struct Listed(Vec<String>);

impl Listed {
    pub fn of(headers: &HeaderMap) -> Listed {
        let values = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let names = values
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_ascii_lowercase());
        // The usual values name no header; nothing is kept for them.
        Listed(
            names
                .filter(|name| {
                    !matches!(
                        name.as_str(),
                        "keep-alive" | "close" | "upgrade" | "te" | ""
                    )
                })
                .collect(),
        )
    }

    fn names(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|listed| listed == name.as_str())
    }
}

/// The upstream's head with what may pass of the client's, and with weir's own headers.
///
/// Pingora reads every name that is added to a head of its own again; a bare map does not.
pub fn up(
    from: &RequestHeader,
    to: RequestHeader,
    allowed: &[HeaderName],
    own: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> RequestHeader {
    let mut to = request::Parts::from(to);
    let connection = Listed::of(&from.headers);
    for (name, value) in &from.headers {
        if passes_up(name, &connection, allowed) {
            to.headers.append(name.clone(), value.clone());
        }
    }
    to.headers.extend(own);
    RequestHeader::from(to)
}

/// Takes out the keys that a client has brought for upstreams: each is for one of them, which gets it as its credential.
pub fn remove_own_keys(head: &mut RequestHeader, names: &[HeaderName]) {
    for name in names {
        head.remove_header(name);
    }
}

/// Headers that mean something in one vendor's dialect only, by the beginnings of their names.
const OF_A_DIALECT: [&str; 12] = [
    "anthropic-",
    "openai-",
    "x-openai-",
    "x-codex-",
    "x-claude-",
    "x-goog-",
    "x-stainless-",
    "x-ratelimit-",
    "originator",
    "session_id",
    "conversation_id",
    "cf-",
];

/// The same for a request in another dialect: what speaks of the client's own stays behind.
pub fn up_translated(
    from: &RequestHeader,
    to: RequestHeader,
    allowed: &[HeaderName],
    own: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> RequestHeader {
    let mut to = request::Parts::from(up(from, to, allowed, own));
    remove_foreign(&mut to.headers);
    to.headers.remove(header::ACCEPT);
    to.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    RequestHeader::from(to)
}

fn remove_foreign(headers: &mut HeaderMap) {
    let is_foreign = |name: &&HeaderName| {
        let mut beginnings = OF_A_DIALECT.iter();
        beginnings.any(|beginning| name.as_str().starts_with(beginning))
    };
    let foreign: Vec<HeaderName> = headers.keys().filter(is_foreign).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
}

/// The head of an answer that was told anew: what the upstream says in its own dialect's headers is not the client's to read.
pub fn translated(mut head: AnswerHead, content_type: &'static str) -> AnswerHead {
    remove_foreign(&mut head.headers);
    for name in [
        header::ETAG,
        header::LAST_MODIFIED,
        header::VARY,
        REQUEST_ID,
    ] {
        head.headers.remove(name);
    }
    head.headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    head
}

/// Copies what asks for an upgrade, which passes no other way. Browsers, which cannot set headers, put their key among the
/// protocols of a WebSocket: that stays.
pub fn copy_upgrade(from: &RequestHeader, to: &mut RequestHeader) {
    for name in [header::CONNECTION, header::UPGRADE] {
        if let Some(value) = from.headers.get(&name) {
            append(to, &name, value);
        }
    }
    strip_protocol_keys(to);
}

/// Takes credentials out of `Sec-WebSocket-Protocol`.
pub fn strip_protocol_keys(head: &mut RequestHeader) {
    const KEYS: [&str; 3] = [
        "openai-insecure-api-key.",
        "openai-organization.",
        "openai-project.",
    ];
    let is_key = |protocol: &str| KEYS.iter().any(|key| protocol.starts_with(key));
    let offered = head
        .headers
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .and_then(|value| value.to_str().ok());
    let Some(offered) = offered.map(str::to_owned) else {
        return;
    };
    let kept: Vec<&str> = offered
        .split(',')
        .map(str::trim)
        .filter(|protocol| !is_key(protocol))
        .collect();
    head.remove_header(&header::SEC_WEBSOCKET_PROTOCOL);
    if !kept.is_empty() {
        let value =
            HeaderValue::from_str(&kept.join(", ")).expect("a part of a valid header is valid");
        append(head, &header::SEC_WEBSOCKET_PROTOCOL, &value);
    }
}

fn append(to: &mut RequestHeader, name: &HeaderName, value: &HeaderValue) {
    // A header that was parsed is valid, and heads without a case map take any name.
    to.append_header(name.clone(), value.clone())
        .expect("a parsed header is accepted");
}

/// The head for the client of an answer whose body passes: `length` where it is known before the body is sent.
pub fn down(mut head: AnswerHead, length: Option<usize>, version: Version) -> AnswerHead {
    let id = head
        .headers
        .get(&X_REQUEST_ID)
        .or(head.headers.get(&REQUEST_ID))
        .cloned();
    let connection = Listed::of(&head.headers);
    keep(&mut head, |name| passes_down(name, &connection));
    if let Some(id) = id {
        head.headers.insert(X_UPSTREAM_REQUEST_ID, id);
    }
    if head.status != http::StatusCode::NO_CONTENT {
        head.headers.extend(framing(length, version));
    }
    head
}

/// Says when to try again, where the upstream's headers do not: in seconds, and in milliseconds as OpenAI's clients read it.
pub fn set_retry_after(head: &mut AnswerHead, wait: Option<Duration>) {
    const MILLISECONDS: HeaderName = HeaderName::from_static("retry-after-ms");
    let Some(wait) = wait.filter(|_| !head.headers.contains_key(header::RETRY_AFTER)) else {
        return;
    };
    let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    head.headers
        .insert(header::RETRY_AFTER, whole_seconds(wait).into());
    head.headers.insert(MILLISECONDS, milliseconds.into());
}

/// The head of an answer of weir's own making.
pub fn own(content_type: &'static str, length: usize, version: Version) -> AnswerHead {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    head.version = Version::HTTP_11;
    framed(head, length, version)
}

/// A head with the framing of a body of `length` bytes, in place of what it had.
pub fn framed(mut head: AnswerHead, length: usize, version: Version) -> AnswerHead {
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::TRANSFER_ENCODING);
    head.headers.extend(framing(Some(length), version));
    head
}

/// Takes out what does not pass; what does keeps its order. The version becomes weir's own.
fn keep(head: &mut AnswerHead, passes: impl Fn(&HeaderName) -> bool) {
    // Room for what weir says itself.
    const OWN: usize = 6;
    let mut kept = HeaderMap::with_capacity(head.headers.len() + OWN);
    let mut last = None;
    for (name, value) in std::mem::take(&mut head.headers) {
        // Only the first of several values comes with its name.
        if let Some(name) = name {
            last = passes(&name).then_some(name);
        }
        if let Some(name) = &last {
            kept.append(name.clone(), value);
        }
    }
    head.headers = kept;
    head.version = Version::HTTP_11;
}

/// The head for the client of an upgrade that the upstream has agreed to.
pub fn upgraded(mut head: AnswerHead) -> AnswerHead {
    let connection = Listed::of(&head.headers);
    keep(&mut head, |name| {
        passes_down(name, &connection) || UPGRADE.contains(name)
    });
    head
}

/// Trailers that may go to the client.
pub fn trailers_down(trailers: HeaderMap) -> HeaderMap {
    let connection = Listed::default();
    let mut kept = HeaderMap::with_capacity(trailers.len());
    for (name, value) in &trailers {
        if passes_down(name, &connection) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// A query without the parameters that carry credentials; all others stay byte by byte.
pub fn query_up(query: &str) -> Option<String> {
    const CREDENTIAL_PARAMETERS: [&str; 6] = [
        "key",
        "api_key",
        "api-key",
        "apikey",
        "access_token",
        "oauth_token",
    ];
    let parameters = query.split('&').filter(|parameter| {
        // An escaped name means the same to whoever reads it.
        let mut read = url::form_urlencoded::parse(parameter.as_bytes());
        let name = read.next().map(|(name, _)| name).unwrap_or_default();
        !CREDENTIAL_PARAMETERS
            .iter()
            .any(|credential| name.eq_ignore_ascii_case(credential))
    });
    let kept = parameters.collect::<Vec<_>>().join("&");
    (!kept.is_empty()).then_some(kept)
}

/// What says how long a body is, or that it comes in chunks.
pub fn framing(length: Option<usize>, version: Version) -> Option<(HeaderName, HeaderValue)> {
    match length {
        Some(length) => Some((header::CONTENT_LENGTH, HeaderValue::from(length))),
        None if version == Version::HTTP_11 => Some((
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        )),
        // HTTP/2 frames its bodies itself; HTTP/1.0 ends them by closing.
        None => None,
    }
}

/// Sets a header of an answer.
pub fn set_down(head: &mut ResponseHeader, name: HeaderName, value: HeaderValue) {
    head.insert_header(name, value)
        .expect("a checked header is accepted");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_hop_by_hop_headers_stay() {
        let mut client = RequestHeader::build_no_case("POST", b"/", None).unwrap();
        for (name, value) in [
            ("Authorization", "Bearer secret"),
            ("X-Api-Key", "secret"),
            ("api-key", "secret"),
            ("x-goog-api-key", "secret"),
            ("Cookie", "secret"),
            ("Host", "weir"),
            ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "1"),
            ("TE", "trailers"),
            ("Accept-Encoding", "gzip"),
            ("Content-Type", "application/json"),
            ("X-Stainless-Lang", "python"),
            ("X-Stainless-Lang", "twice"),
        ] {
            client.append_header(name, value).unwrap();
        }
        let bare = || RequestHeader::build_no_case("POST", b"/x?y", None).unwrap();
        let own = (X_REQUEST_ID, HeaderValue::from_static("id"));
        let head = up(&client, bare(), &[], [own]);
        assert_eq!(head.raw_path(), b"/x?y");
        assert_eq!(head.headers["x-request-id"], "id");
        let head = up(&client, bare(), &[], []);
        let names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "x-stainless-lang"]);
        assert_eq!(head.headers.get_all("x-stainless-lang").iter().count(), 2);
        let head = up(&client, bare(), &[header::AUTHORIZATION], []);
        assert_eq!(head.headers["authorization"], "Bearer secret");
        assert!(!head.headers.contains_key("x-api-key"));
    }

    #[test]
    fn keys_among_protocols_stay() {
        let cases = [
            (
                "realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1",
                Some("realtime, openai-beta.realtime-v1"),
            ),
            ("openai-organization.o", None),
            ("realtime", Some("realtime")),
        ];
        for (offered, expected) in cases {
            let mut head = RequestHeader::build_no_case("GET", b"/", None).unwrap();
            head.append_header("Sec-WebSocket-Protocol", offered)
                .unwrap();
            strip_protocol_keys(&mut head);
            let kept = head
                .headers
                .get("sec-websocket-protocol")
                .map(|value| value.to_str().unwrap());
            assert_eq!(kept, expected, "{offered}");
        }
    }

    #[test]
    fn queries_lose_credentials_only() {
        let cases = [
            ("key=AIza", None),
            ("alt=sse&key=AIza&x=%20", Some("alt=sse&x=%20")),
            ("monkey=1", Some("monkey=1")),
            ("", None),
        ];
        for (query, expected) in cases {
            assert_eq!(query_up(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn an_upstreams_session_stays_with_weir() {
        let upstream = || {
            let head = http::Response::builder()
                .version(Version::HTTP_10)
                .header("Set-Cookie", "__cf_bm=x")
                .header("X-Many", "1")
                .header("Content-Encoding", "gzip")
                .header("Transfer-Encoding", "chunked")
                .header("X-Request-Id", "req_1")
                .header("Connection", "X-Hop")
                .header("X-Hop", "1")
                .header("X-Hop", "2")
                .header("Content-Type", "text/event-stream")
                .header("X-Many", "2")
                .header("x-ratelimit-remaining-tokens", "7");
            head.body(()).unwrap().into_parts().0
        };
        let head = down(upstream(), None, Version::HTTP_2);
        let names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(
            names,
            [
                "x-many",
                "content-type",
                "x-ratelimit-remaining-tokens",
                "x-upstream-request-id"
            ]
        );
        let many: Vec<_> = head.headers.get_all("x-many").iter().collect();
        assert_eq!(many, ["1", "2"]);
        assert_eq!(
            (head.status, head.version),
            (http::StatusCode::OK, Version::HTTP_11)
        );
        let length = down(upstream(), Some(5), Version::HTTP_11);
        assert_eq!(length.headers["content-length"], "5");
        let chunked = down(upstream(), None, Version::HTTP_11);
        assert_eq!(chunked.headers["transfer-encoding"], "chunked");
    }
}
