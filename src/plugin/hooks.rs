//! What weir asks of a plugin: one trait for each kind, the same for code that is compiled in and for WebAssembly. It must not
//! know how a plugin is run, nor what becomes of traffic when one fails.

use std::sync::Arc;

use async_trait::async_trait;
use weir_plugin::{
    AdapterInfo, Candidate, Choice, Decision, Edit, EventsVerdict, Failure, Header, Outcome,
    RequestMeta, ResponseHead, Segment, StreamEvent, Verdict, Wants, WireRequest,
};

use super::own::OwnInstances;
use super::trouble::Trouble;

/// The exchange that a call is about, as a plugin may see it. Credentials are never in it.
pub trait View: Send + Sync {
    fn meta(&self) -> RequestMeta;
    /// By its name in lower case.
    fn request_header(&self, name: &str) -> Option<Vec<u8>>;
    fn request_headers(&self) -> Vec<Header>;
    /// All texts for people in the request, in order.
    fn request_segments(&self) -> Vec<Segment>;
    /// RFC 6901 pointer → the JSON text of that part.
    fn request_json(&self, pointer: &str) -> Option<String>;
    fn request_body(&self) -> Vec<u8>;
    /// 0 as long as there is no answer.
    fn response_status(&self) -> u16;
    fn response_headers(&self) -> Vec<Header>;
    fn response_segments(&self) -> Vec<Segment>;
    fn response_body(&self) -> Vec<u8>;
    /// Where instances wait that serve this exchange alone: one for all the views of one exchange.
    fn own_instances(&self) -> &OwnInstances;
}

/// Looks at requests and answers; lets them pass, changes them or refuses them.
#[async_trait]
pub trait GuardHook: Send + Sync {
    /// The same for as long as the plugin is loaded.
    fn wants(&self) -> Wants;

    /// # Errors
    /// When the plugin cannot do its work.
    async fn on_request(&self, view: &Arc<dyn View>) -> Result<Verdict, Trouble>;

    /// After routing and translation, for each attempt.
    ///
    /// # Errors
    /// When the plugin cannot do its work.
    async fn on_upstream_request(
        &self,
        view: &Arc<dyn View>,
        target: &Candidate,
    ) -> Result<Vec<Edit>, Trouble>;

    /// # Errors
    /// When the plugin cannot do its work.
    async fn on_response(&self, view: &Arc<dyn View>) -> Result<Verdict, Trouble>;

    /// # Errors
    /// When the plugin cannot do its work.
    async fn open_stream(
        &self,
        view: &Arc<dyn View>,
        head: ResponseHead,
    ) -> Result<Box<dyn StreamHook>, Trouble>;
}

/// One stream on its way past a guard.
#[async_trait]
pub trait StreamHook: Send + Sync {
    /// # Errors
    /// When the plugin cannot do its work; the stream can be asked nothing more then.
    async fn on_events(&mut self, events: Vec<StreamEvent>) -> Result<EventsVerdict, Trouble>;

    /// The stream has ended: what was held back.
    ///
    /// # Errors
    /// As [`StreamHook::on_events`].
    async fn on_end(&mut self) -> Result<Vec<StreamEvent>, Trouble>;
}

/// Orders candidates.
#[async_trait]
pub trait RouterHook: Send + Sync {
    /// # Errors
    /// When the plugin cannot do its work.
    async fn pick(&self, view: &Arc<dyn View>, candidates: &[Candidate])
    -> Result<Choice, Trouble>;
}

/// Tells who calls.
#[async_trait]
pub trait AuthHook: Send + Sync {
    /// # Errors
    /// When the plugin cannot do its work.
    async fn authenticate(&self, view: &Arc<dyn View>) -> Result<Decision, Trouble>;
}

/// Hears of settled exchanges, in batches and off their path.
#[async_trait]
pub trait ObserverHook: Send + Sync {
    /// # Errors
    /// When the plugin cannot do its work; the batch is lost to it.
    async fn on_log(&self, batch: &[Outcome]) -> Result<(), Trouble>;
}

/// Speaks the dialect of a provider.
#[async_trait]
pub trait AdapterHook: Send + Sync {
    /// The same for as long as the plugin is loaded.
    fn describe(&self) -> &AdapterInfo;

