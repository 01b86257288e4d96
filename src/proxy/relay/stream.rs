//! Answers that are streams of events. The head is held until the first event that means something; from then on no event
//! waits for the next, and the stream ends as its dialect demands, whatever happens.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::fault::{Fault, is_retriable};
use crate::proxy::attempt::{Attempt, Cause, Failure, Refusal, Whole};
use crate::proxy::client::Client;
use crate::proxy::headers;
use crate::proxy::settle::Record;
use crate::proxy::watch::{gone, until, watched, within};
use crate::upstream::{Broken, Connection};
use crate::wire::encoding::{Decoder, Encoding};
use crate::wire::openai::{self, Ending, Glance, Reader};
use crate::wire::sse::Splitter;

use super::{decoded, introduce};

/// Events that are ready together go out in one write of about this many bytes.
const WRITE_BYTES: usize = 64 * 1024;
/// Comments before the first event are held up to this many bytes.
const HELD_COMMENT_BYTES: usize = 64 * 1024;
/// How long the end of the body is waited for once the stream's terminator has passed, so that the connection can be used again.
const END_WAIT: Duration = Duration::from_millis(100);

/// The events of one answer.
struct Events<'a> {
    attempt: &'a Attempt<'a>,
    decoder: Option<Decoder>,
    splitter: Splitter,
    reader: Reader,
    /// For the client, and not sent yet.
    out: Out,
    state: State,
    /// The terminator's last line end was CR, and LF may follow.
    cut_line_end: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nothing but comments so far.
    Waiting,
    Running,
    /// The terminator has come.
    Ended,
    /// The upstream has reported an error.
    Failed {
        event: Bytes,
        payload: Vec<u8>,
        first: bool,
    },
}

