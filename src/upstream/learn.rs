//! Learning an upstream's models from its own list.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use pingora::connectors::http::Connector;

use super::{Broken, Connection, Endpoint};

/// What an upstream's own list says, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    pub models: Vec<String>,
}

/// A model list is short; more than this is something else. In bytes.
const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;
const MODELS_MAX: usize = 10_000;
/// The list costs no inference and is local to the server.
const LIST_WAIT: Duration = Duration::from_secs(10);

/// Asks an upstream which models it serves.
///
/// # Errors
/// A text for the operator's log, without credentials.
pub async fn learn(endpoint: &Endpoint, connector: &Connector) -> Result<Learnt, String> {
    let asked = tokio::time::timeout(LIST_WAIT, ask(endpoint, connector)).await;
    asked.map_err(|_| format!("no model list within {LIST_WAIT:?}"))?
}

async fn ask(endpoint: &Endpoint, connector: &Connector) -> Result<Learnt, String> {
    let mut connection = endpoint
        .connect(connector)
        .await
        .map_err(|broken| broken.to_string())?;
    let listed = match read_list(endpoint, &mut connection).await {
        Err(Broken::Stale) => {
            connection = endpoint
                .connect(connector)
                .await
                .map_err(|broken| broken.to_string())?;
            read_list(endpoint, &mut connection).await
        }
        listed => listed,
    };
    let (status, body) = listed.map_err(|broken| broken.to_string())?;
    connection.release(connector).await;
    if status != 200 {
        return Err(format!("its model list has status {status}"));
    }
    parse(&body)
}

async fn read_list(
    endpoint: &Endpoint,
    connection: &mut Connection,
) -> Result<(u16, Vec<u8>), Broken> {
    let path = format!("{}/models", endpoint.upstream.base.api_path);
    let mut head = endpoint
        .head(&Method::GET, &path)
        .map_err(Broken::Invalid)?;
    head.insert_header(http::header::ACCEPT, "application/json")
        .expect("a fixed header is accepted");
    endpoint.authorize(&mut head, endpoint.credential());
    connection.ask(Box::new(head), Bytes::new()).await?;
    let status = connection.head().status.as_u16();
    let mut body = Vec::new();
    while let Some(piece) = connection.piece().await? {
        body.extend_from_slice(&piece);
        if body.len() > LIST_BYTES_MAX {
            return Err(Broken::Invalid("its model list is too long".to_owned()));
        }
    }
    Ok((status, body))
}

/// Reads `{"data": [{"id": …}]}`; a bare array of such objects is taken too (Together's list).
fn parse(body: &[u8]) -> Result<Learnt, String> {
    let list: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| format!("its model list is no JSON: {error}"))?;
    let entries = list.get("data").unwrap_or(&list).as_array();
    let entries = entries.ok_or("its model list has no array `data`")?;
    let ids = entries.iter().filter_map(|entry| entry["id"].as_str());
    let models = ids.take(MODELS_MAX).map(str::to_owned).collect();
    Ok(Learnt { models })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_shape_are_read_and_others_refused() {
        let cases = [
            (
                r#"{"object":"list","data":[{"id":"a"},{"id":"b","x":1}]}"#,
                Ok(vec!["a", "b"]),
            ),
            (r#"[{"id":"a"},{"name":"no id"}]"#, Ok(vec!["a"])),
            (r#"{"data":[]}"#, Ok(vec![])),
            (
                r#"{"models":[]}"#,
                Err("its model list has no array `data`"),
            ),
            (
                "<html>",
                Err("its model list is no JSON: expected value at line 1 column 1"),
            ),
        ];
        for (body, expected) in cases {
            let learnt = parse(body.as_bytes()).map(|learnt| learnt.models);
            let expected = expected.map(|models| models.into_iter().map(str::to_owned).collect());
            assert_eq!(learnt, expected.map_err(str::to_owned), "{body}");
        }
    }
}
