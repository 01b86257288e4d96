//! Guests that mean harm, or are broken: each is contained, counted and named, and the next call is served.

use std::time::{Duration, Instant};

use weir_plugin::{EventsVerdict, StreamEvent, Verdict};

use super::guests::{ANSWER, Guest, ZEROS, answers, words};
use super::place::{Place, answered, candidate, closed, exchange, head};
use crate::plugin::{Called, PluginSettings, Trouble};

const FOREVER: &str = "(loop $again (br $again)) unreachable";

/// Does it once the exchange has a body, so that one guest can fail and serve.
fn if_body(body: &str) -> Guest {
    let asks = format!(
        "(call $request-body (i32.const 512)) (if (i32.load (i32.const 516)) (then {body})) (i32.const {ZEROS})"
    );
    Guest::guard()
        .imports("exchange", "request-body", "(param i32)")
        .does("on-request", asks)
}

/// What becomes of a request that the guest breaks off over; after it, one that it serves.
async fn trouble_of(guest: &Guest, change: impl FnOnce(&mut PluginSettings)) -> Trouble {
    let place = Place::new();
    let set = place.load(&guest.component(), change);
    let guard = set.guard("plugin").unwrap();
    let trouble = closed(guard.on_request(&exchange("harm")).await);
    assert_eq!(
        answered(guard.on_request(&exchange("")).await),
        Verdict::Pass
    );
    assert_eq!(place.outcomes(), [trouble.label(), "ok"]);
    let state = &set.list()[0];
    assert_eq!((state.calls, state.troubles, state.instances), (2, 1, 1));
    assert_eq!(state.last_trouble.as_ref().unwrap().trouble, trouble);
    trouble
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_deadline() {
    let deadline = Duration::from_millis(20);
    let limited = |settings: &mut PluginSettings| settings.limits.deadline = Some(deadline);
    let trouble = trouble_of(&if_body(FOREVER), limited).await;
    assert_eq!(trouble, Trouble::Timeout(deadline));
}

#[tokio::test]
async fn deadlines_are_kept_to_the_millisecond() {
    let deadline = Duration::from_millis(20);
    let place = Place::new();
    let guest = if_body(FOREVER).component();
    let set = place.load(&guest, |settings| settings.limits.deadline = Some(deadline));
    let guard = set.guard("plugin").unwrap();
    let mut computed = Vec::new();
    // In time that it computed: others use the machine as well. Even so only the best of some tells.
    let in_time = deadline + Duration::from_millis(3);
    while computed.len() < 25 && computed.iter().all(|took| *took > in_time) {
        // What trips is not asked.
        place.pass_ms(60_000);
        let (began, before) = (Instant::now(), computing());
        let trouble = closed(guard.on_request(&exchange("harm")).await);
        assert_eq!(trouble, Trouble::Timeout(deadline));
        assert!(began.elapsed() >= deadline);
        computed.push(computing() - before);
    }
    assert!(computed.iter().any(|took| *took <= in_time), "{computed:?}");
}

/// Time that this thread has computed.
fn computing() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    clock.now().expect("this is Linux").into()
}

#[tokio::test]
async fn others_go_on_while_a_guest_computes() {
    let place = Place::new();
    let guest = if_body(FOREVER).component();
    let limit = Duration::from_millis(100);
    let set = place.load(&guest, |settings| settings.limits.deadline = Some(limit));
    let guard = set.guard("plugin").unwrap();
    let view = exchange("harm");
    let mut turns = 0;
    let spinning = guard.on_request(&view);
    let mut spinning = std::pin::pin!(spinning);
    // One thread: the other branch is only reached when the guest has yielded.
    let trouble = loop {
        tokio::select! {
            biased;
            called = &mut spinning => break closed(called),
            () = std::future::ready(()) => turns += 1,
        }
    };
    assert_eq!(trouble, Trouble::Timeout(limit));
    assert!(turns > 5, "others had {turns} turns");
}

#[tokio::test]
async fn a_call_that_is_given_up_costs_the_instance_alone() {
    let place = Place::new();
    let guest = if_body(FOREVER).component();
    let limit = Duration::from_secs(30);
    let set = place.load(&guest, |settings| settings.limits.deadline = Some(limit));
    let guard = set.guard("plugin").unwrap();
    tokio::select! {
        called = async { guard.on_request(&exchange("harm")).await } => panic!("{called:?}"),
        () = tokio::time::sleep(Duration::from_millis(5)) => {}
    }
    assert_eq!(
        answered(guard.on_request(&exchange("")).await),
        Verdict::Pass
    );
    assert_eq!(set.list()[0].instances, 1);
}