    /// # Errors
    /// When the plugin cannot do its work.
    async fn encode(
        &self,
        view: &Arc<dyn View>,
        target: &Candidate,
    ) -> Result<WireRequest, Trouble>;

    /// # Errors
    /// When the plugin cannot do its work.
    async fn open_decoder(
        &self,
        view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
    ) -> Result<Box<dyn DecoderHook>, Trouble>;

    /// # Errors
    /// When the plugin cannot do its work.
    async fn classify(
        &self,
        view: &Arc<dyn View>,
        status: u16,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> Result<Failure, Trouble>;
}

/// Reads one answer of a provider.
#[async_trait]
pub trait DecoderHook: Send + Sync {
    /// # Errors
    /// When the plugin cannot do its work; the decoder can be asked nothing more then.
    async fn push(&mut self, chunk: &[u8]) -> Result<Vec<StreamEvent>, Trouble>;

    /// The bytes have ended.
    ///
    /// # Errors
    /// As [`DecoderHook::push`].
    async fn finish(&mut self) -> Result<Vec<StreamEvent>, Trouble>;
}

/// A hook by its name in metrics and log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    OnRequest,
    OnUpstreamRequest,
    OnResponse,
    /// A stream begins.
    Stream,
    OnEvents,
    OnEnd,
    Pick,
    Authenticate,
    OnLog,
    Encode,
    /// An answer of a provider begins.
    Decoder,
    Push,
    Finish,
    Classify,
}

impl Hook {
    pub const ALL: [Hook; 14] = [
        Hook::OnRequest,
        Hook::OnUpstreamRequest,
        Hook::OnResponse,
        Hook::Stream,
        Hook::OnEvents,
        Hook::OnEnd,
        Hook::Pick,
        Hook::Authenticate,
        Hook::OnLog,
        Hook::Encode,
        Hook::Decoder,
        Hook::Push,
        Hook::Finish,
        Hook::Classify,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Hook::OnRequest => "on_request",
            Hook::OnUpstreamRequest => "on_upstream_request",
            Hook::OnResponse => "on_response",
            Hook::Stream => "stream",
            Hook::OnEvents => "on_events",
            Hook::OnEnd => "on_end",
            Hook::Pick => "pick",
            Hook::Authenticate => "authenticate",
            Hook::OnLog => "on_log",
            Hook::Encode => "encode",
            Hook::Decoder => "decoder",
            Hook::Push => "push",
            Hook::Finish => "finish",
            Hook::Classify => "classify",
        }
    }
}

/// What a plugin can do: the hooks that it has. Most have one.
#[derive(Clone, Default)]
pub struct Hooks {
    pub guard: Option<Arc<dyn GuardHook>>,
    pub router: Option<Arc<dyn RouterHook>>,
    pub auth: Option<Arc<dyn AuthHook>>,
    pub observer: Option<Arc<dyn ObserverHook>>,
    pub adapter: Option<Arc<dyn AdapterHook>>,
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Guard,
    Router,
    Auth,
    Observer,
    Adapter,
}

impl Kind {
    pub fn label(self) -> &'static str {
        match self {
            Kind::Guard => "guard",
            Kind::Router => "router",
            Kind::Auth => "auth",
            Kind::Observer => "observer",
            Kind::Adapter => "adapter",
        }
    }

    /// The kind in a sentence: `a guard`, `an adapter`.
    pub fn named(self) -> &'static str {
        match self {
            Kind::Guard => "a guard",
            Kind::Router => "a router",
            Kind::Auth => "an authenticator",
            Kind::Observer => "an observer",
            Kind::Adapter => "an adapter",
        }
    }
}

impl Hooks {
    pub fn kinds(&self) -> Vec<Kind> {
        let kinds = [
            (Kind::Guard, self.guard.is_some()),
            (Kind::Router, self.router.is_some()),
            (Kind::Auth, self.auth.is_some()),
            (Kind::Observer, self.observer.is_some()),
            (Kind::Adapter, self.adapter.is_some()),
        ];
        kinds
            .into_iter()
            .filter_map(|(kind, is_there)| is_there.then_some(kind))
            .collect()
    }
}
