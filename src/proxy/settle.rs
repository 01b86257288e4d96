//! The last stage: what happened in an exchange goes into metrics and one access-log line, once, on every path.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_proxy::Session;
use prometheus::{Histogram, IntGauge};

use crate::config::{self, LogFormat};
use crate::fault::{Fault, whole_seconds};
use crate::gateway::{Gateway, Guards};
use crate::metrics::{NONE, UNKNOWN_MODEL};
use crate::route::Plan;
use crate::terms::Money;
use crate::upstream::{self, Endpoint, KeyVerdict, Lease};
use crate::wire::{Dialect, Operation, Usage};

use super::access_line::{Line, Timestamp};
use super::asked::Asked;
use super::caller::Calling;
use super::charge::Charge;
use super::observed;
use super::request_id;
use super::view::ExchangeView;

/// Connections of HTTP/1.1 clients that are idle for this long are closed. In seconds.
const IDLE_SECONDS: u64 = 300;

/// What is known of an exchange so far. Stages write it; only `settle` reads it.
pub struct Record {
    pub begun: Instant,
    pub request_id: HeaderValue,
    pub operation: Option<Operation>,
    /// What the client speaks.
    pub dialect: Dialect,
    pub model: ModelName,
    /// The upstream of the last attempt.
    pub upstream: Option<Arc<Endpoint>>,
    /// Its place among those in flight there, to the last byte.
    pub in_flight_at: Option<upstream::InFlight>,
    /// Who calls.
    pub calling: Calling,
    /// What is reserved, until it is settled.
    pub charge: Option<Charge>,
    /// What is left of the caller's limits, in the client's dialect.
    pub limits: Vec<(HeaderName, HeaderValue)>,
    /// Tags that the request's own headers give its usage.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// The upstream's own name for the model, of the last attempt.
    pub upstream_model: Option<Arc<str>>,
    /// When the last attempt began.
    pub attempt_begun: Option<Instant>,
    /// The upstream key of the attempt that runs, in use to the last byte.
    pub lease: Option<Lease>,
    /// Label of the upstream key that the last attempt has given back.
    returned_key: Option<String>,
    /// The model that was tried in place of the one that was asked for.
    pub fallback: Option<String>,
    /// What the last attempt's translation has left out of the request, for the client.
    pub dropped: Option<HeaderValue>,
    /// The head of the last answer, for its key.
    answer: Option<(u16, HeaderMap)>,
    /// How long the last answer asked to be left alone.
    pub retry_after: Option<Duration>,
    pub attempts: u32,
    pub stream: bool,
    /// The status that the client saw, or would have seen.
    pub status: u16,
    pub fault: Option<Fault>,
    /// What plugins see of it, where there are observers.
    pub view: Option<Arc<ExchangeView>>,
    /// The plugins of the snapshot that it began with, where any of them observes.
    pub guards: Option<Arc<Guards>>,
    pub usage: Option<Usage>,
    /// From the beginning to the first byte of the answer's body for the client.
    pub first_byte: Option<Duration>,
    /// Whether answers say where they come from and what was tried.
    pub says_what_happened: bool,
    /// When the request had arrived whole.
    pub arrived: Instant,
    /// The same, until the first attempt begins.
    received: Option<Instant>,
    in_flight: Option<InFlight>,
}

/// The time between the parts of one stream's answer, as the client takes them.
pub struct Pace {
    gaps: Histogram,
    /// When the last write of a part had been taken; `None` before the first.
    wrote: Option<Instant>,
}

impl Pace {
    fn new(gaps: Histogram) -> Pace {
        Pace { gaps, wrote: None }
    }

    /// A write that held so many parts has been taken. Parts that came together share the time since the write before it.
    pub fn wrote(&mut self, parts: u32, now: Instant) {
        if parts == 0 {
            return;
        }
        if let Some(before) = self.wrote.replace(now) {
            let gap = (now - before).as_secs_f64() / f64::from(parts);
            (0..parts).for_each(|_| self.gaps.observe(gap));
        }
    }
}

