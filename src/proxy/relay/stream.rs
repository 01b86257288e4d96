//! Answers that are streams of events. The head is held until the first event that means something; from then on no event
//! waits for the next, and the stream ends as its dialect demands, whatever happens.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::fault::{Fault, is_retriable};
use crate::proxy::attempt::{Attempt, Cause, Failure, Refusal, Whole};
use crate::proxy::charge::{Charge, Heard};
use crate::proxy::client::{Client, Unfinished, UnfinishedSlot};
use crate::proxy::headers::{self, AnswerHead};
use crate::proxy::prepare::Prepared;
use crate::proxy::settle::{Pace, Record};
use crate::proxy::watch::{gone, until, watched, within};
use crate::upstream::{Broken, Connection};
use crate::wire::encoding::{Decoder, Encoding};
use crate::wire::streams::{Cutter, Ending, Glance, Stream, StreamError};
use crate::wire::{Dialect, Operation};

use super::between::{Between, between, shown_head};
use super::out::Out;
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
    cutter: Cutter,
    stream: Stream,
    /// For the client, and not sent yet.
    out: Out,
    state: State,
    /// The terminator's last line end was CR, and LF may follow.
    cut_line_end: bool,
    /// When the client last got something.
    told: Instant,
    /// For what a stream that is told anew still needs, where this is dropped before its end.
    unfinished: Option<UnfinishedSlot>,
    /// Hears what is used, for the exchange's settlement.
    heard: Option<Arc<Heard>>,
    /// What events pass between their reading and their telling.
    between: Option<Between>,
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        // However a stream ends, what it has used is known.
        self.note_heard();
        if let Some(slot) = self.unfinished.take() {
            let nothing = Stream::passing(Dialect::Chat, Operation::Chat, false, None);
            let stream = std::mem::replace(&mut self.stream, nothing);
            let unsent = self.out.take();
            *slot.lock() = Some(Unfinished { stream, unsent });
        }
    }
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
        error: Box<StreamError>,
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
    let heard = record.charge.as_ref().map(Charge::heard);
    let mut events = Events::new(attempt, encoding, heard);
    if attempt.exchange.is_retold() {
        let head = shown_head(attempt, connection);
        events.between = between(attempt, head).await?;
    }
    await_first(&mut events, connection, client).await?;
    if let State::Failed { error, first: true } = &mut events.state {
        let error = std::mem::take(&mut **error);
        return Err(first_event_failed(
            attempt, connection, error, client, record,
        ));
    }
    attempt.note_first_byte();
    record.stream = true;
    let head = events.head(connection, client);
    let head = introduce(attempt.exchange, head, record);
    if let Prepared::Translated(translated) = attempt.prepared {
        translated.accepted();
    }
    client.begin_stream(head).await.map_err(Failure::Final)?;
    if let Stream::Translated(_) = events.stream {
        events.unfinished = Some(client.unfinished_slot());
    }
    let mut pace = record.pace(&attempt.exchange.gateway);
    let relayed = run(&mut events, connection, client, record, &mut pace).await;
    record.usage = events.stream.usage();
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
        let Some(piece) = read.map_err(|_| truncated())? else {
            let ended = events.end_unbegun().await;
            return ended.map_err(|fault| attempt.failed(fault));
        };
        events
            .absorb(piece)
            .map_err(|fault| attempt.failed(fault))?;
        let passed = events.pass_between().await;
        passed.map_err(|fault| attempt.failed(fault))?;
        if events.holds_comments_only() && events.out.bytes > HELD_COMMENT_BYTES {
            // Keepalives of a long wait: nobody misses the old ones.
            events.out.take();
        }
    }
    Ok(())
}

