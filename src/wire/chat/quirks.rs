//! What each kind of server that speaks Chat takes of it. The kinds' rows name these constants; nothing here decides anything.
//! Sources stand beside each; "general knowledge" means that no public page was found or read for it. None was tried against a live API.

use crate::wire::capability::{CallIds, PastReasoning, Quirks, ThinkingSwitch};
use crate::wire::neutral::Effort;

/// A server of unknown make. Among those are some that never say why an answer ends (qualcomm/GenieX#1243,
/// alfredapp/openai-workflow#52).
pub const UNKNOWN: Quirks = Quirks {
    reasons_optional: true,
    ..Quirks::COMPATIBLE
};

/// vLLM. Extra parameters and `chat_template_kwargs`: <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>
/// Reasoning is `reasoning` in newer versions (vllm-project/vllm#50624), which older ones do not read. `reasoning_effort` is taken
/// from `none` to `max` (vllm-project/vllm#40982). Templates with room for one leading system message are common among its
/// models, but not the rule.
pub const VLLM: Quirks = Quirks {
    max_completion_tokens: true,
    engine_sampling: true,
    thinking_switch: ThinkingSwitch::TemplateArgument,
    past_reasoning: PastReasoning::Reasoning,
    ..Quirks::COMPATIBLE
};

/// SGLang: <https://docs.sglang.ai/basic_usage/openai_api_completions.html>; the name of earlier reasoning is general knowledge.
/// It takes the efforts `low`, `medium` and `high` alone (router-for-me/CLIProxyAPI#1572).
pub const SGLANG: Quirks = Quirks {
    max_completion_tokens: true,
    engine_sampling: true,
    efforts: &[Effort::Low, Effort::Medium, Effort::High],
    thinking_switch: ThinkingSwitch::TemplateArgument,
    past_reasoning: PastReasoning::ReasoningContent,
    ..Quirks::COMPATIBLE
};

/// TGI: <https://huggingface.co/docs/text-generation-inference/messages_api>; grammars are its structured output, `n` is not
/// implemented (general knowledge).
pub const TGI: Quirks = Quirks {
    reasoning_effort: false,
    choices: false,
    parallel_calls_switch: false,
    ..Quirks::COMPATIBLE
};

/// trtllm-serve: <https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve.html>; its request type follows vLLM's and forbids
/// unknown members (general knowledge).
pub const TRTLLM: Quirks = Quirks {
    max_completion_tokens: true,
    engine_sampling: true,
    reasoning_effort: false,
    thinking_switch: ThinkingSwitch::TemplateArgument,
    logprobs: true,
    strict_members: true,
    ..Quirks::COMPATIBLE
};

/// llama.cpp: <https://github.com/ggml-org/llama.cpp/tree/master/tools/server>; one answer at a time, its templates often take
/// one leading system message (ggml-org/llama.cpp#20215).
pub const LLAMACPP: Quirks = Quirks {
    engine_sampling: true,
    repetition_name: "repeat_penalty",
    one_system_first: true,
    reasoning_effort: false,
    thinking_switch: ThinkingSwitch::TemplateArgument,
    past_reasoning: PastReasoning::ReasoningContent,
    choices: false,
    ..Quirks::COMPATIBLE
};

/// Ollama's compatible surface: <https://docs.ollama.com/api/openai-compatibility>. Images in base64 only, no choice of tools,
/// no `n`, no `logit_bias`; thinking by `reasoning_effort`, read back as `reasoning` (general knowledge).
pub const OLLAMA: Quirks = Quirks {
    past_reasoning: PastReasoning::Reasoning,
    image_urls: false,
    logprobs: true,
    choices: false,
    tool_choice: false,
    parallel_calls_switch: false,
    ..Quirks::COMPATIBLE
};

/// OpenAI: its OpenAPI document. Ids of calls of 40 bytes at most (vercel/ai#5171).
pub const OPENAI: Quirks = Quirks {
    max_completion_tokens: true,
    developer_role: true,
    call_ids: CallIds::AtMost(40),
    openai_members: true,
    ..Quirks::COMPATIBLE
};

/// Azure OpenAI has OpenAI's API, some months later: <https://learn.microsoft.com/azure/foundry/openai/latest>
pub const AZURE: Quirks = OPENAI;

/// OpenRouter: <https://openrouter.ai/docs/guides/best-practices/reasoning-tokens> (reasoning, to be sent back as it came),
/// <https://openrouter.ai/docs/features/prompt-caching> (marks). It drops what a model does not take, and always reports usage.
pub const OPENROUTER: Quirks = Quirks {
    engine_sampling: true,
    thinking_switch: ThinkingSwitch::ReasoningObject,
    past_reasoning: PastReasoning::Details,
    stream_options: false,
    cache_marks: true,
    ..Quirks::COMPATIBLE
};

