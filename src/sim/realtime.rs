//! `/v1/realtime`: a WebSocket that sends every message back.
//! It must not know the Realtime API's events.

use futures::{SinkExt, StreamExt};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::armory::Faults;
use super::body::SimBody;
use super::fault::FaultKind;
use super::http::Received;
use super::record::Exchange;

/// Largest message sent back, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Whether this is a WebSocket handshake of HTTP/1.1 for the endpoint.
pub fn is_upgrade(parts: &Parts) -> bool {
    let is_websocket = parts
        .headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    parts.method == Method::GET && parts.uri.path() == "/v1/realtime" && is_websocket
}

/// Accepts the handshake, and echoes from then on.
pub fn answer(upgrade: OnUpgrade, received: Received, faults: &Faults) -> Response<SimBody> {
    let mut exchange = received.exchange;
    let headers = &exchange.record.headers;
    let accept = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = accept.and_then(|accept| HeaderValue::try_from(accept).ok()) else {
        exchange.finish();
        return bare(StatusCode::BAD_REQUEST);
    };
    let mut response = bare(StatusCode::SWITCHING_PROTOCOLS);
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response
        .headers_mut()
        .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    // The first protocol offered: OpenAI's clients offer `realtime` first, and their key behind it.
    let offered = headers
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .and_then(|offered| offered.to_str().ok());
    let first = offered.and_then(|offered| offered.split(',').next()?.trim().parse().ok());
    if let Some(first) = first {
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, first);
    }
    let messages_max = faults
        .get(FaultKind::Truncate)
        .map(|fault| fault.after.unwrap_or(1));
    tokio::spawn(async move {
        // A handshake that the client gives up leaves the exchange cancelled.
        if let Ok(upgraded) = upgrade.await {
            echo(TokioIo::new(upgraded), exchange, messages_max).await;
        }
    });
    response
}

async fn echo(
    io: TokioIo<hyper::upgrade::Upgraded>,
    mut exchange: Exchange,
    messages_max: Option<u32>,
) {
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let mut echoed = 0;
    while let Some(message) = socket.next().await {
        let Ok(message) = message else { return };
        if message.is_close() {
            exchange.finish();
            // The close frame that answers it is still in the socket's buffer.
            let _ = socket.flush().await;
            return;
        }
        if !(message.is_text() || message.is_binary()) {
            continue;
        }
        if messages_max.is_some_and(|most| echoed >= most) {
            exchange.fault();
            return;
        }
        if socket.send(message).await.is_err() {
            return;
        }
        echoed += 1;
        exchange.events_sent(1);
    }
}

fn bare(status: StatusCode) -> Response<SimBody> {
    let mut response = Response::new(SimBody::Whole(bytes::Bytes::new()));
    *response.status_mut() = status;
    response
}
