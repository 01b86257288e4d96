//! The upstream side of the relay: early and informational answers, answers without a body, framings.

use http::Method;
use serde_json::json;

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

fn large_body(bytes: usize, model: &str) -> Vec<u8> {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
        .to_string()
        .into_bytes();
    body.resize(bytes, b' ');
    body
}

// ---- answers that come before the body is written -----------------------------------------------------------------

/// A refusal that comes while 20 MB are on their way to the host.
async fn early_refusal(http: &str, style: &str) {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .each(&format!("http: {http}"))
        .await;
    for _ in 0..2 {
        host.arm(&[&format!("early_response=413 style={style} count=1")]);
        let answer = weir
            .post("/v1/chat/completions")
            .body(large_body(20 << 20, MODEL))
            .send()
            .await;
        answer.assert_status(413);
        assert!(answer.error()["message"].is_string(), "{}", answer.text());
        weir.chat("hi").send().await.assert_status(200);
    }
}

#[tokio::test]
async fn an_answer_before_the_body_from_a_host_that_closes_is_passed() {
    early_refusal("http1", "close").await;
}

#[tokio::test]
async fn an_answer_before_the_body_from_a_host_that_reads_on_is_passed() {
    early_refusal("http1", "keep").await;
}

#[tokio::test]
async fn an_answer_before_the_body_from_an_http_2_host_is_passed() {
    early_refusal("http2", "keep").await;
}

#[tokio::test]
async fn a_host_that_answers_early_and_reads_no_more_is_heard_and_its_connection_not_used_again() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(mut head) = peer.head().await {
            if peer.number == 1 {
                peer.say(reply("400 Bad Request", r#"{"error":{"message":"no"}}"#))
                    .await;
                // The rest of the body is never read.
                return peer.await_word().await;
            }
            peer.body(&mut head).await;
            peer.say(reply("200 OK", OK)).await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host])
        .with("timeouts: { idle: 300ms }")
        .await;
    let answer = weir
        .post("/v1/chat/completions")
        .body(large_body(20 << 20, MODEL))
        .send()
        .await;
    answer.assert_status(400);
    assert_eq!(answer.error()["message"], "no");
    host.go_on();
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.connections(), 2);
}

#[tokio::test]
async fn an_early_refusal_that_another_host_makes_good_gets_the_whole_body_there() {
    let (early, sound) = (
        Sim::that(&["early_response=503"]).await,
        Upstream::answering(reply("200 OK", OK)).await,
    );
    let weir = Weir::in_front_of([&early as &dyn Host, &sound])
        .with(GPU_A_FIRST)
        .await;
    let body = large_body(5 << 20, "m");
    weir.post("/v1/chat/completions")
        .body(body.clone())
        .send()
        .await
        .assert_status(200);
    assert_eq!(
        sound.last_request().body.len(),
        body.len() + MODEL.len() - 1
    );
}

#[tokio::test]
async fn a_host_that_begins_a_stream_before_it_has_read_the_body_gets_the_whole_body() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(mut head) = peer.head().await {
            peer.say(stream_head()).await;
            peer.chunk(": reading\n\n").await;
            if peer.body(&mut head).await.is_none() {
                return;
            }
            peer.chunk(events(Chat::stream(&["a"]))).await;
            peer.last_chunk().await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for _ in 0..2 {
        let mut body = json!({"model": MODEL, "stream": true, "messages": []})
            .to_string()
            .into_bytes();
        body.resize(20 << 20, b' ');
        let answer = weir.post("/v1/chat/completions").body(body).send().await;
        answer.assert_clean_stream();
    }
    let bodies = host.requests();
    assert!(bodies.iter().all(|seen| seen.body.len() >= 20 << 20));
    assert_eq!((host.connections(), bodies.len()), (1, 2));
}

/// A host of HTTP/2 that begins its answer before it reads, and puts into it how many bytes it has read.
struct CountingHost(std::net::SocketAddr);

