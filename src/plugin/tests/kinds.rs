//! Each kind of plugin is asked, and what it answers arrives.

use weir_plugin::{
    Api, Choice, Decision, Edit, EventsVerdict, Failure, HttpAnswer, Outcome, Ranked, RawEvent,
    StreamEvent, Usage, Verdict, Wants,
};

use super::guests::{ANSWER, Guest, ZEROS, answers, words};
use super::place::{Place, answered, candidate, exchange, head};
use crate::plugin::{Kind, Trouble};

/// A guard that sets a tag on every request and adds a word to the end of every stream.
fn tagging() -> Vec<u8> {
    let mut guest = Guest::guard();
    let (key, value) = (guest.text("team"), guest.text("red"));
    let tail = guest.text("over");
    let list = 2048;
    // One edit, the eighth kind: set-tag.
    let edit = words(list, &[7, key.0, key.1, value.0, value.1]);
    let on_request = format!("{edit}{}", answers(&[0, 1, list, 1]));
    // One event, the first kind, of choice 3.
    let event = words(list, &[0, 0, 3, tail.0, tail.1]);
    let on_end = format!("{event}{}", answers(&[0, list, 1]));
    let guest = guest.does("on-request", on_request);
    guest.does("[method]stream.on-end", on_end).component()
}

#[tokio::test]
async fn a_guard_edits_requests_and_adds_to_streams() {
    let place = Place::new();
    let set = place.load(&tagging(), |_| {});
    let guard = set.guard("plugin").unwrap();
    let wants = guard.wants();
    assert!(wants.requests && wants.answers && wants.streams && !wants.whole_answers);
    assert_ne!(
        wants,
        Wants {
            whole_answers: true,
            ..wants
        }
    );
    let view = exchange("{}");
    let verdict = answered(guard.on_request(&view).await);
    let tag = Edit::SetTag("team".to_owned(), "red".to_owned());
    assert_eq!(verdict, Verdict::Edit(vec![tag]));
    let target = candidate("a/1");
    assert_eq!(
        answered(guard.on_upstream_request(&view, &target).await),
        []
    );
    assert_eq!(answered(guard.on_response(&view).await), Verdict::Pass);
    let mut stream = match guard.open_stream(&view, head()).await {
        crate::plugin::Called::Answered(stream) => stream,
        _ => panic!("no stream"),
    };
    for event in all_events() {
        let passed = answered(stream.on_events(vec![event]).await);
        assert_eq!(passed, EventsVerdict::Pass);
    }
    let tail = answered(stream.on_end().await);
    assert_eq!(tail, [StreamEvent::text(3, "over")]);
}

fn all_events() -> Vec<StreamEvent> {
    vec![
        StreamEvent::text(0, "a"),
        StreamEvent::Usage(Usage::default()),
        StreamEvent::Raw(RawEvent {
            event: None,
            data: "x".to_owned(),
        }),
    ]
}

/// A guard that gives back the events it is given, from where they lie in its memory.
#[tokio::test]
async fn every_event_survives_the_way_there_and_back() {
    // ok, replace, the list: parameters 1 and 2.
    let body = format!(
        "{}(i32.store (i32.const {list}) (local.get 1)) (i32.store (i32.const {len}) (local.get 2)) (i32.const {ANSWER})",
        words(ANSWER, &[0, 2]),
        list = ANSWER + 8,
        len = ANSWER + 12
    );
    let guest = Guest::guard().does("[method]stream.on-events", body);
    let place = Place::new();
    let set = place.load(&guest.component(), |_| {});
    let guard = set.guard("plugin").unwrap();
    let opened = guard.open_stream(&exchange("{}"), head()).await;
    let crate::plugin::Called::Answered(mut stream) = opened else {
        panic!("no stream");
    };
    let events = every_kind_of_event();
    let back = answered(stream.on_events(events.clone()).await);
    assert_eq!(back, EventsVerdict::Replace(events));
}

