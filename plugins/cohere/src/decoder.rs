//! Reads one answer: a stream of events, or a whole JSON text.

use serde_json::{Map, Value};
use weir_openai::{Held, asked, header, length_bounded};
use weir_plugin::{Api, Decoder, Header, Host, PluginError, StreamEvent};

use super::answer;
use super::config::{Config, Counts};
use super::names::Names;
use super::sse::Events;
use super::stream::ChatStream;

/// A whole answer that is longer is none, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The decoder of one answer.
#[derive(Debug)]
pub struct CohereDecoder {
    held: Held,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Stream {
        events: Events,
        chat: ChatStream,
    },
    Whole {
        body: Vec<u8>,
        api: Api,
        request: Map<String, Value>,
        counts: Counts,
    },
}

impl CohereDecoder {
    pub fn new(
        host: &dyn Host,
        config: &Config,
        _status: u16,
        headers: &[Header],
    ) -> CohereDecoder {
        let request = asked(host).unwrap_or_default();
        let is_stream = match header(headers, "content-type") {
            Some(kind) => kind.starts_with("text/event-stream"),
            None => request.get("stream") == Some(&Value::Bool(true)),
        };
        let form = match is_stream {
            true => Form::Stream {
                events: Events::default(),
                chat: ChatStream::new(config.counts, Names::of(&request)),
            },
            false => Form::Whole {
                body: Vec::new(),
                api: host.meta().api,
                request,
                counts: config.counts,
            },
        };
        CohereDecoder {
            held: Held::default(),
            form,
        }
    }
}

impl Decoder for CohereDecoder {
    fn push(&mut self, _host: &dyn Host, chunk: &[u8]) -> Result<Vec<StreamEvent>, PluginError> {
        if self.held.has_failed() {
            return self.held.take();
        }
        let pushed = match &mut self.form {
            Form::Whole { body, .. } => length_bounded(body, chunk, ANSWER_BYTES_MAX),
            Form::Stream { events, chat } => {
                let mut data = Vec::new();
                let pushed = events.push(chunk, &mut data);
                told(chat, &data, &mut self.held);
                pushed
            }
        };
        if let Err(fault) = pushed {
            self.held.fail(fault);
        }
        self.held.take()
    }

    fn finish(&mut self, _host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        if self.held.has_failed() {
            return self.held.finish();
        }
        match &mut self.form {
            Form::Whole {
                body,
                api,
                request,
                counts,
            } => answer::read(body, *api, request, *counts, &mut self.held)?,
            Form::Stream { events, chat } => {
                told(chat, events.finish()?.as_slice(), &mut self.held);
                if !chat.is_over() {
                    let message = "Cohere broke off: the stream has no `message-end`";
                    self.held.fail(PluginError::Retryable(message.to_owned()));
                }
            }
        }
        self.held.finish()
    }
}

fn told(chat: &mut ChatStream, data: &[String], held: &mut Held) {
    for data in data {
        if held.has_failed() {
            return;
        }
        chat.event(data, held);
    }
}
