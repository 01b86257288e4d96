//! A new set beside one that serves: what is the same is taken over, what is not ends with its last exchange, and nothing is left.

use std::fs;

use weir_plugin::{EventsVerdict, StreamEvent};

use super::guests::{Guest, answers, words};
use super::kinds::last_first;
use super::place::{Place, answered, candidate, exchange, head};
use crate::plugin::{Called, PluginSet};

/// Says its word at the end of each stream.
fn saying(word: &str) -> Vec<u8> {
    let mut guest = Guest::guard();
    let word = guest.text(word);
    let event = words(2048, &[0, 0, 0, word.0, word.1]);
    let body = format!("{event}{}", answers(&[0, 2048, 1]));
    guest.does("[method]stream.on-end", body).component()
}

#[tokio::test]
async fn a_stream_finishes_on_the_plugin_that_it_began_with() {
    let place = Place::new();
    let settings = [place.settings("plugin", &saying("old"))];
    let old = place.host.build(&settings, None, None).unwrap();
    let guard = old.guard("plugin").unwrap();
    let Called::Answered(mut stream) = guard.open_stream(&exchange("{}"), head()).await else {
        panic!("no stream");
    };
    let event = || vec![StreamEvent::text(0, "a")];
    answered(stream.on_events(event()).await);
    // The same settings, another file.
    place.settings("plugin", &saying("new"));
    let new = place.host.build(&settings, None, Some(&old)).unwrap();
    drop((guard, old));
    assert_eq!(
        answered(stream.on_events(event()).await),
        EventsVerdict::Pass
    );
    assert_eq!(
        answered(stream.on_end().await),
        [StreamEvent::text(0, "old")]
    );
    let guard = new.guard("plugin").unwrap();
    let Called::Answered(mut stream) = guard.open_stream(&exchange("{}"), head()).await else {
        panic!("no stream");
    };
    assert_eq!(
        answered(stream.on_end().await),
        [StreamEvent::text(0, "new")]
    );
}

#[tokio::test]
async fn what_has_not_changed_is_taken_over_with_its_instances() {
    let place = Place::new();
    let same = place.settings("same", &last_first());
    let mut other = place.settings("other", &last_first());
    let old = place
        .host
        .build(&[same.clone(), other.clone()], None, None)
        .unwrap();
    let pick = async |set: &PluginSet, name: &str| {
        let router = set.router(name).unwrap();
        answered(router.pick(&exchange("{}"), &[candidate("a/1")]).await);
    };
    pick(&old, "same").await;
    pick(&old, "other").await;
    other.config_json = "{}".to_owned();
    let new = place.host.build(&[same, other], None, Some(&old)).unwrap();
    let calls: Vec<_> = new
        .list()
        .iter()
        .map(|state| (state.name.clone(), state.calls))
        .collect();
    assert_eq!(calls, [("other".to_owned(), 0), ("same".to_owned(), 1)]);
}

#[tokio::test]
async fn a_bad_plugin_changes_nothing() {
    let place = Place::new();
    let settings = [place.settings("plugin", &last_first())];
    let old = place.host.build(&settings, None, None).unwrap();
    place.settings("plugin", b"broken");
    let unfit = place
        .host
        .build(&settings, None, Some(&old))
        .map(drop)
        .unwrap_err();
    assert!(
        unfit[0].to_string().starts_with("plugin `plugin`: "),
        "{unfit:?}"
    );
    let router = old.router("plugin").unwrap();
    answered(router.pick(&exchange("{}"), &[candidate("a/1")]).await);
}

/// Bytes of this process that are in memory.
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = status
        .split_whitespace()
        .nth(1)
        .expect("it has a second column");
    pages.parse::<usize>().expect("it is a number") * 4096
}

/// 400 plugins, each another module to the engine (loaded anew from the disk), each called once.
#[tokio::test]
async fn four_hundred_reloads_leave_memory_flat() {
    let place = Place::new();
    let cache = place.folder.0.join("cache");
    let mut guest = place.settings("plugin", &last_first());
    // Keeps the engine, as any other plugin would.
    let stays = place.settings("stays", &saying("stays"));
    let mut serving = PluginSet::default();
    let mut resident = Vec::new();
    for reload in 0..400 {
        guest.config_json = reload.to_string();
        let without = [stays.clone()];
        serving = place
            .host
            .build(&without, Some(&cache), Some(&serving))
            .unwrap();
        let both = [stays.clone(), guest.clone()];
        serving = place
            .host
            .build(&both, Some(&cache), Some(&serving))
            .unwrap();
        let router = serving.router("plugin").unwrap();
        answered(router.pick(&exchange("{}"), &[candidate("a/1")]).await);
        resident.push(resident_bytes());
    }
    let (early, late) = (resident[100], resident[399]);
    // Other tests run in this process as well; the fault that this is about grows by 75 MiB.
    assert!(late < early + (32 << 20), "from {early} to {late} bytes");
}
