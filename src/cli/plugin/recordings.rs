//! Recordings of a provider, played to its adapter as a component. plugins/replay says how they are written, and plays them to native
//! adapters: what both are held to is the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use weir_plugin::StreamEvent;
use weir_replay::{Answer, Played, Recording, cuts, event, failure, host, wire};

use super::rehearse::answer;
use super::stage::{Exchange, Loaded};
use crate::plugin::{Adapter, Called, Trouble, View};

/// Ways of cutting one answer: native adapters are tried with all of them.
const WAYS_MAX: usize = 200;

/// The recordings of a folder.
///
/// # Errors
/// Where there is none, or one is wrong.
pub(super) fn read(folder: &Path) -> Result<Vec<Recording>, String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_json = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "json");
    let mut files: Vec<PathBuf> = files.filter(is_json).collect();
    files.sort();
    if files.is_empty() {
        return Err("there is no recording".to_owned());
    }
    files.iter().map(|file| Recording::read(file)).collect()
}

/// What the adapter makes otherwise than the recording says.
pub(super) async fn play(loaded: &Loaded, recording: &Recording) -> Vec<String> {
    let view = Exchange::of(&host(recording));
    let adapter = match loaded.adapter() {
        Ok(adapter) => adapter,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    let encoded = answer(adapter.encode(&view, &recording.target).await);
    problems.extend(request(recording, encoded.map(|request| wire(&request))));
    let Some(given) = &recording.answer else {
        return problems;
    };
    if let Some(expected) = &recording.failure {
        let (headers, body) = (given.headers.clone(), given.body.clone());
        let meant = answer(adapter.classify(&view, given.status, headers, body).await);
        let meant = meant.map(|meant| failure(&meant));
        if meant.as_ref() != Ok(expected) {
            problems.push(format!(
                "failure: {meant:?}\n          instead of {expected}"
            ));
        }
        return problems;
    }
    let expected = Played {
        events: recording.events.clone().unwrap_or_default(),
        fault: recording.fault.clone(),
    };
    let ways = cuts(given.body.len());
    let step = ways.len().div_ceil(WAYS_MAX);
    // The first two are: not at all, and everywhere.
    let ways = ways[..2].iter().chain(ways[2..].iter().step_by(step));
    for way in ways {
        let played = play_once(&adapter, &view, given, way).await;
        if played != expected {
            problems.push(format!(
                "cut at {way:?}: {played:?}\n          instead of {expected:?}"
            ));
            break;
        }
    }
    problems
}

fn request(recording: &Recording, encoded: Result<Value, Trouble>) -> Option<String> {
    match (&recording.wire, &recording.refused, &encoded) {
        (Some(expected), _, Ok(wire)) if wire == expected => None,
        (None, None, Ok(_)) => None,
        (
            _,
            Some(expected),
            Err(Trouble::Said {
                retryable: false,
                message,
            }),
        ) if message.contains(expected) => None,
        _ => Some(format!(
            "request: {encoded:?}\n          instead of {:?}",
            recording.wire
        )),
    }
}

/// After a fault nothing more is played.
async fn play_once(
    adapter: &Adapter,
    view: &Arc<dyn View>,
    given: &Answer,
    way: &[usize],
) -> Played {
    let mut played = Played {
        events: Vec::new(),
        fault: None,
    };
    let opened = adapter
        .open_decoder(view, given.status, given.headers.clone())
        .await;
    let mut decoder = match answer(opened) {
        Ok(decoder) => decoder,
        Err(trouble) => {
            played.fault = Some(fault(&trouble));
            return played;
        }
    };
    let mut from = 0;
    for end in way.iter().copied().chain([given.body.len()]) {
        let made = decoder.push(&given.body[from..end]).await;
        from = end;
        if !take(&mut played, made) {
            return played;
        }
    }
    let last = decoder.finish().await;
    take(&mut played, last);
    played
}

fn take(played: &mut Played, made: Called<Vec<StreamEvent>>) -> bool {
    match answer(made) {
        Ok(events) => played.events.extend(events.iter().map(event)),
        Err(trouble) => played.fault = Some(fault(&trouble)),
    }
    played.fault.is_none()
}

fn fault(trouble: &Trouble) -> Value {
    match trouble {
        Trouble::Said { retryable, message } => {
            serde_json::json!({"retryable": retryable, "message": message})
        }
        other => Value::String(other.to_string()),
    }
}
