//! Which path is answered by what, and the checks that every endpoint shares: loading, the key, the method.
//! It must not know how an endpoint answers.

use http::{Method, StatusCode, header};

use super::armory::Faults;
use super::host::Host;
use super::http::Received;
use super::options::EngineKind;
use super::refusal::Refusal;
use super::reply::Reply;
use super::{
    chat, completions, embeddings, media, metrics_page, models, ranking, responses, tokens,
};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Chat,
    Completions,
    Embeddings,
    Responses,
    Score,
    Rerank,
    Pooling,
    Classify,
    Moderations,
    ImageGenerations,
    ImageForms,
    Speech,
    Transcriptions,
    Translations,
    Tokenize,
    Detokenize,
    Models,
    Health,
    Version,
    Metrics,
    Echo,
}

fn endpoint(kind: EngineKind, path: &str) -> Option<Endpoint> {
    Some(match path.strip_prefix("/v1").unwrap_or(path) {
        "/chat/completions" => Endpoint::Chat,
        "/completions" => Endpoint::Completions,
        "/embeddings" => Endpoint::Embeddings,
        "/responses" => Endpoint::Responses,
        "/score" => Endpoint::Score,
        "/rerank" | "/v2/rerank" => Endpoint::Rerank,
        "/pooling" => Endpoint::Pooling,
        "/classify" => Endpoint::Classify,
        "/moderations" => Endpoint::Moderations,
        "/images/generations" => Endpoint::ImageGenerations,
        "/images/edits" | "/images/variations" => Endpoint::ImageForms,
        "/audio/speech" => Endpoint::Speech,
        "/audio/transcriptions" => Endpoint::Transcriptions,
        "/audio/translations" => Endpoint::Translations,
        "/tokenize" => Endpoint::Tokenize,
        "/detokenize" => Endpoint::Detokenize,
        rest if rest == "/models" || rest.starts_with("/models/") => Endpoint::Models,
        _ => return local_endpoint(kind, path),
    })
}

/// Paths outside the API, which differ by kind.
fn local_endpoint(kind: EngineKind, path: &str) -> Option<Endpoint> {
    Some(match path {
        "/echo" => Endpoint::Echo,
        "/" if kind == EngineKind::Ollama => Endpoint::Health,
        "/health" | "/ping" if kind != EngineKind::Openai => Endpoint::Health,
        "/health_generate" if matches!(kind, EngineKind::Sglang | EngineKind::Trtllm) => {
            Endpoint::Health
        }
        "/api/version" if kind == EngineKind::Ollama => Endpoint::Version,
        "/version" if matches!(kind, EngineKind::Vllm | EngineKind::Trtllm) => Endpoint::Version,
        // trtllm-serve keeps iteration statistics in JSON under /metrics.
        "/prometheus/metrics" if kind == EngineKind::Trtllm => Endpoint::Metrics,
        "/metrics" if kind != EngineKind::Trtllm => Endpoint::Metrics,
        _ => return None,
    })
}

/// Whether a model runs for requests to this path, so that faults without a path fall on them.
pub fn infers(path: &str) -> bool {
    path == "/v1/realtime"
        || endpoint(EngineKind::Openai, path).is_some_and(|endpoint| {
            use Endpoint::{Detokenize, Echo, Health, Metrics, Models, Tokenize, Version};
            !matches!(
                endpoint,
                Models | Health | Version | Metrics | Echo | Tokenize | Detokenize
            )
        })
}

/// Answers a request.
pub async fn answer(host: &Host, received: &Received, faults: &Faults) -> Reply {
    let kind = host.options.kind;
    let Some(endpoint) = endpoint(kind, received.path()) else {
        return Reply::refusal(
            kind,
            &Refusal::unknown_path(received.method(), received.path()),
        );
    };
    if let Some(reply) = stands_in_the_way(host, received, endpoint) {
        return reply;
    }
    match run(host, received, faults, endpoint).await {
        Ok(reply) => reply,
        Err(refusal) => Reply::refusal(kind, &refusal),
    }
}

