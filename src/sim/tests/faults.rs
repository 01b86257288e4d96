//! Every fault, as its bytes arrive.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::Running;
use super::{Answer, CHAT, Client, PATIENCE, get, host, post, says, streamed, until};

/// A streamed chat whose prompt asks for a fault.
async fn stream_under(host: &Running, fault: &str) -> Answer {
    post(
        host,
        CHAT,
        &streamed(says(&format!("hi [[fault:{fault}]]"))),
    )
    .await
}

/// What is left of a connection after a chat under a fault.
async fn end_under(host: &Running, fault: &str, stream: bool) -> (String, Option<ErrorKind>) {
    let mut client = Client::connect(host).await;
    let mut request = says(&format!("hi [[fault:{fault}]]"));
    request["stream"] = stream.into();
    client
        .send("POST", CHAT, "", request.to_string().as_bytes())
        .await;
    let (bytes, error) = client.read_to_end().await;
    (String::from_utf8_lossy(&bytes).into_owned(), error)
}

fn events_in(text: &str) -> usize {
    text.matches("data: {").count()
}

#[tokio::test]
async fn connections_end_as_asked_before_the_head() {
    let host = host(|_| {});
    assert_eq!(
        end_under(&host, "reset_before", true).await,
        (String::new(), Some(ErrorKind::ConnectionReset))
    );
    assert_eq!(
        end_under(&host, "close_before", true).await,
        (String::new(), None)
    );
    let (garbage, error) = end_under(&host, "garbage", false).await;
    assert!(
        !garbage.starts_with("HTTP") && garbage.contains("not HTTP") && error.is_none(),
        "{garbage:?}"
    );
    assert_eq!(until(&host, |stats| stats.in_flight == 0).await.faulted, 3);
}

#[tokio::test]
async fn connections_end_as_asked_in_the_middle() {
    let host = host(|_| {});
    let (text, error) = end_under(&host, "reset after=3", true).await;
    assert_eq!(
        (events_in(&text), error),
        (3, Some(ErrorKind::ConnectionReset)),
        "{text}"
    );
    let (text, error) = end_under(&host, "truncate after=2 style=cut", true).await;
    assert_eq!((events_in(&text), error), (2, None), "{text}");
    assert!(
        !text.ends_with("0\r\n\r\n"),
        "the chunked body is cut: {text}"
    );
    let answer = stream_under(&host, "truncate after=2").await;
    assert_eq!(
        events_in(&String::from_utf8(answer.body).unwrap()),
        2,
        "properly framed, without [DONE]"
    );
}

#[tokio::test]
async fn plain_answers_break_off_in_the_middle_of_their_body() {
    let host = host(|_| {});
    for (fault, expected) in [
        ("reset", Some(ErrorKind::ConnectionReset)),
        ("truncate style=cut", None),
    ] {
        let (text, error) = end_under(&host, fault, false).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        assert_eq!(error, expected, "{fault}");
        assert!(
            !body.is_empty() && body.len() < length.parse().unwrap(),
            "{fault}: {text}"
        );
    }
    let answer = post(&host, CHAT, &says("[[fault:truncate]]")).await;
    assert!(
        serde_json::from_slice::<Value>(&answer.body).is_err(),
        "half of the JSON, in a well-formed body"
    );
}

#[tokio::test]
async fn a_stall_says_nothing_until_the_client_leaves() {
    let host = host(|_| {});
    for fault in ["stall", "stall after=2"] {
        let mut client = Client::connect(&host).await;
        let request = streamed(says(&format!("[[fault:{fault}]]")));
        client
            .send("POST", CHAT, "", request.to_string().as_bytes())
            .await;
        until(&host, |stats| stats.in_flight == 1).await;
        if fault != "stall" {
            client.read_head().await;
            let mut seen = String::new();
            while events_in(&seen) < 2 || !seen.ends_with("\n\n\r\n") {
                seen.push(char::from(client.0.read_u8().await.unwrap()));
            }
        }
        let silence = tokio::time::timeout(Duration::from_millis(50), client.0.read_u8()).await;
        assert!(silence.is_err(), "{fault}: {silence:?}");
        drop(client);
        until(&host, |stats| stats.in_flight == 0).await;
    }
    assert_eq!(host.stats().cancelled, 2);
}

