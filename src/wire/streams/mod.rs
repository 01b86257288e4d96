//! What the relay makes of an upstream's stream, event by event: passed on as it is, or told anew in the client's dialect.

mod gathered;
mod lines;
mod observed;
mod tally;
mod translator;

use std::time::Duration;

use bytes::Bytes;

use super::openai;
use super::openai::Reason;
use super::sse::{Splitter, TooLarge};
use super::translate::Elapsed;
use super::{Dialect, Operation, Spoken, Usage, anthropic, gemini, neutral, ollama};

pub use gathered::{Ungathered, gathered};
pub use lines::Lines;
pub use observed::{Observed, Watcher, said_of_whole, usage_in_tail, usage_of_whole};
pub use tally::Tally;
pub use translator::{Translator, whole, whole_as_stream};

/// What one event means.
#[derive(Debug, PartialEq, Eq)]
pub enum Glance {
    /// Comments and blank lines; the bytes for the client, empty where it gets none.
    Nothing(Bytes),
    /// Part of the answer; the bytes for the client, or `None` where there are none for it.
    Content(Option<Bytes>),
    /// The end of the answer.
    End(Bytes),
    /// An error in place of the answer, or of its rest.
    Error(Box<StreamError>),
}

/// An error that an upstream reports within its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamError {
    /// For a client whose stream runs.
    pub event: Bytes,
    /// The status that it would have had as an answer, where it says so.
    pub status: Option<u16>,
    pub reason: Reason,
    /// When to try again, where it says so.
    pub retry_after: Option<Duration>,
    /// The body of an error answer with its words, for a client that has nothing yet; `None` where it has no words that
    /// clients would find.
    pub body: Option<Bytes>,
    /// The status that goes with `body`, where it is told in another dialect than the upstream's: an overloaded server is 529
    /// to some and 503 to others.
    pub body_status: Option<u16>,
}

/// How a stream stands when its bytes end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Terminated as it must.
    Clean,
    /// Whole, but its terminator is missing: these bytes complete it.
    Unterminated(Bytes),
    /// The answer is cut off.
    Truncated,
}

/// What those see who watch a stream that passes, of one event.
#[derive(Debug)]
pub enum Sight {
    /// Part of the answer.
    Passes,
    /// The end of the answer.
    Ends,
    /// An error in place of the answer, or of its rest.
    Fails(Box<neutral::Error>),
}

/// One stream on its way.
pub enum Stream {
    /// OpenAI's dialects, untouched but for usage that the client did not ask for.
    Openai(openai::Reader),
    /// Another dialect, untouched.
    Observed(Observed),
    Translated(Box<Translator>),
}

impl Stream {
    /// A stream that passes: the client speaks the upstream's dialect.
    pub fn passing(
        dialect: Dialect,
        operation: Operation,
        hide_usage: bool,
        choices: Option<u64>,
    ) -> Stream {
        match dialect {
            Dialect::Chat | Dialect::Responses | Dialect::Completions => {
                Stream::Openai(openai::Reader::new(operation, hide_usage, choices))
            }
            Dialect::Anthropic => Stream::Observed(Observed::new(Watcher::Anthropic(
                anthropic::Watcher::default(),
            ))),
            Dialect::Ollama => {
                Stream::Observed(Observed::new(Watcher::Ollama(ollama::Watcher::default())))
            }
            Dialect::Gemini => {
                Stream::Observed(Observed::new(Watcher::Gemini(gemini::Watcher::default())))
            }
        }
    }

    /// Keeps what the model says, up to a bound, until a count covers it: for streams that may break off before they say what
    /// they used. To be called before the first event.
    #[must_use]
    pub fn tallying(mut self, is_wanted: bool) -> Stream {
        if is_wanted {
            match &mut self {
                Stream::Openai(reader) => reader.keep_tally(),
                Stream::Observed(observed) => observed.keep_tally(),
                Stream::Translated(translator) => translator.keep_tally(),
            }
        }
        self
    }

    /// What the model has said since the last [`Stream::usage`] that counted output, if it was kept; it is not kept any longer.
    pub fn said(&mut self) -> Spoken {
        match self {
            Stream::Openai(reader) => reader.said(),
            Stream::Observed(observed) => observed.said(),
            Stream::Translated(translator) => translator.said(),
        }
    }

    /// Reads one whole event. `elapsed`: since the request arrived.
    ///
    /// # Errors
    /// What makes it no event of the upstream's dialect, where weir has to understand it.
    pub fn read(&mut self, event: Bytes, elapsed: Elapsed) -> Result<Glance, String> {
        match self {
            Stream::Openai(reader) => Ok(reader.read(event)),
            Stream::Observed(observed) => Ok(observed.read(event)),
            Stream::Translated(translator) => translator.read(&event, elapsed),
        }
    }

    /// How the stream stands, now that its bytes have ended. To be called once.
    pub fn ending(&mut self, elapsed: Elapsed) -> Ending {
        match self {
            Stream::Openai(reader) => reader.ending(),
            Stream::Observed(observed) => observed.ending(),
            Stream::Translated(translator) => translator.ending(elapsed),
        }
    }

    /// The last usage reported so far.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Stream::Openai(reader) => reader.usage(),
            Stream::Observed(observed) => observed.usage(),
            Stream::Translated(translator) => translator.usage(),
        }
    }
}

/// Cuts a stream into its events.
pub enum Cutter {
    Events(Splitter),
    Lines(Lines),
}

impl Cutter {
    /// For the streams of a dialect, as upstreams send them.
    pub fn of(dialect: Dialect) -> Cutter {
        match dialect {
            Dialect::Ollama => Cutter::Lines(Lines::default()),
            Dialect::Chat
            | Dialect::Responses
            | Dialect::Completions
            | Dialect::Anthropic
            | Dialect::Gemini => Cutter::Events(Splitter::default()),
        }
    }

    /// Takes a piece and calls `event` for each event that is now whole.
    ///
    /// # Errors
    /// When an event has passed `event_bytes_max` without an end.
    pub fn push(
        &mut self,
        piece: Bytes,
        event_bytes_max: usize,
        event: impl FnMut(Bytes),
    ) -> Result<(), TooLarge> {
        match self {
            Cutter::Events(splitter) => splitter.push(piece, event_bytes_max, event),
            Cutter::Lines(lines) => lines.push(piece, event_bytes_max, event),
        }
    }
}
