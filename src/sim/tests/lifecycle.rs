//! Connections and exchanges: what is counted, what is remembered, what waits.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::super::Options;
use super::{CHAT, Client, get, host, post, post_with, says, streamed, until, with};

#[tokio::test]
async fn a_client_that_leaves_is_seen_at_once() {
    let host = host(|options| (options.itl, options.tokens) = (Duration::from_millis(5), 100_000));
    for request in [streamed(says("a stream")), says("a plain answer")] {
        let mut client = Client::connect(&host).await;
        client
            .send("POST", CHAT, "", request.to_string().as_bytes())
            .await;
        until(&host, |stats| stats.running == 1).await;
        let left = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
            * 1e3;
        drop(client);
        let stats = until(&host, |stats| stats.in_flight == 0 && stats.running == 0).await;
        let seen_after_ms = stats.last_cancelled_ms.unwrap() - left;
        assert!((-1.0..1000.0).contains(&seen_after_ms), "{seen_after_ms}");
    }
    assert_eq!(host.stats().cancelled, 2);
    assert!(
        host.requests()
            .as_array()
            .unwrap()
            .iter()
            .all(|request| request["outcome"] == "cancelled")
    );
}

#[tokio::test]
async fn requests_are_remembered_as_they_came() {
    let host = host(|_| {});
    let mut client = Client::connect(&host).await;
    let body = "{ \"model\":\"llama-3.1-8b\" ,\"unknown\": 1.50, \"messages\":[{\"role\":\"user\",\"content\":\"世界\"}]}";
    client
        .send(
            "POST",
            "/v1/chat/completions?api-version=1",
            "x-b: 2\r\nX-A: 1\r\nx-b: 3\r\n",
            body.as_bytes(),
        )
        .await;
    client.answer().await;
    let remembered = client.get("/sim/v1/requests?limit=1").await.json();
    let request = &remembered["requests"][0];
    assert_eq!(request["body"], body, "byte by byte");
    assert_eq!(request["uri"], "/v1/chat/completions?api-version=1");
    assert_eq!(
        (&request["http_version"], &request["outcome"]),
        (&json!("HTTP/1.1"), &json!("finished"))
    );
    assert_eq!(
        request["remote_port"],
        client.0.local_addr().unwrap().port()
    );
    let names: Vec<&str> = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair[0].as_str().unwrap())
        .collect();
    assert_eq!(names, ["host", "content-length", "x-b", "x-b", "x-a"]);
    assert_eq!(get(&host, "/sim/v1/stats").await.json()["connections"], 2);
    assert_eq!(
        post(&host, "/sim/v1/reset", &json!({})).await.json()["requests"],
        0
    );
    assert_eq!(
        client.post("/echo?a=b", &json!({"x": 1})).await.json()["body"],
        "{\"x\":1}"
    );
}

#[tokio::test]
async fn tokens_come_at_their_times() {
    let host = host(|options| {
        (options.ttft, options.itl, options.tokens) =
            (Duration::from_millis(60), Duration::from_millis(10), 5)
    });
    let started = Instant::now();
    let mut client = Client::connect(&host).await;
    client
        .send(
            "POST",
            CHAT,
            "",
            streamed(says("hi")).to_string().as_bytes(),
        )
        .await;
    client.read_head().await;
    client.read_line().await;
    let first = started.elapsed();
    assert!(first >= Duration::from_millis(60), "{first:?}");
    let started = Instant::now();
    post(&host, CHAT, &says("hi")).await;
    assert!(
        started.elapsed() >= Duration::from_millis(100),
        "the last of five tokens is due after 60 + 4 × 10 ms"
    );
}

