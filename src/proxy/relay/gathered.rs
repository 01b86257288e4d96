//! A stream of events where a whole answer was asked for, and has to be told anew: some servers know nothing but streams. It is
//! held until it is whole, within the bound of whole answers.

use crate::fault::Fault;
use crate::proxy::attempt::{Attempt, Failure, Whole};
use crate::proxy::client::Client;
use crate::proxy::headers;
use crate::proxy::settle::Record;
use crate::proxy::translated::Translated;
use crate::upstream::Connection;
use crate::wire::encoding::Encoding;
use crate::wire::streams::Ungathered;

use super::body::Source;
use super::stream::first_event_failed;

/// The whole answer that a stream comes to.
///
/// # Errors
/// A failure that another target may make good: nothing has reached the client.
pub async fn gathered(
    attempt: &Attempt<'_>,
    translated: &Translated,
    connection: &mut Connection,
    encoding: Option<Encoding>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Whole>, Failure> {
    let exchange = attempt.exchange;
    let mut source = Source::new(attempt, connection, encoding);
    let held = source.hold(client).await;
    let (held, complete) = held.map_err(|fault| attempt.failed(fault))?;
    let upstream = attempt.name();
    if !complete {
        let limit = exchange.snapshot.config.limits.event_bytes;
        return Err(attempt.failed(Fault::EventTooLarge { upstream, limit }));
    }
    let told = translated.gathered(exchange, held, attempt.reasons_optional());
    let (body, usage) = match told {
        Ok(told) => told,
        Err(Ungathered::Cut) => return Err(attempt.failed(Fault::Truncated { upstream })),
        Err(Ungathered::Unintelligible(what)) => {
            return Err(attempt.failed(Fault::Unintelligible { upstream, what }));
        }
        Err(Ungathered::Failed(error)) => {
            return Err(first_event_failed(
                attempt, connection, *error, client, record,
            ));
        }
    };
    attempt.note_first_byte();
    record.stream = false;
    record.usage = usage;
    let head = source.head(Some(body.len()), client);
    let head = headers::translated(head, "application/json");
    let head = headers::framed(head, body.len(), client.session.req_header().version);
    Ok(Some(Whole { head, body }))
}
