//! The body that HTTP sends: events at their times, one write each, with the faults of the exchange.
//! It must not know what events say.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::engine::Turn;
use super::record::Exchange;
use super::reply::{Source, When};
use super::shaping::{Break, Shaper, Step};
use super::transport::{Ending, Switch};

/// A response body.
pub enum SimBody {
    Whole(Bytes),
    Events(Box<EventBody>),
}

/// A body of events.
pub struct EventBody {
    source: Box<dyn Source>,
    /// The engine's turn; `None` where no engine works for this answer (a plain body under a fault).
    turn: Option<Turn>,
    exchange: Exchange,
    switch: Arc<Switch>,
    shaper: Option<Shaper>,
    flush_each: bool,
    close_after: bool,
    trailers: bool,
    buffer: BytesMut,
    /// The event that a stall came before.
    kept: BytesMut,
    buffered_events: u32,
    buffered_tokens: u64,
    /// When what is buffered may leave.
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Set after an event, so that it is flushed before the next is written.
    flush_first: bool,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Sending,
    /// What is buffered is sent; then this happens.
    Breaking(Break),
    Ending,
    Trailers,
    Over,
    /// Broken off: the connection ends beneath, so nothing more is said.
    Silent,
}

/// What an event body needs beside its events.
pub struct Delivery {
    pub turn: Option<Turn>,
    pub exchange: Exchange,
    pub switch: Arc<Switch>,
    pub shaper: Option<Shaper>,
    /// Whether every event is a write of its own.
    pub flush_each: bool,
    /// Whether the connection closes, unannounced, behind the body.
    pub close_after: bool,
    pub trailers: bool,
}

/// Capacity taken at once: some thirty small events; a thousand open streams hold as much each.
const BUFFER_BYTES: usize = 8 << 10;
/// Room for an event, so that the buffer rarely grows while one is written.
const EVENT_BYTES: usize = 512;

impl EventBody {
    pub fn new(source: Box<dyn Source>, delivery: Delivery) -> Self {
        let Delivery {
            turn,
            exchange,
            switch,
            shaper,
            flush_each,
            close_after,
            trailers,
        } = delivery;
        Self {
            source,
            turn,
            exchange,
            switch,
            shaper,
            flush_each,
            close_after,
            trailers,
            buffer: BytesMut::new(),
            kept: BytesMut::new(),
            buffered_events: 0,
            buffered_tokens: 0,
            due: None,
            timer: None,
            flush_first: false,
            state: State::Sending,
        }
    }

    /// Writes events into the buffer up to one that is to be sent; it stays there until it is due.
    fn fill(&mut self) {
        while self.state == State::Sending {
            let start = self.buffer.len();
            if !self.write_event() {
                self.state = State::Ending;
                return;
            }
            match self
                .shaper
                .as_mut()
                .map_or(Step::Send, |shaper| shaper.take(&mut self.buffer, start))
            {
                Step::Send => return self.buffered_events += 1,
                Step::Hold => self.buffered_events += 1,
                Step::Break(broken) => {
                    self.kept = self.buffer.split_off(start.min(self.buffer.len()));
                    if !matches!(broken, Break::Stall(_)) {
                        // What stands behind the start here is the fault's own last event.
                        self.buffer.unsplit(std::mem::take(&mut self.kept));
                    }
                    self.state = State::Breaking(broken);
                }
            }
        }
    }

