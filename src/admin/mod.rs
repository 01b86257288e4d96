//! The admin listener: what Prometheus, load balancers and operators ask of the process. Which answer is for whom is decided
//! here; what the answers say, in one file a group.

mod actions;
mod pages;
mod reply;
mod route;
mod status;
mod token;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

use crate::gateway::Gateway;
use crate::reload::Reloader;

use reply::{Refusal, Reply};
use route::{Action, Route};

/// Nothing here has a use for a body; one that is sent is waited for this long, so that the answer does not cross it.
const BODY_WAIT: Duration = Duration::from_secs(1);

/// Answers on the admin listener.
pub struct Admin {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
}

/// What of a request counts here.
struct Asked<'r> {
    method: &'r Method,
    path: &'r str,
    query: &'r str,
    /// The header `Authorization`.
    authorization: Option<&'r [u8]>,
    /// Browsers say for which page they send a POST.
    is_from_a_page: bool,
}

impl Admin {
    pub fn new(gateway: Arc<Gateway>, reloader: Arc<Reloader>) -> Admin {
        Admin { gateway, reloader }
    }

    async fn answer(&self, asked: Asked<'_>) -> Result<Reply, Refusal> {
        let segments = route::segments(asked.path);
        let route = Route::of(&segments);
        if !route.is_some_and(Route::is_open) {
            self.admit(&asked)?;
        }
        let route = route.ok_or_else(|| reply::not_found(asked.path))?;
        if !route.methods().contains(asked.method) {
            return Err(reply::method_not_allowed(asked.path, route.methods()));
        }
        let Admin { gateway, reloader } = self;
        match route {
            Route::Health => Ok(pages::health()),
            Route::Readiness => Ok(pages::readiness(gateway)),
            Route::Metrics => {
                let gateway = gateway.clone();
                aside(move || pages::metrics(&gateway)).await
            }
            Route::Status => {
                let (gateway, reloader) = (gateway.clone(), reloader.clone());
                aside(move || status::status(&gateway, &reloader)).await
            }
            Route::Act(action) => self.act(action, asked.query).await,
        }
    }

    async fn act(&self, action: Action<'_>, query: &str) -> Result<Reply, Refusal> {
        let Admin { gateway, reloader } = self;
        match action {
            Action::Reload => actions::reload(reloader, query).await,
            Action::RotateKeys { upstream } => actions::rotate_keys(gateway, upstream),
            Action::RestKey { upstream, label } => {
                actions::rest_key(gateway, upstream, label, query)
            }
            Action::ReviveKey { upstream, label } => actions::revive_key(gateway, upstream, label),
            Action::SetStatus { upstream, status } => {
                actions::set_status(gateway, upstream, status)
            }
            Action::Eject { upstream, address } => actions::eject(gateway, upstream, address),
            Action::Restore { upstream, address } => actions::restore(gateway, upstream, address),
        }
    }

    /// Lets those in who know the token. Where there is none all come in who can reach the address, but no web page that
    /// somebody on this machine looks at.
    fn admit(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let config = &self.gateway.snapshot().config;
        let token = config.admin.as_ref().and_then(|admin| admin.token.as_ref());
        match token {
            Some(token) if token::is_shown(asked.authorization, token) => Ok(()),
            Some(_) => Err(reply::unauthorized()),
            None if asked.is_from_a_page && asked.method == Method::POST => {
                Err(reply::cross_site())
            }
            None => Ok(()),
        }
    }
}

/// A page that may be long: with thousands of upstreams it takes a while, and the threads here serve.
async fn aside(page: impl FnOnce() -> Reply + Send + 'static) -> Result<Reply, Refusal> {
    let made = tokio::task::spawn_blocking(page).await;
    made.map_err(|_| reply::internal())
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Reply {
        let _ = tokio::time::timeout(BODY_WAIT, session.read_request_body()).await;
        let head = session.req_header();
        let authorization = head.headers.get(header::AUTHORIZATION);
        let asked = Asked {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            authorization: authorization.map(|value| value.as_bytes()),
            is_from_a_page: head.headers.contains_key(header::ORIGIN),
        };
        let wants_body = asked.method != Method::HEAD;
        let reply = self.answer(asked).await.unwrap_or_else(Refusal::reply);
        if wants_body {
            reply
        } else {
            reply.map(|_| Vec::new())
        }
    }
}
