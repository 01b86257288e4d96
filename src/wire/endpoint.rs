//! The endpoints that clients call: path and method → operation and dialect. The table is the whole truth about paths;
//! which upstream serves a call is not known here.

use http::Method;

use super::Dialect;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    Chat,
    Completions,
    Embeddings,
    Models,
    Model,
    Rerank,
    Moderations,
    ImageGeneration,
    ImageEdit,
    ImageVariation,
    Speech,
    Transcription,
    Translation,
    Responses,
    Tokenize,
    Detokenize,
    Score,
    Pooling,
    Classify,
    Realtime,
    CountTokens,
    /// What one model can do (Ollama's `/api/show`).
    Show,
    /// Which models are in memory (Ollama's `/api/ps`).
    Running,
    /// The server's version (Ollama).
    Version,
    /// Whether a server is there (`GET /`).
    Alive,
    /// Managing models on a host (Ollama's `/api/pull` and its like).
    Manage,
    /// Anything of an upstream's own, below `/<upstream>/`.
    PassThrough,
}

/// How a request names its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelIn {
    /// The member `model` of a JSON object.
    Json,
    /// The field `model` of a `multipart/form-data` body (or of a JSON object, where the client sends one).
    Form,
    /// The parameter `model` of the query.
    Query,
    /// The path.
    Path,
    /// The request names no model: weir answers it itself.
    Nowhere,
}

/// When an answer is a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// When the member `stream` is true.
    OnRequest,
    /// Unless the member `stream` is false.
    ByDefault,
    Always,
    Never,
}

/// The methods that endpoints take; `HEAD` stands beside `GET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Delete,
}

/// Which of an upstream's prefixes the endpoint stands below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// `/v1` in most.
    Api,
    /// The root, for engines' own endpoints.
    Root,
    /// Gemini's own API, beside which its OpenAI surface stands.
    Gemini,
}

/// One endpoint.
#[derive(Debug)]
pub struct Endpoint {
    pub operation: Operation,
    /// What the client speaks; Chat stands for all of OpenAI's API where there is no dialect of its own.
    pub dialect: Dialect,
    /// The path below the prefix, as clients may write it after the version or without it; Gemini's are the action after the
    /// model's name.
    pub path: &'static str,
    pub method: Verb,
    pub model_in: ModelIn,
    /// Whether the vendor's specification lets the client leave the model out.
    pub model_optional: bool,
    pub prefix: Prefix,
    pub streams: Streams,
}

