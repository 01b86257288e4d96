//! A chunk of an answer's stream, which is also the shape of a whole answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::wire::neutral::Finish;
use crate::wire::{Usage, json};

/// What weir reads of a chunk. Texts are borrowed where they have no escapes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk<'a> {
    #[serde(borrow, default)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    #[serde(default)]
    pub usage_metadata: Option<UsageMetadata>,
    #[serde(borrow, default)]
    pub prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow, default)]
    pub model_version: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub response_id: Option<Piece<'a>>,
    #[serde(default)]
    pub error: Option<Value>,
}

/// A text; serde borrows it only below a type of its own.
#[derive(Debug, Deserialize)]
pub struct Piece<'a>(#[serde(borrow)] pub Cow<'a, str>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feedback<'a> {
    #[serde(borrow, default)]
    pub block_reason: Option<Piece<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<'a> {
    #[serde(default)]
    pub index: Option<u32>,
    #[serde(borrow, default)]
    pub content: Option<Content<'a>>,
    #[serde(borrow, default)]
    pub finish_reason: Option<Piece<'a>>,
    #[serde(default)]
    pub grounding_metadata: Option<Value>,
    #[serde(default)]
    pub citation_metadata: Option<Value>,
    #[serde(default)]
    pub logprobs_result: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub struct Content<'a> {
    #[serde(borrow, default)]
    pub parts: Option<Vec<PartIn<'a>>>,
}

/// A part; of kinds that only Gemini has, the value as it stands.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartIn<'a> {
    #[serde(borrow, default)]
    pub text: Option<Piece<'a>>,
    #[serde(default)]
    pub thought: Option<bool>,
    #[serde(borrow, default)]
    pub thought_signature: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub function_call: Option<CallIn<'a>>,
    #[serde(default)]
    pub executable_code: Option<Value>,
    #[serde(default)]
    pub code_execution_result: Option<Value>,
    #[serde(default)]
    pub inline_data: Option<Value>,
    #[serde(default)]
    pub file_data: Option<Value>,
    #[serde(default)]
    pub tool_call: Option<Value>,
    #[serde(default)]
    pub tool_response: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallIn<'a> {
    #[serde(borrow, default)]
    pub id: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub name: Option<Piece<'a>>,
    #[serde(default)]
    pub args: Option<Value>,
    #[serde(borrow, default)]
    pub partial_args: Option<Vec<PartialArg<'a>>>,
    #[serde(default)]
    pub will_continue: Option<bool>,
}

/// A piece of one argument, by its place.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialArg<'a> {
    #[serde(borrow, default)]
    pub json_path: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub string_value: Option<Piece<'a>>,
    #[serde(default)]
    pub number_value: Option<serde_json::Number>,
    #[serde(default)]
    pub bool_value: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageMetadata {
    #[serde(default)]
    prompt_token_count: Option<u64>,
    #[serde(default)]
    cached_content_token_count: Option<u64>,
    #[serde(default)]
    candidates_token_count: Option<u64>,
    #[serde(default)]
    thoughts_token_count: Option<u64>,
    #[serde(default)]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Modalities,
    #[serde(default)]
    cache_tokens_details: Modalities,
    #[serde(default)]
    candidates_tokens_details: Modalities,
}

/// Counts by the kind of medium.
#[derive(Debug, Default)]
struct Modalities {
    audio: u64,
    image: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModalityCount<'a> {
    #[serde(borrow, default)]
    modality: Option<Piece<'a>>,
    #[serde(default)]
    token_count: Option<u64>,
}

impl<'de> Deserialize<'de> for Modalities {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Modalities, D::Error> {
        let list = Option::<Vec<ModalityCount<'de>>>::deserialize(from)?.unwrap_or_default();
        let of = |medium: &str| {
            let counts = list.iter().filter(|count| {
                let modality = count.modality.as_ref();
                modality.is_some_and(|modality| &*modality.0 == medium)
            });
            let counts = counts.map(|count| count.token_count.unwrap_or(0));
            counts.fold(0, u64::saturating_add)
        };
        Ok(Modalities {
            audio: of("AUDIO"),
            image: of("IMAGE"),
        })
    }
}

/// More than this is no count, and sums of less do not overflow.
const TOKENS_MAX: u64 = 1 << 48;

impl UsageMetadata {
    /// Takes a member as it stands in the text.
    pub fn take(&mut self, name: &[u8], value: &[u8]) {
        let slot = match name {
            b"promptTokenCount" => &mut self.prompt_token_count,
            b"cachedContentTokenCount" => &mut self.cached_content_token_count,
            b"candidatesTokenCount" => &mut self.candidates_token_count,
            b"thoughtsTokenCount" => &mut self.thoughts_token_count,
            b"toolUsePromptTokenCount" => &mut self.tool_use_prompt_token_count,
            b"promptTokensDetails" => return self.prompt_tokens_details = modalities(value),
            b"cacheTokensDetails" => return self.cache_tokens_details = modalities(value),
            b"candidatesTokensDetails" => {
                return self.candidates_tokens_details = modalities(value);
            }
            _ => return,
        };
        *slot = json::whole_number(value);
    }

