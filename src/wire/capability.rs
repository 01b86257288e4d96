//! What a model can do, and what its server makes of the dialect: data that decide what is sent, what is dropped, and what is refused.
//! The values come from tables and the configuration; here are only their shapes, and what holds where nothing is known.

use super::neutral::Effort;

/// What one model takes. What is not known is allowed: the upstream then says no itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Input and output together, in tokens.
    pub context_tokens: Option<u64>,
    pub output_tokens_max: Option<u64>,
    /// Takes `temperature`, `top_p` and `top_k`.
    pub sampling: bool,
    /// Takes `temperature` and `top_p` in one request.
    pub temperature_with_top_p: bool,
    /// Goes on with a text of the assistant's that stands last.
    pub prefill: bool,
    pub tools: bool,
    /// Can be made to call a tool.
    pub forced_tools: bool,
    pub thinking: ThinkingStyle,
    /// The levels of effort that it knows; empty: not known, all are sent.
    pub efforts: Vec<Effort>,
    /// Instructions may stand between later turns.
    pub system_anywhere: bool,
    /// Can be held to a JSON Schema by its vendor's own means.
    pub structured_output: bool,
    pub images: bool,
    pub audio: bool,
    pub documents: bool,
    /// Served by the Responses API only.
    pub responses_only: bool,
    /// Turns text into vectors, and does not chat.
    pub embeds: bool,
}

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingStyle {
    /// It does not.
    Never,
    /// Not known: what the client says is sent as its dialect has it.
    Unknown,
    /// By a budget in tokens, and off unless asked for (Claude up to 4.5).
    Budget,
    /// By effort, as it sees fit; can be turned off.
    Adaptive,
    /// By effort; cannot be turned off.
    Always,
}

impl Default for Capabilities {
    fn default() -> Capabilities {
        Capabilities {
            context_tokens: None,
            output_tokens_max: None,
            sampling: true,
            temperature_with_top_p: true,
            prefill: true,
            tools: true,
            forced_tools: true,
            thinking: ThinkingStyle::Unknown,
            efforts: Vec::new(),
            system_anywhere: false,
            structured_output: true,
            images: true,
            audio: true,
            documents: true,
            responses_only: false,
            embeds: false,
        }
    }
}

/// What a server that speaks Chat (or another dialect) takes of it. One constant for each kind of upstream, in `config/kind.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quirks {
    /// The bound on output is `max_completion_tokens`; `max_tokens` otherwise.
    pub max_completion_tokens: bool,
    /// Knows the role `developer`.
    pub developer_role: bool,
    /// Instructions may stand first only (templates that refuse them elsewhere).
    pub one_system_first: bool,
    /// Turns of the user and the assistant must alternate.
    pub alternate_turns: bool,
    /// Takes `top_k`, `min_p`, `repetition_penalty` beside OpenAI's parameters.
    pub engine_sampling: bool,
    /// Takes OpenAI's penalties and `logit_bias`.
    pub openai_sampling: bool,
    /// The name of the seed; `None`: takes none.
    pub seed_name: Option<&'static str>,
    /// The name of `repetition_penalty`.
    pub repetition_name: &'static str,
    /// Takes `reasoning_effort`.
    pub reasoning_effort: bool,
    /// The levels of effort that it takes, whatever the model; empty: all.
    pub efforts: &'static [Effort],
    /// How thinking is turned on and off beside that.
    pub thinking_switch: ThinkingSwitch,
    /// What becomes of earlier reasoning.
    pub past_reasoning: PastReasoning,
    pub call_ids: CallIds,
    /// Takes URLs of images.
    pub image_urls: bool,
    pub json_schema: bool,
    pub json_object: bool,
    pub logprobs: bool,
    /// Gives several answers (`n`).
    pub choices: bool,
    pub tool_choice: bool,
    pub parallel_calls_switch: bool,
    /// Takes `stop` texts at most.
    pub stop_max: usize,
    /// Refuses members that it does not know.
    pub strict_members: bool,
    /// Streams report their usage when `stream_options.include_usage` asks for it.
    pub stream_options: bool,
    /// Takes OpenAI's `verbosity`, `service_tier`, `prompt_cache_key`, `safety_identifier`, `prediction`, `store`, `metadata`.
    pub openai_members: bool,
    /// Cache marks in Anthropic's form on parts (OpenRouter).
    pub cache_marks: bool,
    /// Streams may end with their last event, and no reason why they end.
    pub reasons_optional: bool,
}

/// Switches for thinking that servers have beside `reasoning_effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingSwitch {
    None,
    /// `chat_template_kwargs: {enable_thinking: …}` (vLLM, SGLang, llama.cpp with Qwen's templates).
    TemplateArgument,
    /// `reasoning: {effort, max_tokens, enabled, exclude}` (OpenRouter).
    ReasoningObject,
    /// `thinking: {type: enabled | disabled}` (DeepSeek, and others of China's vendors).
    ThinkingObject,
}

/// What becomes of the reasoning of earlier turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastReasoning {
    /// Refused or ignored: not sent.
    Strip,
    /// As `reasoning_content`.
    ReasoningContent,
    /// As `reasoning`.
    Reasoning,
    /// As `reasoning_details`, with its signatures (OpenRouter).
    Details,
}

/// Which ids of calls a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallIds {
    Any,
    /// At most this many bytes.
    AtMost(usize),
    /// Nine letters and digits (Mistral).
    Nine,
    /// Letters, digits, `_` and `-` (Anthropic).
    Plain,
}

impl Quirks {
    /// Nothing that some server refuses; what a server of unknown make is sent.
    pub const COMPATIBLE: Quirks = Quirks {
        max_completion_tokens: false,
        developer_role: false,
        one_system_first: false,
        alternate_turns: false,
        engine_sampling: false,
        openai_sampling: true,
        seed_name: Some("seed"),
        repetition_name: "repetition_penalty",
        reasoning_effort: true,
        efforts: &[],
        thinking_switch: ThinkingSwitch::None,
        past_reasoning: PastReasoning::Strip,
        call_ids: CallIds::Any,
        image_urls: true,
        json_schema: true,
        json_object: true,
        logprobs: true,
        choices: true,
        tool_choice: true,
        parallel_calls_switch: true,
        stop_max: 4,
        strict_members: false,
        stream_options: true,
        openai_members: false,
        cache_marks: false,
        reasons_optional: false,
    };
}

/// What a request is written for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The upstream's own name for the model.
    pub model: &'a str,
    pub capabilities: &'a Capabilities,
    pub quirks: &'a Quirks,
}

/// A model as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedModel<'a> {
    pub id: &'a str,
    pub owner: &'a str,
    pub capabilities: &'a Capabilities,
}
