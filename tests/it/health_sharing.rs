//! Who gets how much: equals, the slow, the busy; the policies; and upstreams that operators take out.

use std::time::Duration;

use crate::harness::*;

/// Hosts that answer after `first_token`.
async fn sims(first_tokens: &[u64]) -> Vec<Sim> {
    let mut hosts = Vec::new();
    for millis in first_tokens {
        let first_token = Duration::from_millis(*millis);
        hosts.push(Sim::with(|options| options.ttft = first_token).await);
    }
    hosts
}

async fn serving(count: usize) -> Vec<Fickle> {
    let mut hosts = Vec::new();
    for _ in 0..count {
        hosts.push(Fickle::that_is(Mood::Serving).await);
    }
    hosts
}

/// The model `m` at hosts in the order of their names, each target with more settings.
fn targets(policy: &str, more: &[&str]) -> String {
    let targets = more.iter().enumerate();
    let targets = targets.map(|(number, more)| format!("      - {}\n", target(number, more)));
    let targets: String = targets.collect();
    format!("models:\n  m:\n    {policy}\n    targets:\n{targets}")
}

#[tokio::test]
async fn sixteen_equals_share_evenly_under_load() {
    // Field reports 37 (93.7 % to one backend) and 38 (2 of 16 replicas used).
    let hosts = sims(&[20; 16]).await;
    let weir = Weir::in_front_of(&hosts).await;
    for stream in [false, true] {
        let chats = (0..208).map(|_| weir.chat("hi").set("stream", stream));
        let shares = Shares::among(chats, 32).await;
        // Thirteen each, were it exact.
        let counts: Vec<usize> = shares.all().collect();
        assert_eq!(counts.len(), 16, "{shares:?}");
        assert!(
            counts.iter().all(|count| (3..=36).contains(count)),
            "{shares:?}"
        );
    }
}

#[tokio::test]
async fn equals_share_though_requests_come_one_by_one() {
    // Field report 37: always the first.
    let hosts = sims(&[20; 4]).await;
    let weir = Weir::in_front_of(&hosts).await;
    let shares = Shares::among((0..60).map(|_| weir.chat("hi")), 1).await;
    assert_eq!(shares.all().count(), 4, "{shares:?}");
    assert!(shares.all().all(|count| count <= 40), "{shares:?}");
}

#[tokio::test]
async fn a_slow_host_gets_less_and_is_not_starved() {
    let hosts = sims(&[400, 10, 10, 10]).await;
    let weir = Weir::in_front_of(&hosts).await;
    let chats = |count| (0..count).map(|_| weir.chat("hi").streaming());
    // Now weir knows them.
    Shares::among(chats(40), 16).await;
    let shares = Shares::among(chats(200), 24).await;
    let slow = shares.of("gpu-a");
    assert!(slow >= 1, "{shares:?}");
    for fast in ["gpu-b", "gpu-c", "gpu-d"] {
        assert!(slow < shares.of(fast), "{shares:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_busy_with_long_streams_gets_fewer() {
    let hosts = [
        Fickle::that_is(Mood::Lingering).await,
        Fickle::that_is(Mood::Lingering).await,
    ];
    let only_a = "  only-a: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] }";
    let weir = Weir::in_front_of(&hosts)
        .with(&targets("policy: health", &["", ""]))
        .with(only_a)
        .await;
    let mut streams = Vec::new();
    for _ in 0..12 {
        let mut stream = weir.chat("hi").model("only-a").streaming().open().await;
        assert!(stream.event().await.is_some());
        streams.push(stream);
    }
    hosts.iter().for_each(|host| host.becomes(Mood::Serving));
    let chats = (0..40).map(|_| weir.chat("hi").model("m"));
    let shares = Shares::among(chats, 4).await;
    assert!(shares.of("gpu-a") * 3 < shares.of("gpu-b"), "{shares:?}");
    for stream in streams {
        hosts[0].go_on();
        drop(stream);
    }
}

#[tokio::test]
async fn weights_are_kept() {
    let hosts = serving(3).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&targets(
            "policy: weighted",
            &[", weight: 5", ", weight: 3", ", weight: 2"],
        ))
        .await;
    let shares = Shares::among((0..50).map(|_| weir.chat("hi").model("m")), 1).await;
    let shares = ["gpu-a", "gpu-b", "gpu-c"].map(|upstream| shares.of(upstream));
    assert_eq!(shares, [25, 15, 10]);
}

#[tokio::test]
async fn turns_are_kept() {
    let hosts = serving(3).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&targets("policy: round_robin", &["", "", ""]))
        .await;
    let shares = Shares::among((0..30).map(|_| weir.chat("hi").model("m")), 1).await;
    assert!(shares.all().all(|count| count == 10), "{shares:?}");
}

#[tokio::test]
async fn chance_is_even() {
    let hosts = serving(3).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&targets("policy: random", &["", "", ""]))
        .await;
    let shares = Shares::among((0..120).map(|_| weir.chat("hi").model("m")), 8).await;
    // Forty each, give or take five times the deviation.
    assert!(
        shares.all().count() == 3 && shares.all().all(|count| (14..=66).contains(&count)),
        "{shares:?}"
    );
}

#[tokio::test]
async fn by_latency_the_fastest_is_asked() {
    let hosts = sims(&[200, 1]).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&targets("policy: latency", &["", ""]))
        .await;
    let shares = Shares::among((0..20).map(|_| weir.chat("hi").model("m")), 1).await;
    assert!(
        (1..=3).contains(&shares.of("gpu-a")) && shares.of("gpu-b") >= 17,
        "{shares:?}"
    );
}

