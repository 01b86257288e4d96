//! Scripts of `weir plugin test`: JSON that says what a plugin is asked, and what it should decide. The form is in plugins/README.md.

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_plugin::testing::{TestHost, candidate, outcome, principal};
use weir_plugin::{Candidate, Finish, Outcome, RawEvent, StreamEvent, TextDelta, Usage};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    pub cases: Vec<Case>,
}

/// One configuration of the plugin, and what is asked of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub name: String,
    #[serde(default)]
    pub config: Value,
    #[serde(default)]
    pub grants: Granted,
    /// What the plugin says of its configuration, which it refuses.
    pub refused: Option<String>,
    #[serde(default)]
    pub steps: Vec<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Granted {
    #[serde(default)]
    pub kv: bool,
    #[serde(default)]
    pub secrets: std::collections::BTreeMap<String, String>,
}

/// One question; without `expect` it is only compared with what another plugin decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub ask: Ask,
    #[serde(default)]
    pub with: Value,
    /// Of the request.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// Who calls.
    pub caller: Option<String>,
    /// Streams and answers are cut everywhere, and must always come to the same.
    #[serde(default)]
    pub cut: bool,
    /// The candidate of `on_upstream_request` and `encode`, as `pick` has them.
    #[serde(default)]
    pub target: Value,
    pub expect: Option<Value>,
}

/// A hook; `with` is what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// A chat request, or the text of its only message.
    OnRequest,
    OnUpstreamRequest,
    /// A chat completion, or its text.
    OnResponse,
    /// Events: a string is text of choice 0, `{"text": [1, "…"]}`, `{"finish": [0, "stop"]}`.
    Stream,
    /// Candidates, as far as they differ from one that is healthy and has nothing to do.
    Pick,
    Authenticate,
    /// Exchanges, as far as they differ from one that went well: model, upstream, input, output, total_ms.
    OnLog,
    Describe,
    Encode,
    /// Pieces of an answer.
    Decode,
    /// Status and body.
    Classify,
    /// The name of a counter of the plugin's own: what it has come to.
    Counted,
}

impl Script {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &[u8]) -> Result<Script, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }
}

impl Step {
    /// The exchange that the hook is asked about.
    pub(super) fn exchange(&self) -> TestHost {
        let (request, answer) = match self.ask {
            Ask::OnRequest | Ask::OnUpstreamRequest | Ask::Encode => (&self.with, &Value::Null),
            Ask::OnResponse => (&Value::Null, &self.with),
            _ => (&Value::Null, &Value::Null),
        };
        let mut host = match request {
            Value::Null => TestHost::asked("Hi"),
            Value::String(text) => TestHost::asked(text),
            body => TestHost::new().with_request(&body.to_string()),
        };
        host = match answer {
            Value::Null => host,
            Value::String(text) => host.answered(text),
            body => host.with_response(200, &body.to_string()),
        };
        for (name, value) in &self.headers {
            host = host.with_request_header(name, value.as_str().unwrap_or_default());
        }
        host.meta.principal = self.caller.as_deref().map(principal);
        host
    }

    /// # Errors
    /// Where `with` is no list.
    pub(super) fn list(&self) -> Result<&[Value], String> {
        let list = self.with.as_array().map(Vec::as_slice);
        list.ok_or_else(|| "`with` must be a list".to_owned())
    }

    pub(super) fn events(&self) -> Result<Vec<StreamEvent>, String> {
        self.list()?.iter().map(event).collect()
    }

    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, String> {
        Ok(self.list()?.iter().map(as_candidate).collect())
    }

    pub(super) fn target(&self) -> Candidate {
        as_candidate(&self.target)
    }

    pub(super) fn outcomes(&self) -> Result<Vec<Outcome>, String> {
        Ok(self.list()?.iter().map(as_outcome).collect())
    }

    /// Status and body of an answer that is none.
    pub(super) fn refusal(&self) -> Result<(u16, Vec<u8>), String> {
        let given = self.list()?;
        let status = given.first().and_then(Value::as_u64);
        let body = given.get(1).and_then(Value::as_str);
        match (status, body) {
            (Some(status), Some(body)) => Ok((status as u16, body.into())),
            _ => Err("`with` must be a status and a body".to_owned()),
        }
    }

