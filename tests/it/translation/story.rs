//! Answers made up by chance, as sequences of events that obey the rules on `Event`, with what they say in the judge's words.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir::wire::neutral::{CallKind, Event, Finish};
use weir::wire::usage::Usage;

use super::grammar::{self, Arguments, Call, Choice, Said, Stop};

/// One step of a story. Steps that cannot be taken where they stand are left out.
#[derive(Debug, Clone)]
pub enum Step {
    Text(String),
    Refusal(String),
    Reasoning(String),
    ReasoningEnd,
    Call {
        name: String,
        arguments: Value,
    },
    /// The next piece of one of the open calls.
    Piece {
        of: usize,
        bytes: usize,
    },
    CallEnd {
        of: usize,
    },
    /// The counts so far.
    Usage,
}

/// A whole story: its steps, and how it ends.
#[derive(Debug, Clone)]
pub struct Story {
    pub steps: Vec<Step>,
    pub finish: Finish,
    pub usage: Usage,
    /// Usage is told before the finish, as some upstreams do, or after it.
    pub usage_first: bool,
}

/// A call that has been started: what is left of its arguments.
struct Open {
    call: u32,
    rest: String,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,6} ?",
        1 => Just("\u{e9}\u{1f389}\u{5e8a}".to_owned()),
        1 => Just("\n\"\\\u{2028}</think>\u{1}".to_owned()),
        1 => Just(" ".to_owned()),
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        ("[a-c]", text()).prop_map(|(key, text)| json!({ key: text })),
        ("[a-c]", any::<i32>())
            .prop_map(|(key, number)| json!({key: [number, 1.5, null, true], "z": {"y": {}}})),
    ]
}

/// Counts as upstreams report them: every part within its whole.
pub fn usage() -> impl Strategy<Value = Usage> {
    // More input than weir's own estimate, which stands in for it until it is told.
    let parts = (10..2000u64, 0..500u64, 0..500u64, 1..900u64, 0..900u64);
    parts.prop_map(
        |(input_uncached, cache_read, cache_write, output, reasoning)| Usage {
            input_uncached,
            cache_read,
            cache_write,
            output,
            reasoning: reasoning.min(output),
            ..Usage::default()
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => text().prop_map(Step::Text),
        1 => text().prop_map(Step::Refusal),
        3 => text().prop_map(Step::Reasoning),
        1 => Just(Step::ReasoningEnd),
        3 => ("[a-z]{1,8}", arguments()).prop_map(|(name, arguments)| Step::Call { name, arguments }),
        8 => (0..4usize, 1..9usize).prop_map(|(of, bytes)| Step::Piece { of, bytes }),
        2 => (0..4usize).prop_map(|of| Step::CallEnd { of }),
        1 => Just(Step::Usage),
    ]
}

/// Any story of one choice.
pub fn stories() -> impl Strategy<Value = Story> {
    let finish = prop_oneof![
        4 => Just(Finish::Stop),
        2 => Just(Finish::Tool),
        2 => Just(Finish::Length),
        1 => Just(Finish::Filter),
        1 => Just(Finish::ContextFull),
        1 => Just(Finish::StopSequence(Some("END".into()))),
    ];
    let steps = prop::collection::vec(step(), 0..24);
    (steps, finish, usage(), any::<bool>()).prop_map(|(steps, finish, usage, usage_first)| {
        let steps = plausible(steps);
        Story {
            finish: finish_of(&steps, finish),
            steps,
            usage,
            usage_first,
        }
    })
}

/// No model refuses and calls in one answer, nor says more once it has refused.
fn plausible(mut steps: Vec<Step>) -> Vec<Step> {
    if calls(&steps) {
        steps.retain(|step| !matches!(step, Step::Refusal(_)));
    }
    let refused = steps
        .iter()
        .position(|step| matches!(step, Step::Refusal(_)));
    if let Some(refused) = refused {
        for step in &mut steps[refused..] {
            if let Step::Text(text) | Step::Reasoning(text) = step {
                *step = Step::Refusal(std::mem::take(text));
            }
        }
    }
    steps
}

fn calls(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Call { .. }))
}

/// An answer with calls is over, cut off, or has ended for its calls; one without has not.
fn finish_of(steps: &[Step], finish: Finish) -> Finish {
    let calls = calls(steps);
    let refuses = steps.iter().any(|step| matches!(step, Step::Refusal(_)));
    match finish {
        _ if refuses => Finish::Refusal(None),
        Finish::Tool if !calls => Finish::Stop,
        Finish::Stop | Finish::Length | Finish::Tool => finish,
        _ if calls => Finish::Tool,
        other => other,
    }
}

