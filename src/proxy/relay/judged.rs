//! Whole answers past the guards that want to see them. What guards look for is not known here.

use crate::fault::Fault;
use crate::proxy::attempt::{Attempt, Whole};
use crate::proxy::client::Client;
use crate::proxy::headers;
use crate::proxy::prepare::Prepared;

/// A whole answer past the guards that want to see it.
pub async fn judged(
    attempt: &Attempt<'_>,
    whole: Whole,
    client: &Client<'_>,
) -> Result<Whole, Fault> {
    let exchange = attempt.exchange;
    let filters = exchange.filters.as_ref().filter(|it| it.wants.answers);
    let Some(filters) = filters else {
        return Ok(whole);
    };
    let version = client.session.req_header().version;
    let Whole { head, body } = filters.on_answer(whole, version).await?;
    let told = match attempt.prepared {
        Prepared::Translated(translated) => translated.as_stream(exchange, &body),
        Prepared::Passing => None,
    };
    Ok(match told {
        None => Whole { head, body },
        Some((body, content_type)) => {
            let head = headers::translated(head, content_type);
            let head = headers::framed(head, body.len(), version);
            Whole { head, body }
        }
    })
}
