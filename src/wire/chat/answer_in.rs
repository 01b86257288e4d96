//! Whole answers of upstreams: a stream of one chunk, as to what it says.

use crate::wire::neutral::{Answer, Collector, Unintelligible};

use super::chunk::{Chunk, with_whole};
use super::stream_in::Reader;

/// Reads a whole answer; `seed` is for ids of calls that the upstream leaves out.
///
/// # Errors
/// When the body is no chat completion, or tells an error.
pub fn read_answer(body: &[u8], seed: &str) -> Result<Answer, Unintelligible> {
    let body = body.trim_ascii();
    with_whole(body, |chunk| answer_of(chunk, body, seed))
}

fn answer_of(mut chunk: Chunk<'_>, body: &[u8], seed: &str) -> Result<Answer, Unintelligible> {
    number_choices(&mut chunk);
    let mut reader = Reader::new(seed);
    let mut collector = Collector::default();
    reader.chunk(&chunk, body, &mut |event| collector.push(event))?;
    reader.finish_said(&mut |event| collector.push(event));
    let has_choices = chunk
        .choices
        .as_ref()
        .is_some_and(|choices| !choices.is_empty());
    let (mut answer, _) = collector.finish().map_err(|error| {
        Unintelligible(format!("the upstream reports an error: {}", error.message))
    })?;
    if !has_choices {
        return Err(Unintelligible(
            "the upstream's answer has no choices".into(),
        ));
    }
    answer.service_tier = chunk.service_tier.some().map(str::to_owned);
    Ok(answer)
}

/// Some servers number all choices 0.
fn number_choices(chunk: &mut Chunk<'_>) {
    let choices = chunk.choices.as_deref_mut().unwrap_or_default();
    let mut indices: Vec<Option<i64>> = choices.iter().map(|choice| choice.index).collect();
    indices.sort_unstable();
    indices.dedup();
    if indices.len() < choices.len() {
        for choice in choices {
            choice.index = None;
        }
    }
}
