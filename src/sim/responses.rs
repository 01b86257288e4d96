//! `POST /v1/responses`: a message or function calls, whole or as the Responses API's events.
//! It must not know chat's chunks.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use super::armory::Faults;
use super::body::wait_until;
use super::chat::Said;
use super::chat_events::write_json;
use super::chat_request::{ChatRequest, Format, Limits, integer, json_body, text_of};
use super::host::Host;
use super::models::of_request;
use super::random::Random;
use super::refusal::Refusal;
use super::reply::{Reply, Source, When};
use super::token;
use super::tools::chosen;
use super::usage::Reporting;

pub async fn answer(host: &Host, body: &Bytes, faults: &Faults) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let request = read(host, &body)?;
    let said = Said::to(host, &request);
    let mut turn = host.engine.begin(said.work).await;
    let mut random = host.random(&request.model, &request.prompt, None);
    let (id, created) = host.answer_id("resp_", &random);
    let response = frame(&body, &request, &id, created);
    let output = Output::of(&said, &mut random);
    let usage = Reporting::of(faults).usage(
        super::options::EngineKind::Tgi,
        said.work.prompt_tokens,
        said.work.output_tokens,
    );
    let usage = usage.map(|usage| in_responses_words(&usage));
    if request.stream.is_some() {
        return Ok(Reply::events(
            Events {
                response,
                said,
                output,
                usage,
                stage: Stage::Created,
                sequence: 0,
                tokens: 0,
            },
            turn,
        ));
    }
    wait_until(turn.due_last()).await;
    turn.sent(said.work.output_tokens as u64);
    turn.end(said.choices[0].finish_reason);
    Ok(Reply::json(&finished(
        &response,
        &said,
        &output,
        usage.as_ref(),
    )))
}

fn read(host: &Host, body: &Value) -> Result<ChatRequest, Refusal> {
    let (prompt, last, last_is_result) = match body.get("input") {
        Some(Value::String(input)) => (input.clone(), input.clone(), false),
        Some(Value::Array(items)) if !items.is_empty() => prompt_of_items(items),
        Some(Value::Null) | None => return Err(Refusal::missing(host.options.kind, "input")),
        Some(_) => {
            return Err(Refusal::invalid(
                "input",
                "input: Input should be a string or a list of items",
            ));
        }
    };
    let model = of_request(host, body)?.to_string();
    let instructions = body
        .get("instructions")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let tools = body.get("tools").map(Value::to_string).unwrap_or_default();
    let prompt = format!("{instructions}\n{prompt}\n{tools}");
    let calls = if last_is_result {
        Vec::new()
    } else {
        chosen(body, &last, &mut host.random(&model, &prompt, None))?
    };
    let tokens_max =
        integer(body, "max_output_tokens", 16, u64::from(u32::MAX))?.map(|tokens| tokens as usize);
    let limits = Limits {
        tokens_max,
        ..Limits::default()
    };
    let prompt_tokens = token::count(&prompt);
    limits.check(prompt_tokens, 1)?;
    Ok(ChatRequest {
        model,
        prompt,
        prompt_tokens,
        limits,
        choices: 1,
        stream: (body.get("stream") == Some(&Value::Bool(true))).then(Default::default),
        logprobs: None,
        calls,
        format: format(body)?,
        thinks: false,
        seed: None,
    })
}

fn format(body: &Value) -> Result<Format, Refusal> {
    match body.pointer("/text/format/type").and_then(Value::as_str) {
        None | Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::Object),
        Some("json_schema") => body
            .pointer("/text/format/schema")
            .map(|schema| Format::Schema(schema.clone()))
            .ok_or_else(|| Refusal::invalid("text.format", "text.format.schema: Field required")),
        Some(_) => Err(Refusal::invalid(
            "text.format",
            "text.format.type must be text, json_object or json_schema",
        )),
    }
}

/// Everything in the items; the text of the last; and whether that is the result of a call.
fn prompt_of_items(items: &[Value]) -> (String, String, bool) {
    let mut prompt = String::new();
    let mut last = (String::new(), false);
    for item in items {
        let kind = item
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("message");
        let text = match kind {
            "message" => text_of(item),
            _ => item.to_string(),
        };
        prompt.push_str(item.get("role").and_then(Value::as_str).unwrap_or(kind));
        prompt.push_str(": ");
        prompt.push_str(&text);
        prompt.push('\n');
        last = (text, kind.ends_with("_output"));
    }
    (prompt, last.0, last.1)
}

