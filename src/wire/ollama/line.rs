//! A line of an answer's stream, which is also the shape of a whole answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::Usage;
use crate::wire::neutral::Finish;

/// What weir reads of a line of `/api/chat` or `/api/generate`. Texts are borrowed where they have no escapes.
#[derive(Debug, Deserialize)]
pub struct Line<'a> {
    #[serde(borrow, default)]
    pub model: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub message: Option<MessageLine<'a>>,
    /// The text of `/api/generate`.
    #[serde(borrow, default)]
    pub response: Option<Piece<'a>>,
    /// The thoughts of `/api/generate`.
    #[serde(borrow, default)]
    pub thinking: Option<Piece<'a>>,
    #[serde(default)]
    pub done: Option<bool>,
    #[serde(borrow, default)]
    pub done_reason: Option<Piece<'a>>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
    #[serde(default)]
    pub logprobs: Option<Value>,
    #[serde(default)]
    pub error: Option<Value>,
}

/// A text; serde borrows it only below a type of its own.
#[derive(Debug, Deserialize)]
pub struct Piece<'a>(#[serde(borrow)] pub Cow<'a, str>);

#[derive(Debug, Deserialize)]
pub struct MessageLine<'a> {
    #[serde(borrow, default)]
    pub content: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub thinking: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub tool_calls: Option<Vec<CallLine<'a>>>,
}

#[derive(Debug, Deserialize)]
pub struct CallLine<'a> {
    #[serde(borrow, default)]
    pub id: Option<Piece<'a>>,
    #[serde(borrow)]
    pub function: FunctionLine<'a>,
}

#[derive(Debug, Deserialize)]
pub struct FunctionLine<'a> {
    #[serde(borrow, default)]
    pub name: Option<Piece<'a>>,
    #[serde(default)]
    pub arguments: Option<Value>,
}

/// More than this is no count, and sums of less do not overflow.
const TOKENS_MAX: u64 = 1 << 48;

/// What `prompt_eval_count` and `eval_count` say; a count that is missing is 0 (a prompt that the cache answered has none).
pub fn usage_of(input: Option<u64>, output: Option<u64>) -> Option<Usage> {
    if input.is_none() && output.is_none() {
        return None;
    }
    Some(Usage {
        input_uncached: input.unwrap_or(0).min(TOKENS_MAX),
        output: output.unwrap_or(0).min(TOKENS_MAX),
        ..Usage::default()
    })
}

impl Line<'_> {
    /// The counts of the last line.
    pub fn usage(&self) -> Option<Usage> {
        usage_of(self.prompt_eval_count, self.eval_count)
    }

    /// Why the answer ended.
    pub fn finish(&self, has_calls: bool) -> Finish {
        match self.done_reason.as_ref().map(|reason| &*reason.0) {
            Some("length") => Finish::Length,
            _ if has_calls => Finish::Tool,
            _ => Finish::Stop,
        }
    }
}

impl FunctionLine<'_> {
    /// The arguments as JSON text; servers that send text are taken at their word.
    pub fn arguments(&self) -> String {
        match &self.arguments {
            None | Some(Value::Null) => "{}".into(),
            Some(Value::String(text)) if text.is_empty() => "{}".into(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// Ollama's list of log probabilities in Chat's shape, which has the same entries.
pub fn chat_logprobs(list: &Value) -> Option<Value> {
    let is_some = list.as_array().is_some_and(|list| !list.is_empty());
    is_some.then(|| json!({ "content": list }))
}