#[tokio::test]
async fn by_cost_the_cheapest_is_asked_and_then_the_next() {
    let hosts = serving(3).await;
    let price = |input: f64| format!(", price: {{ input: {input}, output: 4 }}");
    let weir = Weir::in_front_of(&hosts)
        .with("health: { probe: off, failures: 1, eject: 60s }")
        .with(&targets(
            "policy: cost",
            &["", &price(2.0), &price(0.5)].map(|more| more as &str),
        ))
        .await;
    let ask = || Shares::among((0..6).map(|_| weir.chat("hi").model("m")), 3);
    assert_eq!(ask().await.of("gpu-c"), 6);
    hosts[2].becomes(Mood::Refusing(500));
    assert_eq!(ask().await.of("gpu-b"), 6);
    assert_eq!(weir.state("gpu-c").await, "ejected");
    // What has no price comes last.
    hosts[1].becomes(Mood::Refusing(503));
    assert_eq!(ask().await.of("gpu-a"), 6);
}

#[tokio::test]
async fn a_split_is_kept_within_what_chance_allows() {
    let hosts = serving(2).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&targets("policy: split", &[", weight: 90", ", weight: 10"]))
        .await;
    let shares = Shares::among((0..400).map(|_| weir.chat("hi").model("m")), 8).await;
    // Forty, give or take five times the deviation.
    assert!((10..=70).contains(&shares.of("gpu-b")), "{shares:?}");
    assert_eq!(shares.of("gpu-a") + shares.of("gpu-b"), 400);
}

#[tokio::test]
async fn a_sticky_split_sends_each_caller_the_same_way_every_time() {
    type Mark = fn(Request, &str) -> Request;
    let marks: [(&str, Mark); 4] = [
        ("user", |request, caller| request.set("user", caller)),
        ("key", |request, caller| {
            request.header("authorization", &format!("Bearer {caller}"))
        }),
        ("session", |request, caller| {
            request.header("x-session-id", caller)
        }),
        ("session", |request, caller| {
            request.set("prompt_cache_key", caller)
        }),
    ];
    let hosts = serving(2).await;
    let both = [0, 1].map(|number| target(number, "")).join(", ");
    let models = ["user", "key", "session"].map(|sticky| {
        format!("  by-{sticky}: {{ policy: split, sticky: {sticky}, targets: [{both}] }}\n")
    });
    let weir = Weir::in_front_of(&hosts)
        .with(&format!("models:\n{}", models.concat()))
        .await;
    for (sticky, mark) in marks {
        let mut callers = [0, 0];
        for caller in 0..24 {
            let caller = format!("caller-{caller}");
            let chat = || mark(weir.chat("hi").model(&format!("by-{sticky}")), &caller);
            let shares = Shares::among((0..3).map(|_| chat()), 3).await;
            let (a, b) = (shares.of("gpu-a"), shares.of("gpu-b"));
            assert!(a == 3 || b == 3, "{sticky}: {caller} goes both ways");
            callers[usize::from(b == 3)] += 1;
        }
        assert!(
            callers.iter().all(|count| *count >= 3),
            "{sticky}: {callers:?}"
        );
    }
}

#[tokio::test]
async fn a_sticky_caller_goes_elsewhere_only_while_its_way_is_barred() {
    let hosts = serving(2).await;
    let weir = Weir::in_front_of(&hosts)
        .with("health: { probe: off, failures: 2, eject: 100ms, slow_start: 0s }")
        .with(&targets("policy: split\n    sticky: user", &["", ""]))
        .await;
    let chat = || weir.chat("hi").model("m").set("user", "somebody");
    let way = Shares::among([chat()], 1).await;
    let (own, other, index) = match way.of("gpu-a") {
        1 => ("gpu-a", "gpu-b", 0),
        _ => ("gpu-b", "gpu-a", 1),
    };
    hosts[index].becomes(Mood::Refusing(500));
    for _ in 0..4 {
        assert_eq!(Shares::among([chat()], 1).await.of(other), 1);
    }
    hosts[index].becomes(Mood::Serving);
    eventually("way back", async || {
        (Shares::among([chat()], 1).await.of(own) == 1).then_some(())
    })
    .await;
    assert_eq!(Shares::among([chat(), chat()], 1).await.of(own), 2);
}

#[tokio::test]
async fn what_an_operator_has_taken_out_gets_nothing() {
    let hosts = [Sim::start().await, Sim::start().await, Sim::start().await];
    let upstreams = hosts.iter().zip(["online", "offline", "maintenance"]).map(|(host, status)| {
        format!(
            "  - {{ name: {status}, kind: vllm, url: '{}', status: {status}, models: [llama-3.1-8b] }}\n",
            host.url()
        )
    });
    let upstreams: String = upstreams.collect();
    let weir = Weir::configured(format!(
        "health: {{ interval: 20ms }}\nupstreams:\n{upstreams}"
    ))
    .await;
    let shares = Shares::among((0..12).map(|_| weir.chat("hi")), 4).await;
    assert_eq!(shares.of("online"), 12);
    // In maintenance it is still looked after; offline it is not.
    eventually("probe in maintenance", async || {
        (hosts[2].stats().requests >= 3).then_some(())
    })
    .await;
    assert!(
        hosts[2]
            .requests()
            .iter()
            .all(|request| request.path() == "/health")
    );
    assert_eq!(hosts[1].stats().requests, 0);
    assert_eq!(weir.state("maintenance").await, "healthy");
    // Not even when nothing else can answer.
    hosts[0].arm(&["status=503"]);
    weir.chat("hi").send().await.assert_status(503);
    assert_eq!(hosts[1].stats().requests, 0);
}

#[tokio::test]
async fn when_all_is_taken_out_the_answer_is_503() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).each("status: offline").await;
    let answer = weir.chat("hi").send().await;
    answer.assert_error(503, "no_upstream_available");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(host.stats().requests, 0);
}
