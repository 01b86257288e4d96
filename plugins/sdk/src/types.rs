//! The data of the contract (`plugins/wit`), as plain Rust. No behaviour beyond small conveniences.

/// The wire protocol, and the operation, that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    ChatCompletions,
    Responses,
    Messages,
    GenerateContent,
    Completions,
    Embeddings,
    Ollama,
    Rerank,
    Moderations,
    Images,
    AudioSpeech,
    AudioTranscriptions,
    Other,
}

/// One field of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// In lower case.
    pub name: String,
    pub value: Vec<u8>,
}

impl Header {
    pub fn new(name: &str, value: &str) -> Header {
        Header {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// The label of a key, or the subject of a token. Never the secret.
    pub id: String,
    pub tenant: Option<String>,
    pub project: Option<String>,
    pub user: Option<String>,
    pub scopes: Vec<String>,
    /// Names or patterns of models; empty: all.
    pub models: Vec<String>,
    /// Claims of a token, tags of a key.
    pub attributes: Vec<(String, String)>,
}

/// What is known of a request without reading its body.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestMeta {
    pub id: String,
    pub api: Api,
    /// As metrics and logs name it: `chat`, `embeddings`, …
    pub operation: String,
    /// As the client names it; empty where it names none.
    pub model: String,
    pub stream: bool,
    pub method: String,
    pub path: String,
    pub client_ip: String,
    pub received_unix_ms: u64,
    /// Time left for the whole exchange.
    pub deadline_ms: u32,
    /// 0 for the first.
    pub attempt: u32,
    pub body_bytes: u64,
    pub message_count: u32,
    pub prompt_tokens_estimate: u32,
    pub max_output_tokens: Option<u32>,
    pub has_tools: bool,
    pub has_images: bool,
    /// What keeps requests of one conversation together, if anything does.
    pub session: Option<String>,
    pub traceparent: Option<String>,
    pub principal: Option<Principal>,
    /// Set by the configuration and by earlier plugins.
    pub tags: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Other,
}

/// One text for people in a request or answer, wherever it stands in the JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// What [`Edit::SetSegment`] names it by.
    pub index: u32,
    pub role: Role,
    /// RFC 6901.
    pub pointer: String,
    pub text: String,
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input, cached tokens included.
    pub input: u64,
    /// All output, reasoning included.
    pub output: u64,
    /// Of the input, what came from a cache.
    pub cached_input: u64,
    /// Of the input, what was written to a cache.
    pub cache_write: u64,
    /// Of the output, what was thought and not said.
    pub reasoning: u64,
}

/// The exchange is refused; the client gets it as an error of its own dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// 400 to 599.
    pub status: u16,
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    pub headers: Vec<Header>,
}

impl Rejection {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Rejection {
        Rejection {
            status,
            code: code.to_owned(),
            message: message.into(),
            headers: Vec::new(),
        }
    }
}

/// An answer in place of a model's, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

/// A change that is asked for. All edits of one verdict are made, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    SetHeader(Header),
    RemoveHeader(String),
    /// New text for the segment of that index.
    SetSegment(u32, String),
    /// RFC 6901 pointer, JSON text. The pointer's parent must exist; a member that does not is added.
    SetJson(String, String),
    RemoveJson(String),
    ReplaceBody(Vec<u8>),
    SetModel(String),
    /// For usage reports, log lines and later plugins.
    SetTag(String, String),
}

/// What becomes of a request or of a whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Edit(Vec<Edit>),
    Reject(Rejection),
    Reply(Reply),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextDelta {
    pub choice: u32,
    pub text: String,
}

/// A piece of a call of a tool. The first of a call has its id and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDelta {
    pub choice: u32,
    /// Of the call, counted from 0 over the whole stream.
    pub index: u32,
    pub id: Option<String>,
    pub name: Option<String>,
    /// The next piece of the arguments' JSON text.
    pub arguments: String,
}

/// Why a choice ends: `stop`, `length`, `tool_calls`, `content_filter`, or the upstream's own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    pub choice: u32,
    pub reason: String,
}

/// What has no neutral form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    pub event: Option<String>,
    pub data: String,
}

/// A piece of an answer, in no dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    Text(TextDelta),
    Reasoning(TextDelta),
    Refusal(TextDelta),
    ToolCall(ToolDelta),
    /// Cumulative: the last counts.
    Usage(Usage),
    Finish(Finish),
    Raw(RawEvent),
}

impl StreamEvent {
    pub fn text(choice: u32, text: impl Into<String>) -> StreamEvent {
        let text = text.into();
        StreamEvent::Text(TextDelta { choice, text })
    }
}

/// What becomes of the events of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventsVerdict {
    Pass,
    Drop,
    Replace(Vec<StreamEvent>),
    /// The stream ends with an error of the client's dialect.
    Abort(Rejection),
}

/// The head of an answer whose stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    pub headers: Vec<Header>,
    pub upstream: String,
    pub model: String,
}

/// One place that a request may be sent to.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `upstream/endpoint`.
    pub id: String,
    /// The upstream's kind.
    pub provider: String,
    /// The upstream's own name for the model.
    pub model: String,
    pub region: Option<String>,
    pub weight: u32,
    pub healthy: bool,
    pub in_flight: u32,
    pub queue_depth: Option<u32>,
    pub ttft_ms_ewma: f32,
    pub tokens_per_second_ewma: f32,
    /// 0 to 1.
    pub error_rate: f32,
    /// 0 to 1.
    pub kv_cache_usage: Option<f32>,
    /// 0 to 1.
    pub prefix_match: Option<f32>,
    pub input_usd_per_mtok: f32,
    pub output_usd_per_mtok: f32,
    /// What weir's own policy gives it; more is better.
    pub score: f32,
    pub labels: Vec<(String, String)>,
}

/// A candidate by its index in the list that was given, with a score; more is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    pub index: u32,
    pub score: f32,
}

/// What a router decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    UseDefault,
    /// These alone are tried, in the order of their scores.
    Ranked(Vec<Ranked>),
    Reject(Rejection),
}

/// An exchange that has been settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub meta: RequestMeta,
    pub upstream: String,
    pub upstream_model: String,
    pub status: u16,
    pub error_code: Option<String>,
    pub usage: Usage,
    /// In billionths of the ledger's currency.
    pub cost_nanos: i64,
    pub ttft_ms: Option<f32>,
    pub total_ms: f32,
    pub cache_hit: bool,
    /// Only with the grant `payloads`.
    pub request_json: Option<Vec<u8>>,
    pub response_json: Option<Vec<u8>>,
}

/// What an authenticator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allow(Principal),
    Deny(Rejection),
    /// Somebody else may know the caller.
    Abstain,
}

/// What an adapter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterInfo {
    pub name: String,
    /// What it can be asked for: [`Api::ChatCompletions`], [`Api::Embeddings`] or [`Api::Rerank`], in OpenAI's shapes.
    pub accepts: Vec<Api>,
}

/// A request as a provider wants it. The host adds the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRequest {
    pub method: String,
    /// Below the upstream's base URL; begins with a slash.
    pub path: String,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

/// What a provider's refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether another try, there or elsewhere, may do better.
    pub retryable: bool,
    pub code: String,
    pub message: String,
    pub retry_after_ms: Option<u64>,
}

/// A plugin could not do its work; the host treats the traffic as the plugin's `on_error` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginError {
    Retryable(String),
    Permanent(String),
}