/// What a path and a method come to.
#[derive(Debug)]
pub enum Found<'a> {
    Endpoint(&'static Endpoint),
    /// `/v1beta/models/{model}:{action}`; the model is not decoded.
    Action(&'static Endpoint, &'a str),
    /// `GET /v1/models/{id}`; the id is not decoded, and may hold slashes.
    Model(Dialect, &'a str),
    /// The path exists, with another method.
    WrongMethod {
        allow: &'static str,
    },
    Unknown,
}

use ModelIn::{Form, Json, Nowhere, Query};
use Operation as Op;
use Prefix::{Api, Root};

/// Sources: OpenAI's OpenAPI document for all of OpenAI's but the last block; vLLM's and llama.cpp's servers for that;
/// Anthropic's and Ollama's API references.
static ENDPOINTS: [Endpoint; 38] = [
    post(Op::Chat, "/chat/completions", Json, false, Api),
    Endpoint {
        dialect: Dialect::Completions,
        ..post(Op::Completions, "/completions", Json, false, Api)
    },
    post(Op::Embeddings, "/embeddings", Json, false, Api),
    post(Op::Moderations, "/moderations", Json, true, Api),
    post(Op::ImageGeneration, "/images/generations", Json, true, Api),
    post(Op::ImageEdit, "/images/edits", Form, true, Api),
    post(Op::ImageVariation, "/images/variations", Form, true, Api),
    post(Op::Speech, "/audio/speech", Json, false, Api),
    post(Op::Transcription, "/audio/transcriptions", Form, false, Api),
    post(Op::Translation, "/audio/translations", Form, false, Api),
    Endpoint {
        dialect: Dialect::Responses,
        ..post(Op::Responses, "/responses", Json, true, Api)
    },
    get(Op::Models, Dialect::Chat, "/models", Nowhere, Api),
    get(Op::Realtime, Dialect::Chat, "/realtime", Query, Api),
    post(Op::Rerank, "/rerank", Json, false, Api),
    post(Op::Rerank, "/v2/rerank", Json, false, Root),
    post(Op::Score, "/score", Json, false, Api),
    post(Op::Tokenize, "/tokenize", Json, true, Root),
    post(Op::Detokenize, "/detokenize", Json, true, Root),
    post(Op::Pooling, "/pooling", Json, true, Root),
    post(Op::Classify, "/classify", Json, true, Root),
    post(Op::Rerank, "/reranking", Json, false, Api),
    Endpoint {
        dialect: Dialect::Anthropic,
        ..post(Op::Chat, "/messages", Json, false, Api)
    },
    Endpoint {
        dialect: Dialect::Anthropic,
        streams: Streams::Never,
        ..post(Op::CountTokens, "/messages/count_tokens", Json, false, Api)
    },
    ollama(Op::Chat, "/api/chat", Streams::ByDefault),
    ollama(Op::Completions, "/api/generate", Streams::ByDefault),
    ollama(Op::Embeddings, "/api/embed", Streams::Never),
    ollama(Op::Embeddings, "/api/embeddings", Streams::Never),
    ollama(Op::Show, "/api/show", Streams::Never),
    ollama(Op::Manage, "/api/pull", Streams::Never),
    ollama(Op::Manage, "/api/push", Streams::Never),
    ollama(Op::Manage, "/api/create", Streams::Never),
    ollama(Op::Manage, "/api/copy", Streams::Never),
    Endpoint {
        method: Verb::Delete,
        ..ollama(Op::Manage, "/api/delete", Streams::Never)
    },
    get(Op::Models, Dialect::Ollama, "/api/tags", Nowhere, Root),
    get(Op::Running, Dialect::Ollama, "/api/ps", Nowhere, Root),
    get(Op::Version, Dialect::Ollama, "/api/version", Nowhere, Root),
    get(Op::Alive, Dialect::Ollama, "/", Nowhere, Root),
    get(
        Op::Models,
        Dialect::Gemini,
        "/v1beta/models",
        Nowhere,
        Prefix::Gemini,
    ),
];

/// Source: Google's discovery document of generativelanguage v1beta.
static ACTIONS: [Endpoint; 5] = [
    action(Op::Chat, ":generateContent", Streams::Never),
    action(Op::Chat, ":streamGenerateContent", Streams::Always),
    action(Op::CountTokens, ":countTokens", Streams::Never),
    action(Op::Embeddings, ":embedContent", Streams::Never),
    action(Op::Embeddings, ":batchEmbedContents", Streams::Never),
];

const fn post(
    operation: Operation,
    path: &'static str,
    model_in: ModelIn,
    model_optional: bool,
    prefix: Prefix,
) -> Endpoint {
    Endpoint {
        operation,
        dialect: Dialect::Chat,
        path,
        method: Verb::Post,
        model_in,
        model_optional,
        prefix,
        streams: Streams::OnRequest,
    }
}

const fn get(
    operation: Operation,
    dialect: Dialect,
    path: &'static str,
    model_in: ModelIn,
    prefix: Prefix,
) -> Endpoint {
    Endpoint {
        operation,
        dialect,
        path,
        method: Verb::Get,
        model_in,
        model_optional: matches!(model_in, Nowhere),
        prefix,
        streams: Streams::Never,
    }
}

const fn ollama(operation: Operation, path: &'static str, streams: Streams) -> Endpoint {
    Endpoint {
        dialect: Dialect::Ollama,
        streams,
        ..post(operation, path, Json, false, Root)
    }
}

const fn action(operation: Operation, path: &'static str, streams: Streams) -> Endpoint {
    Endpoint {
        dialect: Dialect::Gemini,
        streams,
        ..post(operation, path, ModelIn::Path, false, Prefix::Gemini)
    }
}

/// Looks up a path (without its query) and a method.
pub fn find<'a>(path: &'a str, method: &Method) -> Found<'a> {
    if let Some(rest) = gemini_models(path) {
        return gemini(rest, method);
    }
    let below = below_version(path);
    if let Some(id) = below.strip_prefix("/models/").filter(|id| !id.is_empty()) {
        return if is_read(method) {
            Found::Model(Dialect::Chat, id)
        } else {
            Found::WrongMethod { allow: "GET, HEAD" }
        };
    }
    // A trailing slash is forgiven: several clients join a base URL and a path with two.
    let below = if below.len() > 1 {
        below.strip_suffix('/').unwrap_or(below)
    } else {
        below
    };
    match ENDPOINTS.iter().find(|endpoint| endpoint.path == below) {
        None => Found::Unknown,
        // `/v1/` is not the root.
        Some(_) if below == "/" && path != "/" => Found::Unknown,
        Some(endpoint) if accepts(endpoint, method) => Found::Endpoint(endpoint),
        Some(endpoint) if endpoint.method == Verb::Get => Found::WrongMethod { allow: "GET, HEAD" },
        Some(endpoint) if endpoint.method == Verb::Delete => Found::WrongMethod { allow: "DELETE" },
        Some(_) => Found::WrongMethod { allow: "POST" },
    }
}

