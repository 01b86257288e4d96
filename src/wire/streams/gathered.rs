//! A stream that comes where a whole answer was asked for: gathered, and told as the whole that it is.

use bytes::Bytes;

use crate::wire::neutral::{self, Answer, Collector, Request, Unintelligible};
use crate::wire::translate::{Elapsed, Naming, Reader, Restore, write_answer};
use crate::wire::{Dialect, openai, sse};

use super::observed::{error_answer, stream_error};
use super::{Cutter, StreamError};

/// Why a stream comes to no whole answer.
#[derive(Debug)]
pub enum Ungathered {
    /// It is cut off.
    Cut,
    /// It is no stream of the upstream's dialect.
    Unintelligible(String),
    /// The upstream reports an error in it.
    Failed(Box<StreamError>),
}

/// A whole stream as a whole answer in the client's dialect; what it used stands in the answer.
///
/// # Errors
/// What keeps it from being one.
pub fn gathered(
    (from, reader): (Dialect, Reader),
    stream: Bytes,
    asked: &Request,
    naming: &Naming,
    restore: &Restore,
    elapsed: Elapsed,
) -> Result<(Vec<u8>, Answer), Ungathered> {
    let (mut answer, ended) = match gather(from, reader, stream)? {
        Gathered::Answer(answer, ended) => (answer, ended),
        Gathered::Error(error, data) => {
            let said = Some(error_answer(asked.dialect, &error));
            let reason = openai::reason_of(&data);
            let error = stream_error(Bytes::new(), &error, reason, said);
            return Err(Ungathered::Failed(Box::new(error)));
        }
    };
    if !ended {
        return Err(Ungathered::Cut);
    }
    restore.answer(&mut answer);
    let written = write_answer(asked.dialect, &answer, asked, naming, elapsed);
    Ok((written, answer))
}

enum Gathered {
    /// And whether it came to its end.
    Answer(Answer, bool),
    /// And the event that reports it.
    Error(Box<neutral::Error>, Bytes),
}

fn gather(from: Dialect, mut reader: Reader, stream: Bytes) -> Result<Gathered, Ungathered> {
    let mut collector = Collector::default();
    let mut last = Bytes::new();
    for event in events(from, stream) {
        let parsed = match from {
            Dialect::Ollama => sse::Event::of_line(&event),
            _ => sse::parse(&event),
        };
        let data = parsed.data.bytes();
        let read = reader.read(parsed.name, data, &mut |event| {
            if let neutral::Event::Error(_) = &event {
                last = Bytes::copy_from_slice(data);
            }
            collector.push(event);
        });
        read.map_err(|Unintelligible(what)| Ungathered::Unintelligible(what))?;
    }
    reader.end(&mut |event| collector.push(event));
    Ok(match collector.finish() {
        Ok((answer, ended)) => Gathered::Answer(answer, ended),
        Err(error) => Gathered::Error(error, last),
    })
}

/// The events of a stream that is all there.
fn events(from: Dialect, stream: Bytes) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut cutter = Cutter::of(from);
    let most = stream.len();
    let pushed = cutter.push(stream, most, |event| events.push(event));
    pushed.expect("no event is longer than all of them");
    if let Cutter::Lines(lines) = &mut cutter {
        events.push(lines.rest());
    }
    events
}
