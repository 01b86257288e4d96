//! The events of a stream as plugins see them, and back: what guards may change becomes the plugin contract's events, everything
//! else a mark in its place, so that nothing is lost on the way. It must not know who looks at them.

use std::borrow::Cow;
use std::collections::VecDeque;

use weir_plugin::{Finish, RawEvent, StreamEvent, TextDelta, ToolDelta};

use crate::wire::Usage;
use crate::wire::neutral::{Event, Finish as Reason};

/// Marks, and beginnings of calls, that may be held back at once; older ones are forgotten.
const KEPT_MAX: usize = 4096;

/// Shows the events of one stream to guards, and takes back what they let pass.
#[derive(Debug, Default)]
pub struct Bridge {
    /// What stands behind marks that are still out, by their number.
    kept: VecDeque<(u64, Event<'static>)>,
    next: u64,
    usage: Option<Usage>,
    reasons: Vec<(u32, Reason)>,
    is_summary: bool,
}

impl Bridge {
    /// What guards see of an event. Log probabilities would show what they take out, and are left out.
    pub fn show(&mut self, event: Event<'static>) -> Option<StreamEvent> {
        Some(match event {
            Event::Text { choice, text } => StreamEvent::Text(delta(choice, text)),
            Event::Refusal { choice, text } => StreamEvent::Refusal(delta(choice, text)),
            Event::Reasoning {
                choice,
                text,
                is_summary,
            } => {
                self.is_summary = is_summary;
                StreamEvent::Reasoning(delta(choice, text))
            }
            Event::CallStart {
                choice,
                call,
                ref id,
                ref name,
                ..
            } => {
                let shown = StreamEvent::ToolCall(ToolDelta {
                    choice,
                    index: call,
                    id: Some(id.to_string()),
                    name: Some(name.to_string()),
                    arguments: String::new(),
                });
                self.keep(event);
                shown
            }
            Event::CallArguments { call, text } => StreamEvent::ToolCall(ToolDelta {
                choice: 0,
                index: call,
                id: None,
                name: None,
                arguments: text.into_owned(),
            }),
            Event::Usage(usage) => {
                self.usage = Some(usage);
                StreamEvent::Usage(shown_usage(&usage))
            }
            Event::Finish { choice, reason } => {
                let word = word_of(&reason).to_owned();
                self.reasons.push((choice, reason));
                StreamEvent::Finish(Finish {
                    choice,
                    reason: word,
                })
            }
            Event::Logprobs { .. } => return None,
            Event::Start { .. } => self.mark("start", event),
            Event::ReasoningEnd { .. } => self.mark("reasoning_end", event),
            Event::CallEnd { .. } => self.mark("call_end", event),
            Event::Citation { .. } => self.mark("citation", event),
            Event::Opaque { .. } => self.mark("opaque", event),
            Event::Error(_) => self.mark("error", event),
            Event::End => self.mark("end", event),
        })
    }

    /// What an event that has come back from guards is to the client; `None` where nothing is known of it.
    pub fn take_back(&mut self, event: StreamEvent) -> Option<Event<'static>> {
        Some(match event {
            StreamEvent::Text(piece) => Event::Text {
                choice: piece.choice,
                text: some(piece.text)?,
            },
            StreamEvent::Refusal(piece) => Event::Refusal {
                choice: piece.choice,
                text: some(piece.text)?,
            },
            StreamEvent::Reasoning(piece) => Event::Reasoning {
                choice: piece.choice,
                text: some(piece.text)?,
                is_summary: self.is_summary,
            },
            StreamEvent::ToolCall(piece) if piece.name.is_some() => return self.call_start(piece),
            StreamEvent::ToolCall(piece) => Event::CallArguments {
                call: piece.index,
                text: some(piece.arguments)?,
            },
            StreamEvent::Usage(_) => Event::Usage(self.usage?),
            StreamEvent::Finish(finish) => Event::Finish {
                choice: finish.choice,
                reason: self.reason(&finish),
            },
            StreamEvent::Raw(raw) => return self.unmark(&raw),
        })
    }

    fn keep(&mut self, event: Event<'static>) -> u64 {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.next += 1;
        self.kept.push_back((self.next, event));
        self.next
    }

    fn mark(&mut self, what: &str, event: Event<'static>) -> StreamEvent {
        let data = match &event {
            Event::Opaque { value, .. } => value.to_string(),
            _ => String::new(),
        };
        let number = self.keep(event);
        StreamEvent::Raw(RawEvent {
            event: Some(format!("{what}.{number}")),
            data,
        })
    }

    /// A mark is good once.
    fn unmark(&mut self, raw: &RawEvent) -> Option<Event<'static>> {
        let number: u64 = raw.event.as_deref()?.rsplit_once('.')?.1.parse().ok()?;
        self.take_kept(|of, event| of == number && !matches!(event, Event::CallStart { .. }))
    }

    fn take_kept(
        &mut self,
        is_it: impl Fn(u64, &Event<'static>) -> bool,
    ) -> Option<Event<'static>> {
        let at = self
            .kept
            .iter()
            .position(|(number, event)| is_it(*number, event))?;
        self.kept.remove(at).map(|(_, event)| event)
    }

    /// The beginning of a call as it was read; a guard can hold it back, and cannot make one up.
    fn call_start(&mut self, piece: ToolDelta) -> Option<Event<'static>> {
        self.take_kept(
            |_, event| matches!(event, Event::CallStart { call, .. } if *call == piece.index),
        )
    }

    fn reason(&self, finish: &Finish) -> Reason {
        let reasons = self.reasons.iter().rev();
        let said = reasons
            .filter(|(choice, _)| *choice == finish.choice)
            .map(|(_, reason)| reason);
        let mut said = said.filter(|reason| word_of(reason) == finish.reason);
        said.next()
            .cloned()
            .unwrap_or_else(|| reason_of(&finish.reason))
    }
}

fn delta(choice: u32, text: Cow<'static, str>) -> TextDelta {
    TextDelta {
        choice,
        text: text.into_owned(),
    }
}

/// Pieces are never empty.
fn some(text: String) -> Option<Cow<'static, str>> {
    (!text.is_empty()).then_some(Cow::Owned(text))
}

/// What plugins see of usage.
pub fn shown_usage(usage: &Usage) -> weir_plugin::Usage {
    weir_plugin::Usage {
        input: usage.input_uncached + usage.cache_read + usage.cache_write,
        output: usage.output,
        cached_input: usage.cache_read,
        cache_write: usage.cache_write,
        reasoning: usage.reasoning,
    }
}

/// The contract's word for a reason, which is Chat's.
fn word_of(reason: &Reason) -> &'static str {
    match reason {
        Reason::Stop | Reason::StopSequence(_) | Reason::Paused => "stop",
        Reason::Length | Reason::ContextFull => "length",
        Reason::Tool | Reason::MalformedCall => "tool_calls",
        Reason::Filter | Reason::Refusal(_) => "content_filter",
    }
}

/// The reason behind a word of the contract's. Whatever else stands there, the model has ended by itself.
fn reason_of(word: &str) -> Reason {
    match word {
        "length" => Reason::Length,
        "tool_calls" => Reason::Tool,
        "content_filter" => Reason::Filter,
        _ => Reason::Stop,
    }
}
