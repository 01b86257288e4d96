//! A short request of weir's own to an upstream: its model list, a probe.

use bytes::Bytes;
use http::{Method, header};

use super::{Broken, Connection, Connector, Endpoint, Payload};

/// What came back: status and body.
pub type Fetched = (u16, Vec<u8>);

/// Asks one endpoint for a path, with a credential; a pooled connection that has died is replaced once. Waits without end,
/// so the caller bounds it.
///
/// # Errors
/// When no answer came, or one longer than `bytes_max`.
pub async fn fetch(
    endpoint: &Endpoint,
    path: &str,
    bytes_max: usize,
    connector: &Connector,
) -> Result<Fetched, Broken> {
    let mut connection = endpoint.connect(connector).await?;
    let fetched = match read(endpoint, path, bytes_max, &mut connection).await {
        Err(Broken::Stale) => {
            connection = endpoint.connect(connector).await?;
            read(endpoint, path, bytes_max, &mut connection).await
        }
        fetched => fetched,
    };
    if fetched.is_ok() {
        connection.release(connector).await;
    }
    fetched
}

async fn read(
    endpoint: &Endpoint,
    path: &str,
    bytes_max: usize,
    connection: &mut Connection,
) -> Result<Fetched, Broken> {
    let head = endpoint.head(&Method::GET, path);
    let mut head = head.map_err(Broken::Invalid)?;
    head.insert_header(header::ACCEPT, "application/json")
        .expect("a fixed header is accepted");
    let credential = endpoint.account.own_credential();
    endpoint.authorize(&mut head, credential, Payload::Whole(b""));
    connection.ask(Box::new(head), Bytes::new()).await?;
    let status = connection.head().status.as_u16();
    let mut body = Vec::new();
    while let Some(piece) = connection.piece().await? {
        body.extend_from_slice(&piece);
        if body.len() > bytes_max {
            let problem = format!("its answer to {path} is longer than {bytes_max} bytes");
            return Err(Broken::Invalid(problem));
        }
    }
    Ok((status, body))
}
