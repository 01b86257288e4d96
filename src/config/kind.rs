//! What each kind of upstream is, as data: its URL, paths, credential shape and quirks.
//! Adding a kind is adding its row; nothing outside this file may ask which kind it deals with.

use crate::wire::Dialect;
use crate::wire::capability::Quirks;
use crate::wire::chat::quirks;

/// What an upstream runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Vllm,
    Sglang,
    Tgi,
    Trtllm,
    Llamacpp,
    Ollama,
    Openai,
    Azure,
    Openrouter,
    Groq,
    Nvidia,
    Huggingface,
    Cerebras,
    Cloudflare,
    Gemini,
    Anthropic,
    Deepseek,
    Xai,
    Mistral,
    Together,
    Fireworks,
    OpenaiCompatible,
    /// Whatever the plugin speaks that the upstream names.
    Adapter,
}

/// How a kind takes its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthShape {
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// `<header>: <secret>`.
    Header(&'static str),
    /// Bearer for OpenAI's dialects, `x-goog-api-key` for Gemini's own.
    Google,
}

/// The facts of one kind.
#[derive(Debug)]
pub struct KindFacts {
    /// The name in YAML, metrics and logs.
    pub name: &'static str,
    /// The vendor's own URL; `None` where every operator has their own.
    pub url: Option<&'static str>,
    /// What the URL of an operator looks like.
    pub url_example: &'static str,
    /// API path of a URL that has none.
    pub api_path: &'static str,
    pub auth: AuthShape,
    /// A path that answers cheaply and never infers, below the root path.
    pub health_path: &'static str,
    /// Whether a stream's usage may be asked for with `stream_options.include_usage`
    /// (false: the server refuses the field, or sends usage unasked).
    pub stream_usage_on_request: bool,
    /// Whether `GET <api path>/models` names what requests may ask for, so that models can be learnt from it.
    pub lists_models: bool,
    /// What has to stand behind that path for all of them.
    pub list_query: &'static str,
    /// What it speaks, the best first: other clients' dialects are translated to the first.
    pub dialects: &'static [Dialect],
    /// What it takes of Chat, where a request is translated to that.
    pub quirks: &'static Quirks,
    /// Headers that it wants of every request; a client's own go before them.
    pub headers: &'static [(&'static str, &'static str)],
}

use Dialect::{Anthropic, Chat, Completions, Gemini, Ollama, Responses};

/// An engine on a host of the operator's own, with vLLM's paths.
const ENGINE: KindFacts = KindFacts {
    name: "",
    url: None,
    url_example: "http://10.0.0.11:8000",
    api_path: "/v1",
    auth: AuthShape::Bearer,
    health_path: "/health",
    stream_usage_on_request: true,
    lists_models: true,
    list_query: "",
    dialects: &[Chat, Completions, Responses],
    quirks: &Quirks::COMPATIBLE,
    headers: &[],
};

/// A service on the internet with OpenAI's paths. Only its model list is sure to cost nothing.
const SERVICE: KindFacts = KindFacts {
    health_path: "/v1/models",
    ..ENGINE
};

impl Kind {
    /// Every kind, in the order in which documents list them.
    pub const ALL: [Kind; 23] = [
        Kind::Vllm,
        Kind::Sglang,
        Kind::Tgi,
        Kind::Trtllm,
        Kind::Llamacpp,
        Kind::Ollama,
        Kind::Openai,
        Kind::Azure,
        Kind::Openrouter,
        Kind::Groq,
        Kind::Nvidia,
        Kind::Huggingface,
        Kind::Cerebras,
        Kind::Cloudflare,
        Kind::Gemini,
        Kind::Anthropic,
        Kind::Deepseek,
        Kind::Xai,
        Kind::Mistral,
        Kind::Together,
        Kind::Fireworks,
        Kind::OpenaiCompatible,
        Kind::Adapter,
    ];

