//! The caps hold however many threads ask at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::config::{Quota, QuotaPeriod};

use super::*;

const THREADS: usize = 8;
const ROUNDS: usize = 2_000;

#[test]
fn caps_on_requests_are_exact_when_many_threads_ask() {
    let now = Clock::new().now;
    let caps = |minute, day| KeyCaps {
        requests_per_minute: Some(minute),
        quota: Some(Quota {
            requests: Some(day),
            tokens: None,
            period: QuotaPeriod::Day,
        }),
        ..KeyCaps::default()
    };
    let keys = [
        capped_key("a", caps(500, 10_000)),
        capped_key("b", caps(10_000, 300)),
    ];
    let pool = pool(Rotation::LeastUsed, &keys);
    let taken = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                begin.wait();
                for _ in 0..ROUNDS {
                    if let Choice::Key(lease) = pool.choose(MODEL, now) {
                        taken[lease.index()].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(taken.map(AtomicUsize::into_inner), [500, 300]);
}

#[test]
fn the_cap_on_concurrency_holds_when_many_threads_ask_and_give_back() {
    let now = Clock::new().now;
    let caps = KeyCaps {
        concurrency: Some(3),
        ..KeyCaps::default()
    };
    let pool = pool(Rotation::Weighted, &[capped_key("a", caps)]);
    let (running, most, refused) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                begin.wait();
                for _ in 0..ROUNDS {
                    let Choice::Key(lease) = pool.choose(MODEL, now) else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    drop(lease);
                }
            });
        }
    });
    assert!(most.into_inner() <= 3);
    assert!(refused.into_inner() > 0, "the cap was never reached");
    assert_eq!(pool.status(now)[0].in_flight.used, 0);
}

#[test]
fn pools_of_two_configurations_share_the_caps_while_threads_reload() {
    let now = Clock::new().now;
    let states = KeyStates::default();
    let keys = [capped_key(
        "a",
        KeyCaps {
            requests_per_minute: Some(1_000),
            ..KeyCaps::default()
        },
    )];
    let build = || KeyPool::new(Rotation::Weighted, COOLDOWN, &keys, &states);
    let kept = build();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS / 4 {
                    if let Choice::Key(_) = build().choose(MODEL, now) {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(taken.into_inner(), 1_000);
    drop(kept);
    assert_eq!(states.held(), 0);
}