    fn write_event(&mut self) -> bool {
        if !self.kept.is_empty() {
            self.buffer
                .extend_from_slice(&std::mem::take(&mut self.kept));
            return true;
        }
        if self.buffer.capacity() - self.buffer.len() < EVENT_BYTES {
            self.buffer.reserve(BUFFER_BYTES);
        }
        let Some(when) = self.source.write_next(&mut self.buffer) else {
            return false;
        };
        self.due = match (when, &self.turn) {
            (When::With(index) | When::Token(index), Some(turn)) => turn.due(index),
            (When::Now, _) | (_, None) => self.due,
        };
        self.buffered_tokens += u64::from(matches!(when, When::Token(_)));
        true
    }

    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Ready(());
        };
        if due > Instant::now() {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(context));
        }
        self.due = None;
        Poll::Ready(())
    }

    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.buffered_events == 0 {
            self.fill();
        }
        ready!(self.poll_due(context));
        self.note_sent();
        let mut bytes = self.buffer.split().freeze();
        if bytes.is_empty() {
            return self.poll_rest(context);
        }
        if let Some(shaper) = &mut self.shaper {
            bytes = shaper.encode(bytes)?;
        }
        self.flush_first = self.flush_each;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn note_sent(&mut self) {
        self.exchange
            .events_sent(std::mem::take(&mut self.buffered_events));
        let tokens = std::mem::take(&mut self.buffered_tokens);
        if let Some(turn) = self.turn.as_mut().filter(|_| tokens > 0) {
            self.exchange.tokens_sent(tokens);
            turn.sent(tokens);
        }
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Sending => {
                self.state = State::Sending;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            State::Breaking(broken) => self.poll_break(broken, context),
            State::Ending => {
                self.finish();
                self.poll_end()
            }
            State::Trailers => Poll::Ready(Some(Ok(Frame::trailers(trailers())))),
            State::Over => Poll::Ready(None),
            State::Silent => {
                self.state = State::Silent;
                Poll::Pending
            }
        }
    }

    fn poll_break(
        &mut self,
        broken: Break,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match broken {
            Break::Stall(lasting) => {
                self.state = match lasting {
                    // What was kept goes out when the stall is over, as if it had been due then.
                    Some(lasting) => {
                        self.due = Some(Instant::now() + lasting);
                        State::Sending
                    }
                    None => State::Silent,
                };
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Break::Reset { stream_only: true } => {
                self.exchange.fault();
                Poll::Ready(Some(Err(io::Error::other("stream reset by a fault"))))
            }
            Break::Reset { stream_only: false } => self.silence(Ending::Reset),
            Break::Cut => self.silence(Ending::Close),
            Break::End => {
                self.exchange.fault();
                self.poll_end()
            }
        }
    }

    fn silence(&mut self, ending: Ending) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.exchange.fault();
        self.switch.end(ending);
        self.state = State::Silent;
        Poll::Pending
    }

    fn finish(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.end(self.source.finish_reason());
        }
        self.turn = None;
        self.exchange.finish();
        if self.close_after {
            self.switch.end(Ending::Close);
        }
    }

    /// The end of the encoding, the trailers, the end: each where there is one.
    fn poll_end(&mut self) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.state = if self.trailers {
            State::Trailers
        } else {
            State::Over
        };
        let tail = self.shaper.as_mut().map_or(Ok(Bytes::new()), Shaper::end)?;
        match (tail.is_empty(), self.trailers) {
            (false, _) => Poll::Ready(Some(Ok(Frame::data(tail)))),
            (true, true) => {
                self.state = State::Over;
                Poll::Ready(Some(Ok(Frame::trailers(trailers()))))
            }
            (true, false) => Poll::Ready(None),
        }
    }
}

/// The names of the trailers that `trailers` sends, which HTTP/1.1 must announce.
pub const TRAILER_NAMES: &str = "x-sim-trailer";

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static(TRAILER_NAMES),
        HeaderValue::from_static("sent"),
    )])
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Events(body) => {
                if std::mem::take(&mut body.flush_first) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                match body.state {
                    State::Sending | State::Breaking(_) | State::Ending => {
                        body.poll_events(context)
                    }
                    State::Trailers | State::Over | State::Silent => body.poll_rest(context),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// A plain body in two halves, for faults that break it off in the middle.
pub struct Halves {
    halves: [Bytes; 2],
    next: usize,
}

impl Halves {
    pub fn of(bytes: Bytes) -> Self {
        let middle = bytes.len() / 2;
        Self {
            halves: [bytes.slice(..middle), bytes.slice(middle..)],
            next: 0,
        }
    }
}

impl Source for Halves {
    fn write_next(&mut self, out: &mut BytesMut) -> Option<When> {
        let half = self.halves.get(self.next)?;
        self.next += 1;
        out.extend_from_slice(half);
        Some(When::Now)
    }

    fn finish_reason(&self) -> &'static str {
        "stop"
    }
}

/// Waits until a moment, or not at all.
pub async fn wait_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}

/// Waits for a time, or for good.
pub async fn wait_for(lasting: Option<Duration>) {
    match lasting {
        Some(lasting) => tokio::time::sleep(lasting).await,
        None => std::future::pending().await,
    }
}
