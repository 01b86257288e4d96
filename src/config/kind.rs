//! What each kind of upstream is, as data: its URL, paths, credential shape and quirks.
//! Adding a kind is adding its row; nothing outside this file may ask which kind it deals with.

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
    Deepseek,
    Xai,
    Mistral,
    Together,
    Fireworks,
    OpenaiCompatible,
}

/// How a kind takes its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthShape {
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// `<header>: <secret>`.
    Header(&'static str),
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
}

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
};

/// A service on the internet with OpenAI's paths. Only its model list is sure to cost nothing.
const SERVICE: KindFacts = KindFacts {
    health_path: "/v1/models",
    ..ENGINE
};

impl Kind {
    /// Every kind, in the order in which documents list them.
    pub const ALL: [Kind; 21] = [
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
        Kind::Deepseek,
        Kind::Xai,
        Kind::Mistral,
        Kind::Together,
        Kind::Fireworks,
        Kind::OpenaiCompatible,
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
                ..ENGINE
            },
            // Its /health generates a token (SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION), and waits behind a full batch.
            Kind::Sglang => &KindFacts {
                name: "sglang",
                health_path: "/v1/models",
                ..ENGINE
            },
            // Its /health prefills a token whenever the last generation failed.
            Kind::Tgi => &KindFacts {
                name: "tgi",
                health_path: "/info",
                ..ENGINE
            },
            // trtllm-serve: https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve.html
            Kind::Trtllm => &KindFacts {
                name: "trtllm",
                ..ENGINE
            },
            // 503 while the model loads: https://github.com/ggml-org/llama.cpp/tree/master/tools/server
            Kind::Llamacpp => &KindFacts {
                name: "llamacpp",
                ..ENGINE
            },
            // https://docs.ollama.com/api/openai-compatibility
            Kind::Ollama => &KindFacts {
                name: "ollama",
                health_path: "/api/version",
                ..ENGINE
            },
            Kind::Openai => &KindFacts {
                name: "openai",
                url: Some("https://api.openai.com/v1"),
                ..SERVICE
            },
            // The v1 API needs no api-version. Its list is Azure's catalogue; requests name deployments.
            // https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
            Kind::Azure => &KindFacts {
                name: "azure",
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
                url: Some("https://openrouter.ai/api/v1"),
                api_path: "/api/v1",
                health_path: "/v1/key",
                stream_usage_on_request: false,
                ..SERVICE
            },
            Kind::Groq => &KindFacts {
                name: "groq",
                url: Some("https://api.groq.com/openai/v1"),
                api_path: "/openai/v1",
                ..SERVICE
            },
            Kind::Nvidia => &KindFacts {
                name: "nvidia",
                url: Some("https://integrate.api.nvidia.com/v1"),
                ..SERVICE
            },
            // https://huggingface.co/docs/inference-providers
            Kind::Huggingface => &KindFacts {
                name: "huggingface",
                url: Some("https://router.huggingface.co/v1"),
                ..SERVICE
            },
            Kind::Cerebras => &KindFacts {
                name: "cerebras",
                url: Some("https://api.cerebras.ai/v1"),
                ..SERVICE
            },
            // The URL holds the account: https://api.cloudflare.com/client/v4/accounts/<account>/ai/v1. GET …/v1/models
            // is refused there; the catalogue is a search in Cloudflare's own shape.
            // https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility
            Kind::Cloudflare => &KindFacts {
                name: "cloudflare",
                url_example: "https://api.cloudflare.com/client/v4/accounts/<account>/ai/v1",
                health_path: "/models/search?per_page=1",
                lists_models: false,
                ..SERVICE
            },
            // Its OpenAI surface: https://ai.google.dev/gemini-api/docs/openai
            Kind::Gemini => &KindFacts {
                name: "gemini",
                url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
                api_path: "/v1beta/openai",
                health_path: "/models",
                ..SERVICE
            },
            Kind::Deepseek => &KindFacts {
                name: "deepseek",
                url: Some("https://api.deepseek.com/v1"),
                ..SERVICE
            },
            Kind::Xai => &KindFacts {
                name: "xai",
                url: Some("https://api.x.ai/v1"),
                ..SERVICE
            },
            // 422 extra_forbidden on stream_options.include_usage, and usage comes in the last chunk all the same.
            // https://github.com/openai/openai-agents-python/issues/442
            Kind::Mistral => &KindFacts {
                name: "mistral",
                url: Some("https://api.mistral.ai/v1"),
                stream_usage_on_request: false,
                ..SERVICE
            },
            // https://docs.together.ai/docs/inference/openai-compatibility
            Kind::Together => &KindFacts {
                name: "together",
                url: Some("https://api.together.ai/v1"),
                ..SERVICE
            },
            Kind::Fireworks => &KindFacts {
                name: "fireworks",
                url: Some("https://api.fireworks.ai/inference/v1"),
                api_path: "/inference/v1",
                ..SERVICE
            },
            Kind::OpenaiCompatible => &KindFacts {
                name: "openai-compatible",
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
