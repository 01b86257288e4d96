//! Streams that pass untouched in dialects other than OpenAI's: watched on the way by, for their usage, their end and their errors.

use bytes::Bytes;

use crate::wire::neutral;
use crate::wire::translate::{read_answer, write_error};
use crate::wire::{Dialect, Spoken, Usage, anthropic, gemini, ollama, openai, sse};

use super::{Ending, Glance, Sight, StreamError, Tally};

/// Watches one stream.
pub struct Observed {
    watcher: Watcher,
    tally: Option<Tally>,
    is_ended: bool,
}

/// Those who know the dialects. OpenAI's have [`openai::Reader`].
pub enum Watcher {
    Anthropic(anthropic::Watcher),
    Ollama(ollama::Watcher),
    Gemini(gemini::Watcher),
}

impl Observed {
    pub fn new(watcher: Watcher) -> Observed {
        Observed {
            watcher,
            tally: None,
            is_ended: false,
        }
    }

    /// Keeps what the stream says until it is counted.
    pub fn keep_tally(&mut self) {
        self.tally = Some(Tally::default());
    }

    /// What was said and is in no count, if it was kept.
    pub fn said(&mut self) -> Spoken {
        self.tally.as_mut().map(Tally::take).unwrap_or_default()
    }

    /// Reads one event; all of it passes.
    pub fn read(&mut self, event: Bytes) -> Glance {
        let parsed = match self.watcher {
            Watcher::Ollama(_) => sse::Event::of_line(&event),
            Watcher::Anthropic(_) | Watcher::Gemini(_) => sse::parse(&event),
        };
        let data = parsed.data.bytes();
        if data.is_empty() && parsed.name.is_none() {
            return Glance::Nothing(event);
        }
        let sight = self.watcher.see(parsed.name, data, self.tally.as_mut());
        if let Some(tally) = &mut self.tally {
            tally.event_over(self.watcher.usage());
        }
        match sight {
            Sight::Passes => Glance::Content(Some(event)),
            Sight::Ends => {
                self.is_ended = true;
                Glance::End(event)
            }
            Sight::Fails(error) => {
                let said = Some((None, Bytes::copy_from_slice(data)));
                let reason = openai::reason_of(data);
                Glance::Error(Box::new(stream_error(event.clone(), &error, reason, said)))
            }
        }
    }

    pub fn usage(&self) -> Option<Usage> {
        self.watcher.usage()
    }

    /// How the stream stands if its bytes end now. A last event that is missing is not made up: only its dialect's watcher knows
    /// whether the answer was whole without it.
    pub fn ending(&self) -> Ending {
        let is_whole = match &self.watcher {
            Watcher::Anthropic(watcher) => watcher.is_whole(),
            Watcher::Ollama(watcher) => watcher.is_whole(),
            Watcher::Gemini(watcher) => watcher.is_whole(),
        };
        if self.is_ended || is_whole {
            Ending::Clean
        } else {
            Ending::Truncated
        }
    }
}

impl Watcher {
    fn see(&mut self, name: Option<&[u8]>, data: &[u8], tally: Option<&mut Tally>) -> Sight {
        let spoken = tally.map(Tally::spoken);
        match self {
            Watcher::Anthropic(watcher) => watcher.see(name, data, spoken),
            Watcher::Ollama(watcher) => watcher.see(data, spoken),
            Watcher::Gemini(watcher) => watcher.see(data, spoken),
        }
    }

    fn usage(&self) -> Option<Usage> {
        match self {
            Watcher::Anthropic(watcher) => watcher.usage(),
            Watcher::Ollama(watcher) => watcher.usage(),
            Watcher::Gemini(watcher) => watcher.usage(),
        }
    }
}

/// Usage out of a whole answer that passes.
///
/// # Errors
/// Where it is cut off.
pub fn usage_of_whole(dialect: Dialect, body: &[u8]) -> Result<Option<Usage>, openai::Cut> {
    let mut usage = None;
    let mut counts = ollama::Counts::default();
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Completions => {
            return openai::usage_of_whole(body);
        }
        Dialect::Anthropic => openai::members_of_whole(body, |key, value| {
            if key == b"usage" {
                usage = anthropic::usage_in(value);
            }
        })?,
        Dialect::Ollama => openai::members_of_whole(body, |key, value| counts.take(key, value))?,
        Dialect::Gemini => openai::members_of_whole(body, |key, value| {
            if key == b"usageMetadata" {
                usage = gemini::usage_in(value);
            }
        })?,
    }
    Ok(usage.or(counts.usage()))
}

/// Usage near the end of an answer whose beginning is no longer held.
pub fn usage_in_tail(dialect: Dialect, tail: &[u8]) -> Option<Usage> {
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Completions => openai::usage_in_tail(tail),
        Dialect::Anthropic => anthropic::usage_in_tail(tail),
        Dialect::Ollama => ollama::usage_in_tail(tail),
        Dialect::Gemini => gemini::usage_in_tail(tail),
    }
}

/// What a whole answer says, for one that does not say what it used.
pub fn said_of_whole(dialect: Dialect, body: &[u8]) -> Spoken {
    let answer = read_answer(dialect, body, "");
    answer.map(|answer| Spoken::of(&answer)).unwrap_or_default()
}

/// An error of a stream, with its words for whoever is to hear them.
pub(super) fn stream_error(
    event: Bytes,
    error: &neutral::Error,
    reason: openai::Reason,
    said: Option<(Option<u16>, Bytes)>,
) -> StreamError {
    let context_too_long = reason.context_too_long || error.class == neutral::Class::ContextTooLong;
    let model_unknown = reason.model_unknown || error.class == neutral::Class::ModelUnknown;
    let code = reason.code.or_else(|| error.code.clone());
    StreamError {
        event,
        status: Some(error.status),
        body_status: said.as_ref().and_then(|(status, _)| *status),
        retry_after: error.retry_after,
        reason: openai::Reason {
            code,
            context_too_long,
            model_unknown,
        },
        body: said.map(|(_, body)| body),
    }
}

/// Status and body of an error answer in a client's dialect.
pub(super) fn error_answer(dialect: Dialect, error: &neutral::Error) -> (Option<u16>, Bytes) {
    let (status, body) = write_error(dialect, error);
    (Some(status), body.into())
}