fn every_kind_of_event() -> Vec<StreamEvent> {
    use weir_plugin::{Finish, TextDelta, ToolDelta};
    let delta = |text: &str| TextDelta {
        choice: 2,
        text: text.to_owned(),
    };
    vec![
        StreamEvent::Text(delta("größer")),
        StreamEvent::Reasoning(delta("")),
        StreamEvent::Refusal(delta("no")),
        StreamEvent::ToolCall(ToolDelta {
            choice: 1,
            index: 4,
            id: Some("call_1".to_owned()),
            name: None,
            arguments: "{\"a\"".to_owned(),
        }),
        StreamEvent::Usage(Usage {
            input: 1,
            output: u64::MAX,
            cached_input: 3,
            cache_write: 4,
            reasoning: 5,
        }),
        StreamEvent::Finish(Finish {
            choice: 0,
            reason: "stop".to_owned(),
        }),
        StreamEvent::Raw(RawEvent {
            event: Some("ping".to_owned()),
            data: "{}".to_owned(),
        }),
    ]
}

/// Ranks the last candidate, with the score 0.5.
pub fn last_first() -> Vec<u8> {
    let list = 2048;
    let body = format!(
        "(i32.store (i32.const {list}) (i32.sub (local.get 1) (i32.const 1))) {}{}",
        words(list + 4, &[0.5f32.to_bits()]),
        answers(&[0, 1, list, 1])
    );
    Guest::router().does("pick", body).component()
}

#[tokio::test]
async fn a_router_ranks_candidates() {
    let place = Place::new();
    let set = place.load(&last_first(), |_| {});
    let router = set.router("plugin").unwrap();
    let candidates = [candidate("a/1"), candidate("a/2"), candidate("b/1")];
    let choice = answered(router.pick(&exchange("{}"), &candidates).await);
    let ranked = Ranked {
        index: 2,
        score: 0.5,
    };
    assert_eq!(choice, Choice::Ranked(vec![ranked]));
    assert_eq!(place.outcomes(), ["ok"]);
}

#[tokio::test]
async fn an_authenticator_decides() {
    let place = Place::new();
    let denies = {
        let mut guest = Guest::new("auth-plugin");
        let (code, message) = (guest.text("who"), guest.text("not you"));
        // ok, deny, status 403, …, no headers.
        let answer = [0, 1, 403, code.0, code.1, message.0, message.1, 0, 0];
        guest.does("authenticate", answers(&answer)).component()
    };
    let set = place.load(&denies, |_| {});
    let auth = set.auth("plugin").unwrap();
    let decision = answered(auth.authenticate(&exchange("{}")).await);
    let Decision::Deny(rejection) = decision else {
        panic!("{decision:?}");
    };
    assert_eq!((rejection.status, rejection.code.as_str()), (403, "who"));
    assert_eq!(rejection.message, "not you");
    let abstains = Guest::new("auth-plugin").does("authenticate", answers(&[0, 2]));
    let set = place.load(&abstains.component(), |_| {});
    let auth = set.auth("plugin").unwrap();
    let decision = answered(auth.authenticate(&exchange("{}")).await);
    assert_eq!(decision, Decision::Abstain);
}

/// Counts the outcomes of batches, and those among them that have a request, in metrics of its own.
#[tokio::test]
async fn an_observer_hears_of_batches_and_of_payloads_only_when_they_are_granted() {
    let outcome = Outcome {
        meta: exchange("{}").meta(),
        upstream: "a".to_owned(),
        upstream_model: "m".to_owned(),
        status: 200,
        error_code: None,
        usage: Usage::default(),
        cost_nanos: -1,
        ttft_ms: Some(1.5),
        total_ms: 2.5,
        cache_hit: false,
        request_json: Some(b"{}".to_vec()),
        response_json: None,
    };
    let place = Place::new();
    let guest = || {
        let mut guest = Guest::new("observer-plugin");
        let yes = guest.text("seen");
        // The request of the first outcome: where `request-json` lies in the record, counted from its end.
        let at = REQUEST_JSON_AT;
        let body = format!(
            "(if (i32.load8_u (i32.add (local.get 0) (i32.const {at}))) (then {} (return (i32.const {ANSWER})))) (i32.const {ZEROS})",
            words(ANSWER, &[1, yes.0, yes.1])
        );
        guest.does("on-log", body).component()
    };
    let bare = place.load(&guest(), |_| {});
    let observer = bare.observer("plugin").unwrap();
    answered(observer.on_log(std::slice::from_ref(&outcome)).await);
    let full = place.load(&guest(), |settings| settings.grants.payloads = true);
    let observer = full.observer("plugin").unwrap();
    match observer.on_log(&[outcome]).await {
        crate::plugin::Called::FailedOpen(Trouble::Said { message, .. }) => {
            assert_eq!(message, "seen");
        }
        other => panic!("{other:?}"),
    }
}

