//! A script's questions put to a plugin, and its decisions as JSON. It must not know what they should be.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_plugin::StreamEvent;
use weir_plugin::testing::response_head;

use super::script::{Ask, Step};
use super::shown;
use super::stage::{Exchange, Loaded, Stage};
use crate::plugin::{Adapter, Called, Guard, Trouble, View};

/// What a plugin decides: `{"trouble": "…"}` where it fails.
///
/// # Errors
/// Where the step asks for what the plugin, or the script, does not have; where the same text decides otherwise when it is cut.
pub(super) async fn decision(stage: &Stage, loaded: &Loaded, step: &Step) -> Result<Value, String> {
    let view = Exchange::of(&step.exchange());
    Ok(match step.ask {
        Ask::OnRequest => {
            let verdict = loaded.guard()?.on_request(&view).await;
            of(answer(verdict), |verdict| shown::verdict(&verdict))
        }
        Ask::OnUpstreamRequest => {
            let edits = loaded
                .guard()?
                .on_upstream_request(&view, &step.target())
                .await;
            of(answer(edits), |edits| {
                edits.iter().map(shown::edit).collect()
            })
        }
        Ask::OnResponse => {
            let verdict = loaded.guard()?.on_response(&view).await;
            of(answer(verdict), |verdict| shown::verdict(&verdict))
        }
        Ask::Stream => return streamed(&loaded.guard()?, &view, step).await,
        Ask::Pick => {
            let choice = loaded.router()?.pick(&view, &step.candidates()?).await;
            of(answer(choice), |choice| shown::choice(&choice))
        }
        Ask::Authenticate => {
            let decision = loaded.auth()?.authenticate(&view).await;
            of(answer(decision), |decision| shown::decision(&decision))
        }
        Ask::OnLog => {
            let heard = loaded.observer()?.on_log(&step.outcomes()?).await;
            of(answer(heard), |()| json!("heard"))
        }
        Ask::Describe => shown::adapter(loaded.adapter()?.describe()),
        Ask::Encode => {
            let request = loaded.adapter()?.encode(&view, &step.target()).await;
            of(answer(request), |request| shown::wire_request(&request))
        }
        Ask::Decode => return decoded(&loaded.adapter()?, &view, step).await,
        Ask::Classify => {
            let (status, body) = step.refusal()?;
            let failure = loaded
                .adapter()?
                .classify(&view, status, Vec::new(), body)
                .await;
            of(answer(failure), |failure| shown::failure(&failure))
        }
        Ask::Counted => json!(stage.counted(loaded, step.with.as_str().unwrap_or_default())),
    })
}

/// What becomes of traffic does not matter here.
pub(super) fn answer<T>(called: Called<T>) -> Result<T, Trouble> {
    match called {
        Called::Answered(value) => Ok(value),
        Called::FailedOpen(trouble) | Called::FailedClosed(trouble) => Err(trouble),
    }
}

fn of<T>(decided: Result<T, Trouble>, shown: impl FnOnce(T) -> Value) -> Value {
    match decided {
        Ok(decision) => shown(decision),
        Err(trouble) => json!({ "trouble": trouble.to_string() }),
    }
}

/// What comes out of a stream, whose texts are also cut at every place where the script says so.
async fn streamed(guard: &Guard, view: &Arc<dyn View>, step: &Step) -> Result<Value, String> {
    let events = step.events()?;
    let first = stream_once(guard, view, vec![events.clone()]).await;
    let one_by_one = events.iter().map(|event| vec![event.clone()]).collect();
    let mut ways = vec![one_by_one];
    if step.cut {
        for place in 0..events.len() {
            ways.extend(cuts(&events, place));
        }
    }
    for way in ways {
        let again = stream_once(guard, view, way.clone()).await;
        if again != first {
            return Err(format!("as one: {first}; as {way:?}: {again}"));
        }
    }
    Ok(first)
}

/// Every way to cut the text of one event in two, which arrive one after another.
fn cuts(events: &[StreamEvent], place: usize) -> Vec<Vec<Vec<StreamEvent>>> {
    let StreamEvent::Text(delta) = &events[place] else {
        return Vec::new();
    };
    let places = delta.text.char_indices().map(|(at, _)| at).skip(1);
    let cut = |at: usize| {
        let (left, right) = delta.text.split_at(at);
        let mut before = events[..place].to_vec();
        before.push(StreamEvent::text(delta.choice, left));
        let mut after = vec![StreamEvent::text(delta.choice, right)];
        after.extend_from_slice(&events[place + 1..]);
        vec![before, after]
    };
    places.map(cut).collect()
}

async fn stream_once(guard: &Guard, view: &Arc<dyn View>, batches: Vec<Vec<StreamEvent>>) -> Value {
    let mut out = Vec::new();
    let told = async {
        let mut stream = answer(guard.open_stream(view, response_head()).await)?;
        for batch in batches {
            let verdict = answer(stream.on_events(batch.clone()).await)?;
            match shown::passed(verdict, batch) {
                Ok(events) => out.extend(events),
                Err(refusal) => return Ok(Some(json!({ "abort": shown::rejection(&refusal) }))),
            }
        }
        out.extend(answer(stream.on_end().await)?);
        Ok(None)
    };
    match told.await {
        Ok(Some(aborted)) => aborted,
        Ok(None) => shown::events(&out),
        Err(trouble) => of(Err::<(), Trouble>(trouble), |()| Value::Null),
    }
}

/// What an answer says, whose bytes are also cut at every place where the script says so.
async fn decoded(adapter: &Adapter, view: &Arc<dyn View>, step: &Step) -> Result<Value, String> {
    let chunks = step.chunks()?;
    let first = decode_once(adapter, view, &chunks).await;
    if step.cut {
        let whole = chunks.concat();
        for at in 1..whole.len() {
            let again =
                decode_once(adapter, view, &[whole[..at].to_vec(), whole[at..].to_vec()]).await;
            if again != first {
                return Err(format!("as it is: {first}; cut at byte {at}: {again}"));
            }
        }
        let bytes: Vec<Vec<u8>> = whole.iter().map(|byte| vec![*byte]).collect();
        let again = decode_once(adapter, view, &bytes).await;
        if again != first {
            return Err(format!("as it is: {first}; byte by byte: {again}"));
        }
    }
    Ok(first)
}

async fn decode_once(adapter: &Adapter, view: &Arc<dyn View>, chunks: &[Vec<u8>]) -> Value {
    let told = async {
        let mut decoder = answer(adapter.open_decoder(view, 200, Vec::new()).await)?;
        let mut events = Vec::new();
        for chunk in chunks {
            events.extend(answer(decoder.push(chunk).await)?);
        }
        events.extend(answer(decoder.finish().await)?);
        Ok(events)
    };
    of(told.await, |events: Vec<StreamEvent>| {
        shown::events(&events)
    })
}
