//! Requests and errors in each dialect that clients speak.

use serde_json::{Value, json};
use weir::sim::EngineKind;

use super::answer::Answer;
use super::client::Request;
use super::weir::Weir;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    Chat,
    Completions,
    Responses,
    Messages,
    Gemini,
    Ollama,
}

impl Tongue {
    pub const ALL: [Tongue; 6] = [
        Tongue::Chat,
        Tongue::Completions,
        Tongue::Responses,
        Tongue::Messages,
        Tongue::Gemini,
        Tongue::Ollama,
    ];

    /// A request for a text of at most `tokens` tokens.
    pub fn ask(self, weir: &Weir, model: &str, prompt: &str, tokens: u64, stream: bool) -> Request {
        let turns = json!([{"role": "user", "content": prompt}]);
        let (path, body) = match self {
            Tongue::Chat => (
                "/v1/chat/completions".to_owned(),
                json!({"model": model, "messages": turns, "max_tokens": tokens, "stream": stream}),
            ),
            Tongue::Completions => (
                "/v1/completions".to_owned(),
                json!({"model": model, "prompt": prompt, "max_tokens": tokens, "stream": stream}),
            ),
            Tongue::Responses => (
                "/v1/responses".to_owned(),
                json!({"model": model, "input": prompt, "max_output_tokens": tokens, "stream": stream, "store": false}),
            ),
            Tongue::Messages => (
                "/v1/messages".to_owned(),
                json!({"model": model, "messages": turns, "max_tokens": tokens, "stream": stream}),
            ),
            Tongue::Gemini => {
                let action = match stream {
                    true => "streamGenerateContent?alt=sse",
                    false => "generateContent",
                };
                let contents = json!([{"role": "user", "parts": [{"text": prompt}]}]);
                (
                    format!("/v1beta/models/{model}:{action}"),
                    json!({"contents": contents, "generationConfig": {"maxOutputTokens": tokens}}),
                )
            }
            Tongue::Ollama => (
                "/api/chat".to_owned(),
                json!({"model": model, "messages": turns, "stream": stream, "options": {"num_predict": tokens}}),
            ),
        };
        let request = weir.post(&path).json(body);
        match self {
            Tongue::Messages => request.header("anthropic-version", "2023-06-01"),
            _ => request,
        }
    }

    /// The words of an error, which stand where the dialect has them.
    ///
    /// # Panics
    /// Where the answer is no error of the dialect's.
    #[track_caller]
    pub fn words(self, answer: &Answer) -> String {
        let body = answer.json();
        let status = u64::from(answer.status);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let words = match self {
            Tongue::Chat | Tongue::Completions | Tongue::Responses => {
                assert!(body["error"]["type"].is_string(), "{body}");
                text(&body["error"]["message"])
            }
            Tongue::Messages => {
                assert_eq!(body["type"], "error", "{body}");
                assert!(body["error"]["type"].is_string(), "{body}");
                text(&body["error"]["message"])
            }
            Tongue::Gemini => {
                assert_eq!(body["error"]["code"], status, "{body}");
                assert!(body["error"]["status"].is_string(), "{body}");
                text(&body["error"]["message"])
            }
            Tongue::Ollama => text(&body["error"]),
        };
        words.unwrap_or_else(|| panic!("{self:?}: no error of its own: {body}"))
    }

    /// The engine that speaks it by itself.
    pub fn engine(self) -> EngineKind {
        match self {
            Tongue::Chat | Tongue::Completions | Tongue::Responses => EngineKind::Vllm,
            Tongue::Messages => EngineKind::Anthropic,
            Tongue::Gemini => EngineKind::Gemini,
            Tongue::Ollama => EngineKind::Ollama,
        }
    }

    /// What such an upstream is called in the configuration.
    pub fn kind(self) -> &'static str {
        match self {
            Tongue::Chat | Tongue::Completions | Tongue::Responses => "vllm",
            Tongue::Messages => "anthropic",
            Tongue::Gemini => "gemini",
            Tongue::Ollama => "ollama",
        }
    }
}
