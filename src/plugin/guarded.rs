//! The hooks as weir's stages ask them: every call surrounded by [`Plugin::ask`]. What the stages get says what becomes of the
//! traffic.

use std::sync::Arc;

use weir_plugin::{
    AdapterInfo, Candidate, Choice, Decision, Edit, EventsVerdict, Failure, Header, Outcome,
    ResponseHead, StreamEvent, Verdict, Wants, WireRequest,
};

use super::hooks::{
    AdapterHook, AuthHook, DecoderHook, GuardHook, Hook, Kind, ObserverHook, RouterHook,
    StreamHook, View,
};
use super::loaded::{Called, Plugin};
use super::trouble::Trouble;

/// A plugin in one of its kinds.
pub struct Guarded<H: ?Sized> {
    plugin: Arc<Plugin>,
    hook: Arc<H>,
}

pub type Guard = Guarded<dyn GuardHook>;
pub type Router = Guarded<dyn RouterHook>;
pub type Auth = Guarded<dyn AuthHook>;
pub type Observer = Guarded<dyn ObserverHook>;
pub type Adapter = Guarded<dyn AdapterHook>;

impl<H: ?Sized> Clone for Guarded<H> {
    fn clone(&self) -> Self {
        Guarded {
            plugin: self.plugin.clone(),
            hook: self.hook.clone(),
        }
    }
}

impl<H: ?Sized> Guarded<H> {
    pub(super) fn new(plugin: &Arc<Plugin>, hook: &Arc<H>) -> Guarded<H> {
        Guarded {
            plugin: plugin.clone(),
            hook: hook.clone(),
        }
    }

    pub fn name(&self) -> &str {
        self.plugin.name()
    }
}

impl Guard {
    /// It has answered, and what it has answered cannot be done. Whether to go on as if it were not there.
    pub fn misbehaved(&self, hook: Hook, problem: &str) -> bool {
        self.plugin.misbehaved(Kind::Guard, hook, problem)
    }

    pub fn wants(&self) -> Wants {
        self.hook.wants()
    }

    pub async fn on_request(&self, view: &Arc<dyn View>) -> Called<Verdict> {
        let call = self.hook.on_request(view);
        self.plugin.ask(Kind::Guard, Hook::OnRequest, call).await
    }

    pub async fn on_upstream_request(
        &self,
        view: &Arc<dyn View>,
        target: &Candidate,
    ) -> Called<Vec<Edit>> {
        let call = self.hook.on_upstream_request(view, target);
        let ask = self.plugin.ask(Kind::Guard, Hook::OnUpstreamRequest, call);
        ask.await
    }

    pub async fn on_response(&self, view: &Arc<dyn View>) -> Called<Verdict> {
        let call = self.hook.on_response(view);
        self.plugin.ask(Kind::Guard, Hook::OnResponse, call).await
    }

    pub async fn open_stream(
        &self,
        view: &Arc<dyn View>,
        head: ResponseHead,
    ) -> Called<GuardedStream> {
        let call = self.hook.open_stream(view, head);
        let opened = self.plugin.ask(Kind::Guard, Hook::Stream, call).await;
        opened.map(|stream| GuardedStream {
            plugin: self.plugin.clone(),
            stream: Some(stream),
        })
    }
}

/// A stream on its way past a guard. Once something has gone wrong it is over: every further call fails the same way, and the plugin
/// hears of none.
pub struct GuardedStream {
    plugin: Arc<Plugin>,
    stream: Option<Box<dyn StreamHook>>,
}

impl GuardedStream {
    pub async fn on_events(&mut self, events: Vec<StreamEvent>) -> Called<EventsVerdict> {
        let Some(stream) = &mut self.stream else {
            return self.plugin.failed(Kind::Guard, over());
        };
        let call = stream.on_events(events);
        let called = self.plugin.ask_on(Kind::Guard, Hook::OnEvents, call).await;
        if !matches!(called, Called::Answered(_)) {
            self.stream = None;
        }
        called
    }

    pub async fn on_end(&mut self) -> Called<Vec<StreamEvent>> {
        let Some(mut stream) = self.stream.take() else {
            return self.plugin.failed(Kind::Guard, over());
        };
        let call = stream.on_end();
        self.plugin.ask_on(Kind::Guard, Hook::OnEnd, call).await
    }
}

fn over() -> Trouble {
    Trouble::Unavailable("the stream is over".to_owned())
}

