//! A request in another dialect than the client's, and the way back for its answer. What is large is let go of when the answer has
//! begun: a stream may run for long, and has no use for the request any more.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;

use crate::wire::neutral::{self, Answer, EmbeddingRequest, Request, Unintelligible};
use crate::wire::streams::{Stream, Translator, Ungathered, gathered, whole, whole_as_stream};
use crate::wire::translate::{self, Restore, Written, embeddings};
use crate::wire::{Dialect, Usage};

use super::exchange::Exchange;

/// What a request says, read once however many dialects it is written in.
pub enum Said {
    Chat(Request),
    /// The tokens of such a request are to be counted.
    Count(Request),
    Embedding(EmbeddingRequest),
}

/// A request in another dialect than the client's.
pub struct Translated {
    pub dialect: Dialect,
    upstream: String,
    /// Below the prefix of its dialect.
    pub path: String,
    large: Mutex<Large>,
    /// What was changed for the candidate and has to be put back.
    restore: Restore,
    /// For the client: what was left out.
    pub dropped: Option<HeaderValue>,
}

/// What is of no use once the answer has begun.
#[derive(Default)]
struct Large {
    said: Option<Arc<Said>>,
    body: Bytes,
}

impl Translated {
    pub fn new(
        (dialect, upstream): (Dialect, &str),
        said: Arc<Said>,
        (written, restore): (Written, Restore),
        dropped: Option<HeaderValue>,
    ) -> Translated {
        let body = written.body.into();
        Translated {
            dialect,
            upstream: upstream.to_owned(),
            path: written.path,
            large: Mutex::new(Large {
                said: Some(said),
                body,
            }),
            restore,
            dropped,
        }
    }

    /// What the upstream is sent; empty once an answer has been accepted.
    pub fn body(&self) -> Bytes {
        self.large.lock().body.clone()
    }

    /// No further attempt will be made.
    pub fn accepted(&self) {
        *self.large.lock() = Large::default();
    }

    fn said(&self) -> Option<Arc<Said>> {
        self.large.lock().said.clone()
    }

    /// The relay's side of a stream. `reasons_optional`: whether the upstream may end without a reason.
    pub fn stream(&self, exchange: &Exchange, reasons_optional: bool) -> Stream {
        let said = self.said();
        let Some(Said::Chat(asked)) = said.as_deref() else {
            // Neither counts nor vectors come as streams; whatever this is, it passes.
            return Stream::passing(self.dialect, exchange.endpoint.operation, false, None);
        };
        let translator = Translator::new(
            self.dialect,
            asked.dialect,
            asked,
            exchange.naming(asked),
            self.restore.clone(),
            self.remembers(asked),
        );
        let translator = translator
            .ending_without_reason(reasons_optional)
            .in_two_steps(exchange.is_retold());
        Stream::Translated(Box::new(translator.as_array(exchange.as_array)))
    }

    fn writer(&self, exchange: &Exchange, asked: &Request) -> translate::Writer {
        let writer = translate::Writer::new(asked.dialect, asked, exchange.naming(asked));
        writer.as_array(exchange.as_array)
    }

    /// Whether the answer's reasoning has to be kept: it must come back to its vendor, and the client has no place for it.
    fn remembers(&self, asked: &Request) -> bool {
        let signs = matches!(
            self.dialect,
            Dialect::Anthropic | Dialect::Responses | Dialect::Gemini
        );
        let has_no_slot = match asked.dialect {
            Dialect::Chat | Dialect::Ollama => true,
            Dialect::Responses => !asked.thinking.encrypted,
            Dialect::Completions | Dialect::Anthropic | Dialect::Gemini => false,
        };
        signs && has_no_slot && !asked.tools.is_empty()
    }