/// The dialect in which a client is told of errors, by the path that it asked.
pub fn dialect_of(path: &str) -> Dialect {
    let below = below_version(path);
    match below {
        _ if path.starts_with("/v1beta")
            || gemini_models(path).is_some_and(|rest| rest.contains(':')) =>
        {
            Dialect::Gemini
        }
        _ if below == "/api" || below.starts_with("/api/") => Dialect::Ollama,
        _ if below.starts_with("/messages") => Dialect::Anthropic,
        _ if below.starts_with("/responses") => Dialect::Responses,
        _ if below.trim_end_matches('/') == "/completions" => Dialect::Completions,
        _ => Dialect::Chat,
    }
}

/// The path below `/v1`, which clients leave out or double when they join it to a base URL that has one.
fn below_version(path: &str) -> &str {
    let mut below = path;
    for _ in 0..2 {
        let rest = below
            .strip_prefix("/v1")
            .filter(|rest| rest.starts_with('/'));
        below = rest.unwrap_or(below);
    }
    below
}

/// What stands after `/v1beta/models/`; Google's clients can be told to use `/v1` as well, where only actions are Google's.
fn gemini_models(path: &str) -> Option<&str> {
    if let Some(rest) = path.strip_prefix("/v1beta/models/") {
        return Some(rest);
    }
    let rest = path.strip_prefix("/v1/models/")?;
    ACTIONS
        .iter()
        .any(|action| rest.ends_with(action.path))
        .then_some(rest)
}

fn gemini<'a>(rest: &'a str, method: &Method) -> Found<'a> {
    let action = ACTIONS
        .iter()
        .find_map(|action| Some((action, rest.strip_suffix(action.path)?)));
    match action {
        Some((_, "")) => Found::Unknown,
        Some((action, model)) if *method == Method::POST => Found::Action(action, model),
        Some(_) => Found::WrongMethod { allow: "POST" },
        None if rest.is_empty() => Found::Unknown,
        None if is_read(method) => Found::Model(Dialect::Gemini, rest),
        None => Found::WrongMethod { allow: "GET, HEAD" },
    }
}

