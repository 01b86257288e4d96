//! The stages of a request, as Pingora's hooks. Exchanges run whole inside `request_filter`, on weir's own relay; what is
//! no exchange (WebSockets, `/<upstream>/…`) goes on to Pingora's relay.

mod access_line;
mod adapted;
mod admit;
mod asked;
mod attempt;
mod blame;
mod caller;
mod charge;
mod client;
mod course;
mod exchange;
mod facts;
mod filters;
mod headers;
mod judge;
mod lease;
mod local;
mod observed;
mod order;
mod pass_through;
mod prepare;
mod plan;
mod realtime;
mod receive;
mod refuse;
mod relay;
mod request_id;
mod screen;
mod settle;
mod sticky;
mod translated;
mod view;
mod watch;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use tracing::error;

use crate::access::Caller;
use crate::fault::Fault;
use crate::gateway::{Gateway, Phase, Snapshot};
use crate::wire::{Operation, endpoint};

pub(crate) use admit::percent_decoded;

use admit::{Admitted, Asking};
use asked::Asked;
use client::Client;
use pass_through::Tunnel;
use settle::Record;

/// weir, as Pingora sees it.
pub struct Proxy {
    gateway: Arc<Gateway>,
}

/// What one request carries from hook to hook.
pub struct Context {
    record: Record,
    /// Only for what goes on to Pingora's own relay.
    tunnel: Option<Tunnel>,
}

impl Proxy {
    pub fn new(gateway: Arc<Gateway>) -> Proxy {
        Proxy { gateway }
    }

    /// What a request comes to, and who makes it.
    fn admit(
        &self,
        session: &mut Session,
        snapshot: &Snapshot,
        record: &mut Record,
        vouched: Option<Arc<Caller>>,
    ) -> Result<Admitted, Fault> {
        let config = &snapshot.config;
        let head = session.req_header();
        let admitted = admit::admit(head, snapshot);
        let peer = session.client_addr().and_then(|address| address.as_inet());
        let peer = peer.map(|address| address.ip());
        match admitted.as_ref().map(Admitted::operation) {
            // Whoever looks whether this is there may see it.
            Ok(Operation::Alive | Operation::Version) => {}
            Ok(operation) => {
                record.calling = caller::identify(&self.gateway, snapshot, head, peer, vouched)?;
                record.calling.permit(operation)?;
                record.tags = caller::tags(head, config);
                let is_read = matches!(admitted, Ok(Admitted::Exchange(_)));
                if !is_read && record.calling.must_sign(config) {
                    let has_body = !session.is_body_empty();
                    let (accounting, head) = (&self.gateway.accounting, session.req_header());
                    record
                        .calling
                        .check_bodiless(accounting, config, head, has_body)?;
                }
            }
            // What there is, only those who may call are told.
            Err(_) => drop(caller::identify(
                &self.gateway,
                snapshot,
                head,
                peer,
                vouched,
            )?),
        }
        admitted
    }

    async fn exchange(
        &self,
        snapshot: Arc<Snapshot>,
        asked: Asking,
        client: &mut Client<'_>,
        record: &mut Record,
    ) {
        // Boxed: the future would be copied at every step that wraps it.
        let run = exchange::run(self.gateway.clone(), snapshot, asked, client, record);
        let outcome = self.to_its_end(Box::pin(run)).await;
        conclude(outcome, client, record).await;
    }

    async fn realtime(
        &self,
        snapshot: Arc<Snapshot>,
        client: &mut Client<'_>,
        record: &mut Record,
    ) {
        let run = realtime::run(&self.gateway, snapshot, client, record);
        let outcome = self.to_its_end(Box::pin(run)).await;
        conclude(outcome, client, record).await;
    }

    /// Runs an exchange so that nothing ends it without a settlement: neither a panic nor the end of the process.
    async fn to_its_end(&self, run: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        tokio::select! {
            biased;
            outcome = AssertUnwindSafe(run).catch_unwind() => outcome.unwrap_or(Err(Fault::Internal)),
            () = self.gateway.reached(Phase::Ending) => Err(Fault::ShuttingDown),
        }
    }
}

async fn conclude(outcome: Result<(), Fault>, client: &mut Client<'_>, record: &mut Record) {
    if let Err(fault) = outcome {
        refuse::refuse(client, record, fault).await;
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context {
            record: Record::begin(),
            tunnel: None,
        }
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let Context { record, tunnel } = context;
        record.enter(session, &self.gateway);
        let snapshot = self.gateway.snapshot();
        record.dialect = endpoint::dialect_of(session.req_header().uri.path());
        record.says_what_happened = snapshot.config.server.response_headers;
        record.guards = snapshot.guards.observes().then(|| snapshot.guards.clone());
        let head = session.req_header();
        let vouched = caller::vouch(&self.gateway, &snapshot, head, record).await;
        let admitted = vouched.and_then(|vouched| self.admit(session, &snapshot, record, vouched));
        let mut client = Client::new(session, snapshot.config.limits.client_write);
        match admitted {
            Ok(Admitted::Exchange(asked)) => {
                self.exchange(snapshot, asked, &mut client, record).await;
            }
            Ok(Admitted::Local(endpoint)) => {
                let answer = local::answer(&self.gateway, &snapshot, endpoint, &mut client, record);
                conclude(answer.await, &mut client, record).await;
            }
            Ok(Admitted::Model(dialect, id)) => {
                let answer = local::model(&snapshot, dialect, &id, &mut client, record);
                conclude(answer.await, &mut client, record).await;
            }
            Ok(Admitted::Realtime) => self.realtime(snapshot, &mut client, record).await,
            Ok(Admitted::PassThrough(asked)) => {
                match pass_through::named(&self.gateway, &snapshot, asked, &mut client, record)
                    .await
                {
                    Ok(open) => {
                        let gateway = self.gateway.clone();
                        return Ok(pass_through::enter(tunnel, open, client.session, gateway));
                    }
                    Err(fault) => refuse::refuse(&mut client, record, fault).await,
                }
            }
            Err(fault) => refuse::refuse(&mut client, record, fault).await,
        }
        client.outcome()
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        pass_through::peer(session, context)
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        pass_through::request(head, context)
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        pass_through::response(head, context, &self.gateway.snapshot());
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        piece: &mut Option<Bytes>,
        _end: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        pass_through::response_piece(piece.as_ref(), context);
        Ok(None)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        pass_through::failed(session, error, context, &self.gateway.snapshot()).await
    }

    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        // The settlement says it, once.
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        if let Some(error) = error {
            tracing::debug!(%error, "pass-through failed");
        }
        pass_through::conclude(&self.gateway, context);
        settle::settle(&mut context.record, Asked::of(session), &self.gateway);
    }
}

/// Pingora's relay cannot be told to end: what it still carries when the process does is dropped, and no hook hears of it.
impl Drop for Context {
    fn drop(&mut self) {
        if let Some(tunnel) = &self.tunnel {
            tunnel.settle_cut(&mut self.record);
        }
    }
}

/// Makes panics visible in the log, with the place that they come from.
pub fn log_panics() {
    std::panic::set_hook(Box::new(
        |panic| error!(%panic, "a panic; the exchange ends with an internal error"),
    ));
}