#[tokio::test]
async fn a_memory_bomb_ends_at_the_limit() {
    let bomb = "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) unreachable";
    let limited = |settings: &mut PluginSettings| settings.limits.memory_bytes = 4 << 20;
    let trouble = trouble_of(&if_body(bomb), limited).await;
    assert_eq!(trouble, Trouble::Memory(4 << 20));
}

#[tokio::test]
async fn a_request_that_does_not_fit_the_memory_is_trouble_and_not_a_crash() {
    let place = Place::new();
    let guest = if_body("").component();
    let set = place.load(&guest, |settings| settings.limits.memory_bytes = 1 << 20);
    let guard = set.guard("plugin").unwrap();
    let large = exchange(&"x".repeat(2 << 20));
    assert_eq!(
        closed(guard.on_request(&large).await),
        Trouble::Memory(1 << 20)
    );
    assert_eq!(
        answered(guard.on_request(&exchange("small")).await),
        Verdict::Pass
    );
}

#[tokio::test]
async fn a_list_that_is_longer_than_memory_is_refused() {
    // ok, edit, 200 million edits.
    let huge = format!(
        "{} (return (i32.const {ANSWER}))",
        words(ANSWER, &[0, 1, 2048, 200_000_000])
    );
    let trouble = trouble_of(&if_body(&huge), |_| {}).await;
    assert!(
        matches!(trouble, Trouble::Trap(_) | Trouble::Output(_)),
        "{trouble:?}"
    );
}

/// 2,000 headers that all have the same 60 KiB.
#[tokio::test]
async fn what_is_handed_over_many_times_counts_many_times() {
    let amplified = format!(
        "(local.set $i (i32.const 16384))
         (loop $again
           (i32.store (i32.const 0) (i32.const 0))
           (i32.store (local.get $i) (i32.const 8192))
           (i32.store offset=4 (local.get $i) (i32.const 1))
           (i32.store offset=8 (local.get $i) (i32.const 0))
           (i32.store offset=12 (local.get $i) (i32.const 61440))
           (local.set $i (i32.add (local.get $i) (i32.const 16)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 48384))))
         {} (return (i32.const {ANSWER}))",
        words(ANSWER, &[0, 3, 200, 16384, 2000, 0, 0])
    );
    let trouble = trouble_of(&if_body(&amplified), |_| {}).await;
    assert_eq!(trouble, Trouble::Output(8 << 20));
}

#[tokio::test]
async fn a_panic_ends_the_call_and_the_instance() {
    let trouble = trouble_of(&if_body("unreachable"), |_| {}).await;
    let Trouble::Trap(reason) = trouble else {
        panic!("{trouble:?}");
    };
    assert!(reason.contains("panic"), "{reason}");
}

#[tokio::test]
async fn a_stack_that_never_ends_is_contained() {
    let guest = if_body("(call $deeper)").with("(func $deeper (call $deeper) (call $deeper))");
    let trouble = trouble_of(&guest, |_| {}).await;
    assert!(
        matches!(&trouble, Trouble::Trap(why) if why.contains("stack")),
        "{trouble:?}"
    );
}

#[tokio::test]
async fn answers_that_the_contract_does_not_know_are_traps() {
    let bad_answers: [(&str, Vec<u32>); 5] = [
        ("a verdict of an unknown kind", vec![0, 9]),
        ("neither ok nor error", vec![7, 0]),
        ("a list outside of memory", vec![0, 1, 0xffff_fff0, 4]),
        ("a list that is not aligned", vec![0, 1, 2049, 1]),
        // ok, reject: its code is in the table of instructions' bytes, none of them text.
        (
            "text that is not UTF-8",
            vec![0, 2, 400, 3000, 2, 0, 0, 0, 0],
        ),
    ];
    for (what, answer) in bad_answers {
        let bad = format!(
            "(i32.store16 (i32.const 3000) (i32.const 0xfffe)) {} (return (i32.const {ANSWER}))",
            words(ANSWER, &answer)
        );
        let trouble = trouble_of(&if_body(&bad), |_| {}).await;
        assert!(matches!(trouble, Trouble::Trap(_)), "{what}: {trouble:?}");
    }
}

#[tokio::test]
async fn a_router_can_rank_only_what_it_was_given_and_once() {
    for ranked in [[1, 0, 7, 0], [0, 0, 0, 0], [0, f32::NAN.to_bits(), 1, 0]] {
        let list = words(2048, &ranked);
        let body = format!("{list}{}", answers(&[0, 1, 2048, 2]));
        let place = Place::new();
        let set = place.load(&Guest::router().does("pick", body).component(), |_| {});
        let router = set.router("plugin").unwrap();
        let candidates = [candidate("a/1"), candidate("a/2")];
        let called = router.pick(&exchange("{}"), &candidates).await;
        // A router helps only: weir's own order holds.
        assert!(
            matches!(called, Called::FailedOpen(Trouble::Trap(_))),
            "{called:?}"
        );
    }
}

