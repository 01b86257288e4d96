//! Whom an instance serves.

use std::sync::Arc;

use weir_plugin::{Edit, StreamEvent, Verdict};

use super::guests::{ANSWER, Guest, ZEROS, answers, words};
use super::place::{Place, answered, closed, exchange, head};
use crate::plugin::{Called, Guard, Mode, View};

/// Counts its calls in its own memory, and says the number: a tag's value, `1` to `9`.
fn counting() -> Vec<u8> {
    let mut guest = Guest::guard();
    let (key, digits) = (guest.text("n"), guest.text("123456789"));
    let body = format!(
        "{}(i32.store (i32.const 2060) (i32.add (i32.const {}) (global.get $n)))
         (global.set $n (i32.add (global.get $n) (i32.const 1))) {}",
        words(2048, &[7, key.0, key.1, 0, 1]),
        digits.0,
        answers(&[0, 1, 2048, 1])
    );
    let guest = guest.with("(global $n (mut i32) (i32.const 0))");
    guest.does("on-request", body).component()
}

async fn number(guard: &Guard, view: &Arc<dyn View>) -> String {
    match answered(guard.on_request(view).await) {
        Verdict::Edit(edits) => match &edits[..] {
            [Edit::SetTag(_, number)] => number.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The numbers of two calls of one exchange and two of another.
async fn numbers(mode: Mode) -> [String; 4] {
    let place = Place::new();
    let set = place.load(&counting(), |settings| {
        settings.instance.mode = mode;
        settings.instance.max = 4;
    });
    let guard = set.guard("plugin").unwrap();
    let (one, other) = (exchange("a"), exchange("b"));
    [
        number(&guard, &one).await,
        number(&guard, &one).await,
        number(&guard, &other).await,
        number(&guard, &other).await,
    ]
}

#[tokio::test]
async fn an_instance_serves_all_exchanges_or_one_or_one_call() {
    assert_eq!(numbers(Mode::Shared).await, ["1", "2", "3", "4"]);
    assert_eq!(numbers(Mode::Exchange).await, ["1", "2", "1", "2"]);
    assert_eq!(numbers(Mode::Fresh).await, ["1", "1", "1", "1"]);
}

#[tokio::test]
async fn instances_of_an_exchange_go_with_it_and_are_bounded() {
    let place = Place::new();
    let set = place.load(&counting(), |settings| {
        settings.instance.mode = Mode::Exchange;
        settings.instance.max = 1;
    });
    let guard = set.guard("plugin").unwrap();
    let (one, other) = (exchange("a"), exchange("b"));
    assert_eq!(number(&guard, &one).await, "1");
    assert_eq!(set.list()[0].instances, 1);
    let trouble = closed(guard.on_request(&other).await);
    assert!(
        trouble.to_string().contains("1 instances are in use"),
        "{trouble}"
    );
    // That nothing is free is not held against the plugin.
    assert!(!trouble.counts());
    drop(one);
    assert_eq!(set.list()[0].instances, 0);
    assert_eq!(number(&guard, &other).await, "1");
}

#[tokio::test]
async fn an_instance_is_replaced_after_its_calls_and_streams_in_it_go_on() {
    let place = Place::new();
    let set = place.load(&counting(), |settings| settings.instance.calls_max = 4);
    let guard = set.guard("plugin").unwrap();
    let view = exchange("a");
    // The first call was `wants`.
    let Called::Answered(mut stream) = guard.open_stream(&view, head()).await else {
        panic!("no stream");
    };
    assert_eq!(number(&guard, &view).await, "1");
    assert_eq!(number(&guard, &view).await, "2");
    assert_eq!(number(&guard, &view).await, "1");
    assert_eq!(set.list()[0].instances, 2);
    answered(stream.on_events(vec![StreamEvent::text(0, "a")]).await);
    answered(stream.on_end().await);
    drop(stream);
    assert_eq!(set.list()[0].instances, 1);
}

/// Streams are counted when they begin and when they are dropped; a request is told how many there are.
#[tokio::test]
async fn what_streams_leave_in_an_instance_is_cleared_away() {
    let guest = Guest::guard()
        .with(
            "(global $n (mut i32) (i32.const 0))
               (func (export \"weir:plugin/response-filter@0.1.0#[dtor]stream\") (param i32)
                 (global.set $n (i32.sub (global.get $n) (i32.const 1))))",
        )
        .does(
            "[constructor]stream",
            "(global.set $n (i32.add (global.get $n) (i32.const 1))) (call $new (i32.const 1))",
        )
        // Refuses while there are any.
        .does(
            "on-request",
            format!(
                "(if (global.get $n) (then {} (return (i32.const {ANSWER})))) (i32.const {ZEROS})",
                words(ANSWER, &[0, 2, 400, 0, 0, 0, 0, 0, 0])
            ),
        );
    let place = Place::new();
    let set = place.load(&guest.component(), |settings| settings.instance.max = 1);
    let guard = set.guard("plugin").unwrap();
    let view = exchange("a");
    let open = async || match guard.open_stream(&view, head()).await {
        Called::Answered(stream) => stream,
        _ => panic!("no stream"),
    };
    let (mut ended, dropped) = (open().await, open().await);
    assert!(matches!(
        answered(guard.on_request(&view).await),
        Verdict::Reject(_)
    ));
    answered(ended.on_end().await);
    assert!(matches!(
        answered(guard.on_request(&view).await),
        Verdict::Reject(_)
    ));
    drop(dropped);
    assert_eq!(answered(guard.on_request(&view).await), Verdict::Pass);
}

#[tokio::test]
async fn streams_of_many_exchanges_live_in_one_instance() {
    let place = Place::new();
    let set = place.load(&counting(), |settings| settings.instance.max = 1);
    let guard = set.guard("plugin").unwrap();
    let mut streams = Vec::new();
    for _ in 0..100 {
        match guard.open_stream(&exchange("a"), head()).await {
            Called::Answered(stream) => streams.push(stream),
            _ => panic!("no stream"),
        }
    }
    for stream in &mut streams {
        answered(stream.on_events(vec![StreamEvent::text(0, "a")]).await);
    }
    assert_eq!(set.list()[0].instances, 1);
}

/// Calls at the same time, on several threads, with fewer instances: all are served, by no more instances than there may be.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_wait_for_an_instance() {
    let place = Place::new();
    let set = place.load(&counting(), |settings| {
        settings.instance.max = 2;
        // As many as there are digits.
        settings.instance.calls_max = 9;
    });
    let calls = (0..8).map(|_| {
        let guard = set.guard("plugin").unwrap();
        tokio::spawn(async move {
            for _ in 0..50 {
                number(&guard, &exchange("a")).await;
            }
        })
    });
    for served in calls.collect::<Vec<_>>() {
        served.await.unwrap();
    }
    let state = &set.list()[0];
    assert_eq!((state.calls, state.troubles), (400, 0));
    assert!(state.instances <= 2, "{state:?}");
}

#[tokio::test]
async fn a_call_that_is_given_up_lets_go_of_its_exchange() {
    let guest = Guest::guard().does("on-request", "(loop $again (br $again)) unreachable");
    let place = Place::new();
    let set = place.load(&guest.component(), |settings| {
        settings.instance.mode = Mode::Exchange;
    });
    let guard = set.guard("plugin").unwrap();
    let view = exchange("a");
    let left = Arc::downgrade(&view);
    {
        let mut call = Box::pin(guard.on_request(&view));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(call.as_mut().poll(context).is_pending())
        });
        assert!(polled.await, "it computes on");
    }
    drop(view);
    assert!(left.upgrade().is_none());
    assert_eq!(set.list()[0].instances, 0);
}

#[tokio::test]
async fn streams_spread_over_instances() {
    let place = Place::new();
    let set = place.load(&counting(), |settings| settings.instance.max = 3);
    let guard = set.guard("plugin").unwrap();
    let mut streams = Vec::new();
    for _ in 0..130 {
        streams.push(guard.open_stream(&exchange("a"), head()).await);
    }
    assert!(
        streams
            .iter()
            .all(|opened| matches!(opened, Called::Answered(_)))
    );
    assert_eq!(set.list()[0].instances, 3);
}