/// The model that a request asked for.
pub enum ModelName {
    /// None, or none yet.
    None,
    /// One that a route stands for.
    Known(Arc<str>),
    /// Any other, as the client wrote it: for the log only.
    Unknown(String),
}

impl Record {
    /// A record of an exchange that begins now.
    pub fn begin() -> Record {
        let begun = Instant::now();
        Record {
            begun,
            request_id: HeaderValue::from_static(""),
            operation: None,
            dialect: Dialect::Chat,
            model: ModelName::None,
            upstream: None,
            in_flight_at: None,
            calling: Calling::default(),
            charge: None,
            limits: Vec::new(),
            tags: Vec::new(),
            upstream_model: None,
            attempt_begun: None,
            lease: None,
            returned_key: None,
            fallback: None,
            dropped: None,
            answer: None,
            retry_after: None,
            attempts: 0,
            stream: false,
            status: 0,
            fault: None,
            view: None,
            guards: None,
            usage: None,
            first_byte: None,
            says_what_happened: true,
            arrived: begun,
            received: None,
            in_flight: None,
        }
    }

    /// Counts the exchange in, once its head has been read.
    pub fn enter(&mut self, session: &mut Session, gateway: &Gateway) {
        self.request_id = request_id::take_or_make(&session.req_header().headers);
        self.in_flight = Some(InFlight::enter(&gateway.metrics.in_flight));
        // Pingora would keep an idle connection without end.
        if session.get_keepalive() == Some(0) {
            session.set_keepalive(Some(IDLE_SECONDS));
        }
        // Without it, bytes of a next request that come early would pass for the client's going away.
        session.set_pipelining_enabled(true);
    }

    /// Notes that the request has arrived whole.
    pub fn note_received(&mut self, stream: bool) {
        self.stream = stream;
        self.arrived = Instant::now();
        self.received = Some(self.arrived);
    }

    /// Counts an attempt. What weir itself took is the time from the whole request to the first of them.
    pub fn note_attempt(&mut self, gateway: &Gateway) {
        self.attempts += 1;
        if let Some(received) = self.received.take() {
            gateway
                .metrics
                .overhead_seconds
                .observe(received.elapsed().as_secs_f64());
        }
    }

    /// Notes the head of an answer.
    pub fn note_head(&mut self, status: u16, headers: &HeaderMap) {
        if self.lease.is_some() {
            self.answer = Some((status, headers.clone()));
        }
        self.retry_after = None;
        if status == 429 {
            self.retry_after = upstream::keys::retry_after(headers, upstream::present());
        }
    }

    /// The answer's body says how long to wait, as some do whose headers say nothing.
    pub fn note_wait(&mut self, wait: Duration) {
        self.retry_after.get_or_insert(wait);
        if let Some((_, headers)) = &mut self.answer {
            let seconds = || HeaderValue::from(whole_seconds(wait));
            headers.entry(header::RETRY_AFTER).or_insert_with(seconds);
        }
    }

    /// The answer is good: its key hears what it says of its limits.
    pub fn note_accepted(&mut self) {
        if let (Some(lease), Some((status, headers))) = (&self.lease, self.answer.take()) {
            lease.answered(status, &headers, None);
        }
    }

    /// The answer is none: what its key makes of it; `None` where no key was used.
    pub fn blame_key(&mut self, status: u16, code: Option<&str>) -> Option<KeyVerdict> {
        let (_, headers) = self.answer.take().unwrap_or_default();
        let lease = self.lease.as_ref()?;
        Some(lease.answered(status, &headers, code))
    }

    /// The attempt has failed, and nothing of it is in use any more: a key whose one place it had must be free for the next.
    /// `sent`: its request may have reached the upstream, and counts.
    pub fn note_failed(&mut self, sent: bool) {
        self.in_flight_at = None;
        if let Some(lease) = self.lease.take() {
            self.returned_key = Some(lease.label().to_owned());
            if !sent {
                lease.unsent();
            }
        }
    }