#[tokio::test]
async fn a_trap_in_the_middle_of_a_stream_ends_that_stream() {
    let body = format!(
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (if (i32.eq (global.get $seen) (i32.const 2)) (then unreachable)) (i32.const {ZEROS})"
    );
    let guest = Guest::guard()
        .with("(global $seen (mut i32) (i32.const 0))")
        .does("[method]stream.on-events", body);
    let place = Place::new();
    let set = place.load(&guest.component(), |_| {});
    let guard = set.guard("plugin").unwrap();
    let Called::Answered(mut stream) = guard.open_stream(&exchange("{}"), head()).await else {
        panic!("no stream");
    };
    let event = || vec![StreamEvent::text(0, "a")];
    assert_eq!(
        answered(stream.on_events(event()).await),
        EventsVerdict::Pass
    );
    assert!(matches!(
        closed(stream.on_events(event()).await),
        Trouble::Trap(_)
    ));
    // It is over; the plugin hears nothing more of it.
    assert_eq!(
        closed(stream.on_events(event()).await).label(),
        "unavailable"
    );
    assert_eq!(closed(stream.on_end().await).label(), "unavailable");
    assert_eq!(place.outcomes(), ["ok", "ok", "trap"]);
    assert!(matches!(
        guard.open_stream(&exchange("{}"), head()).await,
        Called::Answered(_)
    ));
}

/// Sends an HTTP request, and refuses the exchange where that is denied.
pub fn asking_outside() -> Vec<u8> {
    asking("on-request").component()
}

fn asking(hook: &'static str) -> Guest {
    let mut guest = Guest::guard();
    let (method, url) = (guest.text("GET"), guest.text("http://example.com/x"));
    let denied = guest.text("denied");
    // 0: the answer; 1: denied.
    let body = format!(
        "(call $send (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
         (if (i32.load8_u (i32.const 512)) (then {} (return (i32.const {ANSWER}))))
         (i32.const {ZEROS})",
        method.0,
        method.1,
        url.0,
        url.1,
        words(ANSWER, &[1, 1, denied.0, denied.1])
    );
    let signature = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
    guest.imports("http", "send", signature).does(hook, body)
}

#[tokio::test]
async fn what_is_not_granted_is_denied_when_it_is_asked_for() {
    let place = Place::new();
    let set = place.load(&asking_outside(), |settings| {
        settings.grants.http = vec!["example.org".to_owned()];
    });
    let guard = set.guard("plugin").unwrap();
    let trouble = closed(guard.on_request(&exchange("{}")).await);
    let said = Trouble::Said {
        retryable: false,
        message: "denied".to_owned(),
    };
    assert_eq!(trouble, said);
    assert!(place.world.fetched.lock().is_empty());
}

#[tokio::test]
async fn waiting_for_an_answer_from_outside_ends_at_the_deadline() {
    let deadline = Duration::from_millis(10);
    let granted = |settings: &mut PluginSettings| {
        settings.grants.http = vec!["*.com".to_owned()];
        settings.limits.deadline = Some(deadline);
    };
    let place = Place::new();
    let set = place.load(&asking_outside(), granted);
    let guard = set.guard("plugin").unwrap();
    let trouble = closed(guard.on_request(&exchange("{}")).await);
    assert_eq!(trouble, Trouble::Blocked(deadline));
    let set = place.load(&asking("[method]stream.on-events").component(), granted);
    let guard = set.guard("plugin").unwrap();
    let Called::Answered(mut stream) = guard.open_stream(&exchange("{}"), head()).await else {
        panic!("no stream");
    };
    let trouble = closed(stream.on_events(vec![StreamEvent::text(0, "a")]).await);
    assert_eq!(trouble, Trouble::Blocked(deadline));
    assert_eq!(place.outcomes(), ["blocked", "ok", "blocked"]);
}

#[test]
fn a_plugin_may_not_ask_outside_while_it_is_configured() {
    let place = Place::new();
    let refusal = place.refusal(&asking("configure").component(), |settings| {
        settings.grants.http = vec!["example.com".to_owned()];
    });
    assert!(
        refusal.starts_with("plugin `plugin`: refuses its configuration"),
        "{refusal}"
    );
    assert!(place.world.fetched.lock().is_empty());
}