/// The response object without what is only known at its end.
fn frame(body: &Value, request: &ChatRequest, id: &str, created: u64) -> Value {
    let echo = |name: &str, default: Value| {
        body.get(name)
            .filter(|value| !value.is_null())
            .cloned()
            .unwrap_or(default)
    };
    json!({
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": echo("instructions", Value::Null),
        "max_output_tokens": echo("max_output_tokens", Value::Null),
        "model": request.model,
        "output": [],
        "parallel_tool_calls": echo("parallel_tool_calls", true.into()),
        "previous_response_id": echo("previous_response_id", Value::Null),
        "reasoning": echo("reasoning", json!({"effort": null, "summary": null})),
        "store": echo("store", true.into()),
        "temperature": echo("temperature", json!(1.0)),
        "text": echo("text", json!({"format": {"type": "text"}})),
        "tool_choice": echo("tool_choice", "auto".into()),
        "tools": echo("tools", json!([])),
        "top_p": echo("top_p", json!(1.0)),
        "truncation": echo("truncation", "disabled".into()),
        "usage": null,
        "user": echo("user", Value::Null),
        "metadata": echo("metadata", json!({})),
    })
}

fn in_responses_words(usage: &Value) -> Value {
    json!({
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    })
}

/// The ids of the items of an answer: one message, or the calls.
struct Output {
    ids: Vec<String>,
    is_message: bool,
}

impl Output {
    fn of(said: &Said, random: &mut Random) -> Self {
        let calls = said.choices[0].calls.len();
        let is_message = calls == 0;
        let prefix = if is_message { "msg_" } else { "fc_" };
        Self {
            ids: (0..calls.max(1))
                .map(|_| format!("{prefix}{}", random.hex(32)))
                .collect(),
            is_message,
        }
    }