impl CountingHost {
    async fn start() -> CountingHost {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(CountingHost::answer(request, respond));
                    }
                });
            }
        });
        CountingHost(address)
    }

    async fn answer(
        request: http::Request<h2::RecvStream>,
        mut respond: h2::server::SendResponse<bytes::Bytes>,
    ) {
        let head = http::Response::builder()
            .header("content-type", "application/json")
            .body(())
            .unwrap();
        let mut answer = respond.send_response(head, false).unwrap();
        let (mut body, mut count) = (request.into_body(), 0);
        while let Some(piece) = body.data().await {
            let bytes = piece.expect("the body is not broken off").len();
            body.flow_control().release_capacity(bytes).unwrap();
            count += bytes;
        }
        let text = json!({"choices": [], "count": count}).to_string();
        answer.send_data(text.into(), true).unwrap();
    }
}

impl Host for CountingHost {
    fn url(&self) -> String {
        format!("http://{}", self.0)
    }

    fn models(&self) -> Vec<String> {
        vec![MODEL.to_owned()]
    }
}

#[tokio::test]
async fn an_http_2_host_that_answers_before_it_has_read_the_body_gets_the_whole_body() {
    let host = CountingHost::start().await;
    let weir = Weir::in_front_of([&host]).each("http: http2").await;
    for _ in 0..2 {
        let body = large_body(20 << 20, MODEL);
        let answer = weir.post("/v1/chat/completions").body(body).send().await;
        answer.assert_status(200);
        assert_eq!(answer.json()["count"], 20 << 20);
    }
}

#[tokio::test]
async fn a_body_in_a_coding_that_nobody_asked_for_is_no_answer() {
    let coded = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let host = Upstream::answering(coded).await;
    let weir = Weir::in_front_of([&host]).await;
    weir.chat("hi")
        .send()
        .await
        .assert_error(502, "upstream_invalid_response");
}

// ---- informational answers ----------------------------------------------------------------------------------------

#[tokio::test]
async fn informational_answers_before_the_head_are_passed_over() {
    let host = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            peer.say("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n").await;
            peer.say(reply("200 OK", OK)).await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for _ in 0..3 {
        let answer = weir.chat("hi").send().await;
        answer.assert_status(200);
        assert_eq!((answer.text().as_str(), answer.header("link")), (OK, None));
    }
    assert_shared(host.connections() as u64, 3);
    let sim = Sim::start().await;
    let weir = Weir::in_front_of([&sim]).await;
    for style in ["100", "103"] {
        sim.arm(&[&format!("informational style={style} count=2")]);
        weir.chat("hi").send().await.assert_status(200);
        weir.chat("hi")
            .streaming()
            .send()
            .await
            .assert_clean_stream();
    }
}

#[tokio::test]
async fn informational_answers_without_end_are_a_fault() {
    let host = Upstream::start(|mut peer| async move {
        peer.request().await;
        while peer.say("HTTP/1.1 103 Early Hints\r\n\r\n").await {}
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    weir.chat("hi")
        .send()
        .await
        .assert_error(502, "upstream_invalid_response");
    host.closed().await;
}

// ---- answers without a body ---------------------------------------------------------------------------------------

#[tokio::test]
async fn an_answer_of_204_has_no_body_and_leaves_both_connections_usable() {
    let host = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say("HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n").await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let connection = weir.connect(protocol).await;
        for _ in 0..3 {
            let answer = connection.send(weir.chat("hi")).await;
            answer.assert_status(204).assert_whole();
            assert_eq!((answer.body.len(), answer.header("x-a")), (0, Some("b")));
            assert_eq!(answer.header("transfer-encoding"), None);
            assert_eq!(answer.header("content-length"), None);
        }
    }
    assert_shared(host.connections() as u64, 6);
}

#[tokio::test]
async fn head_of_the_model_list_is_its_head() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for path in ["/v1/models", "/models", "/v1/models/llama-3.1-8b"] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let whole = weir.get(path).over(protocol).send().await;
            let connection = weir.connect(protocol).await;
            for _ in 0..2 {
                let head = connection.send(weir.request(Method::HEAD, path)).await;
                head.assert_status(200).assert_whole();
                assert_eq!(head.body.len(), 0);
                assert_eq!(
                    head.header("content-length"),
                    Some(whole.body.len().to_string().as_str()),
                    "{path} {protocol:?}"
                );
                assert_eq!(head.header("content-type"), whole.header("content-type"));
            }
        }
    }
}

