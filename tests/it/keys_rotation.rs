//! Which of an upstream's keys is next.

use crate::harness::*;

async fn chats(weir: &Weir, count: usize) {
    for _ in 0..count {
        weir.chat("hi").send().await.assert_status(200);
    }
}

#[tokio::test]
async fn round_robin_takes_one_key_after_another_whatever_their_weights() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: round_robin")
        .keys(["a, weight: 5", "b", "c"])
        .await;
    chats(&weir, 9).await;
    assert_eq!(host.keys_used(), "abcabcabc");
}

#[tokio::test]
async fn weights_hold_over_every_turn_and_without_runs() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .keys(["a, weight: 3", "b, weight: 2", "c"])
        .await;
    chats(&weir, 18).await;
    let used = host.keys_used();
    for turn in used.as_bytes().chunks(6) {
        let mut turn = turn.to_vec();
        turn.sort_unstable();
        assert_eq!(turn, b"aaabbc", "{used}");
    }
    assert!(!used.contains("aaa"), "{used}");
}

#[tokio::test]
async fn weights_hold_however_many_ask_at_once() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .keys(["a, weight: 3", "b, weight: 2", "c"])
        .await;
    let chats = (0..60).map(|_| weir.chat("hi").send());
    for answer in futures::future::join_all(chats).await {
        answer.assert_status(200);
    }
    let used = host.keys_used();
    let shares = ['a', 'b', 'c'].map(|key| used.matches(key).count());
    assert_eq!(shares, [30, 20, 10], "{used}");
}

#[tokio::test]
async fn the_share_of_a_key_that_rests_goes_to_the_others_and_is_not_owed_afterwards() {
    let host = Sim::that(&["status=429 key=sk-a for=600ms count=1"]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: round_robin")
        .keys(["a", "b", "c"])
        .await;
    let begun = std::time::Instant::now();
    chats(&weir, 5).await;
    let used = host.keys_used();
    if begun.elapsed() < std::time::Duration::from_millis(500) {
        assert_eq!(used, "abcbcb");
    }
    eventually("use of the first key", async || {
        chats(&weir, 1).await;
        host.keys_used()[1..].contains('a').then_some(())
    })
    .await;
    chats(&weir, 5).await;
    let used = host.keys_used();
    let back = used.rfind("aa");
    assert_eq!(back, None, "turns that it missed were made good: {used}");
}

#[tokio::test]
async fn failover_uses_the_first_key_as_long_as_it_can() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b, weight: 9", "c"])
        .await;
    chats(&weir, 3).await;
    host.arm(&["status=429 key=sk-a for=1000ms count=1"]);
    chats(&weir, 1).await;
    assert_eq!(host.keys_used(), "aaaab");
    // Back at the first as soon as it has rested.
    eventually("use of the first key", async || {
        chats(&weir, 1).await;
        host.keys_used().ends_with('a').then_some(())
    })
    .await;
    assert!(!host.keys_used().contains('c'), "{}", host.keys_used());
}

#[tokio::test]
async fn least_used_goes_by_what_the_answers_say_is_left() {
    for style in ["openai", "anthropic"] {
        let host = Sim::start().await;
        let left = |key: &str, left: u32| {
            let fault = format!("rate_limits style={style} key=sk-{key} size={left}");
            host.arm(&[&fault]);
        };
        left("a", 10);
        left("b", 90);
        left("c", 50);
        let weir = Weir::in_front_of([&host])
            .each("rotation: least_used")
            .keys(["a", "b", "c"])
            .await;
        chats(&weir, 7).await;
        assert_eq!(host.keys_used(), "abcbbbb", "{style}");
        host.clear_faults();
        left("b", 5);
        chats(&weir, 4).await;
        assert_eq!(host.keys_used(), "abcbbbbbccc", "{style}");
    }
}

#[tokio::test]
async fn least_used_knows_what_is_left_for_each_model() {
    let host = Sim::with(|options| options.models = vec!["m1".into(), "m2".into()]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: least_used")
        .keys(["a", "b"])
        .await;
    let ask = async |model: &str| {
        let chat = weir.chat("[[fault:rate_limits key=sk-a size=2]]");
        chat.model(model).send().await.assert_status(200);
    };
    for _ in 0..4 {
        ask("m1").await;
    }
    // Little is left of it for m1; for m2 nobody has said so.
    assert_eq!(host.keys_used(), "abbb");
    ask("m2").await;
    ask("m1").await;
    assert_eq!(host.keys_used(), "abbbab");
}