    /// The bytes of an answer, as they are cut in the script.
    pub(super) fn chunks(&self) -> Result<Vec<Vec<u8>>, String> {
        let bytes = |one: &Value| one.as_str().map(|text| text.as_bytes().to_vec());
        let chunks: Option<Vec<_>> = self.list()?.iter().map(bytes).collect();
        chunks.ok_or_else(|| "`with` must be a list of texts".to_owned())
    }
}

fn event(value: &Value) -> Result<StreamEvent, String> {
    let wrong = || format!("{value} is no event");
    if let Some(text) = value.as_str() {
        return Ok(StreamEvent::text(0, text));
    }
    let (name, given) = value
        .as_object()
        .and_then(|one| one.iter().next())
        .ok_or_else(wrong)?;
    let number = |place: usize| given[place].as_u64().unwrap_or(0);
    let text = |place: usize| given[place].as_str().unwrap_or_default().to_owned();
    let choice = number(0) as u32;
    let delta = TextDelta {
        choice,
        text: text(1),
    };
    Ok(match name.as_str() {
        "text" => StreamEvent::Text(delta),
        "reasoning" => StreamEvent::Reasoning(delta),
        "refusal" => StreamEvent::Refusal(delta),
        "finish" => StreamEvent::Finish(Finish {
            choice,
            reason: text(1),
        }),
        "usage" => StreamEvent::Usage(Usage {
            input: number(0),
            output: number(1),
            cached_input: number(2),
            cache_write: number(3),
            reasoning: number(4),
        }),
        "raw" => StreamEvent::Raw(RawEvent {
            event: given[0].as_str().map(str::to_owned),
            data: text(1),
        }),
        _ => return Err(wrong()),
    })
}

fn as_candidate(value: &Value) -> Candidate {
    let like = candidate(value["id"].as_str().unwrap_or("upstream/endpoint"));
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let number = |name: &str, otherwise: f32| {
        value[name]
            .as_f64()
            .map_or(otherwise, |number| number as f32)
    };
    let count = |name: &str| value[name].as_u64().map(|count| count as u32);
    let maybe = |name: &str| value[name].as_f64().map(|number| number as f32);
    let labels = value["labels"].as_object().into_iter().flatten();
    let labels =
        labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
    Candidate {
        provider: text("provider").unwrap_or(like.provider),
        model: text("model").unwrap_or(like.model),
        region: text("region"),
        weight: count("weight").unwrap_or(like.weight),
        healthy: value["healthy"].as_bool().unwrap_or(true),
        in_flight: count("in_flight").unwrap_or(0),
        queue_depth: count("queue_depth"),
        ttft_ms_ewma: number("ttft_ms_ewma", 0.0),
        tokens_per_second_ewma: number("tokens_per_second_ewma", 0.0),
        error_rate: number("error_rate", 0.0),
        kv_cache_usage: maybe("kv_cache_usage"),
        prefix_match: maybe("prefix_match"),
        input_usd_per_mtok: number("input_usd_per_mtok", 0.0),
        output_usd_per_mtok: number("output_usd_per_mtok", 0.0),
        score: number("score", 0.0),
        labels: labels.collect(),
        id: like.id,
    }
}

fn as_outcome(value: &Value) -> Outcome {
    let mut one = outcome();
    if let Some(model) = value["model"].as_str() {
        model.clone_into(&mut one.meta.model);
    }
    if let Some(upstream) = value["upstream"].as_str() {
        upstream.clone_into(&mut one.upstream);
    }
    if let Some(status) = value["status"].as_u64() {
        one.status = status as u16;
    }
    one.usage.input = value["input"].as_u64().unwrap_or(one.usage.input);
    one.usage.output = value["output"].as_u64().unwrap_or(one.usage.output);
    one.total_ms = value["total_ms"]
        .as_f64()
        .map_or(one.total_ms, |took| took as f32);
    one
}
