//! A whole answer as a response object: what a stream of it would end with.

use crate::wire::neutral::{Answer, Event, Finish, Request, replay};
use crate::wire::translate::{Elapsed, Naming};

use super::Writer;
use super::settings::Asked;

/// The body of the answer.
pub fn write_answer(
    answer: &Answer,
    asked: &Request,
    naming: &Naming,
    elapsed: Elapsed,
) -> Vec<u8> {
    let mut writer = Writer::of_whole(asked, naming);
    let first = answer.choices.first();
    let mut logprobs = first.and_then(|choice| choice.logprobs.clone());
    let is_cut = first.is_none_or(|choice| choice.finish.is_none());
    // What the writer leaves of each event; only the object is asked for.
    let mut around = Vec::new();
    replay(answer, &mut |event| {
        let is_text = matches!(event, Event::Text { choice: 0, .. });
        let event = match event {
            Event::End | Event::Logprobs { .. } => return,
            // An answer that may be cut is not told as complete.
            Event::Finish { choice: 0, .. } if is_cut => Event::Finish {
                choice: 0,
                reason: Finish::Length,
            },
            event => event,
        };
        writer.write(event, elapsed, &mut around);
        // They follow the text that they are of, where a replay has them at the end.
        if let (true, Some(value)) = (is_text, logprobs.take_if(|_| is_text)) {
            let value = Box::new(value);
            writer.write(Event::Logprobs { choice: 0, value }, elapsed, &mut around);
        }
        around.clear();
    });
    let said = Asked {
        request: asked,
        naming,
        tier: answer.service_tier.as_deref(),
    };
    writer.whole(said, elapsed)
}
