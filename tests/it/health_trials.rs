//! How an endpoint that was taken out comes back: one trial at a time, longer ejections after failed ones, and a slow start.

use std::time::{Duration, Instant};

use crate::harness::*;

/// One failure takes an endpoint out, for a short time.
const SHORT: &str =
    "health: { probe: off, failures: 1, eject: 200ms, eject_max: 10s, slow_start: 0s }";

async fn comes_to_state(weir: &Weir, upstream: &str, state: &str) {
    comes_to("state", state.to_owned(), async || {
        weir.state(upstream).await
    })
    .await;
}

/// gpu-a, which has failed and now waits for its trial, and gpu-b, which serves.
async fn one_on_trial(settings: &str) -> ([Fickle; 2], Weir) {
    let hosts = [
        Fickle::that_is(Mood::Refusing(500)).await,
        Fickle::that_is(Mood::Serving).await,
    ];
    let weir = Weir::in_front_of(&hosts)
        .with(GPU_A_FIRST)
        .with(settings)
        .await;
    let answer = weir.chat("hi").model("m").send().await;
    assert_eq!(answer.header("x-weir-attempts"), Some("2"));
    comes_to_state(&weir, "gpu-a", "trial").await;
    (hosts, weir)
}

#[tokio::test]
async fn one_request_at_a_time_tries_an_ejected_endpoint_and_the_others_go_elsewhere() {
    let (hosts, weir) = one_on_trial(SHORT).await;
    hosts[0].becomes(Mood::Waiting);
    let trial = tokio::spawn(weir.chat("hi").model("m").send());
    hosts[0].has_requests(2).await;
    for _ in 0..5 {
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-upstream"), Some("gpu-b"));
        assert_eq!(answer.header("x-weir-attempts"), Some("1"));
    }
    assert_eq!(hosts[0].requests().len(), 2);
    assert_eq!(weir.state("gpu-a").await, "trial");
    hosts[0].go_on();
    let answer = trial.await.expect("the client does not panic");
    answer.assert_status(200);
    assert_eq!(answer.header("x-weir-upstream"), Some("gpu-a"));
    comes_to_state(&weir, "gpu-a", "healthy").await;
    assert_eq!(weir.changes("gpu-a", "recovered").await, 1.0);
    weir.line_with("endpoint has recovered").await;
}

#[tokio::test]
async fn many_requests_at_once_make_one_trial() {
    let (hosts, weir) = one_on_trial(SHORT).await;
    let requests = (0..20).map(|_| weir.chat("hi").model("m").send());
    for answer in futures::future::join_all(requests).await {
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-upstream"), Some("gpu-b"));
    }
    // The first request, and a trial that failed; one more where the second ejection was over so soon.
    assert!((2..=3).contains(&hosts[0].requests().len()));
}

#[tokio::test]
async fn a_failed_trial_ejects_for_longer() {
    let (hosts, weir) = one_on_trial(SHORT).await;
    let begun = Instant::now();
    let answer = weir.chat("hi").model("m").send().await;
    answer.assert_status(200);
    assert_eq!(answer.header("x-weir-attempts"), Some("2"));
    assert_eq!(weir.state("gpu-a").await, "ejected");
    comes_to_state(&weir, "gpu-a", "trial").await;
    // Twice as long as the first time, less a tenth by chance.
    assert!(begun.elapsed() >= Duration::from_millis(360), "{begun:?}");
    assert_eq!(weir.changes("gpu-a", "ejected").await, 2.0);
    assert_eq!(hosts[0].requests().len(), 2);
}

#[tokio::test]
async fn ejections_are_no_longer_than_their_bound() {
    let settings =
        "health: { probe: off, failures: 1, eject: 100ms, eject_max: 100ms, slow_start: 0s }";
    let (_hosts, weir) = one_on_trial(settings).await;
    let begun = Instant::now();
    for ejections in 2..=6 {
        weir.chat("hi").model("m").send().await.assert_status(200);
        comes_to_state(&weir, "gpu-a", "trial").await;
        assert_eq!(weir.changes("gpu-a", "ejected").await, f64::from(ejections));
    }
    // Doubled each time, it would be 6.2 s.
    assert!(begun.elapsed() < Duration::from_secs(5), "{begun:?}");
}

#[tokio::test]
async fn a_trial_whose_client_leaves_decides_nothing_and_is_free_again() {
    let (hosts, weir) = one_on_trial(SHORT).await;
    hosts[0].becomes(Mood::Waiting);
    let leaving = tokio::spawn(weir.chat("hi").model("m").send());
    hosts[0].has_requests(2).await;
    leaving.abort();
    comes_to("requests in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
    assert_eq!(weir.state("gpu-a").await, "trial");
    hosts[0].becomes(Mood::Serving);
    let answer = weir.chat("hi").model("m").send().await;
    assert_eq!(answer.header("x-weir-upstream"), Some("gpu-a"));
    comes_to_state(&weir, "gpu-a", "healthy").await;
}

#[tokio::test]
async fn a_refused_request_passes_a_trial() {
    // A client's fault comes from an endpoint that works.
    let (hosts, weir) = one_on_trial(SHORT).await;
    hosts[0].becomes(Mood::Refusing(422));
    weir.chat("hi").model("m").send().await.assert_status(422);
    comes_to_state(&weir, "gpu-a", "healthy").await;
}

#[tokio::test]
async fn a_trial_is_over_with_the_first_event_of_a_stream() {
    // A stream may last for minutes, and its endpoint works.
    let (hosts, weir) = one_on_trial(SHORT).await;
    hosts[0].becomes(Mood::Lingering);
    let mut stream = weir.chat("hi").model("m").streaming().open().await;
    assert!(stream.event().await.is_some());
    comes_to_state(&weir, "gpu-a", "healthy").await;
    hosts[0].becomes(Mood::Serving);
    let answer = weir.chat("hi").model("m").send().await;
    assert_eq!(answer.header("x-weir-upstream"), Some("gpu-a"));
    hosts[0].go_on();
    stream.rest().await.assert_clean_stream();
}

#[tokio::test]
async fn an_endpoint_that_comes_back_starts_slowly() {
    let hosts = [
        Fickle::that_is(Mood::Refusing(500)).await,
        Fickle::that_is(Mood::Serving).await,
    ];
    let weir = Weir::in_front_of(&hosts)
        .with("health: { probe: off, failures: 1, eject: 100ms, slow_start: 1500ms }")
        .await;
    let chats = |count| (0..count).map(|_| weir.chat("hi"));
    while weir.state("gpu-a").await == "healthy" {
        Shares::among(chats(1), 1).await;
    }
    hosts[0].becomes(Mood::Serving);
    comes_to_state(&weir, "gpu-a", "trial").await;
    Shares::among(chats(1), 1).await;
    assert_eq!(weir.state("gpu-a").await, "recovering");
    let share = r#"weir_endpoint_slow_start_share{upstream="gpu-a"}"#;
    let first = weir.metric(share).await;
    assert!((0.1..0.9).contains(&first), "{first}");
    let shares = Shares::among(chats(30), 15).await;
    assert!(shares.of("gpu-a") * 2 <= shares.of("gpu-b"), "{shares:?}");
    comes_to_state(&weir, "gpu-a", "healthy").await;
    assert_eq!(weir.metric(share).await, 1.0);
    let shares = Shares::among(chats(60), 15).await;
    assert!(shares.of("gpu-a") >= 10, "{shares:?}");
}