    /// The client's credentials that an upstream may see. A key that weir knows is weir's, and no upstream's to see.
    pub fn forwarded<'u>(&self, upstream: &'u config::Upstream) -> &'u [HeaderName] {
        match self.calling.caller {
            Some(_) => &[],
            None => &upstream.forward_credentials,
        }
    }

    /// What the exchange has cost, as far as its use is known.
    fn whole_cost(&self) -> Option<Money> {
        self.charge.as_ref()?.cost(&self.usage?, self)
    }

    /// What the exchange costs, where its whole use is known already.
    pub fn cost(&self) -> Option<HeaderValue> {
        let usage = self.usage.filter(|_| !self.stream)?;
        let cost = self.charge.as_ref()?.cost(&usage, self)?;
        HeaderValue::from_str(&cost.to_string()).ok()
    }

    /// Tells the caller what is left of its limits, once, in place of what an upstream says of weir's own.
    pub fn tell_limits(&mut self, headers: &mut HeaderMap) {
        for (name, value) in self.limits.drain(..) {
            headers.insert(name, value);
        }
    }

    /// The public name of the model that answers, or was tried last: another one's where that stands in.
    pub fn answering_model(&self) -> &str {
        let own = || self.model.text();
        self.fallback.as_deref().or_else(own).unwrap_or_default()
    }

    pub fn is_settled(&self) -> bool {
        self.in_flight.is_none()
    }

    /// Label of the upstream key of the last attempt.
    pub fn key(&self) -> Option<&str> {
        let lease = self.lease.as_ref().map(Lease::label);
        lease.or(self.returned_key.as_deref())
    }

    /// Notes the moment of the first byte for the client; later calls change nothing.
    pub fn note_first_byte(&mut self) {
        self.first_byte.get_or_insert_with(|| self.begun.elapsed());
    }

    /// The pace of the stream that is about to be relayed.
    pub fn pace(&self, gateway: &Gateway) -> Pace {
        let labels = [self.model.label(), self.upstream_name()];
        let gaps = &gateway.metrics.inter_token_seconds;
        Pace::new(gaps.with_label_values(&labels))
    }

    pub fn upstream_name(&self) -> &str {
        self.upstream
            .as_ref()
            .map_or(NONE, |endpoint| &endpoint.upstream.name)
    }
}

impl ModelName {
    /// The name that was asked for, and where that leads.
    pub fn of(asked: &str, plan: Option<&Plan>) -> ModelName {
        match plan.and_then(|plan| plan.model.clone()) {
            Some(known) => ModelName::Known(known),
            None => ModelName::Unknown(asked.to_owned()),
        }
    }

    /// As metrics name it.
    pub fn label(&self) -> &str {
        match self {
            ModelName::None => NONE,
            ModelName::Known(name) => name,
            ModelName::Unknown(_) => UNKNOWN_MODEL,
        }
    }

    /// As the client knows it.
    pub fn text(&self) -> Option<&str> {
        match self {
            ModelName::None => None,
            ModelName::Known(name) => Some(name),
            ModelName::Unknown(name) => Some(name),
        }
    }
}

/// An exchange among those in flight, until it is dropped.
struct InFlight(IntGauge);