impl Router {
    /// As [`Guard::misbehaved`].
    pub fn misbehaved(&self, hook: Hook, problem: &str) -> bool {
        self.plugin.misbehaved(Kind::Router, hook, problem)
    }

    pub async fn pick(&self, view: &Arc<dyn View>, candidates: &[Candidate]) -> Called<Choice> {
        let call = self.hook.pick(view, candidates);
        self.plugin.ask(Kind::Router, Hook::Pick, call).await
    }
}

impl Auth {
    /// As [`Guard::misbehaved`].
    pub fn misbehaved(&self, hook: Hook, problem: &str) -> bool {
        self.plugin.misbehaved(Kind::Auth, hook, problem)
    }

    pub async fn authenticate(&self, view: &Arc<dyn View>) -> Called<Decision> {
        let call = self.hook.authenticate(view);
        self.plugin.ask(Kind::Auth, Hook::Authenticate, call).await
    }
}

impl Observer {
    /// Payloads are left out unless they are granted.
    pub async fn on_log(&self, batch: &[Outcome]) -> Called<()> {
        let has_payloads =
            |one: &Outcome| one.request_json.is_some() || one.response_json.is_some();
        if self.plugin.settings().grants.payloads || !batch.iter().any(has_payloads) {
            let call = self.hook.on_log(batch);
            return self.plugin.ask(Kind::Observer, Hook::OnLog, call).await;
        }
        let bare: Vec<Outcome> = batch.iter().map(without_payloads).collect();
        let call = self.hook.on_log(&bare);
        self.plugin.ask(Kind::Observer, Hook::OnLog, call).await
    }

    /// Whether requests and answers in full are to be kept for it.
    pub fn has_payloads(&self) -> bool {
        self.plugin.settings().grants.payloads
    }
}

fn without_payloads(outcome: &Outcome) -> Outcome {
    Outcome {
        request_json: None,
        response_json: None,
        ..outcome.clone()
    }
}

impl Adapter {
    pub fn describe(&self) -> &AdapterInfo {
        self.hook.describe()
    }

    pub async fn encode(&self, view: &Arc<dyn View>, target: &Candidate) -> Called<WireRequest> {
        let call = self.hook.encode(view, target);
        self.plugin.ask(Kind::Adapter, Hook::Encode, call).await
    }

    pub async fn open_decoder(
        &self,
        view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
    ) -> Called<GuardedDecoder> {
        let call = self.hook.open_decoder(view, status, headers);
        let opened = self.plugin.ask(Kind::Adapter, Hook::Decoder, call).await;
        opened.map(|decoder| GuardedDecoder {
            plugin: self.plugin.clone(),
            decoder: Some(decoder),
        })
    }

    pub async fn classify(
        &self,
        view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> Called<Failure> {
        let call = self.hook.classify(view, status, headers, body);
        self.plugin.ask(Kind::Adapter, Hook::Classify, call).await
    }
}

/// One answer of a provider, as an adapter reads it. Over once something has gone wrong, as [`GuardedStream`].
pub struct GuardedDecoder {
    plugin: Arc<Plugin>,
    decoder: Option<Box<dyn DecoderHook>>,
}

impl GuardedDecoder {
    pub async fn push(&mut self, chunk: &[u8]) -> Called<Vec<StreamEvent>> {
        let Some(decoder) = &mut self.decoder else {
            return self.plugin.failed(Kind::Adapter, over());
        };
        let call = decoder.push(chunk);
        let called = self.plugin.ask_on(Kind::Adapter, Hook::Push, call).await;
        if !matches!(called, Called::Answered(_)) {
            self.decoder = None;
        }
        called
    }

    pub async fn finish(&mut self) -> Called<Vec<StreamEvent>> {
        let Some(mut decoder) = self.decoder.take() else {
            return self.plugin.failed(Kind::Adapter, over());
        };
        let call = decoder.finish();
        self.plugin.ask_on(Kind::Adapter, Hook::Finish, call).await
    }
}

impl<T> Called<T> {
    pub fn map<U>(self, then: impl FnOnce(T) -> U) -> Called<U> {
        match self {
            Called::Answered(value) => Called::Answered(then(value)),
            Called::FailedOpen(trouble) => Called::FailedOpen(trouble),
            Called::FailedClosed(trouble) => Called::FailedClosed(trouble),
        }
    }
}
