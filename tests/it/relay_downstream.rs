//! The client side of the relay: HTTP/1.0, HTTP/1.1 and HTTP/2, keep-alive, pipelining, TLS, and requests that are no HTTP.

use http::Method;
use hyper::Version;

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// A chat as bytes of HTTP/1.1.
fn chat(version: &str, headers: &str, stream: bool) -> String {
    let body = format!(
        r#"{{"model":"{MODEL}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    format!(
        "POST /v1/chat/completions {version}\r\nhost: weir\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn twenty_requests_of_a_client_share_one_connection() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let connection = weir.connect(protocol).await;
        for round in 0..20 {
            let answer = connection
                .send(weir.chat("hi").set("stream", round % 2 == 0))
                .await;
            answer.assert_status(200).assert_whole();
        }
    }
}

#[tokio::test]
async fn a_connection_lives_on_after_refusals() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let connection = weir.connect(protocol).await;
        for _ in 0..2 {
            connection
                .send(weir.post("/nowhere").body("x".repeat(100_000)))
                .await
                .assert_status(404);
            connection
                .send(weir.request(Method::DELETE, "/v1/models"))
                .await
                .assert_status(405);
            connection
                .send(weir.post("/v1/chat/completions").body("{"))
                .await
                .assert_status(400);
            connection
                .send(weir.chat("hi").model("nobody"))
                .await
                .assert_status(404);
            connection.send(weir.chat("hi")).await.assert_status(200);
        }
    }
}