impl InFlight {
    fn enter(gauge: &IntGauge) -> InFlight {
        gauge.inc();
        InFlight(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Writes an exchange down, unless that was done.
pub fn settle(record: &mut Record, asked: Asked<'_>, gateway: &Gateway) {
    if record.in_flight.take().is_none() {
        return;
    }
    record.in_flight_at = None;
    let took = record.begun.elapsed();
    count(record, gateway, took);
    if let (Some(lease), Some(usage)) = (&mut record.lease, record.usage) {
        lease.tokens(usage.input() + usage.output);
    }
    let guards = record.guards.take();
    let cost = guards.as_ref().and_then(|_| record.whole_cost());
    if let Some(charge) = record.charge.take() {
        charge.settle(record);
    }
    if let Some(guards) = guards {
        let cost = cost.map_or(0, Money::nanos);
        let outcome = observed::outcome(record, &asked, took, cost);
        guards.tell(&outcome);
    }
    if gateway.access_log.is_on() {
        let format = gateway.access_log.format();
        gateway.access_log.write(line(record, &asked, took, format));
    }
    record.lease = None;
}

fn count(record: &Record, gateway: &Gateway, took: Duration) {
    let metrics = &gateway.metrics;
    let operation = record.operation.map_or(NONE, Operation::label);
    let (model, upstream) = (record.model.label(), record.upstream_name());
    let fault = record.fault.as_ref().map_or(NONE, Fault::label);
    let mut code = itoa(record.status);
    metrics
        .requests
        .with_label_values(&[operation, model, upstream, code.text(), fault])
        .inc();
    metrics
        .duration_seconds
        .with_label_values(&[operation, model])
        .observe(took.as_secs_f64());
    if let Some(first) = record.first_byte.filter(|_| record.stream) {
        metrics
            .first_token_seconds
            .with_label_values(&[model, upstream])
            .observe(first.as_secs_f64());
    }
    let Some(usage) = record.usage else {
        return;
    };
    let kinds = [
        ("input", usage.input_uncached),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
    ];
    for (kind, tokens) in kinds.into_iter().filter(|(_, tokens)| *tokens > 0) {
        metrics
            .tokens
            .with_label_values(&[model, upstream, kind])
            .inc_by(tokens);
    }
}

/// A status as text, without an allocation.
fn itoa(status: u16) -> Digits {
    let digit = |place: u16| b'0' + u8::try_from(status / place % 10).expect("a digit");
    Digits([digit(100), digit(10), digit(1)])
}

struct Digits([u8; 3]);

impl Digits {
    fn text(&mut self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

fn line(record: &Record, asked: &Asked<'_>, took: Duration, format: LogFormat) -> Vec<u8> {
    let caller = record.calling.caller.as_deref();
    let line = Line {
        time: Timestamp::now(),
        request_id: record.request_id.to_str().unwrap_or_default(),
        client: asked.client,
        method: asked.method,
        path: asked.path,
        operation: record.operation.map(Operation::label),
        model: record.model.text(),
        upstream: record
            .upstream
            .as_ref()
            .map(|endpoint| endpoint.upstream.name.as_str()),
        endpoint: record
            .upstream
            .as_ref()
            .map(|endpoint| endpoint.name.as_str()),
        key: record.key(),
        tenant: caller.map(|caller| caller.tenant_id()),
        caller: caller.and_then(|caller| caller.key_label()),
        fallback: record.fallback.as_deref(),
        attempts: record.attempts,
        stream: record.stream,
        status: record.status,
        fault: record.fault.as_ref().map(Fault::label),
        input_tokens: record.usage.map(|usage| usage.input()),
        output_tokens: record.usage.map(|usage| usage.output),
        first_byte_ms: record.first_byte.map(milliseconds),
        duration_ms: milliseconds(took),
    };
    line.write(format)
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_after_the_first_write_counts_with_its_share_of_the_time() {
        let options = prometheus::HistogramOpts::new("gaps", "x").buckets(vec![0.15]);
        let gaps = Histogram::with_opts(options).expect("the name is valid");
        let mut pace = Pace::new(gaps.clone());
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        // The first write begins it, comments are none, and five parts that come together took 1 s.
        for (parts, at) in [(2, 0), (1, 200), (0, 300), (5, 1200), (1, 1300)] {
            pace.wrote(parts, after(at));
        }
        assert_eq!(gaps.get_sample_count(), 7);
        assert!((gaps.get_sample_sum() - 1.3).abs() < 1e-9);
    }

    #[test]
    fn statuses_as_text() {
        assert_eq!(
            (itoa(200).text(), itoa(0).text(), itoa(599).text()),
            ("200", "000", "599")
        );
    }
}
