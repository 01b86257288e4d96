//! Which headers pass, in both directions. Everything passes but what belongs to one hop, what carries a credential, and
//! what weir sets itself.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The upstream's own `x-request-id`, which vendors ask for in support cases.
pub const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
pub const X_WEIR_UPSTREAM: HeaderName = HeaderName::from_static("x-weir-upstream");
pub const X_WEIR_ATTEMPTS: HeaderName = HeaderName::from_static("x-weir-attempts");

/// RFC 9110 §7.6.1 and its usual company: they mean the connection, not the message.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Where clients and vendors put credentials, and what binds a credential to its account.
const CREDENTIALS: [&str; 13] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-auth-token",
    "x-amz-security-token",
    "ocp-apim-subscription-key",
    "cf-aig-authorization",
    "cookie",
    "openai-organization",
    "openai-project",
    "anthropic-workspace-id",
];

/// What weir sets anew on requests of its own making: the body is decoded, its length known, the answer wanted plain.
const REMADE: [&str; 6] = [
    "host",
    "content-length",
    "content-encoding",
    "accept-encoding",
    "expect",
    "x-request-id",
];

/// The names of headers that carry credentials.
pub fn credentials() -> impl Iterator<Item = HeaderName> {
    CREDENTIALS.into_iter().map(HeaderName::from_static)
}

/// What an upgraded connection says of itself.
const UPGRADE: [&str; 2] = ["connection", "upgrade"];

fn is_one_of(name: &HeaderName, names: &[&str]) -> bool {
    names.contains(&name.as_str())
}

/// Whether a header of the client's may go to an upstream. `allowed` are credentials that the configuration lets pass.
pub fn passes_up(name: &HeaderName, connection: &Listed, allowed: &[HeaderName]) -> bool {
    let credential = is_one_of(name, &CREDENTIALS) && !allowed.contains(name);
    !credential
        && !is_one_of(name, &HOP_BY_HOP)
        && !is_one_of(name, &REMADE)
        && !connection.names(name)
}

/// Whether a header of an upstream's may go to the client.
pub fn passes_down(name: &HeaderName, connection: &Listed) -> bool {
    const SESSION: [&str; 5] = [
        "set-cookie",
        "content-length",
        "content-encoding",
        "x-request-id",
        "alt-svc",
    ];
    !is_one_of(name, &HOP_BY_HOP)
        && !is_one_of(name, &CREDENTIALS)
        && !is_one_of(name, &SESSION)
        && !connection.names(name)
}

/// Whether a header says how Pingora's relay is to frame a body, or how a connection is upgraded.
pub fn is_framing(name: &HeaderName, upgraded: bool) -> bool {
    const FRAMING: [&str; 3] = ["content-length", "content-encoding", "transfer-encoding"];
    is_one_of(name, &FRAMING) || (upgraded && is_one_of(name, &UPGRADE))
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

/// Copies what may pass from the client's head to the upstream's.
pub fn copy_up(from: &RequestHeader, to: &mut RequestHeader, allowed: &[HeaderName]) {
    let connection = Listed::of(&from.headers);
    for (name, value) in &from.headers {
        if passes_up(name, &connection, allowed) {
            append(to, name, value);
        }
    }
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
pub fn down(from: &ResponseHeader, length: Option<usize>, version: Version) -> ResponseHeader {
    let mut to = ResponseHeader::build_no_case(from.status, Some(from.headers.len() + 6))
        .expect("the status was parsed before");
    let connection = Listed::of(&from.headers);
    for (name, value) in &from.headers {
        if passes_down(name, &connection) {
            to.append_header(name.clone(), value.clone())
                .expect("a parsed header is accepted");
        }
    }
    if let Some(id) = from.headers.get(&X_REQUEST_ID) {
        set_down(&mut to, X_UPSTREAM_REQUEST_ID, id.clone());
    }
    if from.status != http::StatusCode::NO_CONTENT {
        frame(&mut to, length, version);
    }
    to
}

/// The head for the client of an upgrade that the upstream has agreed to.
pub fn upgraded(from: &ResponseHeader) -> ResponseHeader {
    let mut to = ResponseHeader::build_no_case(from.status, Some(from.headers.len() + 2))
        .expect("the status was parsed before");
    let connection = Listed::of(&from.headers);
    for (name, value) in &from.headers {
        if passes_down(name, &connection) || is_one_of(name, &UPGRADE) {
            to.append_header(name.clone(), value.clone())
                .expect("a parsed header is accepted");
        }
    }
    to
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
    const CREDENTIAL_PARAMETERS: [&str; 5] =
        ["key", "api_key", "api-key", "apikey", "access_token"];
    let parameters = query.split('&').filter(|parameter| {
        let name = parameter.split('=').next().unwrap_or("");
        !CREDENTIAL_PARAMETERS
            .iter()
            .any(|credential| name.eq_ignore_ascii_case(credential))
    });
    let kept = parameters.collect::<Vec<_>>().join("&");
    (!kept.is_empty()).then_some(kept)
}

/// Says how long the body is, or that it comes in chunks.
pub fn frame(head: &mut ResponseHeader, length: Option<usize>, version: Version) {
    match length {
        Some(length) => set_down(head, header::CONTENT_LENGTH, HeaderValue::from(length)),
        None if version == Version::HTTP_11 => {
            set_down(
                head,
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        // HTTP/2 frames its bodies itself; HTTP/1.0 ends them by closing.
        None => {}
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
        let mut up = RequestHeader::build_no_case("POST", b"/", None).unwrap();
        copy_up(&client, &mut up, &[]);
        let names: Vec<&str> = up.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "x-stainless-lang"]);
        assert_eq!(up.headers.get_all("x-stainless-lang").iter().count(), 2);
        let mut up = RequestHeader::build_no_case("POST", b"/", None).unwrap();
        copy_up(&client, &mut up, &[header::AUTHORIZATION]);
        assert_eq!(up.headers["authorization"], "Bearer secret");
        assert!(!up.headers.contains_key("x-api-key"));
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
        let mut upstream = ResponseHeader::build_no_case(200, None).unwrap();
        for (name, value) in [
            ("Set-Cookie", "__cf_bm=x"),
            ("Content-Encoding", "gzip"),
            ("Transfer-Encoding", "chunked"),
            ("X-Request-Id", "req_1"),
            ("Content-Type", "text/event-stream"),
            ("x-ratelimit-remaining-tokens", "7"),
        ] {
            upstream.append_header(name, value).unwrap();
        }
        let head = down(&upstream, None, Version::HTTP_2);
        let mut names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "content-type",
                "x-ratelimit-remaining-tokens",
                "x-upstream-request-id"
            ]
        );
        assert_eq!(
            down(&upstream, Some(5), Version::HTTP_11).headers["content-length"],
            "5"
        );
        assert_eq!(
            down(&upstream, None, Version::HTTP_11).headers["transfer-encoding"],
            "chunked"
        );
    }
}
