//! Reads one answer: a stream of frames, or a whole JSON text.

use serde_json::Value;
use weir_openai::{Held, asked, header, length_bounded};
use weir_plugin::{Decoder, Header, Host, PluginError, StreamEvent};

use super::events::Answer;
use super::frame::{CONTENT_TYPE, Frames};

/// A whole answer that is longer is none, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The decoder of one answer.
#[derive(Debug)]
pub struct BedrockDecoder {
    held: Held,
    answer: Answer,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Stream(Frames),
    Whole(Vec<u8>),
}

impl BedrockDecoder {
    pub fn new(host: &dyn Host, headers: &[Header]) -> BedrockDecoder {
        let asked_for =
            || asked(host).is_ok_and(|asked| asked.get("stream") == Some(&Value::Bool(true)));
        let is_stream = match header(headers, "content-type") {
            Some(kind) => kind.starts_with(CONTENT_TYPE),
            None => asked_for(),
        };
        BedrockDecoder {
            held: Held::default(),
            answer: Answer::default(),
            form: match is_stream {
                true => Form::Stream(Frames::default()),
                false => Form::Whole(Vec::new()),
            },
        }
    }
}

impl Decoder for BedrockDecoder {
    fn push(&mut self, _host: &dyn Host, chunk: &[u8]) -> Result<Vec<StreamEvent>, PluginError> {
        if self.held.has_failed() {
            return self.held.take();
        }
        match &mut self.form {
            Form::Whole(body) => length_bounded(body, chunk, ANSWER_BYTES_MAX)?,
            Form::Stream(frames) => {
                frames.push(chunk);
                read(frames, &mut self.answer, &mut self.held);
            }
        }
        self.held.take()
    }

    fn finish(&mut self, _host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        if self.held.has_failed() {
            return self.held.finish();
        }
        match &mut self.form {
            Form::Whole(body) => self.answer.whole(body, &mut self.held)?,
            Form::Stream(frames) => {
                let problem = if frames.unfinished() > 0 {
                    Some("the stream ends within a frame")
                } else if !self.answer.has_stopped() {
                    Some("the stream has no `messageStop`")
                } else {
                    None
                };
                if let Some(problem) = problem {
                    let text = format!("Bedrock broke off: {problem}");
                    self.held.fail(PluginError::Retryable(text));
                }
            }
        }
        self.held.finish()
    }
}

fn read(frames: &mut Frames, answer: &mut Answer, held: &mut Held) {
    while !held.has_failed() {
        match frames.next() {
            Ok(Some(frame)) => answer.frame(&frame, held),
            Ok(None) => return,
            Err(fault) => held.fail(fault),
        }
    }
}