impl Story {
    /// The events, from `Start` to `End`.
    pub fn events(&self) -> Vec<Event<'static>> {
        let mut events = vec![Event::Start {
            id: "upstream-id".into(),
            model: "upstream-model".into(),
        }];
        let mut open: Vec<Open> = Vec::new();
        let (mut calls, mut thinks, mut told) = (0, false, 0);
        for step in &self.steps {
            if !matches!(step, Step::Reasoning(_) | Step::ReasoningEnd | Step::Usage) && thinks {
                thinks = false;
                events.push(reasoning_end());
            }
            match step {
                Step::Text(text) => events.push(Event::Text {
                    choice: 0,
                    text: text.clone().into(),
                }),
                Step::Refusal(text) => events.push(Event::Refusal {
                    choice: 0,
                    text: text.clone().into(),
                }),
                Step::Reasoning(text) => {
                    thinks = true;
                    events.push(Event::Reasoning {
                        choice: 0,
                        text: text.clone().into(),
                        is_summary: false,
                    });
                }
                Step::ReasoningEnd if thinks => {
                    thinks = false;
                    events.push(reasoning_end());
                }
                Step::ReasoningEnd => {}
                Step::Call { name, arguments } => {
                    events.push(call_start(calls, name));
                    open.push(Open {
                        call: calls,
                        rest: arguments.to_string(),
                    });
                    calls += 1;
                }
                Step::Piece { of, bytes } if !open.is_empty() => {
                    let of = of % open.len();
                    events.extend(open[of].piece(*bytes));
                }
                Step::CallEnd { of } if !open.is_empty() => {
                    let mut ended = open.remove(of % open.len());
                    events.extend(ended.piece(usize::MAX));
                    events.push(Event::CallEnd { call: ended.call });
                }
                Step::Piece { .. } | Step::CallEnd { .. } => {}
                Step::Usage => {
                    told += 1;
                    events.push(Event::Usage(self.so_far(told)));
                }
            }
        }
        if thinks {
            events.push(reasoning_end());
        }
        for mut ended in open {
            events.extend(ended.piece(usize::MAX));
            events.push(Event::CallEnd { call: ended.call });
        }
        let finish = Event::Finish {
            choice: 0,
            reason: self.finish.clone(),
        };
        let usage = Event::Usage(self.usage);
        events.extend(if self.usage_first {
            [usage, finish]
        } else {
            [finish, usage]
        });
        events.push(Event::End);
        events
    }

    /// The counts when they are told for the n-th time: the input is known from the start, the output grows.
    fn so_far(&self, told: u64) -> Usage {
        let times = self
            .steps
            .iter()
            .filter(|step| matches!(step, Step::Usage))
            .count() as u64
            + 1;
        Usage {
            output: self.usage.output * told / times,
            reasoning: self.usage.reasoning * told / times,
            ..self.usage
        }
    }

    /// What it says, as a dialect that can say everything would have it.
    pub fn said(&self) -> Said {
        let mut choice = Choice::default();
        for step in &self.steps {
            match step {
                Step::Text(text) => choice.text.push_str(text),
                Step::Refusal(text) => choice.refusal.push_str(text),
                Step::Reasoning(text) => choice.reasoning.push_str(text),
                Step::Call { name, arguments } => choice.calls.push(Call {
                    id: Some(call_id(choice.calls.len() as u32)),
                    name: name.clone(),
                    arguments: Arguments::Json(arguments.clone()),
                    kind: grammar::CallKind::Function,
                }),
                Step::ReasoningEnd | Step::Piece { .. } | Step::CallEnd { .. } | Step::Usage => {}
            }
        }
        choice.stop = match &self.finish {
            Finish::Stop if choice.calls.is_empty() && !choice.refusal.is_empty() => Stop::Refusal,
            Finish::Stop if choice.calls.is_empty() => Stop::Stop,
            Finish::Stop | Finish::Tool => Stop::Tool,
            Finish::StopSequence(which) => Stop::StopSequence(which.clone()),
            Finish::Length => Stop::Length,
            Finish::ContextFull => Stop::ContextWindow,
            Finish::Filter => Stop::Filter,
            Finish::Refusal(_) => Stop::Refusal,
            Finish::Paused => Stop::Paused,
            Finish::MalformedCall => Stop::MalformedCall,
        };
        Said {
            choices: vec![choice],
            usage: Some(said_usage(&self.usage)),
            ..Said::default()
        }
    }
}

impl Open {
    /// About so many bytes of what is left; nothing where nothing is.
    fn piece(&mut self, bytes: usize) -> Option<Event<'static>> {
        let mut end = bytes.min(self.rest.len());
        while !self.rest.is_char_boundary(end) {
            end += 1;
        }
        let rest = self.rest.split_off(end);
        let text = std::mem::replace(&mut self.rest, rest);
        (!text.is_empty()).then(|| Event::CallArguments {
            call: self.call,
            text: text.into(),
        })
    }
}

/// Counts in the judge's words.
pub fn said_usage(usage: &Usage) -> grammar::Usage {
    grammar::Usage {
        input_uncached: usage.input_uncached,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write,
        output: usage.output,
        reasoning: usage.reasoning,
    }
}

fn call_id(call: u32) -> String {
    format!("call_{call}x")
}

fn call_start(call: u32, name: &str) -> Event<'static> {
    Event::CallStart {
        choice: 0,
        call,
        id: call_id(call).into(),
        name: name.to_owned().into(),
        kind: CallKind::Function,
        signature: None,
    }
}

fn reasoning_end() -> Event<'static> {
    Event::ReasoningEnd {
        choice: 0,
        signature: None,
        id: None,
    }
}