#[tokio::test]
async fn head_through_a_pass_through_is_its_head() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let connection = weir.connect(Protocol::Http1).await;
    for _ in 0..2 {
        let head = connection
            .send(weir.request(Method::HEAD, "/gpu-a/v1/models"))
            .await;
        head.assert_status(200).assert_whole();
        assert_eq!(head.body.len(), 0);
    }
    assert_eq!(
        connection
            .send(weir.get("/gpu-a/v1/models"))
            .await
            .assert_status(200)
            .json()["object"],
        "list"
    );
}

// ---- framings of HTTP/1.1 -----------------------------------------------------------------------------------------

#[tokio::test]
async fn a_host_of_http_1_0_is_understood() {
    let host = Upstream::start(|mut peer| async move {
        let request = peer.request().await.expect("there is one");
        if request.text().contains("\"stream\":true") {
            peer.say("HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                .await;
            peer.say(events(Chat::stream(&["a"]))).await;
        } else {
            peer.say("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n")
                .await;
            peer.say(OK).await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = weir.chat("hi").over(protocol).send().await;
        answer.assert_status(200).assert_whole();
        assert_eq!(answer.text(), OK);
        weir.chat("hi")
            .streaming()
            .over(protocol)
            .send()
            .await
            .assert_clean_stream();
    }
}

#[tokio::test]
async fn an_answer_in_chunks_is_passed_with_its_length() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\nf;x=y\r\n\"choices\":[1,23\r\n2\r\n]}\r\n0\r\nx-trailer: 1\r\n\r\n";
    let host = Upstream::answering(answer).await;
    let weir = Weir::in_front_of([&host]).await;
    for _ in 0..3 {
        let answer = weir.chat("hi").send().await;
        answer.assert_status(200);
        assert_eq!(
            (answer.text().as_str(), answer.header("content-length")),
            (r#"{"choices":[1,23]}"#, Some("18"))
        );
    }
    assert_shared(host.connections() as u64, 3);
}

#[tokio::test]
async fn a_long_answer_passes_while_it_comes() {
    let host = Upstream::start(|mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").await;
        peer.chunk("[").await;
        for _ in 0..48 {
            peer.chunk(vec![b'1'; 64 * 1024]).await;
        }
        peer.await_word().await;
        peer.chunk(r#"],"usage":{"prompt_tokens":4,"completion_tokens":3}}"#).await;
        peer.last_chunk().await;
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let mut opened = weir.chat("hi").open().await;
    // More than weir holds back, and before the host has finished.
    let mut read = 0;
    while read < 2 << 20 {
        read += within("piece", opened.piece())
            .await
            .expect("there is more")
            .len();
    }
    host.go_on();
    let rest = opened.rest().await;
    rest.assert_whole();
    assert_eq!(read + rest.body.len(), 1 + 48 * 64 * 1024 + 52);
    let line = weir.access_line().await;
    assert_eq!(
        (&line["input_tokens"], &line["output_tokens"]),
        (&4.into(), &3.into())
    );
}

#[tokio::test]
async fn trailers_do_no_harm_and_pass_over_http_2() {
    let host = Sim::that(&["trailers"]).await;
    for http in ["http1", "http2"] {
        let weir = Weir::in_front_of([&host])
            .each(&format!("http: {http}"))
            .await;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for _ in 0..2 {
                weir.chat("hi")
                    .over(protocol)
                    .send()
                    .await
                    .assert_status(200)
                    .assert_whole();
                weir.chat("hi")
                    .streaming()
                    .over(protocol)
                    .send()
                    .await
                    .assert_clean_stream();
                let speech = weir
                    .post("/v1/audio/speech")
                    .json(json!({"model": MODEL, "input": "hi", "voice": "alloy"}));
                let speech = speech.over(protocol).send().await;
                speech.assert_status(200).assert_whole();
                assert!(speech.body.len() > 10);
                if (http, protocol) == ("http2", Protocol::Http2) {
                    assert!(
                        speech.trailers.is_some(),
                        "the trailers of a body that passes are lost"
                    );
                }
            }
        }
    }
}