/// An error in place of the first event gets the status that it would have had without the stream.
pub(super) fn first_event_failed(
    attempt: &Attempt<'_>,
    connection: &mut Connection,
    error: StreamError,
    client: &Client<'_>,
    record: &mut Record,
) -> Failure {
    let upstream = attempt.name();
    let StreamError {
        status,
        reason,
        body,
        body_status,
        retry_after,
        ..
    } = error;
    let unsaid = if reason.context_too_long { 400 } else { 502 };
    let status = status.unwrap_or(unsaid);
    if let Some(wait) = retry_after {
        record.note_wait(wait);
    }
    let said = body.and_then(|body| {
        let version = client.session.req_header().version;
        let mut head = headers::down(connection.take_head(), Some(body.len()), version);
        head.status = StatusCode::from_u16(body_status.unwrap_or(status)).ok()?;
        match attempt.prepared {
            Prepared::Passing => {
                let json = HeaderValue::from_static("application/json");
                head.headers.insert(CONTENT_TYPE, json);
            }
            Prepared::Translated(_) => head = headers::translated(head, "application/json"),
        }
        headers::set_retry_after(&mut head, retry_after);
        Some(Whole { head, body })
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
    pace: &mut Pace,
) -> Result<(), Fault> {
    let idle = events.attempt.timeouts().idle;
    let mut heard = Instant::now();
    let mut timer = pin!(until(events.next_look(heard)));
    loop {
        if let Some(parts) = events.flush(client, record).await? {
            // What the client took to read is not the upstream's silence.
            heard = Instant::now();
            events.told = heard;
            pace.wrote(parts, heard);
            if let Some(charge) = &mut record.charge {
                charge.note_progress(heard, || events.note_heard());
            }
        }
        match events.state {
            State::Ended => return events.read_end(connection, client).await,
            State::Failed { ref error, .. } => {
                return Err(Fault::ErrorEvent {
                    upstream: events.attempt.name(),
                    status: error.status.unwrap_or(502),
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
                let silent = heard.elapsed();
                if silent >= idle {
                    return Err(Fault::Stalled { upstream: events.attempt.name(), idle });
                }
                events.keep_alive(client).await?;
                timer.set(until(events.next_look(heard)));
                continue;
            }
        };
        heard = Instant::now();
        while let Some(piece) = read.take() {
            if !events.take(piece)? {
                return events.end(client, record).await;
            }
            events.pass_between().await?;
            // What has arrived by now goes out in the same write.
            if events.state == State::Running && events.out.bytes < WRITE_BYTES {
                read = connection.ready_piece();
            }
        }
    }
}

impl<'a> Events<'a> {
    fn new(
        attempt: &'a Attempt<'a>,
        encoding: Option<Encoding>,
        heard: Option<Arc<Heard>>,
    ) -> Events<'a> {
        Events {
            decoder: encoding.map(Decoder::new),
            cutter: Cutter::of(attempt.dialect()),
            stream: attempt.stream().tallying(heard.is_some()),
            heard,
            told: Instant::now(),
            unfinished: None,
            between: None,
            out: Out::default(),
            state: State::Waiting,
            cut_line_end: false,
            attempt,
        }
    }

    /// Tells what is known of the use so far; how many tokens of output that are, about.
    fn note_heard(&mut self) -> u64 {
        let heard = self.heard.as_ref();
        heard.map_or(0, |heard| {
            heard.note(self.stream.usage(), self.stream.said());
            heard.output()
        })
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
        let elapsed = self.elapsed();
        let mut unintelligible = None;
        let Events {
            cutter,
            stream,
            out,
            state,
            cut_line_end,
            ..
        } = self;
        let pushed = cutter.push(piece, limit, |event| {
            // Nothing follows the terminator or an error.
            if unintelligible.is_none() && matches!(state, State::Waiting | State::Running) {
                *cut_line_end = event.last() == Some(&b'\r');
                let read = stream.read(event, elapsed);
                match read {
                    Ok(glance) => note(glance, out, state),
                    Err(what) => drop(unintelligible.get_or_insert(what)),
                }
            } else if *cut_line_end && event.first() == Some(&b'\n') {
                *cut_line_end = false;
                out.push(Bytes::from_static(b"\n"));
            }
        });
        pushed.map_err(|_| Fault::EventTooLarge {
            upstream: self.attempt.name(),
            limit,
        })?;
        if self.state == State::Ended {
            // Before the client knows: it may come back with the result of its tools at once.
            self.remember();
        }
        match unintelligible {
            None => Ok(()),
            Some(what) => Err(Fault::Unintelligible {
                upstream: self.attempt.name(),
                what,
            }),
        }
    }

    /// What has been read goes past the guards, and is told.
    async fn pass_between(&mut self) -> Result<(), Fault> {
        let (Some(between), Stream::Translated(translator)) = (&mut self.between, &mut self.stream)
        else {
            return Ok(());
        };
        let read = translator.take_waiting();
        if read.is_empty() {
            return Ok(());
        }
        let events = between.pass(read).await?;
        if !events.is_empty() {
            let glance = translator.tell(events, self.attempt.exchange.elapsed());
            note(glance, &mut self.out, &mut self.state);
        }
        if self.state == State::Ended {
            self.remember();
        }
        Ok(())
    }

    /// For those who write durations: what passes is not told them.
    fn elapsed(&self) -> Duration {
        match &self.stream {
            Stream::Openai(_) | Stream::Observed(_) => Duration::ZERO,
            Stream::Translated(_) => self.attempt.exchange.elapsed(),
        }
    }

    /// The head for the client.
    fn head(&self, connection: &mut Connection, client: &Client<'_>) -> AnswerHead {
        let version = client.session.req_header().version;
        let head = headers::down(connection.take_head(), None, version);
        match &self.stream {
            Stream::Openai(_) | Stream::Observed(_) => head,
            Stream::Translated(translator) => headers::translated(head, translator.content_type()),
        }
    }

    /// When to look at the time next: whether the upstream has stalled, or the client waits for a sign of life.
    fn next_look(&self, heard: Instant) -> Instant {
        let stalled = heard + self.attempt.timeouts().idle;
        match &self.stream {
            Stream::Openai(_) | Stream::Observed(_) => stalled,
            Stream::Translated(_) => {
                let keepalive = self.attempt.exchange.snapshot.config.translation.keepalive;
                stalled.min(self.told + keepalive)
            }
        }
    }

    /// A sign of life for a client that has heard nothing for long, whatever the upstream has said meanwhile.
    async fn keep_alive(&mut self, client: &mut Client<'_>) -> Result<(), Fault> {
        let keepalive = self.attempt.exchange.snapshot.config.translation.keepalive;
        let Stream::Translated(translator) = &mut self.stream else {
            return Ok(());
        };
        if self.told.elapsed() < keepalive {
            return Ok(());
        }
        self.told = Instant::now();
        match translator.keepalive() {
            sign if sign.is_empty() => Ok(()),
            sign => client.send(sign).await,
        }
    }

    /// Keeps the reasoning of a whole answer, for clients that cannot send it back.
    fn remember(&mut self) {
        if let (Stream::Translated(translator), Prepared::Translated(translated)) =
            (&mut self.stream, self.attempt.prepared)
            && let Some(answer) = translator.remembered()
        {
            translated.remember(self.attempt.exchange, &answer);
        }
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
        if let Cutter::Lines(lines) = &mut self.cutter {
            let last = lines.rest();
            self.read_last(last)?;
        }
        self.pass_between().await?;
        match self.stream.ending(self.attempt.exchange.elapsed()) {
            Ending::Clean => {}
            Ending::Unterminated(terminator) => {
                self.pass_between().await?;
                self.remember();
                self.out.push(terminator);
            }
            Ending::Truncated => {
                return Err(Fault::Truncated {
                    upstream: self.attempt.name(),
                });
            }
        }
        self.flush(client, record).await.map(|_| ())
    }

    /// Sends what is ready; where there was something, how many parts of the answer it held.
    async fn flush(
        &mut self,
        client: &mut Client<'_>,
        record: &mut Record,
    ) -> Result<Option<u32>, Fault> {
        let parts = std::mem::take(&mut self.out.parts);
        let Some(bytes) = self.out.take() else {
            return Ok(None);
        };
        record.note_first_byte();
        client.send(bytes).await?;
        Ok(Some(parts))
    }

    /// What is held so far are the upstream's comments, and nothing of an answer's beginning.
    fn holds_comments_only(&self) -> bool {
        self.state == State::Waiting
            && match self.stream {
                Stream::Openai(_) | Stream::Observed(_) => true,
                Stream::Translated(_) => false,
            }
    }

    /// The body has ended before an event that means something: an answer without content may be whole all the same.
    async fn end_unbegun(&mut self) -> Result<(), Fault> {
        if let Cutter::Lines(lines) = &mut self.cutter {
            let last = lines.rest();
            self.read_last(last)?;
        }
        self.pass_between().await?;
        if self.state != State::Waiting {
            return Ok(());
        }
        match self.stream.ending(self.attempt.exchange.elapsed()) {
            Ending::Unterminated(terminator) => {
                self.pass_between().await?;
                self.remember();
                self.out.push(terminator);
                self.state = State::Ended;
                Ok(())
            }
            Ending::Clean | Ending::Truncated => Err(Fault::Truncated {
                upstream: self.attempt.name(),
            }),
        }
    }

    /// Sends what came before the break and, where the upstream has said itself what is wrong, its own words; gives the
    /// fault back, of which the client is told otherwise.
    async fn last_words(&mut self, fault: Fault, client: &mut Client<'_>) -> Fault {
        if fault.is_clients_absence() {
            return fault;
        }
        let before = self.out.take().unwrap_or_default();
        let last = match (&self.state, &mut self.stream) {
            (State::Failed { error, .. }, _) => error.event.clone(),
            (_, Stream::Translated(translator)) => {
                translator.broken_off(&fault.as_error(), self.attempt.exchange.elapsed())
            }
            (_, Stream::Openai(_) | Stream::Observed(_)) => {
                let sent = client.send(before).await;
                return sent.err().unwrap_or(fault);
            }
        };
        self.out.push(before);
        self.out.push(last);
        let sent = client.end(self.out.take().unwrap_or_default()).await;
        sent.err().unwrap_or(fault)
    }

    /// A last line that has no end.
    fn read_last(&mut self, line: Bytes) -> Result<(), Fault> {
        if line.is_empty() || !matches!(self.state, State::Waiting | State::Running) {
            return Ok(());
        }
        let read = self.stream.read(line, self.attempt.exchange.elapsed());
        let glance = read.map_err(|_| Fault::Truncated {
            upstream: self.attempt.name(),
        })?;
        note(glance, &mut self.out, &mut self.state);
        Ok(())
    }
}

fn note(glance: Glance, out: &mut Out, state: &mut State) {
    let first = *state == State::Waiting;
    match glance {
        Glance::Nothing(bytes) if bytes.is_empty() => {}
        Glance::Nothing(bytes) => out.push(bytes),
        Glance::Content(bytes) => {
            *state = State::Running;
            if let Some(bytes) = bytes {
                out.push(bytes);
                out.parts += 1;
            }
        }
        Glance::End(bytes) => {
            *state = State::Ended;
            out.push(bytes);
        }
        Glance::Error(error) => *state = State::Failed { error, first },
    }
}