    /// An item before its content, or with all of it.
    fn item(&self, index: usize, said: &Said, done: bool) -> Value {
        let choice = &said.choices[0];
        let is_last = index + 1 == self.ids.len();
        let status = match (done, choice.finish_reason) {
            (false, _) => "in_progress",
            (true, "length") if is_last => "incomplete",
            (true, _) => "completed",
        };
        if self.is_message {
            let content = if done {
                json!([part(choice.content.as_str())])
            } else {
                json!([])
            };
            return json!({"id": self.ids[index], "type": "message", "status": status, "content": content, "role": "assistant"});
        }
        let call = &choice.calls[index];
        let arguments = if done { call.arguments.as_str() } else { "" };
        json!({"id": self.ids[index], "type": "function_call", "status": status, "arguments": arguments, "call_id": call.id, "name": call.name})
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn finished(response: &Value, said: &Said, output: &Output, usage: Option<&Value>) -> Value {
    let mut response = response.clone();
    let is_cut = said.choices[0].finish_reason == "length";
    response["status"] = if is_cut { "incomplete" } else { "completed" }.into();
    if is_cut {
        response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    response["output"] = (0..output.ids.len())
        .map(|index| output.item(index, said, true))
        .collect();
    response["usage"] = usage.cloned().unwrap_or(Value::Null);
    response
}

/// The events of one answer.
struct Events {
    response: Value,
    said: Said,
    output: Output,
    usage: Option<Value>,
    stage: Stage,
    sequence: u64,
    tokens: u32,
}

/// What comes next; numbers are the item's and the token's.
#[derive(Clone, Copy)]
enum Stage {
    Created,
    InProgress,
    ItemAdded(usize),
    PartAdded(usize),
    Delta(usize, usize),
    PartDone(usize),
    ItemDone(usize),
    Completed,
    Over,
}

impl Events {
    fn write(&mut self, kind: &str, fields: Value, out: &mut BytesMut) {
        let mut event = json!({"type": kind, "sequence_number": self.sequence});
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        self.sequence += 1;
        out.put_slice(b"event: ");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\ndata: ");
        write_json(&event, out);
        out.put_slice(b"\n\n");
    }

    /// Where an event of an item points: to the item, and in a message to its only part.
    fn place(&self, item: usize) -> Value {
        let mut place = json!({"item_id": self.output.ids[item], "output_index": item});
        if self.output.is_message {
            place["content_index"] = 0.into();
        }
        place
    }

    fn text(&self, item: usize) -> &super::answer::Text {
        let choice = &self.said.choices[0];
        if self.output.is_message {
            &choice.content
        } else {
            &choice.calls[item].arguments
        }
    }

    fn write_delta(&mut self, item: usize, token: usize, out: &mut BytesMut) -> When {
        let mut fields = self.place(item);
        fields["delta"] = self.text(item).token(token).into();
        if self.output.is_message {
            fields["logprobs"] = json!([]);
        }
        let kind = if self.output.is_message {
            "response.output_text.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        self.write(kind, fields, out);
        self.stage = Stage::Delta(item, token + 1);
        self.tokens += 1;
        When::Token(self.tokens - 1)
    }

    fn write_text_done(&mut self, item: usize, out: &mut BytesMut) {
        let mut fields = self.place(item);
        let text = self.text(item).as_str().to_string();
        if self.output.is_message {
            fields["text"] = text.into();
            fields["logprobs"] = json!([]);
            self.write("response.output_text.done", fields, out);
            self.stage = Stage::PartDone(item);
        } else {
            fields["name"] = self.said.choices[0].calls[item].name.as_str().into();
            fields["arguments"] = text.into();
            self.write("response.function_call_arguments.done", fields, out);
            self.stage = Stage::ItemDone(item);
        }
    }

    fn write_part(&mut self, item: usize, done: bool, out: &mut BytesMut) {
        let mut fields = self.place(item);
        let (kind, text) = if done {
            ("response.content_part.done", self.text(item).as_str())
        } else {
            ("response.content_part.added", "")
        };
        fields["part"] = part(text);
        self.write(kind, fields, out);
    }

    fn write_item(&mut self, item: usize, done: bool, out: &mut BytesMut) {
        let kind = if done {
            "response.output_item.done"
        } else {
            "response.output_item.added"
        };
        let fields =
            json!({"output_index": item, "item": self.output.item(item, &self.said, done)});
        self.write(kind, fields, out);
    }
}

impl Source for Events {
    fn write_next(&mut self, out: &mut BytesMut) -> Option<When> {
        match self.stage {
            Stage::Created => {
                self.write("response.created", json!({"response": self.response}), out);
                self.stage = Stage::InProgress;
            }
            Stage::InProgress => {
                self.write(
                    "response.in_progress",
                    json!({"response": self.response}),
                    out,
                );
                self.stage = Stage::ItemAdded(0);
            }
            Stage::ItemAdded(item) => {
                self.write_item(item, false, out);
                self.stage = if self.output.is_message {
                    Stage::PartAdded(item)
                } else {
                    Stage::Delta(item, 0)
                };
                return Some(When::With(self.tokens));
            }
            Stage::PartAdded(item) => {
                self.write_part(item, false, out);
                self.stage = Stage::Delta(item, 0);
            }
            Stage::Delta(item, token) if token < self.text(item).tokens() => {
                return Some(self.write_delta(item, token, out));
            }
            Stage::Delta(item, _) => self.write_text_done(item, out),
            Stage::PartDone(item) => {
                self.write_part(item, true, out);
                self.stage = Stage::ItemDone(item);
            }
            Stage::ItemDone(item) => {
                self.write_item(item, true, out);
                self.stage = if item + 1 < self.output.ids.len() {
                    Stage::ItemAdded(item + 1)
                } else {
                    Stage::Completed
                };
            }
            Stage::Completed => {
                let response = finished(
                    &self.response,
                    &self.said,
                    &self.output,
                    self.usage.as_ref(),
                );
                let kind = if response["status"] == "incomplete" {
                    "response.incomplete"
                } else {
                    "response.completed"
                };
                self.write(kind, json!({"response": response}), out);
                self.stage = Stage::Over;
            }
            Stage::Over => return None,
        }
        Some(When::Now)
    }

    fn finish_reason(&self) -> &'static str {
        self.said.choices[0].finish_reason
    }
}
