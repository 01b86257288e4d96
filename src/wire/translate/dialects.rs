//! Every dialect's functions behind its name: the one place that lists them all.

use crate::wire::capability::{Quirks, Target};
use crate::wire::neutral::{
    Answer, Error, Event, Losses, Malformed, Refused, Request, Sink, Unintelligible,
};
use crate::wire::{Dialect, anthropic, chat, completions, gemini, ollama, responses};

use super::{Elapsed, Naming, RequestLine, Written, bounds};

/// Runs the same expression in the module of each dialect.
macro_rules! in_dialect {
    ($dialect:expr, $module:ident => $run:expr) => {
        match $dialect {
            Dialect::Chat => {
                use chat as $module;
                $run
            }
            Dialect::Responses => {
                use responses as $module;
                $run
            }
            Dialect::Completions => {
                use completions as $module;
                $run
            }
            Dialect::Anthropic => {
                use anthropic as $module;
                $run
            }
            Dialect::Ollama => {
                use ollama as $module;
                $run
            }
            Dialect::Gemini => {
                use gemini as $module;
                $run
            }
        }
    };
}

/// What a server of a kind takes in a dialect: kinds differ in what they make of Chat.
pub fn quirks(dialect: Dialect, of_kind: &'static Quirks) -> &'static Quirks {
    match dialect {
        Dialect::Chat | Dialect::Completions => of_kind,
        Dialect::Responses => &responses::QUIRKS,
        Dialect::Anthropic => &anthropic::QUIRKS,
        Dialect::Ollama => &ollama::QUIRKS,
        Dialect::Gemini => &gemini::QUIRKS,
    }
}

/// Client bytes → what is asked.
///
/// # Errors
/// What makes them no request of the dialect, or more than is done in a moment.
pub fn read_request(
    dialect: Dialect,
    line: &RequestLine<'_>,
    body: &[u8],
) -> Result<Request, Malformed> {
    let request = in_dialect!(dialect, module => module::read_request(line, body))?;
    bounds::request(&request)?;
    Ok(request)
}

/// What is asked → bytes for an upstream.
///
/// # Errors
/// What the target cannot be given.
pub fn write_request(
    dialect: Dialect,
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    in_dialect!(dialect, module => module::write_request(request, target, losses))
}

/// A whole answer of an upstream. `seed` stands in ids that the upstream leaves out.
///
/// # Errors
/// What makes it no answer of the dialect.
pub fn read_answer(dialect: Dialect, body: &[u8], seed: &str) -> Result<Answer, Unintelligible> {
    in_dialect!(dialect, module => module::read_answer(body, seed))
}

/// A whole answer for a client.
pub fn write_answer(
    dialect: Dialect,
    answer: &Answer,
    asked: &Request,
    naming: &Naming,
    elapsed: Elapsed,
) -> Vec<u8> {
    in_dialect!(dialect, module => module::write_answer(answer, asked, naming, elapsed))
}

/// What an upstream's refusal says; any body will do.
pub fn read_error(dialect: Dialect, status: u16, body: &[u8]) -> Error {
    in_dialect!(dialect, module => module::read_error(status, body))
}

/// Status and body of an error answer.
pub fn write_error(dialect: Dialect, error: &Error) -> (u16, Vec<u8>) {
    in_dialect!(dialect, module => module::write_error(error))
}

/// The media type of a stream for a client.
pub fn stream_type(dialect: Dialect, as_array: bool) -> &'static str {
    match dialect {
        Dialect::Gemini if as_array => "application/json",
        _ => in_dialect!(dialect, module => module::Writer::CONTENT_TYPE),
    }
}

/// Reads the stream of an upstream.
pub enum Reader {
    Chat(chat::Reader),
    Responses(responses::Reader),
    Completions(completions::Reader),
    Anthropic(anthropic::Reader),
    Ollama(ollama::Reader),
    Gemini(gemini::Reader),
}

/// Writes the stream for a client.
pub enum Writer {
    Chat(chat::Writer),
    Responses(Box<responses::Writer>),
    Completions(completions::Writer),
    Anthropic(Box<anthropic::Writer>),
    Ollama(ollama::Writer),
    Gemini(gemini::Writer),
}