#[tokio::test]
async fn requests_beyond_the_slots_wait() {
    let host = host(|options| {
        (options.slots, options.itl, options.tokens) = (Some(1), Duration::from_millis(10), 100)
    });
    let mut first = Client::connect(&host).await;
    first
        .send(
            "POST",
            CHAT,
            "",
            streamed(says("one")).to_string().as_bytes(),
        )
        .await;
    until(&host, |stats| stats.running == 1).await;
    let mut second = Client::connect(&host).await;
    second
        .send("POST", CHAT, "", says("two").to_string().as_bytes())
        .await;
    until(&host, |stats| stats.waiting == 1).await;
    drop(first);
    until(&host, |stats| (stats.running, stats.waiting) == (1, 0)).await;
    drop(second);
    until(&host, |stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn a_host_that_loads_says_so() {
    let host = host(|options| options.loading = Duration::from_secs(1));
    for answer in [
        get(&host, "/health").await,
        post(&host, CHAT, &says("hi")).await,
    ] {
        assert_eq!(answer.status(), 503);
    }
    let ready = async {
        while get(&host, "/health").await.status() == 503 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, ready)
        .await
        .expect("it becomes ready");
    assert_eq!(post(&host, CHAT, &says("hi")).await.status(), 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_where_asked_for() {
    let host = host(|options| options.idle_close = Some(Duration::from_millis(50)));
    let mut client = Client::connect(&host).await;
    assert_eq!(client.post(CHAT, &says("hi")).await.status(), 200);
    let idle = Instant::now();
    assert_eq!(client.read_to_end().await, (Vec::new(), None));
    assert!(
        idle.elapsed() >= Duration::from_millis(40),
        "{:?}",
        idle.elapsed()
    );
}

#[tokio::test]
async fn a_host_that_stops_closes_everything() {
    let host = host(|options| options.itl = Duration::from_secs(1));
    let address = host.address();
    let mut client = Client::connect(&host).await;
    client
        .send(
            "POST",
            CHAT,
            "",
            streamed(says("hi")).to_string().as_bytes(),
        )
        .await;
    until(&host, |stats| stats.running == 1).await;
    host.stop().await;
    client.read_to_end().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_host_that_cannot_be_is_refused() {
    let taken = host(|_| {});
    let port = taken.address().port();
    for options in [
        Options {
            port,
            ..Options::default()
        },
        Options {
            models: Vec::new(),
            ..Options::default()
        },
        Options {
            tls: Some(super::super::TlsFiles {
                certificate: "/nowhere".into(),
                key: "/nowhere".into(),
            }),
            ..Options::default()
        },
    ] {
        assert!(super::super::start(options).is_err());
    }
}

#[tokio::test]
async fn what_was_served_is_written_down_as_a_bill_would_have_it() {
    let path = std::env::temp_dir().join(format!("weir-sim-served-{}", std::process::id()));
    let file = path.clone();
    let host = host(move |options| {
        (options.itl, options.tokens) = (Duration::from_millis(1), 40);
        options.served = Some(file);
    });
    let ask = |id: &str| format!("x-request-id: {id}\r\n");
    post_with(&host, CHAT, &ask("whole"), &says("two words")).await;
    post_with(&host, CHAT, &ask("stream"), &streamed(says("two words"))).await;
    let embedding = json!({"model": "llama-3.1-8b", "input": ["one", "two"]});
    post_with(&host, "/v1/embeddings", &ask("embedding"), &embedding).await;
    let mut client = Client::connect(&host).await;
    let request = with(streamed(says("leave")), json!({"max_tokens": 10_000}));
    client
        .send("POST", CHAT, &ask("left"), request.to_string().as_bytes())
        .await;
    while !client.read_line().await.contains("delta") {}
    drop(client);
    until(&host, |stats| stats.in_flight == 0 && stats.requests == 4).await;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("request_id"), text("outcome"))
    };
    let told: Vec<_> = lines.iter().map(told).collect();
    let expected = [
        ("whole", "finished"),
        ("stream", "finished"),
        ("embedding", "finished"),
        ("left", "cancelled"),
    ];
    let expected: Vec<_> = expected
        .map(|(id, outcome)| (id.to_owned(), outcome.to_owned()))
        .into();
    assert_eq!(told, expected);
    assert_eq!(lines[0]["output_tokens"], 40);
    assert_eq!(lines[1]["output_tokens"], 40);
    assert_eq!(lines[0]["prompt_tokens"], lines[1]["prompt_tokens"]);
    assert_eq!(
        (&lines[2]["prompt_tokens"], &lines[2]["output_tokens"]),
        (&json!(2), &json!(0))
    );
    let left = lines[3]["output_tokens"].as_u64().unwrap();
    assert!((1..40).contains(&left), "{left}");
}
