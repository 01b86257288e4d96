//! An adapter, for servers that take a prompt as plain text and answer with plain text, piece by piece.
//! Configuration: `{"path": "/generate"}`. plugins/cohere in weir's repository is one for a real provider.

use serde_json::Value;
use weir_plugin::{
    Adapter, AdapterInfo, Api, Candidate, Decoder, Failure, Finish, Header, Host, PluginError,
    Role, StreamEvent, WireRequest,
};

weir_plugin::adapter!(Plugin);

struct Plugin {
    path: String,
}

impl Adapter for Plugin {
    type Decoder = Answer;

    fn configure(config_json: &str) -> Result<Plugin, String> {
        let config: Value = serde_json::from_str(config_json).map_err(|error| error.to_string())?;
        let path = config["path"].as_str().unwrap_or("/generate");
        Ok(Plugin {
            path: path.to_owned(),
        })
    }

    fn describe(&self) -> AdapterInfo {
        AdapterInfo {
            name: "plugin-name".to_owned(),
            accepts: vec![Api::ChatCompletions],
        }
    }

    /// The last word of the user is the prompt.
    fn encode(&mut self, host: &dyn Host, target: &Candidate) -> Result<WireRequest, PluginError> {
        let segments = host.request_segments();
        let prompt = segments
            .iter()
            .rev()
            .find(|segment| segment.role == Role::User);
        let prompt = prompt.ok_or_else(|| {
            PluginError::Permanent("there is no message of the user to make a prompt of".to_owned())
        })?;
        Ok(WireRequest {
            method: "POST".to_owned(),
            path: self.path.clone(),
            headers: vec![
                Header::new("content-type", "text/plain"),
                Header::new("x-model", &target.model),
            ],
            body: prompt.text.clone().into_bytes(),
        })
    }

    fn decoder(&mut self, _host: &dyn Host, _status: u16, _headers: &[Header]) -> Answer {
        Answer { held: Vec::new() }
    }

    fn classify(&mut self, status: u16, _headers: &[Header], body: &[u8]) -> Failure {
        Failure {
            retryable: status == 429 || status >= 500,
            code: "upstream_refused".to_owned(),
            message: String::from_utf8_lossy(body).into_owned(),
            retry_after_ms: None,
        }
    }
}

/// Text as it comes; a character may be cut between two pieces.
struct Answer {
    held: Vec<u8>,
}

impl Decoder for Answer {
    fn push(&mut self, _host: &dyn Host, chunk: &[u8]) -> Result<Vec<StreamEvent>, PluginError> {
        self.held.extend_from_slice(chunk);
        let whole = match std::str::from_utf8(&self.held) {
            Ok(_) => self.held.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(PluginError::Permanent("the answer is no UTF-8".to_owned())),
        };
        let rest = self.held.split_off(whole);
        let text = String::from_utf8(std::mem::replace(&mut self.held, rest));
        let text = text.expect("it has just been looked at");
        Ok(match text.is_empty() {
            true => Vec::new(),
            false => vec![StreamEvent::text(0, text)],
        })
    }

    fn finish(&mut self, _host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        if !self.held.is_empty() {
            let message = "the answer ends within a character".to_owned();
            return Err(PluginError::Permanent(message));
        }
        Ok(vec![StreamEvent::Finish(Finish {
            choice: 0,
            reason: "stop".to_owned(),
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::testing::{TestHost, candidate};

    fn plugin() -> Plugin {
        Plugin::configure("null").expect("nothing needs to be said")
    }

    #[test]
    fn the_last_message_of_the_user_is_the_prompt() {
        let request = plugin().encode(&TestHost::asked("Hi"), &candidate("a"));
        let request = request.expect("it works");
        assert_eq!(
            (request.path.as_str(), request.body.as_slice()),
            ("/generate", &b"Hi"[..])
        );
    }

    #[test]
    fn characters_may_be_cut() {
        let host = TestHost::new();
        let mut answer = plugin().decoder(&host, 200, &[]);
        let mut events = Vec::new();
        for byte in "añb".bytes() {
            events.extend(answer.push(&host, &[byte]).expect("it works"));
        }
        let texts = ["a", "ñ", "b"].map(|text| StreamEvent::text(0, text));
        assert_eq!(events, texts);
        assert_eq!(answer.finish(&host).expect("it works").len(), 1);
    }
}