/// Of `outcome`: request-meta (208 bytes), upstream, upstream-model, status, error-code, usage, cost, ttft, total, cache-hit come before.
const REQUEST_JSON_AT: u32 = 304;

#[tokio::test]
async fn an_adapter_encodes_and_decodes() {
    let mut guest = Guest::new("adapter-plugin");
    let (name, method) = (guest.text("mine"), guest.text("POST"));
    let (path, code) = (guest.text("/v2/chat"), guest.text("slow_down"));
    let accepts = words(2048, &[0x0500]);
    let describe = format!("{accepts}{}", answers(&[name.0, name.1, 2048, 2]));
    let encode = answers(&[0, method.0, method.1, path.0, path.1, 0, 0, 0, 0]);
    // What is pushed becomes one text.
    let push = format!(
        "{}(i32.store (i32.const 2060) (local.get 1)) (i32.store (i32.const 2064) (local.get 2)) {}",
        words(2048, &[0, 0, 0]),
        answers(&[0, 2048, 1])
    );
    let classify = answers(&[1, code.0, code.1, 0, 0, 0, 1, 0, 1500, 0]);
    let guest = guest
        .does("describe", describe)
        .does("encode", encode)
        .does("[method]decoder.push", push)
        .does("classify", classify);
    let place = Place::new();
    let set = place.load(&guest.component(), |_| {});
    let adapter = set.adapter("plugin").unwrap();
    assert_eq!(adapter.describe().name, "mine");
    let accepts = &adapter.describe().accepts;
    assert_eq!(*accepts, [Api::ChatCompletions, Api::Embeddings]);
    let view = exchange("{}");
    let request = answered(adapter.encode(&view, &candidate("a/1")).await);
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v2/chat")
    );
    let opened = adapter.open_decoder(&view, 200, Vec::new()).await;
    let crate::plugin::Called::Answered(mut decoder) = opened else {
        panic!("no decoder");
    };
    let events = answered(decoder.push(b"hello").await);
    assert_eq!(events, [StreamEvent::text(0, "hello")]);
    assert_eq!(answered(decoder.finish().await), []);
    let failure = answered(
        adapter
            .classify(&view, 429, Vec::new(), b"{}".to_vec())
            .await,
    );
    let expected = Failure {
        retryable: true,
        code: "slow_down".to_owned(),
        message: String::new(),
        retry_after_ms: Some(1500),
    };
    assert_eq!(failure, expected);
}

#[tokio::test]
async fn the_admin_api_is_told_how_a_plugin_does() {
    let place = Place::new();
    let set = place.load(&last_first(), |_| {});
    let router = set.router("plugin").unwrap();
    answered(router.pick(&exchange("{}"), &[candidate("a/1")]).await);
    let list = set.list();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].name, "plugin");
    assert_eq!(list[0].kinds, [Kind::Router]);
    assert_eq!(
        (list[0].calls, list[0].troubles, list[0].instances),
        (1, 0, 1)
    );
    assert!(list[0].sha256.is_some() && !list[0].is_tripped);
}

#[tokio::test]
async fn a_guard_that_waits_for_an_answer_from_outside_gets_it() {
    let place = Place::answering(HttpAnswer {
        status: 204,
        headers: Vec::new(),
        body: Vec::new(),
    });
    let granted = |settings: &mut crate::plugin::PluginSettings| {
        settings.grants.http = vec!["example.com".to_owned()];
        settings.limits.deadline = Some(std::time::Duration::from_secs(5));
    };
    let set = place.load(&super::hostile::asking_outside(), granted);
    let guard = set.guard("plugin").unwrap();
    assert_eq!(
        answered(guard.on_request(&exchange("{}")).await),
        Verdict::Pass
    );
    let fetched = place.world.fetched.lock();
    assert_eq!(fetched[0].url, "http://example.com/x");
}
