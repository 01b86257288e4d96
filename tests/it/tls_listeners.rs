//! TLS on both sides: certificates by name, client certificates, versions; what weir shows upstreams.

use std::io;

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::*;

/// A listener with these settings, in YAML.
fn listening(settings: &str) -> String {
    format!("listen: [{{ address: \"127.0.0.1:0\", tls: {{ {settings} }} }}]")
}

fn files(identity: &Identity) -> String {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    format!("cert_file: {certificate}, key_file: {key}")
}

/// What a client gets that asks for the models over a connection of its own.
async fn ask(weir: &Weir, client: TlsClient) -> io::Result<String> {
    let stream = TcpStream::connect(weir.address()).await?;
    let mut stream = within("handshake", client.connect(stream)).await?;
    let request = b"GET /v1/models HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n";
    // A client that lacks its certificate learns that after its own part of the handshake.
    stream.write_all(request).await?;
    let mut answer = String::new();
    within("answer", stream.read_to_string(&mut answer)).await?;
    Ok(answer)
}

#[track_caller]
fn assert_served(answer: io::Result<String>) {
    let answer = answer.expect("weir answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn the_server_name_chooses_the_certificate_and_the_first_serves_other_names() {
    let host = Sim::start().await;
    let authority = Authority::new();
    let first = authority.identity("first.test");
    let (wild, exact) = (
        authority.identity("*.wild.test"),
        authority.identity("api.wild.test"),
    );
    let tls = format!(
        "{}, certificates: [{{ {} }}, {{ {} }}]",
        files(&first),
        files(&wild),
        files(&exact)
    );
    let weir = Weir::in_front_of([&host]).with(&listening(&tls)).await;
    for (name, expected) in [
        ("first.test", &first),
        ("any.wild.test", &wild),
        ("api.wild.test", &exact),
    ] {
        let stream = TcpStream::connect(weir.address())
            .await
            .expect("weir accepts");
        let stream = authority.client(name).connect(stream).await;
        let stream = stream.unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown = stream
            .get_ref()
            .1
            .peer_certificates()
            .expect("a server shows one");
        assert_eq!(shown, expected.chain(), "{name}");
        assert_served(ask(&weir, authority.client(name)).await);
    }
    let refused = ask(&weir, authority.client("other.test")).await;
    let refused = refused
        .expect_err("the client finds another name")
        .to_string();
    assert!(refused.contains("first.test"), "{refused}");
}

#[tokio::test]
async fn clients_without_a_certificate_are_refused_where_one_is_required() {
    let host = Sim::start().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.identity("weir.test");
    let (ours, theirs) = (authority.identity("ours"), stranger.identity("theirs"));
    let ca_file = authority.ca_file.display();
    let tls = format!("{}, client_ca_file: {ca_file}", files(&server));
    let weir = Weir::in_front_of([&host]).with(&listening(&tls)).await;
    let client = || authority.client("weir.test");
    assert_served(ask(&weir, client().showing(&ours)).await);
    for version in [&TLS12, &TLS13] {
        ask(&weir, client().of_version(version))
            .await
            .expect_err("a certificate is required");
        ask(&weir, client().of_version(version).showing(&theirs))
            .await
            .expect_err("a stranger's certificate is no good");
    }
    assert_eq!(
        weir.metric("weir_tls_handshakes_total{outcome=\"done\"}")
            .await,
        1.0
    );
    comes_to("refusals", 4.0, async || {
        weir.metric("weir_tls_handshakes_total{outcome=\"failed\"}")
            .await
    })
    .await;
}

#[tokio::test]
async fn clients_need_no_certificate_where_it_is_optional_but_one_that_is_shown_must_be_good() {
    let host = Sim::start().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.identity("weir.test");
    let (ours, theirs) = (authority.identity("ours"), stranger.identity("theirs"));
    let ca_file = authority.ca_file.display();
    let tls = format!(
        "{}, client_ca_file: {ca_file}, client_auth: optional",
        files(&server)
    );
    let weir = Weir::in_front_of([&host]).with(&listening(&tls)).await;
    let client = || authority.client("weir.test");
    assert_served(ask(&weir, client()).await);
    assert_served(ask(&weir, client().showing(&ours)).await);
    ask(&weir, client().showing(&theirs))
        .await
        .expect_err("a stranger's certificate is no good");
}

#[tokio::test]
async fn tls_1_2_is_refused_where_1_3_is_the_least() {
    let host = Sim::start().await;
    let authority = Authority::new();
    let tls = files(&authority.identity("weir.test"));
    let client = || authority.client("weir.test");
    let weir = Weir::in_front_of([&host]).with(&listening(&tls)).await;
    assert_served(ask(&weir, client().of_version(&TLS12)).await);
    assert_served(ask(&weir, client().of_version(&TLS13)).await);
    let strict = format!("{tls}, min_version: \"1.3\"");
    let weir = Weir::in_front_of([&host]).with(&listening(&strict)).await;
    ask(&weir, client().of_version(&TLS12))
        .await
        .expect_err("TLS 1.2 is too old");
    assert_served(ask(&weir, client().of_version(&TLS13)).await);
}

#[tokio::test]
async fn http_2_is_spoken_where_client_and_certificate_agree_on_it() {
    let host = Sim::start().await;
    let authority = Authority::new();
    let (server, ours) = (authority.identity("weir.test"), authority.identity("ours"));
    let ca_file = authority.ca_file.display();
    let tls = format!("{}, client_ca_file: {ca_file}", files(&server));
    let weir = Weir::in_front_of([&host]).with(&listening(&tls)).await;
    for (offered, expected) in [
        (&["h2", "http/1.1"][..], Protocol::Http2),
        (&["http/1.1"][..], Protocol::Http1),
    ] {
        let client = authority
            .client("weir.test")
            .showing(&ours)
            .offering(offered);
        let (connection, protocol) = Connection::over_tls(weir.address(), client).await;
        assert_eq!(protocol, expected);
        connection.send(weir.chat("hi")).await.assert_status(200);
        let stream = weir.chat("hi").streaming();
        connection.send(stream).await.assert_clean_stream();
    }
}

#[tokio::test]
async fn certificates_that_end_soon_are_warned_of_and_their_ends_are_metrics() {
    let host = Sim::start().await;
    let authority = Authority::new();
    let (over, good) = (
        authority.identity_until("over.test", (2020, 1, 2)),
        authority.identity("good.test"),
    );
    let tls = format!("{}, certificates: [{{ {} }}]", files(&over), files(&good));
    let weir = Weir::in_front_of([&host]).with(&listening(&tls)).await;
    let name = "weir_certificate_expiry_timestamp_seconds";
    assert_eq!(
        weir.metric(&format!("{name}{{over.test.cert.pem}}")).await,
        1_577_923_200.0
    );
    assert_eq!(
        weir.metric(&format!("{name}{{good.test.cert.pem}}")).await,
        2_208_988_800.0
    );
    let written = weir.everything_written();
    assert!(
        written.contains("over.test.cert.pem: the certificate has expired"),
        "{written}"
    );
    assert!(
        !written.contains("good.test.cert.pem: the certificate"),
        "{written}"
    );
}

#[tokio::test]
async fn an_upstream_that_asks_for_a_certificate_is_shown_the_configured_one() {
    let host = Sim::start().await;
    let authority = Authority::new();
    let client = authority.identity("weir");
    let port = authority.guard("gpu.test", host.port()).await;
    let upstream = |identity: &str| {
        format!(
            "upstreams: [{{ name: gpu, kind: vllm, url: \"https://127.0.0.1:{port}\", models: [{MODEL}], tls: {{ ca_file: {}, server_name: gpu.test{identity} }} }}]",
            authority.ca_file.display()
        )
    };
    let identity = format!(
        ", client_cert_file: {}, client_key_file: {}",
        client.certificate.display(),
        client.key.display()
    );
    let weir = Weir::configured(upstream(&identity)).await;
    weir.chat("hi").send().await.assert_status(200);
    weir.chat("hi")
        .streaming()
        .send()
        .await
        .assert_clean_stream();
    let weir = Weir::configured(upstream("")).await;
    let refused = weir.chat("hi").send().await;
    assert!(refused.status >= 500, "{refused:?}");
}