/// Relays a stream.
///
/// # Errors
/// Before the first event: a failure that another target may make good. After it: the fault that broke the stream off.
pub async fn stream(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    encoding: Option<Encoding>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Whole>, Failure> {
    let mut events = Events::new(attempt, encoding);
    await_first(&mut events, connection, client).await?;
    if let State::Failed {
        payload,
        first: true,
        ..
    } = &events.state
    {
        return Err(first_event_failed(attempt, connection, payload, client));
    }
    attempt.note_first_byte();
    record.stream = true;
    let head = headers::down(
        connection.take_head(),
        None,
        client.session.req_header().version,
    );
    let head = introduce(attempt.exchange, head, record);
    client.begin_stream(head).await.map_err(Failure::Final)?;
    let relayed = run(&mut events, connection, client, record).await;
    record.usage = events.reader.usage();
    match relayed {
        Ok(()) => client.end(Bytes::new()).await.map_err(Failure::Final)?,
        Err(fault) => return Err(Failure::Final(events.last_words(fault, client).await)),
    }
    Ok(None)
}

/// Reads until an event means something.
async fn await_first(
    events: &mut Events<'_>,
    connection: &mut Connection,
    client: &mut Client<'_>,
) -> Result<(), Failure> {
    let attempt = events.attempt;
    let truncated = || {
        attempt.failed(Fault::Truncated {
            upstream: attempt.name(),
        })
    };
    while events.state == State::Waiting {
        let read = watched(client, attempt.first_byte_by(), connection.piece()).await;
        let read = read.map_err(|interrupted| attempt.interrupted(interrupted))?;
        let piece = read.map_err(|_| truncated())?.ok_or_else(truncated)?;
        events
            .absorb(piece)
            .map_err(|fault| attempt.failed(fault))?;
        if events.state == State::Waiting && events.out.bytes > HELD_COMMENT_BYTES {
            // Keepalives of a long wait: nobody misses the old ones.
            events.out.take();
        }
    }
    Ok(())
}

/// An error in place of the first event gets the status that it would have had without the stream.
fn first_event_failed(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    payload: &[u8],
    client: &Client<'_>,
) -> Failure {
    let upstream = attempt.name();
    let reason = openai::reason_of(payload);
    let unsaid = if reason.context_too_long { 400 } else { 502 };
    let status = openai::status_of_error(payload).unwrap_or(unsaid);
    let said = openai::error_of_event(payload).and_then(|body| {
        let version = client.session.req_header().version;
        let mut head = headers::down(connection.take_head(), Some(body.len()), version);
        head.status = StatusCode::from_u16(status).ok()?;
        let json = HeaderValue::from_static("application/json");
        head.headers.insert(CONTENT_TYPE, json);
        Some(Whole {
            head,
            body: body.into(),
        })
    });
    let refusal = Refusal {
        fault: Fault::FirstEvent { upstream, status },
        said,
        reason,
    };
    if is_retriable(status) {
        Failure::Next {
            refusal,
            cause: Cause::Endpoint,
        }
    } else {
        Failure::Stands(refusal)
    }
}

/// Relays events to the end of the stream.
async fn run(
    events: &mut Events<'_>,
    connection: &mut Connection,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let idle = events.attempt.timeouts().idle;
    let mut heard = Instant::now();
    let mut timer = pin!(until(heard + idle));
    loop {
        if events.flush(client, record).await? {
            // What the client took to read is not the upstream's silence.
            heard = Instant::now();
        }
        match events.state {
            State::Ended => return events.read_end(connection, client).await,
            State::Failed { ref payload, .. } => {
                return Err(Fault::ErrorEvent {
                    upstream: events.attempt.name(),
                    status: openai::status_of_error(payload).unwrap_or(502),
                });
            }
            State::Waiting | State::Running => {}
        }
        let mut read = tokio::select! {
            biased;
            read = connection.piece() => Some(read),
            () = gone(client) => return Err(Fault::ClientGone),
            () = &mut timer => {
                // The timer is not moved with every event; it looks when it fires.
                if heard.elapsed() >= idle {
                    return Err(Fault::Stalled { upstream: events.attempt.name(), idle });
                }
                timer.set(until(heard + idle));
                continue;
            }
        };
        heard = Instant::now();
        while let Some(piece) = read.take() {
            if !events.take(piece)? {
                return events.end(client, record).await;
            }
            // What has arrived by now goes out in the same write.
            if events.state == State::Running && events.out.bytes < WRITE_BYTES {
                read = connection.ready_piece();
            }
        }
    }
}

impl<'a> Events<'a> {
    fn new(attempt: &'a Attempt<'a>, encoding: Option<Encoding>) -> Events<'a> {
        let (operation, choices) = (
            attempt.exchange.endpoint.operation,
            attempt.exchange.envelope.choices,
        );
        Events {
            decoder: encoding.map(Decoder::new),
            splitter: Splitter::default(),
            reader: Reader::new(operation, attempt.hide_usage, choices),
            out: Out::default(),
            state: State::Waiting,
            cut_line_end: false,
            attempt,
        }
    }

    /// Takes what a read brought; false at the end of the body.
    fn take(&mut self, read: Result<Option<Bytes>, Broken>) -> Result<bool, Fault> {
        match read {
            Ok(Some(piece)) => self.absorb(piece).map(|()| true),
            Ok(None) => Ok(false),
            Err(_) => Err(Fault::Truncated {
                upstream: self.attempt.name(),
            }),
        }
    }

    fn absorb(&mut self, piece: Bytes) -> Result<(), Fault> {
        let limit = self.attempt.exchange.snapshot.config.limits.event_bytes;
        let piece = decoded(&mut self.decoder, piece, self.attempt)?;
        let Events {
            splitter,
            reader,
            out,
            state,
            cut_line_end,
            ..
        } = self;
        let pushed = splitter.push(piece, limit, |event| {
            // Nothing follows the terminator or an error.
            if matches!(state, State::Waiting | State::Running) {
                *cut_line_end = event.last() == Some(&b'\r');
                read_event(event, reader, out, state);
            } else if *cut_line_end && event.first() == Some(&b'\n') {
                *cut_line_end = false;
                out.push(Bytes::from_static(b"\n"));
            }
        });
        pushed.map_err(|_| Fault::EventTooLarge {
            upstream: self.attempt.name(),
            limit,
        })
    }

    /// After the terminator: the body's own end, for a moment. A connection that does not end is not used again.
    async fn read_end(
        &mut self,
        connection: &mut Connection,
        client: &mut Client<'_>,
    ) -> Result<(), Fault> {
        let rest = async {
            let first = connection.piece().await;
            if let Ok(Some(_)) = first {
                while let Ok(Some(_)) = connection.piece().await {}
            }
            first
        };
        match within(END_WAIT, rest).await {
            // The second half of the last line end, where CR LF was cut.
            Some(Ok(Some(rest))) if self.cut_line_end && rest.first() == Some(&b'\n') => {
                client.send(Bytes::from_static(b"\n")).await
            }
            _ => Ok(()),
        }
    }

    /// The body has ended without the stream's terminator.
    async fn end(&mut self, client: &mut Client<'_>, record: &mut Record) -> Result<(), Fault> {
        match self.reader.ending() {
            Ending::Clean => {}
            Ending::Unterminated(terminator) => self.out.push(Bytes::from_static(terminator)),
            Ending::Truncated => {
                return Err(Fault::Truncated {
                    upstream: self.attempt.name(),
                });
            }
        }
        self.flush(client, record).await.map(|_| ())
    }

    /// Sends what is ready; whether there was something.
    async fn flush(&mut self, client: &mut Client<'_>, record: &mut Record) -> Result<bool, Fault> {
        let Some(bytes) = self.out.take() else {
            return Ok(false);
        };
        record.note_first_byte();
        client.send(bytes).await.map(|()| true)
    }

    /// Sends what came before the break and, where the upstream has said itself what is wrong, its own words; gives the
    /// fault back, of which the client is told otherwise.
    async fn last_words(&mut self, fault: Fault, client: &mut Client<'_>) -> Fault {
        if fault.is_clients_absence() {
            return fault;
        }
        let before = self.out.take().unwrap_or_default();
        let sent = match &self.state {
            State::Failed { event, .. } => {
                self.out.push(before);
                self.out.push(event.clone());
                client.end(self.out.take().unwrap_or_default()).await
            }
            State::Waiting | State::Running | State::Ended => client.send(before).await,
        };
        sent.err().unwrap_or(fault)
    }
}

fn read_event(event: Bytes, reader: &mut Reader, out: &mut Out, state: &mut State) {
    let first = *state == State::Waiting;
    match reader.read(event.clone()) {
        Glance::Nothing => out.push(event),
        Glance::Content(bytes) => {
            *state = State::Running;
            bytes.into_iter().for_each(|bytes| out.push(bytes));
        }
        Glance::End(bytes) => {
            *state = State::Ended;
            out.push(bytes);
        }
        Glance::Error { event, payload } => {
            *state = State::Failed {
                event,
                payload,
                first,
            }
        }
    }
}

/// Bytes for one write: a lone piece is not copied, several are joined.
#[derive(Default)]
struct Out {
    first: Option<Bytes>,
    joined: BytesMut,
    bytes: usize,
}

impl Out {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        match self.first.take() {
            None if self.joined.is_empty() => self.first = Some(piece),
            earlier => {
                self.joined.extend(earlier);
                self.joined.extend_from_slice(&piece);
            }
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        self.bytes = 0;
        self.first
            .take()
            .or_else(|| (!self.joined.is_empty()).then(|| self.joined.split().freeze()))
    }
}
