//! What `weir plugin bench` says.

use std::time::Duration;

use super::guests::Guest;
use super::kinds::last_first;
use super::place::Place;
use crate::plugin::{Hook, Kind, bench};

#[tokio::test]
async fn a_component_is_measured() {
    let place = Place::new();
    let settings = place.settings("plugin", &last_first());
    let per_hook = Duration::from_millis(20);
    let report = bench::run(&settings, place.outside(), per_hook)
        .await
        .unwrap();
    assert_eq!(report.kinds, [Kind::Router]);
    let [pick] = &report.hooks[..] else {
        panic!("{report:?}");
    };
    assert_eq!((pick.hook, &pick.trouble), (Hook::Pick, &None));
    assert!(
        pick.calls > 0 && pick.p50 <= pick.p99 && pick.calls_per_second > 0.0,
        "{pick:?}"
    );
    // A call of the router itself is a few dozen, with the list's way into its memory.
    assert!(
        (10..100_000).contains(&pick.instructions.unwrap()),
        "{pick:?}"
    );
    assert!(report.start < report.load, "{report:?}");
}

#[tokio::test]
async fn every_hook_of_a_guard_is_measured_and_trouble_is_told() {
    let place = Place::new();
    let guest = Guest::guard()
        .does("on-response", "unreachable")
        .component();
    let settings = place.settings("plugin", &guest);
    let report = bench::run(&settings, place.outside(), Duration::from_millis(5))
        .await
        .unwrap();
    let hooks: Vec<_> = report
        .hooks
        .iter()
        .map(|report| {
            (
                report.hook,
                report.trouble.as_ref().map(|trouble| trouble.label()),
            )
        })
        .collect();
    let expected = [
        (Hook::OnRequest, None),
        (Hook::OnResponse, Some("trap")),
        (Hook::Stream, None),
        (Hook::OnEvents, None),
    ];
    assert_eq!(hooks, expected);
}
