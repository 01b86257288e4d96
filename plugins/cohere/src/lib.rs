//! Speaks Cohere's API, version 2, for weir: chat, embeddings and rerank. The facts are those of the vendor's API reference
//! (<https://docs.cohere.com/reference/about>); none of it has been tried against the live API.

mod answer;
mod chat;
mod config;
mod decoder;
mod embed;
mod messages;
mod names;
mod refusal;
mod rerank;
mod sse;
mod stream;
mod usage;

use serde_json::{Map, Value};
use weir_openai::{asked, permanent};
use weir_plugin::{
    Adapter, AdapterInfo, Api, Candidate, Failure, Header, Host, PluginError, WireRequest,
};

use config::Config;
use decoder::CohereDecoder;

/// The adapter.
#[derive(Debug)]
pub struct Cohere {
    config: Config,
}

impl Adapter for Cohere {
    type Decoder = CohereDecoder;

    fn configure(config_json: &str) -> Result<Cohere, String> {
        Ok(Cohere {
            config: Config::read(config_json)?,
        })
    }

    fn describe(&self) -> AdapterInfo {
        AdapterInfo {
            name: "cohere".to_owned(),
            accepts: vec![Api::ChatCompletions, Api::Embeddings, Api::Rerank],
        }
    }

    fn encode(&mut self, host: &dyn Host, target: &Candidate) -> Result<WireRequest, PluginError> {
        let mut request = asked(host)?;
        let (config, model) = (&self.config, target.model.as_str());
        let (path, body) = match host.meta().api {
            Api::Embeddings => ("/v2/embed", embed::request(&request, model, config)),
            Api::Rerank => ("/v2/rerank", rerank::request(&request, model)),
            Api::ChatCompletions
            | Api::Responses
            | Api::Messages
            | Api::GenerateContent
            | Api::Completions
            | Api::Ollama
            | Api::Moderations
            | Api::Images
            | Api::AudioSpeech
            | Api::AudioTranscriptions
            | Api::Other => ("/v2/chat", chat::request(&mut request, model, config)),
        };
        Ok(wire(path, body.map_err(permanent)?, &request))
    }

    fn decoder(&mut self, host: &dyn Host, status: u16, headers: &[Header]) -> CohereDecoder {
        CohereDecoder::new(host, &self.config, status, headers)
    }

    fn classify(&mut self, status: u16, headers: &[Header], body: &[u8]) -> Failure {
        refusal::classify(status, headers, body)
    }
}

fn wire(path: &str, body: Map<String, Value>, request: &Map<String, Value>) -> WireRequest {
    let is_stream = path == "/v2/chat" && request.get("stream") == Some(&Value::Bool(true));
    let accept = if is_stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    WireRequest {
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: vec![
            Header::new("content-type", "application/json"),
            Header::new("accept", accept),
        ],
        body: Value::Object(body).to_string().into_bytes(),
    }
}

weir_plugin::adapter!(Cohere);
