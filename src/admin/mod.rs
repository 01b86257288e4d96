//! The admin listener: what Prometheus, load balancers and operators ask of the process. Who is let in is decided here; what
//! there is, in `table`; what the answers say, in one file a group, of which `desk` needs no server.

mod actions;
pub mod desk;
mod openapi;
mod pages;
mod pass;
mod plugins;
pub mod place;
mod reply;
mod shapes;
mod status;
mod table;
mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

use crate::access::jwt::looks_like_jwt;
use crate::access::{Caller, Denied, presented};
use crate::config::UpstreamStatus;
use crate::gateway::Gateway;
use crate::reload::Reloader;

pub use desk::{Call, Desk};
pub use pass::Pass;
pub use reply::{Refusal, Reply};
use table::{Access, Act, Entry, Found, Takes, Task};

/// A body that nobody has a use for is waited for this long, so that the answer does not cross it.
const UNUSED_BODY_WAIT: Duration = Duration::from_secs(1);
/// How long a body may take.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// Longest body, and longest invoice, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
const INVOICE_BYTES_MAX: usize = 64 << 20;

/// Answers on the admin listener.
pub struct Admin {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
}

/// What of a request counts here.
struct Head {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    address: Option<IpAddr>,
}

impl Head {
    /// Browsers say for which page they send what could change something.
    fn is_from_a_page(&self) -> bool {
        let only_reads = self.method == Method::GET || self.method == Method::HEAD;
        !only_reads && self.headers.contains_key(header::ORIGIN)
    }
}

impl Admin {
    pub fn new(gateway: Arc<Gateway>, reloader: Arc<Reloader>) -> Admin {
        Admin { gateway, reloader }
    }

    async fn answer(&self, head: Head, session: &mut ServerSession) -> Result<Reply, Refusal> {
        let (entry, parameters) = match table::find(&head.method, &head.path) {
            Found::Entry(entry, parameters) => (entry, parameters),
            Found::OtherMethods(methods, is_open) => {
                if !is_open {
                    self.admit(&head)?;
                }
                return Err(reply::method_not_allowed(&head.path, &methods));
            }
            Found::Nothing => {
                self.admit(&head)?;
                return Err(reply::not_found(&head.path));
            }
        };
        let pass = match entry.access {
            Access::Open => Pass::operator("anybody"),
            Access::Needs(group, deed) => {
                let pass = self.admit(&head)?;
                // Before a body is read of somebody who may not send one.
                pass.scope(group, deed)?;
                pass
            }
        };
        let body = read_body(session, entry.takes).await?;
        let Act::Desk(task) = entry.act else {
            return self.act(entry.act, &parameters, &pass, &head).await;
        };
        self.ask_desk(task, entry, parameters, pass, head, body)
            .await
    }

    /// The store may have to be waited for, and the threads here serve.
    async fn ask_desk(
        &self,
        task: Task,
        entry: &'static Entry,
        parameters: Vec<String>,
        pass: Pass,
        head: Head,
        body: Bytes,
    ) -> Result<Reply, Refusal> {
        let gateway = self.gateway.clone();
        aside(move || {
            let snapshot = gateway.snapshot();
            let idempotency_key = head.headers.get("idempotency-key");
            let call = Call {
                method: &head.method,
                path: &head.path,
                query: &head.query,
                idempotency_key: idempotency_key.map(|value| value.as_bytes()),
                body: &body,
            };
            let desk = Desk {
                accounting: &gateway.accounting,
                config: &snapshot.config,
                changed: &|| gateway.metrics.accounting.audit_lines.inc(),
                upstream_keys_changed: &|| gateway.renew_stored_keys().map(drop),
                now: SystemTime::now(),
            };
            desk.act(task, entry, parameters, &pass, &call)
        })
        .await?
    }

    async fn act(
        &self,
        act: Act,
        parameters: &[String],
        pass: &Pass,
        head: &Head,
    ) -> Result<Reply, Refusal> {
        let Admin { gateway, reloader } = self;
        let at = |place: usize| parameters.get(place).map_or("", String::as_str);
        let status = |status| actions::set_status(gateway, at(0), status);
        let reply = match act {
            Act::Health => return Ok(pages::health()),
            Act::Readiness => return Ok(pages::readiness(gateway)),
            Act::Metrics => {
                let gateway = gateway.clone();
                return aside(move || pages::metrics(&gateway)).await;
            }
            Act::Status => {
                let (gateway, reloader) = (gateway.clone(), reloader.clone());
                return aside(move || status::status(&gateway, &reloader)).await;
            }
            Act::Plugins => plugins::plugins(gateway),
            Act::OpenApi => return aside(|| reply::json(&openapi::document())).await,
            Act::Desk(_) => return Err(reply::internal()),
            Act::Reload => actions::reload(reloader, &head.query).await?,
            Act::RotateUpstreamKeys => actions::rotate_keys(gateway, at(0))?,
            Act::RestUpstreamKey => actions::rest_key(gateway, at(0), at(1), &head.query)?,
            Act::ReviveUpstreamKey => actions::revive_key(gateway, at(0), at(1))?,
            Act::EnableUpstream => status(UpstreamStatus::Online)?,
            Act::DisableUpstream => status(UpstreamStatus::Offline)?,
            Act::MaintainUpstream => status(UpstreamStatus::Maintenance)?,
            Act::Eject => actions::eject(gateway, at(0), at(1))?,
            Act::Restore => actions::restore(gateway, at(0), at(1))?,
        };
        tracing::info!(target: "weir::audit", who = pass.who, what = ?act, object = head.path, "audit");
        gateway.metrics.accounting.audit_lines.inc();
        Ok(reply)
    }

