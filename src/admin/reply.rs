//! Answers of the admin listener. Errors have one shape: `{"error": {"code": …, "message": …, "param": …}}`, with more members
//! where a code has more to say. `param` is the member or parameter that is wrong, where it is one.

use http::{HeaderName, Method, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

pub type Reply = Response<Vec<u8>>;

/// An answer that says no.
#[derive(Debug)]
pub struct Refusal(Box<Reply>);

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Refusal {
        Refusal::with(
            status,
            json!({ "code": code, "message": message.into(), "param": null }),
        )
    }

    /// About one member of the body, or one parameter.
    pub(super) fn about(
        status: StatusCode,
        code: &str,
        param: &str,
        message: impl Into<String>,
    ) -> Refusal {
        Refusal::with(
            status,
            json!({ "code": code, "message": message.into(), "param": param }),
        )
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

    pub fn reply(self) -> Reply {
        *self.0
    }
}

pub(super) fn unauthorized() -> Refusal {
    let message = "the token of `admin`, or a key with a scope for this, is needed: send `Authorization: Bearer <token>`";
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
        .header(header::WWW_AUTHENTICATE, "Bearer")
}

pub(super) fn cross_site() -> Refusal {
    let message = "this comes from a web page (`Origin`); set `admin.token` to allow it";
    Refusal::new(StatusCode::FORBIDDEN, "cross_site", message)
}

pub(super) fn forbidden(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "forbidden", message)
}

pub(super) fn internal() -> Refusal {
    let message = "a mistake in weir; its log says where";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}

/// What cannot be read or written now.
pub(super) fn unavailable(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", message)
}

pub(super) fn conflict(code: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, code, message)
}

pub(super) fn unknown(code: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, code, message)
}

/// A value that cannot be.
pub(super) fn invalid(param: &str, message: impl Into<String>) -> Refusal {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Refusal::about(status, "invalid_value", param, message)
}

/// A parameter of the query, or a header.
pub(super) fn bad_parameter(param: &str, message: impl Into<String>) -> Refusal {
    Refusal::about(StatusCode::BAD_REQUEST, "invalid_parameter", param, message)
}

pub(super) fn not_found(path: &str) -> Refusal {
    let message = format!(
        "there is no `{path}`; /admin/v1/openapi.json lists everything that there is below /admin/v1, beside it are /metrics, /healthz and /readyz"
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

/// # Errors
/// When the value has no form in JSON, which is a mistake in weir.
pub(super) fn of<T: Serialize>(status: StatusCode, body: &T) -> Result<Reply, Refusal> {
    let body = serde_json::to_vec(body).map_err(|_| internal())?;
    Ok(respond(status, "application/json", body))
}

pub(super) fn ok<T: Serialize>(body: &T) -> Result<Reply, Refusal> {
    of(StatusCode::OK, body)
}

pub(super) fn created<T: Serialize>(body: &T) -> Result<Reply, Refusal> {
    of(StatusCode::CREATED, body)
}

/// Done, and nothing to say.
pub(super) fn gone() -> Reply {
    let mut reply = Response::new(Vec::new());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

pub(super) fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    if let Ok(value) = value.parse() {
        reply
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    reply
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