/// Runs the same expression for the reader or writer of each dialect.
macro_rules! of_each {
    ($type:ident, $of:expr, $inner:ident => $run:expr) => {
        match $of {
            $type::Chat($inner) => $run,
            $type::Responses($inner) => $run,
            $type::Completions($inner) => $run,
            $type::Anthropic($inner) => $run,
            $type::Ollama($inner) => $run,
            $type::Gemini($inner) => $run,
        }
    };
}

impl Reader {
    pub fn new(dialect: Dialect, seed: &str) -> Reader {
        match dialect {
            Dialect::Chat => Reader::Chat(chat::Reader::new(seed)),
            Dialect::Responses => Reader::Responses(responses::Reader::new(seed)),
            Dialect::Completions => Reader::Completions(completions::Reader::new(seed)),
            Dialect::Anthropic => Reader::Anthropic(anthropic::Reader::new(seed)),
            Dialect::Ollama => Reader::Ollama(ollama::Reader::new(seed)),
            Dialect::Gemini => Reader::Gemini(gemini::Reader::new(seed)),
        }
    }

    /// Whether the last event of an answer that has not said why it ends is its end, which the server's kind says; it is cut otherwise.
    #[must_use]
    pub fn ending_without_reason(mut self, it_may: bool) -> Reader {
        match &mut self {
            Reader::Chat(reader) => reader.may_end_without_reason(it_may),
            Reader::Completions(reader) => reader.may_end_without_reason(it_may),
            Reader::Anthropic(reader) => reader.may_end_without_reason(it_may),
            // What ends these says why.
            Reader::Responses(_) | Reader::Ollama(_) | Reader::Gemini(_) => {}
        }
        self
    }

    /// Reads one event's payload, or one line.
    ///
    /// # Errors
    /// What makes it no event of the dialect.
    pub fn read(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        of_each!(Reader, self, reader => reader.read(name, data, sink))
    }

    /// Tells what is owed at the end of the bytes; no [`Event::End`] where the stream was cut.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        of_each!(Reader, self, reader => reader.end(sink));
    }
}

impl Writer {
    pub fn new(dialect: Dialect, asked: &Request, naming: &Naming) -> Writer {
        match dialect {
            Dialect::Chat => Writer::Chat(chat::Writer::new(asked, naming)),
            Dialect::Responses => {
                Writer::Responses(Box::new(responses::Writer::new(asked, naming)))
            }
            Dialect::Completions => Writer::Completions(completions::Writer::new(asked, naming)),
            Dialect::Anthropic => {
                Writer::Anthropic(Box::new(anthropic::Writer::new(asked, naming)))
            }
            Dialect::Ollama => Writer::Ollama(ollama::Writer::new(asked, naming)),
            Dialect::Gemini => Writer::Gemini(gemini::Writer::new(asked, naming)),
        }
    }

    /// Gemini's streams are one JSON array where the client has not asked for events; others have one form only.
    #[must_use]
    pub fn as_array(self, is_array: bool) -> Writer {
        match self {
            Writer::Gemini(writer) => Writer::Gemini(writer.as_array(is_array)),
            other => other,
        }
    }

    pub fn write(&mut self, event: Event<'_>, elapsed: Elapsed, out: &mut Vec<u8>) {
        of_each!(Writer, self, writer => writer.write(event, elapsed, out));
    }

    /// An event without content, where one may stand.
    pub fn keepalive(&mut self, out: &mut Vec<u8>) {
        of_each!(Writer, self, writer => writer.keepalive(out));
    }

    /// Ends the stream by an error.
    pub fn error(&mut self, error: &Error, elapsed: Elapsed, out: &mut Vec<u8>) {
        of_each!(Writer, self, writer => writer.error(error, elapsed, out));
    }

    /// The media type of the stream, as [`stream_type`] says it.
    pub fn content_type(&self) -> &'static str {
        match self {
            Writer::Chat(_) => chat::Writer::CONTENT_TYPE,
            Writer::Responses(_) => responses::Writer::CONTENT_TYPE,
            Writer::Completions(_) => completions::Writer::CONTENT_TYPE,
            Writer::Anthropic(_) => anthropic::Writer::CONTENT_TYPE,
            Writer::Ollama(_) => ollama::Writer::CONTENT_TYPE,
            Writer::Gemini(writer) => writer.content_type(),
        }
    }
}