fn accepts(endpoint: &Endpoint, method: &Method) -> bool {
    match endpoint.method {
        Verb::Get => is_read(method),
        Verb::Post => method == Method::POST,
        Verb::Delete => method == Method::DELETE,
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

impl Endpoint {
    /// Whether the answer is a stream, by what the member `stream` says.
    pub fn is_stream(&self, said: Option<bool>) -> bool {
        match self.streams {
            Streams::OnRequest => said == Some(true),
            Streams::ByDefault => said != Some(false),
            Streams::Always => true,
            Streams::Never => false,
        }
    }
}

impl Operation {
    /// The first of this label.
    pub fn of_label(label: &str) -> Option<Operation> {
        let mut known = ENDPOINTS.iter().map(|endpoint| endpoint.operation);
        known.find(|operation| operation.label() == label)
    }

    /// The value of the `operation` label and of the log field.
    pub fn label(self) -> &'static str {
        match self {
            Op::Chat => "chat",
            Op::Completions => "completions",
            Op::Embeddings => "embeddings",
            Op::Models | Op::Model | Op::Show | Op::Running => "models",
            Op::Rerank => "rerank",
            Op::Moderations => "moderations",
            Op::ImageGeneration => "image_generation",
            Op::ImageEdit => "image_edit",
            Op::ImageVariation => "image_variation",
            Op::Speech => "speech",
            Op::Transcription => "transcription",
            Op::Translation => "translation",
            Op::Responses => "responses",
            Op::Tokenize => "tokenize",
            Op::Detokenize => "detokenize",
            Op::Score => "score",
            Op::Pooling => "pooling",
            Op::Classify => "classify",
            Op::Realtime => "realtime",
            Op::CountTokens => "count_tokens",
            Op::Version | Op::Alive => "version",
            Op::Manage => "manage",
            Op::PassThrough => "pass_through",
        }
    }

    /// Whether a complete answer is always a JSON document (when it is not a stream of events).
    pub fn answers_json(self) -> bool {
        match self {
            Op::Chat
            | Op::Completions
            | Op::Embeddings
            | Op::Models
            | Op::Model
            | Op::Rerank
            | Op::Moderations
            | Op::ImageGeneration
            | Op::ImageEdit
            | Op::ImageVariation
            | Op::Responses
            | Op::Tokenize
            | Op::Detokenize
            | Op::Score
            | Op::Pooling
            | Op::Classify
            | Op::CountTokens
            | Op::Show
            | Op::Running
            | Op::Version
            | Op::Manage => true,
            // Audio bytes; plain text, SRT and VTT by `response_format`; frames of a WebSocket.
            Op::Speech
            | Op::Transcription
            | Op::Translation
            | Op::Realtime
            | Op::Alive
            | Op::PassThrough => false,
        }
    }

    /// Whether a model writes text, of which a request may bound the length.
    pub fn makes_text(self) -> bool {
        matches!(
            self,
            Op::Chat
                | Op::Completions
                | Op::Responses
                | Op::Realtime
                | Op::Transcription
                | Op::Translation
        )
    }

    /// Whether some sell it by the length of what is heard or said.
    pub fn is_paid_by_length(self) -> bool {
        matches!(self, Op::Transcription | Op::Translation | Op::Speech)
    }

    /// Whether what it uses is counted in tokens wherever anybody counts it.
    pub fn uses_tokens(self) -> bool {
        matches!(
            self,
            Op::Chat
                | Op::Completions
                | Op::Responses
                | Op::Embeddings
                | Op::Rerank
                | Op::Score
                | Op::Pooling
                | Op::Classify
        )
    }

    /// Whether `stream_options.include_usage` exists for the operation's streams in OpenAI's dialects.
    pub fn has_stream_options(self) -> bool {
        matches!(self, Op::Chat | Op::Completions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_and_without_the_version() {
        let cases = [
            ("POST", "/v1/chat/completions", "chat"),
            ("POST", "/chat/completions", "chat"),
            ("POST", "/v1/chat/completions/", "chat"),
            ("POST", "/v2/rerank", "rerank"),
            ("GET", "/v1/models", "models"),
            ("HEAD", "/models", "models"),
            ("GET", "/v1/models/org/name", "model org/name"),
            ("DELETE", "/v1/models/x", "allow GET, HEAD"),
            ("GET", "/v1/chat/completions", "allow POST"),
            ("POST", "/models", "allow GET, HEAD"),
            ("POST", "/v1chat/completions", "unknown"),
            ("POST", "/v3/rerank", "unknown"),
            ("POST", "/", "allow GET, HEAD"),
            ("GET", "/", "version"),
            ("GET", "/v1/", "unknown"),
            ("POST", "/v1/v1/messages", "chat"),
            ("POST", "/messages/count_tokens", "count_tokens"),
            ("POST", "/api/chat", "chat"),
            ("DELETE", "/api/delete", "manage"),
            ("GET", "/api/delete", "allow DELETE"),
            (
                "POST",
                "/v1beta/models/gemini-3:generateContent",
                "chat of gemini-3",
            ),
            (
                "POST",
                "/v1/models/org/m:7b:streamGenerateContent",
                "chat of org/m:7b",
            ),
            ("GET", "/v1beta/models/gemini-3", "model gemini-3"),
            ("GET", "/v1beta/models", "models"),
            ("GET", "/v1beta/models/x:generateContent", "allow POST"),
            ("GET", "/v1/models/", "models"),
        ];
        for (method, path, expected) in cases {
            let found = match find(path, &method.parse().unwrap()) {
                Found::Endpoint(endpoint) => endpoint.operation.label().to_owned(),
                Found::Action(endpoint, model) => {
                    format!("{} of {model}", endpoint.operation.label())
                }
                Found::Model(_, id) => format!("model {id}"),
                Found::WrongMethod { allow } => format!("allow {allow}"),
                Found::Unknown => "unknown".to_owned(),
            };
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