    /// Tells a whole answer anew; what it used.
    ///
    /// # Errors
    /// What makes it no answer of the upstream's dialect.
    pub fn whole(
        &self,
        exchange: &Exchange,
        body: &[u8],
    ) -> Result<(Bytes, Option<Usage>), Unintelligible> {
        let client = exchange.endpoint.dialect;
        let said = self.said();
        let gone = || Unintelligible("it came twice".to_owned());
        match said.as_deref().ok_or_else(gone)? {
            Said::Chat(asked) => {
                let (naming, elapsed) = (exchange.naming(asked), exchange.elapsed());
                let (from, restore) = (self.dialect, &self.restore);
                let (written, answer) = if asked.stream && !exchange.is_read_whole() {
                    let writer = self.writer(exchange, asked);
                    whole_as_stream(from, body, writer, &naming.seed, restore, elapsed)?
                } else {
                    whole(from, body, asked, naming, restore, elapsed)?
                };
                if self.remembers(asked) {
                    self.remember(exchange, &answer);
                }
                Ok((written.into(), answer.usage))
            }
            Said::Count(_) => {
                let written = translate::translate_count(self.dialect, client, body);
                let missing = || Unintelligible("it holds no count of tokens".to_owned());
                Ok((written.ok_or_else(missing)?.into(), None))
            }
            Said::Embedding(asked) => {
                let answer = embeddings::read_answer(self.dialect, body)?;
                let written = embeddings::write_answer(client, &answer, asked);
                Ok((written.into(), answer.usage))
            }
        }
    }

    /// Tells a whole answer that came as a stream; what it used.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn gathered(
        &self,
        exchange: &Exchange,
        stream: Bytes,
        reasons_optional: bool,
    ) -> Result<(Bytes, Option<Usage>), Ungathered> {
        let said = self.said();
        let Some(Said::Chat(asked)) = said.as_deref() else {
            let what = "a stream where none was asked for";
            return Err(Ungathered::Unintelligible(what.to_owned()));
        };
        let (naming, elapsed) = (exchange.naming(asked), exchange.elapsed());
        let reader = translate::Reader::new(self.dialect, &naming.seed);
        let reader = reader.ending_without_reason(reasons_optional);
        let from = (self.dialect, reader);
        let (written, answer) = gathered(from, stream, asked, naming, &self.restore, elapsed)?;
        if self.remembers(asked) {
            self.remember(exchange, &answer);
        }
        Ok((written.into(), answer.usage))
    }

    /// A whole answer in the client's dialect as the stream that the client asked for, and its media type; `None` where it asked for
    /// none. For answers that guards have seen whole.
    pub fn as_stream(&self, exchange: &Exchange, body: &[u8]) -> Option<(Bytes, &'static str)> {
        let said = self.said();
        let Some(Said::Chat(asked)) = said.as_deref() else {
            return None;
        };
        if !asked.stream {
            return None;
        }
        let (naming, elapsed) = (exchange.naming(asked), exchange.elapsed());
        let writer = self.writer(exchange, asked);
        let nothing = Restore::default();
        let told = whole_as_stream(asked.dialect, body, writer, &naming.seed, &nothing, elapsed);
        let (told, _) = told.ok()?;
        let content_type = translate::stream_type(asked.dialect, exchange.as_array);
        Some((told.into(), content_type))
    }

    /// The media type of a whole answer: that of a stream where the client asked for one.
    pub fn content_type(&self, exchange: &Exchange) -> &'static str {
        match self.said().as_deref() {
            Some(Said::Chat(asked)) if asked.stream && !exchange.is_read_whole() => {
                translate::stream_type(asked.dialect, exchange.as_array)
            }
            _ => "application/json",
        }
    }

    /// Keeps an answer's reasoning.
    pub fn remember(&self, exchange: &Exchange, answer: &Answer) {
        exchange.gateway.reasoning.remember(
            exchange.caller(),
            (self.dialect, &self.upstream),
            answer,
            Instant::now(),
        );
    }

    /// An upstream's refusal in the client's words.
    pub fn refusal(&self, exchange: &Exchange, error: &neutral::Error) -> (u16, Bytes) {
        let (status, body) = translate::write_error(exchange.endpoint.dialect, error);
        (status, body.into())
    }
}