#[tokio::test]
async fn a_stall_with_an_end_is_a_pause() {
    let host = host(|_| {});
    let calm = stream_under(&host, "comments size=1000").await.body.len();
    for fault in [
        "stall for=60ms",
        "stall after=3 for=60ms",
        "slow_head for=60ms",
    ] {
        let started = Instant::now();
        let events = stream_under(&host, fault).await.events();
        assert!(started.elapsed() >= Duration::from_millis(60), "{fault}");
        assert_eq!(
            events.len(),
            14,
            "{fault}: nothing is lost, of {calm} bytes"
        );
    }
}

#[tokio::test]
async fn statuses_have_the_shape_that_they_should() {
    let host = host(|_| {});
    let answer = stream_under(&host, "status=429 retry_after=7").await;
    assert_eq!(
        (answer.status(), answer.header("retry-after")),
        (429, Some("7"))
    );
    assert_eq!(answer.json()["error"]["code"], 429);
    assert_eq!(
        stream_under(&host, "status=503")
            .await
            .header("retry-after"),
        Some("1")
    );
    for (fault, status, body) in [
        ("html_500", 500, "<!DOCTYPE"),
        ("html_200", 200, "<!DOCTYPE"),
        ("empty_502", 502, ""),
    ] {
        let answer = stream_under(&host, fault).await;
        assert_eq!(answer.status(), status);
        assert!(
            String::from_utf8(answer.body).unwrap().starts_with(body),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn errors_come_inside_a_stream() {
    let host = host(|options| options.kind = super::super::EngineKind::Openai);
    let first = stream_under(&host, "error_first=429").await;
    let text = String::from_utf8(first.body).unwrap();
    assert_eq!(first.head.split(' ').nth(1), Some("200"));
    assert!(
        text.starts_with("data: {\"error\":") && text.contains("rate_limit_exceeded"),
        "{text}"
    );
    let text = String::from_utf8(stream_under(&host, "error_mid after=2").await.body).unwrap();
    assert!(
        events_in(&text) == 3 && text.rfind("{\"error\":") > text.find("\"delta\""),
        "{text}"
    );
}

#[tokio::test]
async fn the_stream_is_written_oddly_but_says_the_same() {
    let host = host(|options| (options.fixed_ids, options.tokens) = (true, 60));
    let request = streamed(says("hi"));
    let normal = post(&host, CHAT, &request).await.events();
    for fault in [
        "crlf",
        "crlf style=cr",
        "crlf style=mixed",
        "comments",
        "nospace",
        "multi",
        "split",
        "split size=1",
        "slow_drip for=0",
        "crlf; nospace; comments; split size=3",
    ] {
        let mut client = Client::connect(&host).await;
        let header = format!("x-sim-fault: {fault}\r\n");
        client
            .send("POST", CHAT, &header, request.to_string().as_bytes())
            .await;
        assert_eq!(read_loosely(&client.answer().await.body), normal, "{fault}");
    }
}

/// The events of a stream, read as loosely as the standard for Server-Sent Events allows.
fn read_loosely(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body)
        .unwrap()
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut data: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .collect();
    assert_eq!(data.pop().map(str::trim_start), Some("[DONE]"));
    data.into_iter()
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn line_ends_comments_and_spaces_are_as_asked() {
    let host = host(|_| {});
    let body =
        async |fault: &str| String::from_utf8(stream_under(&host, fault).await.body).unwrap();
    assert!(body("crlf").await.ends_with("data: [DONE]\r\n\r\n"));
    assert!(!body("crlf style=cr").await.contains('\n'));
    assert!(body("comments").await.starts_with(": keepalive\n\ndata: "));
    assert!(body("nospace").await.ends_with("data:[DONE]\n\n"));
    assert!(!body("no_done").await.contains("[DONE]"));
    assert!(body("no_done").await.contains("\"finish_reason\":\"stop\""));
}

#[tokio::test]
async fn events_can_be_garbage_or_huge() {
    let host = host(|_| {});
    let garbage = stream_under(&host, "garbage_events after=2").await;
    assert!(std::str::from_utf8(&garbage.body).is_err());
    let huge = stream_under(&host, "huge_event size=300000").await;
    let longest = huge
        .body
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::len)
        .max()
        .unwrap();
    assert_eq!(longest + 2, 300_000);
    assert_eq!(huge.events().len(), 14);
}

#[tokio::test]
async fn usage_lies_or_is_left_out_or_comes_early() {
    let host = host(|_| {});
    for (fault, tokens) in [("usage_wrong", json!(120)), ("usage_missing", Value::Null)] {
        let whole = post(&host, CHAT, &says(&format!("[[fault:{fault}]]")))
            .await
            .json();
        assert_eq!(whole["usage"]["completion_tokens"], tokens, "{fault}");
    }
    let mut request = streamed(says("[[fault:usage_early]]"));
    request["stream_options"] = json!({"include_usage": true});
    let events = post(&host, CHAT, &request).await.events();
    let last = events.last().unwrap();
    assert_eq!(
        (
            &last["choices"][0]["finish_reason"],
            &last["usage"]["completion_tokens"]
        ),
        (&json!("stop"), &json!(12))
    );
}

#[tokio::test]
async fn bodies_are_encoded() {
    let host = host(|_| {});
    for coding in ["gzip", "br", "zstd"] {
        for stream in [false, true] {
            let mut request = says(&format!("[[fault:{coding}]]"));
            request["stream"] = stream.into();
            let answer = post(&host, CHAT, &request).await;
            assert_eq!(answer.header("content-encoding"), Some(coding));
            assert_eq!(answer.header("content-length"), None);
            let mut plain = Vec::new();
            match coding {
                "gzip" => drop(
                    flate2::read::GzDecoder::new(&answer.body[..])
                        .read_to_end(&mut plain)
                        .unwrap(),
                ),
                "zstd" => plain = zstd::stream::decode_all(&answer.body[..]).unwrap(),
                _ => drop(
                    brotli_decompressor::Decompressor::new(&answer.body[..], 4096)
                        .read_to_end(&mut plain)
                        .unwrap(),
                ),
            }
            let plain = Answer {
                head: answer.head,
                body: plain,
            };
            if stream {
                assert_eq!(plain.events().len(), 14, "{coding}");
            } else {
                assert_eq!(plain.json()["usage"]["completion_tokens"], 12, "{coding}");
            }
        }
    }
}

#[tokio::test]
async fn heads_are_informational_doubled_or_lie_about_the_length() {
    let host = host(|_| {});
    let mut client = Client::connect(&host).await;
    client
        .send(
            "POST",
            CHAT,
            "",
            says("[[fault:informational]]").to_string().as_bytes(),
        )
        .await;
    assert!(
        client
            .read_head()
            .await
            .starts_with("HTTP/1.1 103 Early Hints\r\n")
    );
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(
        client
            .post(CHAT, &says("and the connection goes on"))
            .await
            .status(),
        200
    );

    let mut client = Client::connect(&host).await;
    client
        .send(
            "POST",
            CHAT,
            "",
            streamed(says("[[fault:duplicate_head]]"))
                .to_string()
                .as_bytes(),
        )
        .await;
    client.read_head().await;
    assert!(
        client.read_head().await.starts_with("HTTP/1.1 200 OK\r\n"),
        "a second head where the body should begin"
    );

    for (style, longer) in [("long", true), ("short", false)] {
        let (text, error) = end_under(&host, &format!("content_length style={style}"), false).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let declared: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap();
        assert_eq!(
            (declared as i64 - body.len() as i64, error),
            (if longer { 10 } else { -10 }, None),
            "{style}"
        );
    }
}

#[tokio::test]
async fn trailers_follow_a_chunked_body() {
    let host = host(|_| {});
    let mut client = Client::connect(&host).await;
    let request = streamed(says("[[fault:trailers]]"));
    client
        .send(
            "POST",
            CHAT,
            "te: trailers\r\nconnection: close\r\n",
            request.to_string().as_bytes(),
        )
        .await;
    let (bytes, _) = client.read_to_end().await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("\r\ntrailer: x-sim-trailer\r\n"), "{text}");
    assert!(text.ends_with("0\r\nx-sim-trailer: sent\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_connection_dies_unannounced_behind_a_whole_answer() {
    let host = host(|_| {});
    for request in [
        says("[[fault:close_after]]"),
        streamed(says("[[fault:close_after]]")),
    ] {
        let mut client = Client::connect(&host).await;
        let answer = client.post(CHAT, &request).await;
        assert_eq!((answer.status(), answer.header("connection")), (200, None));
        assert_eq!(client.read_to_end().await, (Vec::new(), None));
    }
    assert_eq!(host.stats().finished, 2);
}

#[tokio::test]
async fn an_early_response_does_not_wait_for_the_body() {
    for (style, then_closes) in [("close", true), ("keep", false)] {
        let host = host(|options| {
            options.faults = vec![
                format!("early_response style={style} count=1")
                    .parse()
                    .unwrap(),
            ]
        });
        let mut client = Client::connect(&host).await;
        client
            .0
            .write_all(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: 100\r\n\r\n{",
            )
            .await
            .unwrap();
        assert_eq!(client.answer().await.status(), 413, "{style}");
        if then_closes {
            assert_eq!(client.read_to_end().await.0, b"");
        } else {
            client.0.write_all(&[b' '; 99]).await.unwrap();
            assert_eq!(client.post(CHAT, &says("and on")).await.status(), 200);
        }
    }
}

#[tokio::test]
async fn a_host_that_refuses_comes_back_on_its_port() {
    let host = host(|_| {});
    let mut idle = Client::connect(&host).await;
    assert_eq!(idle.get("/health").await.status(), 200);
    let mut control = Client::connect(&host).await;
    let order = json!({"fault": "refuse", "for": "500ms", "style": "drop"});
    assert_eq!(control.post("/sim/v1/faults", &order).await.status(), 200);
    assert_eq!(idle.read_to_end().await.1, Some(ErrorKind::ConnectionReset));
    let refused = TcpStream::connect(host.address()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let again = async {
        while TcpStream::connect(host.address()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("it listens again");
    assert_eq!(
        control.get("/health").await.status(),
        200,
        "the connection that ordered it is spared"
    );
}

#[tokio::test]
async fn the_control_endpoint_arms_counts_and_clears() {
    let host = host(|_| {});
    let armed = post(
        &host,
        "/sim/v1/faults",
        &json!([{"fault": "status=503", "count": 2}, {"fault": "status=418", "path": "/health"}]),
    )
    .await;
    assert_eq!(armed.json()["faults"].as_array().unwrap().len(), 2);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(post(&host, CHAT, &says("hi")).await.status());
    }
    assert_eq!(statuses, [503, 503, 200]);
    assert_eq!(get(&host, "/health").await.status(), 418);
    Client::connect(&host)
        .await
        .send("DELETE", "/sim/v1/faults", "", b"")
        .await;
    let cleared = async { while get(&host, "/health").await.status() == 418 {} };
    tokio::time::timeout(PATIENCE, cleared)
        .await
        .expect("cleared in time");
    let wrong = post(&host, "/sim/v1/faults", &json!({"fault": "rest"})).await;
    assert_eq!(wrong.status(), 400);
    assert!(
        wrong.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("unknown fault")
    );
}

#[tokio::test]
async fn flags_arm_a_share_of_the_requests() {
    let host = host(|options| {
        options.faults = vec!["status=503".parse().unwrap()];
        options.fault_rate = 0.5;
    });
    let mut client = Client::connect(&host).await;
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(client.post(CHAT, &says("hi")).await.status() == 503);
    }
    assert!((70..130).contains(&failed), "{failed} of 200");
}
