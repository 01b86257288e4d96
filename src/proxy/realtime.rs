//! WebSockets for a model, named in the query: the handshake at one target after another, then bytes both ways. What they
//! mean is not looked at.

use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use pingora::http::RequestHeader;

use crate::fault::{Fault, Wait};
use crate::gateway::{Gateway, Snapshot};
use crate::route::{Candidate, Plan};
use crate::upstream::{Broken, Connection};
use crate::wire::Operation;

use super::admit::percent_decoded;
use super::client::Client;
use super::headers::{self, X_REQUEST_ID, X_WEIR_UPSTREAM};
use super::settle::{ModelName, Record};
use super::watch::{Interrupted, watched};

/// Opens a WebSocket to a target of its model, and carries it to its end.
///
/// # Errors
/// The fault that ended it.
pub async fn run(
    gateway: &Gateway,
    snapshot: &Snapshot,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    record.operation = Some(Operation::Realtime);
    let query = client
        .session
        .req_header()
        .uri
        .query()
        .unwrap_or("")
        .to_owned();
    let plan = plan(snapshot, &query, record)?;
    let mut last = None;
    for candidate in &plan.candidates {
        record.note_attempt(gateway);
        record.upstream = Some(candidate.endpoint.clone());
        let _in_flight = candidate.endpoint.enter();
        match open(gateway, candidate, &query, client, record).await {
            Ok(connection) => return carry(snapshot, candidate, connection, client, record).await,
            Err(fault) if fault.is_upstreams() => last = Some(fault),
            Err(fault) => return Err(fault),
        }
    }
    Err(last.expect("a plan has at least one candidate"))
}

fn plan(snapshot: &Snapshot, query: &str, record: &mut Record) -> Result<Plan, Fault> {
    let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "model");
    let asked = asked
        .map(|(_, model)| model.into_owned())
        .filter(|model| !model.is_empty());
    let place = "the query's parameter";
    let asked = asked.ok_or(Fault::ModelMissing { place })?;
    let plan = snapshot.catalog.plan(&asked);
    record.model = ModelName::of(&asked, plan.as_ref());
    plan.ok_or(Fault::ModelUnknown(asked))
}

/// The handshake with one target.
async fn open(
    gateway: &Gateway,
    candidate: &Candidate,
    query: &str,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Connection, Fault> {
    let upstream = candidate.endpoint.upstream.name.clone();
    let timeouts = &candidate.endpoint.upstream.timeouts;
    let deadline = Instant::now() + timeouts.first_byte;
    let interrupted = |interrupted| match interrupted {
        Interrupted::ClientGone => Fault::ClientGone,
        Interrupted::TimedOut => Fault::Timeout {
            upstream: upstream.clone(),
            wait: Wait::FirstByte(timeouts.first_byte),
        },
    };
    let connecting = candidate.endpoint.connect_for_upgrade(&gateway.connector);
    let connected = watched(client, deadline, connecting)
        .await
        .map_err(interrupted)?;
    let mut connection = connected.map_err(|_| Fault::Connect {
        upstream: upstream.clone(),
    })?;
    let head = request_head(candidate, query, client, record)?;
    let asked = watched(
        client,
        deadline,
        connection.ask(Box::new(head), Bytes::new()),
    )
    .await;
    asked.map_err(interrupted)?.map_err(|broken| match broken {
        Broken::Invalid(_) => Fault::Unintelligible {
            upstream: upstream.clone(),
            what: "no HTTP".to_owned(),
        },
        Broken::Unreachable(_) | Broken::Stale | Broken::Closed(_) => Fault::ClosedEarly {
            upstream: upstream.clone(),
        },
    })?;
    match connection.head().status {
        StatusCode::SWITCHING_PROTOCOLS => Ok(connection),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if record.key.is_some() => {
            Err(Fault::CredentialRefused {
                upstream,
                status: connection.head().status.as_u16(),
            })
        }
        status if status.is_client_error() || status.is_server_error() => {
            Err(Fault::UpstreamStatus {
                upstream,
                status: status.as_u16(),
            })
        }
        status => Err(Fault::Unintelligible {
            upstream,
            what: format!("status {status} to a WebSocket"),
        }),
    }
}

fn request_head(
    candidate: &Candidate,
    query: &str,
    client: &Client<'_>,
    record: &mut Record,
) -> Result<RequestHeader, Fault> {
    let endpoint = &candidate.endpoint;
    let asked = client.session.req_header();
    let query = match candidate.model.as_deref() {
        Some(model) => with_model(query, model),
        None => query.to_owned(),
    };
    let query = headers::query_up(&query).unwrap_or_default();
    let path = format!("{}/realtime?{query}", endpoint.upstream.base.api_path);
    let unsendable = |_| Fault::MalformedBody("its path cannot be sent on".to_owned());
    let mut head = endpoint.head(&asked.method, &path).map_err(unsendable)?;
    headers::copy_up(asked, &mut head, &endpoint.upstream.forward_credentials);
    headers::copy_upgrade(asked, &mut head);
    head.insert_header(X_REQUEST_ID, record.request_id.clone())
        .expect("a checked header is accepted");
    let credential = endpoint.credential();
    endpoint.authorize(&mut head, credential);
    record.key = credential.map(|credential| credential.label.clone());
    Ok(head)
}

/// The query with another model; every other parameter stays byte by byte.
fn with_model(query: &str, model: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(model.as_bytes()).collect();
    let parameters = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if percent_decoded(name) == "model" => format!("model={encoded}"),
            _ => parameter.to_owned(),
        });
    parameters.collect::<Vec<_>>().join("&")
}

/// Carries bytes both ways until either side ends.
async fn carry(
    snapshot: &Snapshot,
    candidate: &Candidate,
    mut connection: Connection,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let mut head = headers::upgraded(connection.head());
    headers::set_down(&mut head, X_REQUEST_ID, record.request_id.clone());
    if snapshot.config.server.response_headers {
        headers::set_down(&mut head, X_WEIR_UPSTREAM, candidate.endpoint.label.clone());
    }
    record.status = head.status.as_u16();
    // A WebSocket may be silent for as long as its two ends like; Pingora would close it after a minute.
    client.session.set_read_timeout(None);
    client.begin_body(head).await?;
    record.note_first_byte();
    loop {
        tokio::select! {
            piece = connection.piece() => match piece {
                Ok(Some(bytes)) => client.send(bytes).await?,
                Ok(None) | Err(_) => return client.end(Bytes::new()).await,
            },
            piece = client.session.read_request_body() => match piece {
                Ok(Some(bytes)) => {
                    let sent = connection.send_upgraded(bytes).await;
                    let upstream = || candidate.endpoint.upstream.name.clone();
                    sent.map_err(|_| Fault::Truncated { upstream: upstream() })?;
                }
                Ok(None) => return client.end(Bytes::new()).await,
                Err(_) => return Err(Fault::ClientGone),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_of_a_query_changes() {
        let cases = [
            ("model=a", "model=x%2Fy"),
            (
                "intent=transcription&model=a&z=%20",
                "intent=transcription&model=x%2Fy&z=%20",
            ),
            ("m%6Fdel=a", "model=x%2Fy"),
            ("", ""),
        ];
        for (query, expected) in cases {
            assert_eq!(with_model(query, "x/y"), expected, "{query}");
        }
    }
}
