//! Stage 4: what a candidate is sent. The client's own bytes where both speak one dialect; otherwise what the client said, brought
//! into what the candidate's dialect and model can take.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;

use crate::fault::Fault;
use crate::route::Candidate;
use crate::wire::capability::Target;
use crate::wire::neutral::{Losses, Malformed, Policy, Refused, Request};
use crate::wire::openai::{Rewrite, rewrite};
use crate::wire::translate::{self, RequestLine, Restore, Written, choose, embeddings};
use crate::wire::{Dialect, Operation, json, ollama};

use super::exchange::Exchange;
use super::translated::{Said, Translated};

/// What a candidate is sent.
pub enum Prepared {
    /// The client's bytes.
    Passing,
    Translated(Box<Translated>),
}

/// Why a candidate is sent nothing.
pub enum Unprepared {
    /// It cannot be given the request; another may be, which speaks the client's dialect or another.
    Unfit(Fault),
    /// The request only makes sure that the model is there (Ollama), and this is the answer.
    Answered(Bytes),
}

impl Prepared {
    /// For the client: what was left out.
    pub fn dropped(&self) -> Option<HeaderValue> {
        match self {
            Prepared::Passing => None,
            Prepared::Translated(translated) => translated.dropped.clone(),
        }
    }
}

/// Prepares a request for a candidate.
///
/// # Errors
/// What the client's request lacks, or what the candidate cannot be given.
pub fn prepare(exchange: &Exchange, candidate: &Candidate) -> Result<Prepared, Unprepared> {
    let (client, operation) = (exchange.endpoint.dialect, exchange.endpoint.operation);
    let spoken = &candidate.endpoint.upstream.dialects;
    match choose(
        operation,
        client,
        || exchange.fills_gap(),
        spoken,
        &candidate.capabilities,
    ) {
        Some(dialect) if dialect == client && !exchange.is_retold() => Ok(Prepared::Passing),
        Some(dialect) => translated(exchange, candidate, dialect),
        None => Err(Unprepared::Unfit(not_served(exchange, candidate))),
    }
}

/// The body of a request that passes.
pub fn passing_body(exchange: &Exchange, candidate: &Candidate, ask_usage: bool) -> Bytes {
    let change = Rewrite {
        model: candidate.model.as_deref(),
        ask_usage,
    };
    rewrite(&exchange.body(), &exchange.envelope, change)
}

fn not_served(exchange: &Exchange, candidate: &Candidate) -> Fault {
    let operation = exchange.endpoint.operation.label();
    let kind = candidate.endpoint.upstream.kind.facts().name;
    let model = exchange.model();
    Fault::NotServed(format!(
        "`{model}` is served by an upstream of kind {kind}, which has nothing for {operation}"
    ))
}

fn translated(
    exchange: &Exchange,
    candidate: &Candidate,
    dialect: Dialect,
) -> Result<Prepared, Unprepared> {
    let said = exchange.said().map_err(Unprepared::Unfit)?;
    if let Said::Chat(request) = &*said
        && ollama::is_load(request)
    {
        let answer = ollama::load_answer(request, exchange.naming(request));
        return Err(Unprepared::Answered(answer.into()));
    }
    let model = candidate.model.as_deref().unwrap_or(exchange.model());
    // The default upstream is asked for whatever the client names.
    let unlisted = candidate.model.is_none();
    let own = unlisted.then(|| exchange.snapshot.config.translation.of_model(model));
    let upstream = &candidate.endpoint.upstream;
    let mut quirks = translate::quirks(dialect, upstream.kind.facts().quirks).clone();
    quirks.stream_options = upstream.stream_usage_on_request;
    let target = Target {
        model,
        capabilities: own.as_ref().unwrap_or(&candidate.capabilities),
        quirks: &quirks,
    };
    let policy = candidate
        .loss
        .unwrap_or(exchange.snapshot.config.translation.loss);
    let mut losses = Losses::new(policy);
    let written = write(
        exchange,
        &upstream.name,
        &said,
        dialect,
        &target,
        &mut losses,
    );
    let written = written.map_err(|refused| Unprepared::Unfit(untranslatable(&refused)))?;
    let dropped = losses.header();
    let dropped = dropped.and_then(|names| HeaderValue::from_str(&names).ok());
    let to = (dialect, upstream.name.as_str());
    let translated = Translated::new(to, said, written, dropped);
    Ok(Prepared::Translated(Box::new(translated)))
}

fn write(
    exchange: &Exchange,
    upstream: &str,
    said: &Said,
    dialect: Dialect,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<(Written, Restore), Refused> {
    match said {
        Said::Chat(request) => {
            let mut request = request.clone();
            let kept_for = exchange.snapshot.config.translation.reasoning_kept;
            let memory = &exchange.gateway.reasoning;
            memory.recall(
                exchange.caller(),
                &mut request,
                (dialect, upstream),
                kept_for,
                Instant::now(),
            );
            let restore = translate::fit(&mut request, dialect, target, losses)?;
            let written = translate::write_request(dialect, &request, target, losses)?;
            Ok((written, restore))
        }
        Said::Count(request) => {
            let mut request = request.clone();
            // Nothing is answered, so that nothing is lost that anybody would miss.
            let mut losses = Losses::new(Policy::Silent);
            let restore = translate::fit(&mut request, dialect, target, &mut losses)?;
            let written = translate::write_count(dialect, &request, target, &mut losses)?;
            Ok((written, restore))
        }
        Said::Embedding(request) => {
            let written = embeddings::write_request(dialect, request, target.model, losses)?;
            Ok((written, Restore::default()))
        }
    }
}

fn untranslatable(refused: &Refused) -> Fault {
    Fault::Untranslatable {
        param: refused.loss.name(),
        why: refused.to_string(),
    }
}

/// Each value of a body takes many times its own bytes once it is read. More than this in one request are none.
const VALUES_MAX: usize = 1_000_000;

/// Reads what the client said.
///
/// # Errors
/// What makes its body no request of its dialect.
pub fn read(exchange: &Exchange) -> Result<Said, Fault> {
    let endpoint = exchange.endpoint;
    let line = RequestLine {
        operation: Some(endpoint.operation),
        model: exchange.envelope.model.as_deref(),
        stream: Some(exchange.envelope.stream),
    };
    let body = exchange.body();
    if !json::has_at_most(&body, VALUES_MAX) {
        return Err(Fault::MalformedMember {
            param: String::new(),
            problem: format!("it holds more than {VALUES_MAX} values"),
        });
    }
    let said = match endpoint.operation {
        Operation::Embeddings => {
            embeddings::read_request(endpoint.dialect, &line, &body).map(Said::Embedding)
        }
        Operation::CountTokens => {
            translate::read_request(endpoint.dialect, &line, &body).map(Said::Count)
        }
        _ => translate::read_request(endpoint.dialect, &line, &body).map(Said::Chat),
    };
    let said =
        said.map_err(|Malformed { param, problem }| Fault::MalformedMember { param, problem })?;
    match &said {
        Said::Chat(request) | Said::Count(request) => refuse_stored(request)?,
        Said::Embedding(_) => {}
    }
    Ok(said)
}

/// A request that goes on with an answer which is not stored here gets its vendor's own error.
fn refuse_stored(request: &Request) -> Result<(), Fault> {
    match crate::wire::responses::stored_state(request) {
        Some((param, message, code)) => Err(Fault::NotStored {
            param,
            message,
            code,
        }),
        None => Ok(()),
    }
}
