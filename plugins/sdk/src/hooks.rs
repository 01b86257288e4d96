//! The hooks: a plugin implements one of these traits.

use crate::host::Host;
use crate::types::{
    AdapterInfo, Candidate, Choice, Decision, Edit, EventsVerdict, Failure, Header, Outcome,
    PluginError, ResponseHead, StreamEvent, Verdict, WireRequest,
};

/// What a guard wants to see; the host leaves out what nobody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    pub requests: bool,
    /// Whole answers.
    pub answers: bool,
    /// Answers that are streamed, event by event.
    pub streams: bool,
    /// Streams are held until they are whole, and judged by `on_response`.
    pub whole_answers: bool,
}

impl Default for Wants {
    fn default() -> Wants {
        Wants {
            requests: true,
            answers: true,
            streams: true,
            whole_answers: false,
        }
    }
}

/// Looks at requests and answers; lets them pass, changes them or refuses them.
pub trait Guard: Sized + Send + 'static {
    type Stream: GuardStream;

    /// Called once for each instance, with the plugin's `config` as JSON (`null` where there is none).
    ///
    /// # Errors
    /// What is wrong with the configuration, naming the member; the whole new configuration is refused then.
    fn configure(config_json: &str) -> Result<Self, String>;

    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// # Errors
    /// When it cannot do its work.
    fn on_request(&mut self, host: &dyn Host) -> Result<Verdict, PluginError>;

    /// After routing and translation, for each attempt. Headers only.
    ///
    /// # Errors
    /// When it cannot do its work.
    fn on_upstream_request(
        &mut self,
        _host: &dyn Host,
        _target: &Candidate,
    ) -> Result<Vec<Edit>, PluginError> {
        Ok(Vec::new())
    }

    /// # Errors
    /// When it cannot do its work.
    fn on_response(&mut self, host: &dyn Host) -> Result<Verdict, PluginError>;

    /// A stream begins.
    fn stream(&mut self, host: &dyn Host, head: ResponseHead) -> Self::Stream;
}

/// One stream on its way past a guard.
pub trait GuardStream: Send + 'static {
    /// What has arrived together is handed over together.
    ///
    /// # Errors
    /// When it cannot do its work.
    fn on_events(
        &mut self,
        host: &dyn Host,
        events: Vec<StreamEvent>,
    ) -> Result<EventsVerdict, PluginError>;

    /// The stream has ended: what was held back.
    ///
    /// # Errors
    /// When it cannot do its work.
    fn on_end(&mut self, host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError>;
}

/// Orders candidates.
pub trait Router: Sized + Send + 'static {
    /// # Errors
    /// What is wrong with the configuration.
    fn configure(config_json: &str) -> Result<Self, String>;
    /// # Errors
    /// When it cannot do its work.
    fn pick(&mut self, host: &dyn Host, candidates: &[Candidate]) -> Result<Choice, PluginError>;
}

/// Tells who calls.
pub trait Auth: Sized + Send + 'static {
    /// # Errors
    /// What is wrong with the configuration.
    fn configure(config_json: &str) -> Result<Self, String>;
    /// # Errors
    /// When it cannot do its work.
    fn authenticate(&mut self, host: &dyn Host) -> Result<Decision, PluginError>;
}

/// Hears of exchanges that are settled, in batches and off their path.
pub trait Observer: Sized + Send + 'static {
    /// # Errors
    /// What is wrong with the configuration.
    fn configure(config_json: &str) -> Result<Self, String>;
    /// # Errors
    /// What the batch is dropped for.
    fn on_log(&mut self, host: &dyn Host, batch: &[Outcome]) -> Result<(), String>;
}

/// Speaks the dialect of a provider that weir does not know. What it is asked for stands in the host's request, as OpenAI's
/// JSON, whatever dialect the client speaks; what it answers are events, for whole answers too.
pub trait Adapter: Sized + Send + 'static {
    type Decoder: Decoder;

    /// # Errors
    /// What is wrong with the configuration.
    fn configure(config_json: &str) -> Result<Self, String>;
    fn describe(&self) -> AdapterInfo;
    /// # Errors
    /// What cannot be said to the provider.
    fn encode(&mut self, host: &dyn Host, target: &Candidate) -> Result<WireRequest, PluginError>;
    /// An answer that is no refusal begins.
    fn decoder(&mut self, host: &dyn Host, status: u16, headers: &[Header]) -> Self::Decoder;
    /// What a refusal means.
    fn classify(&mut self, status: u16, headers: &[Header], body: &[u8]) -> Failure;
}

/// Reads one answer of a provider.
pub trait Decoder: Send + 'static {
    /// Bytes as they come, cut anywhere.
    ///
    /// # Errors
    /// What makes it no answer.
    fn push(&mut self, host: &dyn Host, chunk: &[u8]) -> Result<Vec<StreamEvent>, PluginError>;
    /// The bytes have ended.
    ///
    /// # Errors
    /// Where the answer is cut off.
    fn finish(&mut self, host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError>;
}
