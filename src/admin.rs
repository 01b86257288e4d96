//! The admin listener: metrics for Prometheus, and what a load balancer or an operator asks of the process.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::json;

use crate::config::UpstreamModels;
use crate::gateway::{Gateway, Phase};
use crate::upstream::Endpoint;

/// Answers on the admin listener.
pub struct Admin {
    gateway: Arc<Gateway>,
}

impl Admin {
    pub fn new(gateway: Arc<Gateway>) -> Admin {
        Admin { gateway }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Vec<u8>> {
        let known = match path {
            "/metrics" => self.metrics(),
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readiness(),
            "/admin/v1/status" => self.status(),
            _ => {
                return text(
                    StatusCode::NOT_FOUND,
                    "not found; there are /metrics, /healthz, /readyz and /admin/v1/status\n",
                );
            }
        };
        match *method {
            Method::GET => known,
            Method::HEAD => known.map(|_| Vec::new()),
            _ => text(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are served here\n",
            ),
        }
    }

    fn metrics(&self) -> Response<Vec<u8>> {
        let metrics = &self.gateway.metrics;
        metrics
            .buffered_body_bytes
            .set(i64::try_from(self.gateway.buffers.held()).unwrap_or(i64::MAX));
        for endpoint in &self.gateway.snapshot().endpoints {
            let in_flight = i64::try_from(endpoint.in_flight()).unwrap_or(i64::MAX);
            metrics
                .upstream_in_flight
                .with_label_values(&[&endpoint.upstream.name])
                .set(in_flight);
        }
        respond(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            metrics.render(),
        )
    }

    /// Ready while it serves and some upstream's models are known.
    fn readiness(&self) -> Response<Vec<u8>> {
        match self.gateway.phase() {
            Phase::Serving if self.gateway.is_usable() => text(StatusCode::OK, "ready\n"),
            Phase::Serving => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "no upstream has told its models yet\n",
            ),
            Phase::Draining | Phase::Ending => {
                text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
            }
        }
    }

    fn status(&self) -> Response<Vec<u8>> {
        let snapshot = self.gateway.snapshot();
        let body = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "phase": format!("{:?}", self.gateway.phase()).to_lowercase(),
            "in_flight": self.gateway.in_flight(),
            "buffered_body_bytes": self.gateway.buffers.held(),
            "upstreams": snapshot.endpoints.iter().map(|endpoint| upstream(endpoint)).collect::<Vec<_>>(),
            "models": snapshot.catalog.models().map(|(model, _)| model).collect::<Vec<_>>(),
        });
        respond(
            StatusCode::OK,
            "application/json",
            body.to_string().into_bytes(),
        )
    }
}

fn upstream(endpoint: &Endpoint) -> serde_json::Value {
    let learnt = endpoint.state.learnt.load();
    let models = match &endpoint.upstream.models {
        UpstreamModels::Auto { .. } => learnt.as_ref().as_ref().map(|learnt| learnt.models.clone()),
        UpstreamModels::Listed(models) => Some(models.clone()),
        UpstreamModels::Targets => None,
    };
    json!({
        "name": endpoint.upstream.name,
        "kind": endpoint.upstream.kind.facts().name,
        "url": endpoint.upstream.base.authority,
        "in_flight": endpoint.in_flight(),
        "models": models,
        "keys": endpoint.upstream.keys.iter().map(|key| &key.label).collect::<Vec<_>>(),
    })
}

fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    respond(
        status,
        "text/plain; charset=utf-8",
        body.as_bytes().to_vec(),
    )
}

fn respond(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_LENGTH, body.len())
        .body(body)
        .expect("a fixed head is valid")
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        // A body is of no use here; a long one is not worth waiting for.
        let _: Option<Bytes> = session.read_request_body().await.ok().flatten();
        let head = session.req_header();
        self.answer(&head.method, head.uri.path())
    }
}