    /// What was cached counts among the prompt's tokens; thoughts do not count among the candidates'.
    pub fn usage(&self) -> Usage {
        let count = |count: Option<u64>| count.unwrap_or(0).min(TOKENS_MAX);
        let input = count(self.prompt_token_count) + count(self.tool_use_prompt_token_count);
        let cached = count(self.cached_content_token_count);
        let thoughts = count(self.thoughts_token_count);
        Usage {
            input_uncached: input.saturating_sub(cached),
            cache_read: cached,
            cache_write: 0,
            output: count(self.candidates_token_count) + thoughts,
            reasoning: thoughts,
            // What a cache answered is among the prompt's.
            audio_input: (self.prompt_tokens_details.audio)
                .saturating_sub(self.cache_tokens_details.audio),
            audio_output: self.candidates_tokens_details.audio,
            image_input: (self.prompt_tokens_details.image)
                .saturating_sub(self.cache_tokens_details.image),
            image_output: self.candidates_tokens_details.image,
            ..Usage::default()
        }
        .bounded()
    }
}

/// Counts by modality; what cannot be read tells none.
fn modalities(value: &[u8]) -> Modalities {
    serde_json::from_slice(value).unwrap_or_default()
}

impl PartIn<'_> {
    /// A part of a kind that only Gemini has: the member's name, and its value.
    pub fn own(&mut self) -> Option<(&'static str, Value)> {
        let kinds = [
            ("executableCode", &mut self.executable_code),
            ("codeExecutionResult", &mut self.code_execution_result),
            ("inlineData", &mut self.inline_data),
            ("fileData", &mut self.file_data),
            ("toolCall", &mut self.tool_call),
            ("toolResponse", &mut self.tool_response),
        ];
        let mut found = kinds
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.take()?)));
        found.next()
    }
}

impl Feedback<'_> {
    /// Whether the prompt was blocked, and nothing will be said.
    pub fn is_block(&self) -> bool {
        let reason = self.block_reason.as_ref().map_or("", |reason| &reason.0);
        !matches!(reason, "" | "BLOCKED_REASON_UNSPECIFIED")
    }
}

/// What a `finishReason` means; `None` where the candidate goes on.
pub fn finish_of(reason: &str) -> Option<Finish> {
    Some(match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Finish::Filter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE" => Finish::MalformedCall,
        "CONTINUATION" => Finish::Paused,
        // STOP, OTHER, and what is newer than weir.
        _ => Finish::Stop,
    })
}

/// The `finishReason` for a client.
pub fn reason_of(finish: &Finish) -> &'static str {
    match finish {
        // Calls end with STOP as well.
        Finish::Stop | Finish::StopSequence(_) | Finish::Tool => "STOP",
        // A turn that is to go on is not whole; there is no other word for it.
        Finish::Length | Finish::ContextFull | Finish::Paused => "MAX_TOKENS",
        Finish::Filter | Finish::Refusal(_) => "SAFETY",
        Finish::MalformedCall => "MALFORMED_FUNCTION_CALL",
    }
}

/// `usageMetadata` for a client, as the text of an object.
pub fn usage_text(usage: &Usage) -> String {
    let thoughts = usage.reasoning.min(usage.output);
    let candidates = usage.output - thoughts;
    let mut text = format!("{{\"promptTokenCount\":{}", usage.input());
    if usage.cache_read > 0 {
        text.push_str(&format!(
            ",\"cachedContentTokenCount\":{}",
            usage.cache_read
        ));
    }
    text.push_str(&format!(",\"candidatesTokenCount\":{candidates}"));
    push_modalities(
        &mut text,
        "promptTokensDetails",
        usage.input(),
        usage.audio_input,
    );
    push_modalities(
        &mut text,
        "candidatesTokensDetails",
        candidates,
        usage.audio_output,
    );
    if thoughts > 0 {
        text.push_str(&format!(",\"thoughtsTokenCount\":{thoughts}"));
    }
    let total = usage.input() + usage.output;
    text.push_str(&format!(",\"totalTokenCount\":{total}}}"));
    text
}

/// How much of a count is audio, where some is.
fn push_modalities(text: &mut String, name: &str, whole: u64, audio: u64) {
    if audio > 0 {
        let rest = whole.saturating_sub(audio);
        text.push_str(&format!(
            ",\"{name}\":[{{\"modality\":\"TEXT\",\"tokenCount\":{rest}}},{{\"modality\":\"AUDIO\",\"tokenCount\":{audio}}}]"
        ));
    }
}
