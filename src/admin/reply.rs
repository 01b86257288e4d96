//! Answers of the admin listener. Errors have one shape: `{"error": {"code": …, "message": …}}`, with more members where a
//! code has more to say.

use http::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

pub(super) type Reply = Response<Vec<u8>>;

/// An answer that says no.
pub(super) struct Refusal(Box<Reply>);

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Refusal {
        Refusal::with(status, json!({ "code": code, "message": message.into() }))
    }

    /// With all members of the error.
    pub(super) fn with(status: StatusCode, error: Value) -> Refusal {
        let reply = respond(
            status,
            "application/json",
            json!({ "error": error }).to_string(),
        );
        Refusal(Box::new(reply))
    }

    fn header(mut self, name: header::HeaderName, value: &str) -> Refusal {
        let value = value.parse().expect("a fixed value is a valid header");
        self.0.headers_mut().insert(name, value);
        self
    }

    pub(super) fn reply(self) -> Reply {
        *self.0
    }
}

pub(super) fn unauthorized() -> Refusal {
    let message = "the token of `admin` is needed: send `Authorization: Bearer <token>`";
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
        .header(header::WWW_AUTHENTICATE, "Bearer")
}

pub(super) fn cross_site() -> Refusal {
    let message = "this comes from a web page (`Origin`); set `admin.token` to allow it";
    Refusal::new(StatusCode::FORBIDDEN, "cross_site", message)
}

pub(super) fn internal() -> Refusal {
    let message = "a mistake in weir; its log says where";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}

pub(super) fn not_found(path: &str) -> Refusal {
    let message = format!(
        "there is no `{path}`; there are /metrics, /healthz, /readyz, /admin/v1/status, /admin/v1/reload, and actions below /admin/v1/upstreams and /admin/v1/endpoints"
    );
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

pub(super) fn method_not_allowed(path: &str, methods: &[Method]) -> Refusal {
    let allowed: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allowed = allowed.join(", ");
    let message = format!("`{path}` takes {allowed}");
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
    .header(header::ALLOW, &allowed)
}

pub(super) fn text(status: StatusCode, body: &str) -> Reply {
    respond(status, "text/plain; charset=utf-8", body)
}

pub(super) fn json(body: &Value) -> Reply {
    respond(StatusCode::OK, "application/json", body.to_string())
}

pub(super) fn respond(status: StatusCode, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let body = body.into();
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_LENGTH, body.len())
        .body(body)
        .expect("a fixed head is valid")
}