/// The answer of a host that was not shown the key, or is loading.
pub fn refuses(host: &Host, received: &Received) -> Option<Reply> {
    if let Some(key) = &host.options.api_key {
        let shown = received
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        if shown != Some(key.as_str()) {
            // In OpenAI's shape whatever the kind: a key is what fronts of every engine ask for in that way.
            let refusal = Refusal::of_status(StatusCode::UNAUTHORIZED);
            return Some(
                Reply::json(&refusal.body(EngineKind::Openai))
                    .with_status(StatusCode::UNAUTHORIZED),
            );
        }
    }
    host.is_loading().then(|| loading(host))
}

fn loading(host: &Host) -> Reply {
    Reply::refusal(
        host.options.kind,
        &Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Loading model"),
    )
}

/// What is answered in an endpoint's place: to a request without the key, while loading, or with the wrong method.
fn stands_in_the_way(host: &Host, received: &Received, endpoint: Endpoint) -> Option<Reply> {
    let kind = host.options.kind;
    let refused = match endpoint {
        Endpoint::Version | Endpoint::Metrics | Endpoint::Echo => None,
        Endpoint::Health => host.is_loading().then(|| loading(host)),
        _ => refuses(host, received),
    };
    if refused.is_some() {
        return refused;
    }
    let allowed = match endpoint {
        Endpoint::Echo => return None,
        Endpoint::Models | Endpoint::Health | Endpoint::Version | Endpoint::Metrics => Method::GET,
        _ => Method::POST,
    };
    let is_allowed = *received.method() == allowed
        || (*received.method() == Method::HEAD && allowed == Method::GET);
    (!is_allowed).then(|| {
        let message = format!(
            "Not allowed to {} on {} (HTTP method)",
            received.method(),
            received.path()
        );
        let mut reply =
            Reply::refusal(kind, &Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message));
        let allow = if allowed == Method::GET {
            "GET, HEAD"
        } else {
            "POST"
        };
        reply
            .headers
            .push((header::ALLOW, header::HeaderValue::from_static(allow)));
        reply
    })
}

async fn run(
    host: &Host,
    received: &Received,
    faults: &Faults,
    endpoint: Endpoint,
) -> Result<Reply, Refusal> {
    match endpoint {
        Endpoint::Chat => chat::answer(host, &received.body, faults).await,
        Endpoint::Completions => completions::answer(host, &received.body, faults).await,
        Endpoint::Responses => responses::answer(host, &received.body, faults).await,
        Endpoint::Embeddings => embeddings::answer(host, &received.body).await,
        Endpoint::Pooling => embeddings::pool(host, &received.body).await,
        Endpoint::Score => ranking::score(host, &received.body).await,
        Endpoint::Rerank => ranking::rerank(host, &received.body).await,
        Endpoint::Classify => ranking::classify(host, &received.body).await,
        Endpoint::Moderations => ranking::moderate(host, &received.body).await,
        Endpoint::ImageGenerations => media::generate_image(host, &received.body).await,
        Endpoint::ImageForms => media::change_image(host, received).await,
        Endpoint::Speech => media::speak(host, &received.body).await,
        Endpoint::Transcriptions => media::transcribe(host, received, "transcribe").await,
        Endpoint::Translations => media::transcribe(host, received, "translate").await,
        Endpoint::Tokenize => tokens::tokenize(host, &received.body),
        Endpoint::Detokenize => tokens::detokenize(host, &received.body),
        Endpoint::Models => models::list(host, received.path()),
        Endpoint::Health => Ok(models::health(host.options.kind)),
        Endpoint::Version => Ok(models::version(host.options.kind)),
        Endpoint::Metrics => {
            metrics_page::text(host.options.kind, &host.engine, &host.options.models[0])
                .map(|text| Reply::whole("text/plain; version=0.0.4; charset=utf-8", text))
                .ok_or_else(|| Refusal::unknown_path(received.method(), received.path()))
        }
        Endpoint::Echo => Ok(Reply::json(&received.exchange.record.to_json())),
    }
}
