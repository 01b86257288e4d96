//! HTTP/2 and TLS to upstreams.

use std::time::Duration;

use crate::harness::*;

#[tokio::test]
async fn http_2_by_prior_knowledge_carries_everything() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).each("http: http2").await;
    weir.chat("hi").send().await.assert_status(200);
    weir.chat("hi")
        .streaming()
        .send()
        .await
        .assert_clean_stream();
    weir.get("/gpu-a/v1/models").send().await.assert_status(200);
    for request in host.requests() {
        assert_eq!(request.version(), "HTTP/2.0");
        assert!(
            ["connection", "transfer-encoding", "host"]
                .iter()
                .all(|name| request.header(name).is_none()),
            "{request:?}"
        );
    }
    let plain = Weir::in_front_of([&host]).await;
    plain.chat("hi").send().await.assert_status(200);
    assert_eq!(host.last_request().version(), "HTTP/1.1");
}

#[tokio::test]
async fn many_streams_share_http_2_connections_within_their_bound() {
    let host = Sim::with(|options| options.itl = Duration::from_millis(10)).await;
    let weir = Weir::in_front_of([&host])
        .each("http: http2")
        .each("http2_streams: 10")
        .await;
    weir.chat("warm").send().await.assert_status(200);
    let streams: Vec<_> = (0..30)
        .map(|number| weir.chat(&number.to_string()).streaming().send())
        .collect();
    for answer in futures::future::join_all(streams).await {
        answer.assert_clean_stream();
    }
    let connections = host.stats().connections;
    assert!((3..=30).contains(&connections), "{connections}");
    assert_eq!(host.stats().finished, 31);
}

/// A simulated host with TLS under a name, and the authority that vouches for it.
async fn host_with_tls(name: &str) -> (Authority, Sim) {
    let authority = Authority::new();
    let Identity { certificate, key } = authority.identity(name);
    let host =
        Sim::with(|options| options.tls = Some(weir::sim::TlsFiles { certificate, key })).await;
    (authority, host)
}

fn trusting(authority: &Authority, more: &str) -> String {
    format!("tls: {{ ca_file: {}{more} }}", authority.ca_file.display())
}

#[tokio::test]
async fn tls_to_a_host_with_its_own_authority_negotiates_http_2() {
    let (authority, host) = host_with_tls("gpu.internal").await;
    for (http, version) in [
        ("auto", "HTTP/2.0"),
        ("http2", "HTTP/2.0"),
        ("http1", "HTTP/1.1"),
    ] {
        let weir = Weir::in_front_of([&host])
            .each(&format!("http: {http}"))
            .each(&trusting(&authority, ", server_name: gpu.internal"))
            .await;
        weir.chat("hi").send().await.assert_status(200);
        weir.chat("hi")
            .streaming()
            .send()
            .await
            .assert_clean_stream();
        assert_eq!(host.last_request().version(), version, "{http}");
        weir.get("/gpu-a/v1/models").send().await.assert_status(200);
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_or_by_another_authority_is_refused() {
    let (authority, host) = host_with_tls("gpu.internal").await;
    let stranger = Authority::new();
    let cases = [
        (
            "another name",
            trusting(&authority, ", server_name: other.internal"),
        ),
        ("the URL's address is not in it", trusting(&authority, "")),
        (
            "another authority",
            trusting(&stranger, ", server_name: gpu.internal"),
        ),
        (
            "the system's authorities",
            "tls: { server_name: gpu.internal }".to_owned(),
        ),
    ];
    for (what, tls) in cases {
        let weir = Weir::in_front_of([&host]).each(&tls).await;
        let answer = weir.chat("hi").send().await;
        println!("{what}: {}", answer.text());
        answer.assert_error(503, "upstream_unreachable");
        weir.get("/gpu-a/v1/models")
            .send()
            .await
            .assert_error(503, "upstream_unreachable");
    }
    assert_eq!(host.stats().requests, 0);
    let weir = Weir::in_front_of([&host])
        .each("tls: { verify: false }")
        .await;
    weir.chat("hi").send().await.assert_status(200);
}

#[tokio::test]
async fn an_answer_before_the_body_is_heard_over_tls() {
    let (authority, host) = host_with_tls("gpu.internal").await;
    let weir = Weir::in_front_of([&host])
        .each("http: http1")
        .each(&trusting(&authority, ", server_name: gpu.internal"))
        .await;
    for style in ["keep", "close"] {
        host.arm(&[&format!("early_response=413 style={style} count=1")]);
        let mut body = weir.chat("hi").bytes().to_vec();
        body.resize(20 << 20, b' ');
        let answer = weir.post("/v1/chat/completions").body(body).send().await;
        answer.assert_status(413);
        assert!(answer.error()["message"].is_string(), "{}", answer.text());
        weir.chat("hi").send().await.assert_status(200);
    }
}
