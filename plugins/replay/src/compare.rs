//! Plays a recording and compares.

use std::fs;
use std::path::Path;

use serde_json::Value;
use weir_plugin::testing::TestHost;
use weir_plugin::{Adapter, Decoder, Host, PluginError};

use super::recording::{Answer, Recording};
use super::shown;

/// What came of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    pub events: Vec<Value>,
    pub fault: Option<Value>,
}

/// Bodies that are longer are cut in two at some places only, in bytes.
const CUT_EVERYWHERE_BYTES_MAX: usize = 1000;
const RANDOM_CUTS: usize = 50;
const BROKEN: usize = 100;

/// Holds the adapter to every recording of a folder; gives back how many there are.
///
/// # Panics
/// When it does not do what one says, naming the file; when there is none, or one cannot be read.
pub fn check_folder<A: Adapter>(folder: &Path) -> usize {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be read").path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    for file in &files {
        let recording = Recording::read(file).unwrap_or_else(|problem| panic!("{problem}"));
        check::<A>(&recording);
        check_broken::<A>(&recording);
    }
    assert!(
        !files.is_empty(),
        "there is no recording in {}",
        folder.display()
    );
    files.len()
}

/// Holds the adapter to one recording.
///
/// # Panics
/// When it does not do what the recording says.
pub fn check<A: Adapter>(recording: &Recording) {
    let name = &recording.name;
    let config = recording.config.to_string();
    let made = || A::configure(&config).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    let host = host(recording);
    let mut adapter = made();
    let encoded = adapter.encode(&host, &recording.target);
    check_request(recording, encoded.map(|wire| shown::wire(&wire)));
    let Some(answer) = &recording.answer else {
        return;
    };
    if let Some(expected) = &recording.failure {
        let failure = adapter.classify(answer.status, &answer.headers, &answer.body);
        assert_same(name, "failure", &shown::failure(&failure), expected);
        return;
    }
    let expected = Played {
        events: recording.events.clone().unwrap_or_default(),
        fault: recording.fault.clone(),
    };
    for cuts in cuts(answer.body.len()) {
        let decoder = made().decoder(&host, answer.status, &answer.headers);
        let played = play(decoder, &host, answer, &cuts);
        let what = format!("events, cut at {cuts:?}");
        assert_same(
            name,
            &what,
            &played.events.into(),
            &expected.events.clone().into(),
        );
        assert_same(
            name,
            &what,
            &played.fault.into(),
            &expected.fault.clone().into(),
        );
    }
}

/// A host that shows the recording's request.
pub fn host(recording: &Recording) -> TestHost {
    let mut host = TestHost::new().with_request(&recording.request.to_string());
    host.meta.api = recording.api;
    host
}

fn check_request(recording: &Recording, encoded: Result<Value, PluginError>) {
    let name = &recording.name;
    match (&recording.wire, &recording.refused, encoded) {
        (Some(expected), _, Ok(wire)) => assert_same(name, "wire", &wire, expected),
        (None, None, Ok(_)) => {}
        (_, Some(expected), Err(PluginError::Permanent(message))) => {
            assert!(
                message.contains(expected),
                "{name}: refused with {message:?}"
            );
        }
        (_, _, encoded) => panic!("{name}: encoded as {encoded:?}"),
    }
}

#[track_caller]
fn assert_same(name: &str, what: &str, made: &Value, expected: &Value) {
    assert!(
        made == expected,
        "{name}: {what}\n    made {made:#}\nexpected {expected:#}"
    );
}

/// Plays an answer in the pieces that `cuts` make of it. After a fault nothing more is played.
pub fn play(mut decoder: impl Decoder, host: &dyn Host, answer: &Answer, cuts: &[usize]) -> Played {
    let mut played = Played {
        events: Vec::new(),
        fault: None,
    };
    let ends = cuts.iter().copied().chain([answer.body.len()]);
    let mut from = 0;
    for end in ends {
        let made = decoder.push(host, &answer.body[from..end]);
        from = end;
        if !take(&mut played, made) {
            return played;
        }
    }
    let last = decoder.finish(host);
    take(&mut played, last);
    played
}

fn take(played: &mut Played, made: Result<Vec<weir_plugin::StreamEvent>, PluginError>) -> bool {
    match made {
        Ok(events) => played.events.extend(events.iter().map(shown::event)),
        Err(fault) => played.fault = Some(shown::fault(&fault)),
    }
    played.fault.is_none()
}

/// Ways to cut so many bytes: not at all, everywhere, in two, and in pieces of any length. The same each time.
pub fn cuts(length: usize) -> Vec<Vec<usize>> {
    let mut ways = vec![Vec::new(), (1..length).collect()];
    let step = length.div_ceil(CUT_EVERYWHERE_BYTES_MAX).max(1);
    ways.extend((1..length).step_by(step).map(|place| vec![place]));
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for way in 1..=RANDOM_CUTS {
        let mut places = Vec::new();
        let mut at = 1 + chance.below(length / (1 + way % 8));
        while at < length {
            places.push(at);
            at += 1 + chance.below(length / (1 + way % 8));
        }
        ways.push(places);
    }
    ways
}

/// Plays answers that have one byte other than recorded, at places and with values of chance: whatever comes of it, it is the same
/// however the bytes are cut, and no panic.
///
/// # Panics
/// When it is not so, naming the recording.
pub fn check_broken<A: Adapter>(recording: &Recording) {
    let Some(answer) = &recording.answer else {
        return;
    };
    let name = &recording.name;
    let config = recording.config.to_string();
    let host = host(recording);
    let mut chance = Chance(answer.body.len() as u64 + 1);
    let decoder = |answer: &Answer| {
        let mut adapter =
            A::configure(&config).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        adapter.classify(answer.status, &answer.headers, &answer.body);
        adapter.decoder(&host, answer.status, &answer.headers)
    };
    for _ in 0..BROKEN {
        let mut broken = answer.clone();
        let place = chance.below(answer.body.len());
        if let Some(byte) = broken.body.get_mut(place) {
            *byte = chance.next() as u8;
        }
        let whole = play(decoder(&broken), &host, &broken, &[]);
        let everywhere: Vec<usize> = (1..broken.body.len()).collect();
        let pieces = play(decoder(&broken), &host, &broken, &everywhere);
        assert!(
            whole == pieces,
            "{name}: byte {place} is broken\n    whole {whole:?}\nin pieces {pieces:?}"
        );
    }
}

/// xorshift64 (Marsaglia): the same numbers each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound as u64).max(1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_in_order_and_within() {
        for length in [0, 1, 2, 700] {
            for way in cuts(length) {
                assert!(way.windows(2).all(|pair| pair[0] < pair[1]), "{way:?}");
                assert!(
                    way.iter().all(|place| (1..length).contains(place)),
                    "{way:?}"
                );
            }
        }
    }
}