/// Groq refuses `logprobs`, `logit_bias`, names of participants and `n` above 1: <https://console.groq.com/docs/openai>. It
/// refuses `reasoning_content` as well, and some unknown members (general knowledge).
pub const GROQ: Quirks = Quirks {
    max_completion_tokens: true,
    openai_sampling: false,
    seed_name: None,
    logprobs: false,
    choices: false,
    strict_members: true,
    ..Quirks::COMPATIBLE
};

/// NVIDIA's hosted models, behind vLLM or TensorRT-LLM by model; strict as its gateway is (general knowledge).
pub const NVIDIA: Quirks = Quirks {
    thinking_switch: ThinkingSwitch::TemplateArgument,
    parallel_calls_switch: false,
    ..Quirks::COMPATIBLE
};

/// Hugging Face's router hands requests on to many vendors: <https://huggingface.co/docs/inference-providers>
pub const HUGGINGFACE: Quirks = Quirks {
    choices: false,
    ..Quirks::COMPATIBLE
};

/// Cerebras refuses penalties, `logit_bias`, `parallel_tool_calls` and `service_tier`, and has no role `developer`:
/// <https://inference-docs.cerebras.ai/resources/openai>
pub const CEREBRAS: Quirks = Quirks {
    max_completion_tokens: true,
    openai_sampling: false,
    seed_name: None,
    choices: false,
    parallel_calls_switch: false,
    strict_members: true,
    ..Quirks::COMPATIBLE
};

/// Cloudflare Workers AI: <https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility>; what it takes beside
/// the conversation differs by model (general knowledge). Its streams end with `[DONE]`, with a reason or without
/// (BerriAI/litellm#29354).
pub const CLOUDFLARE: Quirks = Quirks {
    reasons_optional: true,
    reasoning_effort: false,
    logprobs: false,
    choices: false,
    parallel_calls_switch: false,
    ..Quirks::COMPATIBLE
};

/// Gemini's compatible surface: <https://ai.google.dev/gemini-api/docs/openai>. It refuses unknown members, penalties that a
/// model does not take, and images by URL (general knowledge).
pub const GEMINI: Quirks = Quirks {
    openai_sampling: false,
    seed_name: None,
    image_urls: false,
    logprobs: false,
    parallel_calls_switch: false,
    ..Quirks::COMPATIBLE
};

/// DeepSeek: <https://api-docs.deepseek.com/guides/thinking_mode> — `thinking` turns thinking on and off, `reasoning_effort` says how
/// much, and `reasoning_content` of turns with calls must come back (400 without it). No schemas (general knowledge).
pub const DEEPSEEK: Quirks = Quirks {
    thinking_switch: ThinkingSwitch::ThinkingObject,
    past_reasoning: PastReasoning::ReasoningContent,
    json_schema: false,
    choices: false,
    parallel_calls_switch: false,
    stop_max: 16,
    ..Quirks::COMPATIBLE
};

/// xAI: <https://docs.x.ai/docs/api-reference>; penalties and `stop` are refused by its reasoning models, which is the models' to say.
pub const XAI: Quirks = Quirks {
    max_completion_tokens: true,
    past_reasoning: PastReasoning::ReasoningContent,
    ..Quirks::COMPATIBLE
};

/// Mistral answers 422 `extra_forbidden` to unknown members (openai/openai-agents-python#442; `seed` is `random_seed` there),
/// takes ids of nine letters and digits only (general knowledge), and refuses a user's turn right after a tool's
/// (avante-corp/avante.nvim#2695, NousResearch/hermes-agent#20154).
pub const MISTRAL: Quirks = Quirks {
    alternate_turns: true,
    openai_sampling: false,
    seed_name: Some("random_seed"),
    reasoning_effort: false,
    call_ids: CallIds::Nine,
    logprobs: false,
    strict_members: true,
    stream_options: false,
    ..Quirks::COMPATIBLE
};

/// Together: <https://docs.together.ai/reference/chat-completions-1>; `logprobs` is a number there, not a switch.
pub const TOGETHER: Quirks = Quirks {
    engine_sampling: true,
    past_reasoning: PastReasoning::Reasoning,
    logprobs: false,
    ..Quirks::COMPATIBLE
};

/// Fireworks: <https://docs.fireworks.ai/api-reference/post-chatcompletions>; `reasoning_content` may come back.
pub const FIREWORKS: Quirks = Quirks {
    engine_sampling: true,
    past_reasoning: PastReasoning::ReasoningContent,
    ..Quirks::COMPATIBLE
};
