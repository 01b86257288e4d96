//! Speaks the Converse API of AWS Bedrock for weir: `Converse` and `ConverseStream`. The facts are those of AWS's API reference
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>) and of the service's public model; none of
//! it has been tried against the live API. Requests are signed by weir itself, which has the credentials.

mod blocks;
mod config;
mod converse;
mod crc32;
mod decoder;
mod documents;
mod ending;
mod events;
mod family;
mod fields;
mod frame;
mod ids;
mod path;
mod refusal;
mod tools;
mod turns;

use serde_json::Value;
use weir_openai::{Wishes, asked, permanent};
use weir_plugin::{
    Adapter, AdapterInfo, Api, Candidate, Failure, Header, Host, PluginError, WireRequest,
};

use config::Config;
use decoder::BedrockDecoder;

/// The adapter.
#[derive(Debug)]
pub struct Bedrock {
    config: Config,
}

impl Adapter for Bedrock {
    type Decoder = BedrockDecoder;

    fn configure(config_json: &str) -> Result<Bedrock, String> {
        Ok(Bedrock {
            config: Config::read(config_json)?,
        })
    }

    fn describe(&self) -> AdapterInfo {
        AdapterInfo {
            name: "bedrock".to_owned(),
            accepts: vec![Api::ChatCompletions],
        }
    }

    fn encode(&mut self, host: &dyn Host, target: &Candidate) -> Result<WireRequest, PluginError> {
        let mut request = asked(host)?;
        let wishes = Wishes::read(&request).map_err(permanent)?;
        let body = converse::request(&mut request, &wishes, &target.model, &self.config);
        let (operation, accept) = match wishes.stream {
            true => ("converse-stream", frame::CONTENT_TYPE),
            false => ("converse", "application/json"),
        };
        Ok(WireRequest {
            method: "POST".to_owned(),
            path: format!("/model/{}/{operation}", path::label(&target.model)),
            headers: vec![
                Header::new("content-type", "application/json"),
                Header::new("accept", accept),
            ],
            body: Value::Object(body.map_err(permanent)?)
                .to_string()
                .into_bytes(),
        })
    }

    fn decoder(&mut self, host: &dyn Host, _status: u16, headers: &[Header]) -> BedrockDecoder {
        BedrockDecoder::new(host, headers)
    }

    fn classify(&mut self, status: u16, headers: &[Header], body: &[u8]) -> Failure {
        refusal::classify(status, headers, body)
    }
}

weir_plugin::adapter!(Bedrock);