    /// Lets those in who know the token, or show a key or token of their own. Where there is no admin token all come in who can
    /// reach the address, but no web page that somebody on this machine looks at.
    fn admit(&self, head: &Head) -> Result<Pass, Refusal> {
        let config = &self.gateway.snapshot().config;
        let token = config.admin.as_ref().and_then(|admin| admin.token.as_ref());
        let authorization = head.headers.get(header::AUTHORIZATION);
        let authorization = authorization.map(|value| value.as_bytes());
        if token.is_some_and(|token| token::is_shown(authorization, token)) {
            return Ok(Pass::operator("operator"));
        }
        match self.caller(head) {
            Some(Ok(caller)) => {
                return passed(&caller, head, self.gateway.accounting.seal().as_ref());
            }
            // Without an admin token it is as if nothing had been shown.
            Some(Err(Denied::Unknown)) if token.is_none() => {}
            Some(Err(_)) => return Err(reply::unauthorized()),
            None => {}
        }
        match token {
            Some(_) => Err(reply::unauthorized()),
            None if head.is_from_a_page() => Err(reply::cross_site()),
            None => Ok(Pass::operator("operator")),
        }
    }

    /// Who holds the key or token that the request shows; none where it shows none.
    fn caller(&self, head: &Head) -> Option<Result<Arc<Caller>, Denied>> {
        let accounting = &self.gateway.accounting;
        let shown = match presented(&head.headers, None) {
            Ok(shown) => shown?,
            Err(denied) => return Some(Err(denied)),
        };
        let now = SystemTime::now();
        if looks_like_jwt(&shown.token) && !accounting.issuers.is_empty() {
            let grant = accounting.issuers.verify(&shown.token, now);
            let grant = grant.map_err(Denied::Token);
            return Some(grant.and_then(|grant| accounting.directory.by_grant(&grant)));
        }
        Some(accounting.directory.find(&shown.token, now))
    }
}

/// What a caller gets in with: no key from elsewhere than it may be used, and none that must sign.
fn passed(caller: &Caller, head: &Head, seal: &crate::access::seal::Seal) -> Result<Pass, Refusal> {
    let address = head.address.unwrap_or(IpAddr::from([127, 0, 0, 1]));
    if !caller.may_come_from(address) {
        return Err(reply::forbidden(format!(
            "the key may not be used from {address}"
        )));
    }
    if caller.signing_secret(seal).is_some() {
        return Err(reply::forbidden(
            "a key that must sign its requests is for models alone; use another one here",
        ));
    }
    Ok(Pass::of_caller(caller))
}

/// The body, as far as the route has a use for one.
async fn read_body(session: &mut ServerSession, takes: Takes) -> Result<Bytes, Refusal> {
    let (wait, bytes_max) = match takes {
        Takes::Nothing => {
            let _ = tokio::time::timeout(UNUSED_BODY_WAIT, session.read_request_body()).await;
            return Ok(Bytes::new());
        }
        Takes::Json(_) | Takes::Patch(_) | Takes::Maybe(_) => (BODY_WAIT, BODY_BYTES_MAX),
        Takes::Csv => (BODY_WAIT, INVOICE_BYTES_MAX),
    };
    let read = tokio::time::timeout(wait, whole_body(session, bytes_max)).await;
    read.unwrap_or_else(|_| {
        let message = format!("the body did not come within {wait:?}");
        Err(Refusal::new(
            http::StatusCode::REQUEST_TIMEOUT,
            "timeout",
            message,
        ))
    })
}

async fn whole_body(session: &mut ServerSession, bytes_max: usize) -> Result<Bytes, Refusal> {
    let mut body = Vec::new();
    let broken = |_| {
        Refusal::new(
            http::StatusCode::BAD_REQUEST,
            "broken_body",
            "the body broke off",
        )
    };
    while let Some(piece) = session.read_request_body().await.map_err(broken)? {
        if body.len() + piece.len() > bytes_max {
            let message = format!("the body is longer than {bytes_max} bytes");
            return Err(Refusal::new(
                http::StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                message,
            ));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// Work that may take a while: with thousands of upstreams, or a slow disk. The threads here serve.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| reply::internal())
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Reply {
        let request = session.req_header();
        let head = Head {
            method: request.method.clone(),
            path: request.uri.path().to_owned(),
            query: request.uri.query().unwrap_or_default().to_owned(),
            headers: request.headers.clone(),
            address: session
                .client_addr()
                .and_then(|address| address.as_inet())
                .map(|address| address.ip()),
        };
        let wants_body = head.method != Method::HEAD;
        let answered = self.answer(head, session).await;
        let reply = answered.unwrap_or_else(Refusal::reply);
        if wants_body {
            reply
        } else {
            reply.map(|_| Vec::new())
        }
    }
}