    /// The kind of that name in YAML.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.facts().name == name)
    }

    /// URLs, credential shapes and `stream_options` are those of the vendors' API references, partly from general knowledge;
    /// they have not been tried against live APIs.
    pub fn facts(self) -> &'static KindFacts {
        match self {
            // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
            Kind::Vllm => &KindFacts {
                name: "vllm",
                quirks: &quirks::VLLM,
                ..ENGINE
            },
            // Its /health generates a token (SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION), and waits behind a full batch.
            Kind::Sglang => &KindFacts {
                name: "sglang",
                quirks: &quirks::SGLANG,
                health_path: "/v1/models",
                ..ENGINE
            },
            // Its /health prefills a token whenever the last generation failed.
            Kind::Tgi => &KindFacts {
                name: "tgi",
                quirks: &quirks::TGI,
                dialects: &[Chat, Completions],
                health_path: "/info",
                ..ENGINE
            },
            // trtllm-serve: https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve.html
            Kind::Trtllm => &KindFacts {
                name: "trtllm",
                quirks: &quirks::TRTLLM,
                ..ENGINE
            },
            // 503 while the model loads: https://github.com/ggml-org/llama.cpp/tree/master/tools/server
            Kind::Llamacpp => &KindFacts {
                name: "llamacpp",
                quirks: &quirks::LLAMACPP,
                ..ENGINE
            },
            // https://docs.ollama.com/api/openai-compatibility
            Kind::Ollama => &KindFacts {
                name: "ollama",
                quirks: &quirks::OLLAMA,
                health_path: "/api/version",
                dialects: &[Ollama, Chat, Completions, Responses],
                ..ENGINE
            },
            Kind::Openai => &KindFacts {
                name: "openai",
                quirks: &quirks::OPENAI,
                url: Some("https://api.openai.com/v1"),
                ..SERVICE
            },
            // The v1 API needs no api-version. Its list is Azure's catalogue; requests name deployments.
            // https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
            Kind::Azure => &KindFacts {
                name: "azure",
                quirks: &quirks::AZURE,
                url_example: "https://<resource>.openai.azure.com",
                api_path: "/openai/v1",
                auth: AuthShape::Header("api-key"),
                lists_models: false,
                ..SERVICE
            },
            // Usage always comes, and include_usage has no effect; its model list is large, the key's own record is not.
            // https://openrouter.ai/docs/api-reference/api-keys/get-current-key
            Kind::Openrouter => &KindFacts {
                name: "openrouter",
                quirks: &quirks::OPENROUTER,
                url: Some("https://openrouter.ai/api/v1"),
                api_path: "/api/v1",
                health_path: "/v1/key",
                stream_usage_on_request: false,
                ..SERVICE
            },
            Kind::Groq => &KindFacts {
                name: "groq",
                quirks: &quirks::GROQ,
                url: Some("https://api.groq.com/openai/v1"),
                api_path: "/openai/v1",
                ..SERVICE
            },
            Kind::Nvidia => &KindFacts {
                name: "nvidia",
                quirks: &quirks::NVIDIA,
                dialects: &[Chat, Completions],
                url: Some("https://integrate.api.nvidia.com/v1"),
                ..SERVICE
            },
            // https://huggingface.co/docs/inference-providers
            Kind::Huggingface => &KindFacts {
                name: "huggingface",
                quirks: &quirks::HUGGINGFACE,
                url: Some("https://router.huggingface.co/v1"),
                ..SERVICE
            },
            Kind::Cerebras => &KindFacts {
                name: "cerebras",
                quirks: &quirks::CEREBRAS,
                dialects: &[Chat, Completions],
                url: Some("https://api.cerebras.ai/v1"),
                ..SERVICE
            },
            // The URL holds the account: https://api.cloudflare.com/client/v4/accounts/<account>/ai/v1. GET …/v1/models
            // is refused there; the catalogue is a search in Cloudflare's own shape.
            // https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility
            Kind::Cloudflare => &KindFacts {
                name: "cloudflare",
                quirks: &quirks::CLOUDFLARE,
                url_example: "https://api.cloudflare.com/client/v4/accounts/<account>/ai/v1",
                health_path: "/models/search?per_page=1",
                lists_models: false,
                ..SERVICE
            },
            // Its OpenAI surface: https://ai.google.dev/gemini-api/docs/openai
            Kind::Gemini => &KindFacts {
                name: "gemini",
                quirks: &quirks::GEMINI,
                url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
                api_path: "/v1beta/openai",
                auth: AuthShape::Google,
                health_path: "/models",
                dialects: &[Gemini, Chat],
                ..SERVICE
            },
            // https://docs.anthropic.com/en/api/overview
            Kind::Anthropic => &KindFacts {
                name: "anthropic",
                url: Some("https://api.anthropic.com/v1"),
                auth: AuthShape::Header("x-api-key"),
                stream_usage_on_request: false,
                // Its lists come in pages of 20 otherwise.
                list_query: "?limit=1000",
                dialects: &[Anthropic],
                headers: &[("anthropic-version", "2023-06-01")],
                ..SERVICE
            },
            Kind::Deepseek => &KindFacts {
                name: "deepseek",
                quirks: &quirks::DEEPSEEK,
                dialects: &[Chat, Completions],
                url: Some("https://api.deepseek.com/v1"),
                ..SERVICE
            },
            Kind::Xai => &KindFacts {
                name: "xai",
                quirks: &quirks::XAI,
                url: Some("https://api.x.ai/v1"),
                ..SERVICE
            },
            // 422 extra_forbidden on stream_options.include_usage, and usage comes in the last chunk all the same.
            // https://github.com/openai/openai-agents-python/issues/442
            Kind::Mistral => &KindFacts {
                name: "mistral",
                quirks: &quirks::MISTRAL,
                dialects: &[Chat, Completions],
                url: Some("https://api.mistral.ai/v1"),
                stream_usage_on_request: false,
                ..SERVICE
            },
            // https://docs.together.ai/docs/inference/openai-compatibility
            Kind::Together => &KindFacts {
                name: "together",
                quirks: &quirks::TOGETHER,
                dialects: &[Chat, Completions],
                url: Some("https://api.together.ai/v1"),
                ..SERVICE
            },
            Kind::Fireworks => &KindFacts {
                name: "fireworks",
                quirks: &quirks::FIREWORKS,
                url: Some("https://api.fireworks.ai/inference/v1"),
                api_path: "/inference/v1",
                ..SERVICE
            },
            Kind::OpenaiCompatible => &KindFacts {
                name: "openai-compatible",
                quirks: &quirks::UNKNOWN,
                ..SERVICE
            },
            // Its plugin is asked in OpenAI's words, and knows where its provider lists its models.
            Kind::Adapter => &KindFacts {
                name: "adapter",
                url_example: "https://api.example.com",
                quirks: &quirks::UNKNOWN,
                health_path: "/",
                stream_usage_on_request: false,
                lists_models: false,
                dialects: &[Chat],
                ..SERVICE
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_found_by_it() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.facts().name).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.facts().name), Some(kind));
        }
        assert_eq!(Kind::parse("VLLM"), None);
    }

    #[test]
    fn facts_fit_together() {
        for kind in Kind::ALL {
            let facts = kind.facts();
            assert!(facts.api_path.starts_with('/') && !facts.api_path.ends_with('/'));
            assert!(facts.health_path.starts_with('/'), "{}", facts.name);
            if let Some(url) = facts.url {
                assert!(
                    url.starts_with("https://") && url.ends_with(facts.api_path),
                    "{url}"
                );
            }
        }
    }
}