#[tokio::test]
async fn fifty_streams_run_at_once_over_one_http_2_connection() {
    let host = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(stream_head()).await;
            peer.event(Chat::role()).await;
            peer.await_word().await;
            peer.chunk(events([Chat::finish(), "[DONE]".to_owned()]))
                .await;
            peer.last_chunk().await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let connection = weir.connect(Protocol::Http2).await;
    let opening = (0..50).map(|_| connection.open_answer(weir.chat("hi").streaming()));
    let mut streams = futures::future::join_all(opening).await;
    for stream in &mut streams {
        assert_eq!(stream.event().await, Some(Chat::role()));
    }
    // All have their first event and none its last.
    assert_eq!(weir.metric("weir_requests_in_flight").await, 50.0);
    (0..50).for_each(|_| host.go_on());
    for stream in streams {
        let rest = stream.rest().await;
        rest.assert_clean_stream();
        assert_eq!(rest.version, Version::HTTP_2);
    }
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for stream in [false, true] {
        let mut client = weir.dial().await;
        client.write(chat("HTTP/1.0", "", stream)).await;
        let answer = String::from_utf8(client.read_to_end().await).expect("it is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("there is a head");
        assert!(head.contains(" 200 "), "{head}");
        assert!(
            !head.to_ascii_lowercase().contains("transfer-encoding"),
            "{head}"
        );
        if stream {
            assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
        } else {
            assert!(
                body.starts_with('{') && body.trim_end().ends_with('}'),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_broken_stream_to_a_client_of_http_1_0_ends_in_an_error_event() {
    let host = Sim::that(&["truncate after=2"]).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    client.write(chat("HTTP/1.0", "", true)).await;
    let answer = String::from_utf8(client.read_to_end().await).expect("it is text");
    assert!(
        answer.contains("upstream_truncated") && !answer.contains("[DONE]"),
        "{answer}"
    );
}

#[tokio::test]
async fn connection_close_is_honoured() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for stream in [false, true] {
        let mut client = weir.dial().await;
        client
            .write(chat("HTTP/1.1", "connection: close\r\n", stream))
            .await;
        let (head, _) = client.read_answer().await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("connection: close"), "{head}");
        assert_eq!(client.read_to_end().await, b"");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let number = request
                .header("x-number")
                .expect("the test says it")
                .to_owned();
            peer.say(reply("200 OK", format!(r#"{{"number":{number}}}"#)))
                .await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    let requests: String = (0..5)
        .map(|number| chat("HTTP/1.1", &format!("x-number: {number}\r\n"), false))
        .collect();
    client.write(requests).await;
    for number in 0..5 {
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(
            String::from_utf8_lossy(&body),
            format!(r#"{{"number":{number}}}"#)
        );
    }
}

#[tokio::test]
async fn a_request_that_comes_while_the_first_is_answered_waits_its_turn() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.text().contains("\"stream\":true") {
                peer.say(stream_head()).await;
                peer.event(Chat::role()).await;
                peer.await_word().await;
                peer.chunk(events([Chat::finish(), "[DONE]".to_owned()]))
                    .await;
                peer.last_chunk().await;
            } else {
                peer.say(reply("200 OK", OK)).await;
            }
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    client.write(chat("HTTP/1.1", "", true)).await;
    client.read_until("\"role\":\"assistant\"").await;
    client.write(chat("HTTP/1.1", "", false)).await;
    host.go_on();
    client.read_until("data: [DONE]\n\n\r\n0\r\n\r\n").await;
    let (head, body) = client.read_answer().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(String::from_utf8_lossy(&body), OK);
    let lines = weir.access_lines(2).await;
    assert!(
        lines.iter().all(|line| line["fault"].is_null()),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_pipelined_request_after_a_short_refusal_is_answered() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    client
        .write(format!(
            "POST /nowhere HTTP/1.1\r\nhost: weir\r\ncontent-length: 5\r\n\r\nhello{}",
            chat("HTTP/1.1", "", false)
        ))
        .await;
    assert!(client.read_answer().await.0.starts_with("http/1.1 404"));
    assert!(client.read_answer().await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_client_that_expects_to_be_told_to_continue_is_told() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    let request = chat("HTTP/1.1", "expect: 100-continue\r\n", false);
    let (head, body) = request.split_once("\r\n\r\n").expect("there is a head");
    client.write(format!("{head}\r\n\r\n")).await;
    assert!(
        client
            .read_until("\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 100")
    );
    client.write(body).await;
    assert!(client.read_answer().await.0.starts_with("http/1.1 200"));
    assert_eq!(host.last_request().header("expect"), None);
    // The connection is as good as before.
    client.write(chat("HTTP/1.1", "", false)).await;
    assert!(client.read_answer().await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_client_that_expects_to_be_told_to_continue_may_be_refused_instead() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for (path, status) in [("/nowhere", "404"), ("/v1/chat/completions", "415")] {
        let mut client = weir.dial().await;
        client.write(format!("POST {path} HTTP/1.1\r\nhost: weir\r\ncontent-encoding: rot13\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n")).await;
        let (head, _) = client.read_answer().await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
        // What follows cannot be told from a body, so that nothing may follow.
        assert_eq!(client.read_to_end().await, b"");
    }
}

#[tokio::test]
async fn a_body_in_odd_chunks_is_read() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).await;
    let body = format!(r#"{{"model":"{MODEL}","messages":[]}}"#);
    let chunks: String = body
        .bytes()
        .map(|byte| format!("1;ext=\"x\"\r\n{}\r\n", char::from(byte)))
        .collect();
    let mut client = weir.dial().await;
    client.write(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\nx-trailer: 1\r\n\r\n")).await;
    assert!(client.read_answer().await.0.starts_with("http/1.1 200"));
    assert_eq!(host.last_request().text(), body);
    assert_eq!(host.last_request().header("x-trailer"), None);
    client.write(chat("HTTP/1.1", "", false)).await;
    assert!(
        client.read_answer().await.0.starts_with("http/1.1 200"),
        "the connection is not usable after trailers"
    );
}

#[tokio::test]
async fn requests_that_are_no_http_are_refused_and_reach_no_host() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).await;
    let body = format!(r#"{{"model":"{MODEL}"}}"#);
    let cases = [
        ("no request line", "hello, this is no request at all\r\n\r\n".to_owned()),
        ("length and chunks", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{body}", body.len())),
        ("two lengths", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\ncontent-length: 5\r\n\r\n{body}", body.len())),
        ("a length that is none", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\ncontent-length: 1x\r\n\r\n{body}")),
        ("a negative length", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\ncontent-length: -1\r\n\r\n{body}")),
        ("chunks that are none", "POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n".to_owned()),
        ("an unknown transfer encoding", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\ntransfer-encoding: gzip\r\n\r\n{body}")),
        ("a space before the colon", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\ncontent-length : {}\r\n\r\n{body}", body.len())),
        ("an enormous head", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: w\r\nx: {}\r\n\r\n", "a".repeat(2 << 20))),
    ];
    for (what, bytes) in cases {
        let mut client = weir.dial().await;
        // weir may stop reading, and close, in the middle of it.
        client.try_write(bytes).await;
        let answer = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
        println!("{what}: {}", answer.lines().next().unwrap_or("(closed)"));
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{what}: {answer}"
        );
    }
    assert_eq!(host.requests().len(), 0);
    weir.chat("hi").send().await.assert_status(200);
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
}

#[tokio::test]
async fn a_tls_listener_serves_what_the_client_negotiates_beside_a_plain_one() {
    let host = Sim::start().await;
    let authority = Authority::new();
    let Identity { certificate, key } = authority.identity("weir.internal");
    let listen = format!(
        "listen:\n  - 127.0.0.1:0\n  - address: 127.0.0.3:0\n    tls: {{ cert_file: {}, key_file: {} }}",
        certificate.display(),
        key.display()
    );
    let weir = Weir::in_front_of([&host]).with(&listen).await;
    let offers: [(&[&str], Protocol); 4] = [
        (&["h2", "http/1.1"], Protocol::Http2),
        (&["h2"], Protocol::Http2),
        (&["http/1.1"], Protocol::Http1),
        (&[], Protocol::Http1),
    ];
    for (offered, expected) in offers {
        let (connection, protocol) =
            Connection::open_tls(weir.address_of(1), &authority, "weir.internal", offered).await;
        assert_eq!(protocol, expected, "{offered:?}");
        connection.send(weir.chat("hi")).await.assert_status(200);
        connection
            .send(weir.chat("hi").streaming())
            .await
            .assert_clean_stream();
    }
    weir.chat("hi").send().await.assert_status(200);
}

#[tokio::test]
async fn plain_http_at_a_tls_listener_is_refused_and_does_no_harm() {
    let host = Sim::start().await;
    let authority = Authority::new();
    let Identity { certificate, key } = authority.identity("weir.internal");
    let listen = format!(
        "listen: {{ address: 127.0.0.1:0, tls: {{ cert_file: {}, key_file: {} }} }}",
        certificate.display(),
        key.display()
    );
    let weir = Weir::in_front_of([&host]).with(&listen).await;
    let mut client = weir.dial().await;
    client.write(chat("HTTP/1.1", "", false)).await;
    assert!(!String::from_utf8_lossy(&client.read_to_end().await).contains("200 OK"));
    let (connection, _) =
        Connection::open_tls(weir.address(), &authority, "weir.internal", &["h2"]).await;
    connection.send(weir.chat("hi")).await.assert_status(200);
}
