//! Texts on their way past a guard: whole ones after its edits, and streamed ones in any pieces.

use crate::hooks::GuardStream;
use crate::host::Host;
use crate::types::{Edit, EventsVerdict, Rejection, Segment, StreamEvent, Verdict};

/// The texts as they are after a verdict; `None` where it is no longer the model that is asked, or heard.
pub fn edited_segments(segments: &[Segment], verdict: &Verdict) -> Option<Vec<String>> {
    let mut texts: Vec<String> = segments
        .iter()
        .map(|segment| segment.text.clone())
        .collect();
    match verdict {
        Verdict::Pass => {}
        Verdict::Edit(edits) => {
            for edit in edits {
                if let Edit::SetSegment(index, text) = edit {
                    let place = segments.iter().position(|segment| segment.index == *index);
                    let place = place.unwrap_or_else(|| panic!("there is no segment {index}"));
                    texts[place].clone_from(text);
                }
            }
        }
        Verdict::Reject(_) | Verdict::Reply(_) => return None,
    }
    Some(texts)
}

/// Every way to cut a text in two, the uncut text first.
pub fn cuts_in_two(text: &str) -> Vec<Vec<&str>> {
    let mut ways = vec![vec![text]];
    let places = text.char_indices().map(|(place, _)| place).skip(1);
    ways.extend(places.map(|place| vec![&text[..place], &text[place..]]));
    ways
}

/// Streams pieces of text of one choice past a guard, one in each call, and gives the text that comes out at the other end.
///
/// # Errors
/// The rejection that the stream is aborted with.
///
/// # Panics
/// Where the guard fails, or makes anything but text of it.
pub fn stream_text(
    stream: &mut impl GuardStream,
    host: &dyn Host,
    pieces: &[&str],
) -> Result<String, Rejection> {
    let mut heard = String::new();
    for piece in pieces {
        let events = vec![StreamEvent::text(0, *piece)];
        let verdict = stream.on_events(host, events.clone());
        match verdict.unwrap_or_else(|error| panic!("on_events: {error:?}")) {
            EventsVerdict::Pass => hear(&mut heard, events),
            EventsVerdict::Drop => {}
            EventsVerdict::Replace(events) => hear(&mut heard, events),
            EventsVerdict::Abort(rejection) => return Err(rejection),
        }
    }
    let tail = stream.on_end(host);
    hear(
        &mut heard,
        tail.unwrap_or_else(|error| panic!("on_end: {error:?}")),
    );
    Ok(heard)
}

fn hear(heard: &mut String, events: Vec<StreamEvent>) {
    for event in events {
        match event {
            StreamEvent::Text(delta) => heard.push_str(&delta.text),
            other => panic!("no text: {other:?}"),
        }
    }
}
