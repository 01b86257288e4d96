//! The endpoints that clients call: path and method → operation. The table is the whole truth about paths;
//! which upstream serves a call is not known here.

use http::Method;

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
    /// The request names no model, or names it in the path: weir answers it itself.
    Nowhere,
}

/// Which of an upstream's prefixes the endpoint stands below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// `/v1` in most.
    Api,
    /// The root, for engines' own endpoints.
    Root,
}

/// One endpoint of the OpenAI dialect.
#[derive(Debug)]
pub struct Endpoint {
    pub operation: Operation,
    /// The path below the prefix, as clients may write it after `/v1` or without it.
    pub path: &'static str,
    pub method: Method,
    pub model_in: ModelIn,
    /// Whether the vendor's specification lets the client leave the model out.
    pub model_optional: bool,
    pub prefix: Prefix,
}

/// What a path and a method come to.
#[derive(Debug)]
pub enum Found<'a> {
    Endpoint(&'static Endpoint),
    /// `GET /v1/models/{id}`; the id is not decoded, and may hold slashes.
    Model(&'a str),
    /// The path exists, with another method.
    WrongMethod {
        allow: &'static str,
    },
    Unknown,
}

use ModelIn::{Form, Json, Nowhere, Query};
use Operation as Op;
use Prefix::{Api, Root};

/// Sources: OpenAI's OpenAPI document for all but the last block; vLLM's and llama.cpp's servers for that.
static ENDPOINTS: [Endpoint; 21] = [
    post(Op::Chat, "/chat/completions", Json, false, Api),
    post(Op::Completions, "/completions", Json, false, Api),
    post(Op::Embeddings, "/embeddings", Json, false, Api),
    post(Op::Moderations, "/moderations", Json, true, Api),
    post(Op::ImageGeneration, "/images/generations", Json, true, Api),
    post(Op::ImageEdit, "/images/edits", Form, true, Api),
    post(Op::ImageVariation, "/images/variations", Form, true, Api),
    post(Op::Speech, "/audio/speech", Json, false, Api),
    post(Op::Transcription, "/audio/transcriptions", Form, false, Api),
    post(Op::Translation, "/audio/translations", Form, false, Api),
    post(Op::Responses, "/responses", Json, true, Api),
    Endpoint {
        operation: Op::Models,
        path: "/models",
        method: Method::GET,
        model_in: Nowhere,
        model_optional: true,
        prefix: Api,
    },
    Endpoint {
        operation: Op::Realtime,
        path: "/realtime",
        method: Method::GET,
        model_in: Query,
        model_optional: false,
        prefix: Api,
    },
    post(Op::Rerank, "/rerank", Json, false, Api),
    post(Op::Rerank, "/v2/rerank", Json, false, Root),
    post(Op::Score, "/score", Json, false, Api),
    post(Op::Tokenize, "/tokenize", Json, true, Root),
    post(Op::Detokenize, "/detokenize", Json, true, Root),
    post(Op::Pooling, "/pooling", Json, true, Root),
    post(Op::Classify, "/classify", Json, true, Root),
    post(Op::Rerank, "/reranking", Json, false, Api),
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
        path,
        method: Method::POST,
        model_in,
        model_optional,
        prefix,
    }
}

/// Looks up a path (without its query) and a method.
pub fn find<'a>(path: &'a str, method: &Method) -> Found<'a> {
    let below = path
        .strip_prefix("/v1")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    if let Some(id) = below.strip_prefix("/models/").filter(|id| !id.is_empty()) {
        return if is_read(method) {
            Found::Model(id)
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
        Some(endpoint) if accepts(endpoint, method) => Found::Endpoint(endpoint),
        Some(endpoint) if endpoint.method == Method::GET => {
            Found::WrongMethod { allow: "GET, HEAD" }
        }
        Some(_) => Found::WrongMethod { allow: "POST" },
    }
}

fn accepts(endpoint: &Endpoint, method: &Method) -> bool {
    endpoint.method == *method || (endpoint.method == Method::GET && method == Method::HEAD)
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

impl Operation {
    /// The value of the `operation` label and of the log field.
    pub fn label(self) -> &'static str {
        match self {
            Op::Chat => "chat",
            Op::Completions => "completions",
            Op::Embeddings => "embeddings",
            Op::Models | Op::Model => "models",
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
            | Op::Classify => true,
            // Audio bytes; plain text, SRT and VTT by `response_format`; frames of a WebSocket.
            Op::Speech | Op::Transcription | Op::Translation | Op::Realtime => false,
        }
    }

    /// Whether `stream_options.include_usage` exists for the operation's streams.
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
            ("POST", "/", "unknown"),
            ("GET", "/v1/models/", "models"),
        ];
        for (method, path, expected) in cases {
            let found = match find(path, &method.parse().unwrap()) {
                Found::Endpoint(endpoint) => endpoint.operation.label().to_owned(),
                Found::Model(id) => format!("model {id}"),
                Found::WrongMethod { allow } => format!("allow {allow}"),
                Found::Unknown => "unknown".to_owned(),
            };
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
