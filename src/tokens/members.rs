//! What the members of requests mean for their size: which are read by the model, which bound its answer, and which are settings. One list for all dialects: no two of them use one
//! name for different things at the same depth.

use super::media::Medium;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Nothing that a model reads.
    Nothing,
    /// Text, or what holds it.
    Said,
    /// The prompts of Completions: each is answered.
    Prompt,
    /// What a reranker compares each document with.
    Query,
    /// Documents of a reranker.
    Documents,
    /// JSON that the model reads with its braces and names: tools, schemas, arguments.
    Spelled,
    /// The role of a message, which stands for its frame.
    Role,
    /// Base64, or an address.
    Media(Medium),
    Bound(Bound),
    /// How many answers are asked for.
    Choices,
    /// Ollama's settings.
    Options,
    /// Gemini's settings.
    Generation,
}

/// The names that the bound on output has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    NumPredict,
}

impl Bound {
    pub const COUNT: usize = 4;
}

/// A member of the body itself. What is not listed is a setting.
pub fn of_body(name: &[u8]) -> Means {
    match name {
        b"messages"
        | b"input"
        | b"inputs"
        | b"system"
        | b"instructions"
        | b"contents"
        | b"content"
        | b"systemInstruction"
        | b"system_instruction"
        | b"suffix"
        | b"template"
        | b"requests"
        | b"message"
        | b"chat_history"
        | b"text_1"
        | b"text_2"
        | b"negative_prompt" => Means::Said,
        b"prompt" => Means::Prompt,
        b"query" => Means::Query,
        b"documents" | b"texts" | b"passages" => Means::Documents,
        b"tools" | b"functions" | b"response_format" | b"format" | b"text" | b"output_config"
        | b"guided_json" => Means::Spelled,
        b"image" | b"images" | b"mask" => Means::Media(Medium::Image),
        b"max_tokens" => Means::Bound(Bound::MaxTokens),
        b"max_completion_tokens" => Means::Bound(Bound::MaxCompletionTokens),
        b"max_output_tokens" => Means::Bound(Bound::MaxOutputTokens),
        b"n" | b"best_of" => Means::Choices,
        b"options" => Means::Options,
        b"generationConfig" | b"generation_config" => Means::Generation,
        _ => Means::Nothing,
    }
}

/// A member of Ollama's `options`.
pub fn of_options(name: &[u8]) -> Means {
    match name {
        b"num_predict" => Means::Bound(Bound::NumPredict),
        _ => Means::Nothing,
    }
}

/// A member of Gemini's `generationConfig`.
pub fn of_generation(name: &[u8]) -> Means {
    match name {
        b"maxOutputTokens" | b"max_output_tokens" => Means::Bound(Bound::MaxOutputTokens),
        b"candidateCount" | b"candidate_count" => Means::Choices,
        b"responseSchema"
        | b"response_schema"
        | b"responseJsonSchema"
        | b"response_json_schema" => Means::Spelled,
        _ => Means::Nothing,
    }
}

/// A member within a message, a part or a call. What is not listed is text.
pub fn of_said(name: &[u8]) -> Means {
    match name {
        b"role" => Means::Role,
        b"type" | b"id" | b"call_id" | b"tool_call_id" | b"tool_use_id" | b"status" | b"model"
        | b"mime_type" | b"mimeType" | b"media_type" | b"detail" | b"format" | b"cache_control"
        | b"signature" | b"thought_signature" | b"thoughtSignature" | b"encrypted_content"
        | b"title_id" | b"taskType" | b"task_type" | b"logprobs" => Means::Nothing,
        b"input" | b"args" | b"response" | b"arguments" => Means::Spelled,
        b"image_url" | b"images" | b"image" | b"url" | b"b64_json" => Means::Media(Medium::Image),
        b"input_audio" | b"audio" | b"audio_url" => Means::Media(Medium::Audio),
        b"video_url" | b"video" => Means::Media(Medium::Video),
        b"data" | b"file_data" | b"fileData" | b"file_id" | b"file_url" | b"fileUri"
        | b"file_uri" => Means::Media(Medium::Document),
        _ => Means::Said,
    }
}
