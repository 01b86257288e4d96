//! What an adapter says beside text, calls, usage and ends, in raw events of three names:
//! * `delta`: members for the `delta` of a chunk of Chat Completions, or for the `message` of a whole answer, in OpenAI's shape
//!   (`annotations`) or OpenRouter's (`reasoning_details`);
//! * `answer`: a whole answer of another operation in OpenAI's shape (embeddings, rerank);
//! * `<provider>.<what>`: what has no other form; whoever does not know it drops it.

use serde_json::Value;
use weir_plugin::{PluginError, RawEvent, StreamEvent};

/// Members for the delta of a chunk.
pub fn delta(members: &Value) -> StreamEvent {
    own("delta", members)
}

/// A whole answer.
pub fn answer(answer: &Value) -> StreamEvent {
    own("answer", answer)
}

/// An event of the provider's own.
pub fn own(event: &str, data: &Value) -> StreamEvent {
    let (event, data) = (Some(event.to_owned()), data.to_string());
    StreamEvent::Raw(RawEvent { event, data })
}

/// Keeps a fault back until what was read before it has been handed over, so that it does not matter how the bytes were cut.
#[derive(Debug, Default)]
pub struct Held {
    events: Vec<StreamEvent>,
    fault: Option<PluginError>,
}

impl Held {
    pub fn put(&mut self, event: StreamEvent) {
        self.events.push(event);
    }

    /// Nothing is to be read after this.
    pub fn fail(&mut self, fault: PluginError) {
        self.fault.get_or_insert(fault);
    }

    pub fn has_failed(&self) -> bool {
        self.fault.is_some()
    }

    /// The events of one call, or the fault where there are none before it.
    ///
    /// # Errors
    /// The fault, once and for all later calls.
    pub fn take(&mut self) -> Result<Vec<StreamEvent>, PluginError> {
        match &self.fault {
            Some(fault) if self.events.is_empty() => Err(fault.clone()),
            _ => Ok(std::mem::take(&mut self.events)),
        }
    }

    /// The last of it: a fault goes before events.
    ///
    /// # Errors
    /// The fault.
    pub fn finish(&mut self) -> Result<Vec<StreamEvent>, PluginError> {
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(std::mem::take(&mut self.events)),
        }
    }
}

/// Adds `chunk` to `held`, up to a bound.
///
/// # Errors
/// When there would be more than `bytes_max`.
pub fn length_bounded(
    held: &mut Vec<u8>,
    chunk: &[u8],
    bytes_max: usize,
) -> Result<(), PluginError> {
    if held.len() + chunk.len() > bytes_max {
        let message = format!("the answer has a part of more than {bytes_max} bytes");
        return Err(PluginError::Permanent(message));
    }
    held.extend_from_slice(chunk);
    Ok(())
}
