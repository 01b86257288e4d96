//! HTTP/2, TLS and WebSockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::Request;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

use super::super::{Running, TlsFiles};
use super::{CHAT, host, says, streamed, until};

/// A client of HTTP/2 by prior knowledge.
async fn h2(host: &Running) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(host.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

/// Posts a chat; gives back its response.
async fn h2_post(
    sender: &mut h2::client::SendRequest<Bytes>,
    body: &Value,
) -> Result<http::Response<h2::RecvStream>, h2::Error> {
    let request = Request::post(format!("http://sim{CHAT}")).body(()).unwrap();
    let (response, mut send) = sender.send_request(request, false)?;
    send.send_data(body.to_string().into(), true)?;
    response.await
}

async fn h2_body(response: http::Response<h2::RecvStream>) -> (Vec<u8>, Option<h2::Error>) {
    let mut stream = response.into_body();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                let _ = stream.flow_control().release_capacity(data.len());
                body.extend_from_slice(&data);
            }
            Err(error) => return (body, Some(error)),
        }
    }
    (body, None)
}

#[tokio::test]
async fn http_2_carries_streams_side_by_side() {
    let host = host(|options| options.itl = Duration::from_millis(40));
    let mut sender = h2(&host).await;
    let one = h2_post(&mut sender, &streamed(says("one"))).await.unwrap();
    let two = h2_post(&mut sender, &streamed(says("two"))).await.unwrap();
    assert_eq!(host.stats().running, 2);
    for response in [one, two] {
        let (body, error) = h2_body(response).await;
        assert!(body.ends_with(b"data: [DONE]\n\n") && error.is_none());
    }
    let stats = until(&host, |stats| stats.in_flight == 0).await;
    assert_eq!((stats.connections, stats.finished), (1, 2));
    assert_eq!(host.requests()[0]["http_version"], "HTTP/2.0");
}

#[tokio::test]
async fn a_stream_of_http_2_that_is_reset_is_cancelled() {
    let host = host(|options| (options.itl, options.tokens) = (Duration::from_millis(5), 100_000));
    let mut sender = h2(&host).await;
    drop(h2_post(&mut sender, &streamed(says("hi"))).await.unwrap());
    until(&host, |stats| stats.cancelled == 1 && stats.running == 0).await;
    assert_eq!(host.stats().connections_open, 1, "the connection goes on");
}

#[tokio::test]
async fn faults_of_http_2_end_a_stream_or_the_connection() {
    let host = host(|_| {});
    let mut sender = h2(&host).await;
    let response = h2_post(
        &mut sender,
        &streamed(says("[[fault:reset after=2 style=stream]]")),
    )
    .await
    .unwrap();
    let (body, error) = h2_body(response).await;
    assert_eq!(
        (
            body.split(|byte| *byte == b'\n')
                .filter(|line| line.starts_with(b"data: "))
                .count(),
            error.unwrap().is_reset()
        ),
        (2, true)
    );
    let response = h2_post(&mut sender, &streamed(says("[[fault:reset after=2]]")))
        .await
        .unwrap();
    let (body, error) = h2_body(response).await;
    assert!(
        error.is_some_and(|error| error.is_io()),
        "the connection is gone"
    );
    assert_eq!(
        body.windows(6).filter(|window| window == b"data: ").count(),
        2
    );
    let mut sender = h2(&host).await;
    assert!(
        h2_post(&mut sender, &says("[[fault:reset_before]]"))
            .await
            .is_err()
    );
    let mut sender = h2(&host).await;
    let response = h2_post(&mut sender, &streamed(says("[[fault:trailers]]")))
        .await
        .unwrap();
    let mut stream = response.into_body();
    while let Some(data) = stream.data().await {
        let length = data.unwrap().len();
        let _ = stream.flow_control().release_capacity(length);
    }
    assert_eq!(
        stream.trailers().await.unwrap().unwrap()["x-sim-trailer"],
        "sent"
    );
}

/// A host with a certificate of its own, and a connector that trusts it.
fn tls_host() -> (Running, TlsConnector) {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let folder = std::env::temp_dir().join(format!("weir-sim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate, signed.cert.pem()).unwrap();
    std::fs::write(&files.key, signed.signing_key.serialize_pem()).unwrap();
    let host = host(|options| options.tls = Some(files));
    std::fs::remove_dir_all(folder).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(signed.cert.der().to_vec()))
        .unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (host, TlsConnector::from(Arc::new(config)))
}

#[tokio::test]
async fn tls_offers_http_2() {
    let (host, connector) = tls_host();
    assert!(host.url().starts_with("https://"));
    let stream = TcpStream::connect(host.address()).await.unwrap();
    let stream = connector
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let response = h2_post(&mut sender, &streamed(says("hi"))).await.unwrap();
    assert!(h2_body(response).await.0.ends_with(b"data: [DONE]\n\n"));
    let response = h2_post(&mut sender, &streamed(says("[[fault:reset]]")))
        .await
        .unwrap();
    assert!(h2_body(response).await.1.is_some());
}

#[tokio::test]
async fn a_websocket_sends_back_what_it_gets() {
    let host = host(|_| {});
    let url = format!("ws://{}/v1/realtime?model=llama-3.1-8b", host.address());
    let (mut socket, response) = tokio_tungstenite::connect_async(url).await.unwrap();
    assert_eq!(response.status(), 101);
    for message in [
        Message::text(json!({"type": "session.update"}).to_string()),
        Message::binary(vec![0u8; 70_000]),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    assert_eq!(until(&host, |stats| stats.in_flight == 0).await.finished, 1);
    let request = &host.requests()[0];
    assert_eq!(
        (&request["path"], &request["events"]),
        (&json!("/v1/realtime"), &json!(2))
    );
}

#[tokio::test]
async fn a_websocket_is_refused_as_requests_are() {
    let with_key = host(|options| options.api_key = Some("secret".into()));
    let failing = host(|options| options.faults = vec!["status=503".parse().unwrap()]);
    for (host, status) in [(with_key, "401"), (failing, "503")] {
        let url = format!("ws://{}/v1/realtime", host.address());
        let refused = tokio_tungstenite::connect_async(url).await.unwrap_err();
        assert!(refused.to_string().contains(status), "{refused}");
    }
}
