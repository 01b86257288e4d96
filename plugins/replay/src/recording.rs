//! A recording: a JSON file, read and checked.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use weir_plugin::{Api, Candidate, Header};

use super::bytes::decode_base64;

/// What stands in one file.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Of the file, without its ending.
    pub name: String,
    pub config: Value,
    pub api: Api,
    pub target: Candidate,
    /// What the client asks, in OpenAI's JSON.
    pub request: Value,
    /// The request that is to come of it.
    pub wire: Option<Value>,
    /// Or what is to stand in the message that it cannot be said with.
    pub refused: Option<String>,
    pub answer: Option<Answer>,
    /// What is to come of the answer.
    pub events: Option<Vec<Value>>,
    /// How the answer is to end, where it does not end well.
    pub fault: Option<Value>,
    /// What the answer is to mean, where it is a refusal.
    pub failure: Option<Value>,
}

/// What the provider answers.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

/// Everything that may stand in a file; `frames` is for people, and for tests that make the bytes of it.
const MEMBERS: [&str; 12] = [
    "about", "origin", "config", "api", "target", "request", "wire", "refused", "answer", "events",
    "fault", "failure",
];

impl Recording {
    /// # Errors
    /// What is wrong with the file.
    pub fn read(path: &Path) -> Result<Recording, String> {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        Recording::of(&name, value).map_err(|problem| format!("{name}: {problem}"))
    }

    fn of(name: &str, value: Value) -> Result<Recording, String> {
        let Value::Object(mut members) = value else {
            return Err("is no object".to_owned());
        };
        if let Some(member) = members
            .keys()
            .find(|member| !MEMBERS.contains(&member.as_str()))
        {
            return Err(format!("nobody reads `{member}`"));
        }
        for told in ["about", "origin"] {
            if !members.get(told).is_some_and(Value::is_string) {
                return Err(format!("does not say `{told}`"));
            }
        }
        let text = |value: Value| value.as_str().map(str::to_owned);
        let api = members.remove("api").and_then(text);
        let answer = members.remove("answer").map(answer).transpose()?;
        let recording = Recording {
            name: name.to_owned(),
            config: members.remove("config").unwrap_or_default(),
            api: api_of(api.as_deref().unwrap_or("chat_completions"))?,
            target: target(&members.remove("target").unwrap_or_default()),
            request: members.remove("request").ok_or("has no `request`")?,
            wire: members.remove("wire"),
            refused: members.remove("refused").and_then(text),
            answer,
            events: list(&mut members, "events")?,
            fault: members.remove("fault"),
            failure: members.remove("failure"),
        };
        recording
            .is_of_use()
            .then_some(recording)
            .ok_or("expects nothing".to_owned())
    }

    fn is_of_use(&self) -> bool {
        let says = self.events.is_some() || self.fault.is_some() || self.failure.is_some();
        let asks = self.wire.is_some() || self.refused.is_some();
        (asks || says) && self.answer.is_some() == says
    }
}

fn api_of(name: &str) -> Result<Api, String> {
    match name {
        "chat_completions" => Ok(Api::ChatCompletions),
        "embeddings" => Ok(Api::Embeddings),
        "rerank" => Ok(Api::Rerank),
        name => Err(format!("no adapter is asked for {name:?}")),
    }
}

fn list(members: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<Value>>, String> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(_) => Err(format!("`{name}` is no list")),
    }
}

/// The body in one of five forms: `json`, `text`, `lines` (each ended by LF), `sse` (a list of events' data) or `base64`.
fn answer(value: Value) -> Result<Answer, String> {
    let headers = value["headers"].as_object().into_iter().flatten();
    let headers =
        headers.map(|(name, value)| Header::new(name, value.as_str().unwrap_or_default()));
    let body = if let Some(json) = value.get("json") {
        json.to_string().into_bytes()
    } else if let Some(text) = value["text"].as_str() {
        text.as_bytes().to_vec()
    } else if let Some(lines) = value["lines"].as_array() {
        let lines = lines.iter().filter_map(Value::as_str);
        lines
            .flat_map(|line| [line, "\n"])
            .collect::<String>()
            .into_bytes()
    } else if let Some(events) = value["sse"].as_array() {
        events.iter().map(sse).collect::<String>().into_bytes()
    } else if let Some(text) = value["base64"].as_str() {
        decode_base64(text).ok_or("`answer.base64` is none")?
    } else {
        return Err("`answer` has no body".to_owned());
    };
    let status = value["status"].as_u64().unwrap_or(200);
    Ok(Answer {
        status: u16::try_from(status).map_err(|error| error.to_string())?,
        headers: headers.collect(),
        body,
    })
}

fn sse(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or("message");
    format!("event: {name}\ndata: {data}\n\n")
}

fn target(value: &Value) -> Candidate {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Candidate {
        id: "recorded/0".to_owned(),
        provider: "adapter".to_owned(),
        model: text("model").unwrap_or_else(|| "model".to_owned()),
        region: text("region"),
        weight: 1,
        healthy: true,
        in_flight: 0,
        queue_depth: None,
        ttft_ms_ewma: 0.0,
        tokens_per_second_ewma: 0.0,
        error_rate: 0.0,
        kv_cache_usage: None,
        prefix_match: None,
        input_usd_per_mtok: 0.0,
        output_usd_per_mtok: 0.0,
        score: 0.0,
        labels: Vec::new(),
    }
}
