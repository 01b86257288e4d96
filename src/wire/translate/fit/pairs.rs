//! Calls and their results: every result stands right after the turn that called, in one message, in the order of the calls (2.5; cases 24, 25 and 26).
//! What a client has cut away when it shortened its history is made good.

use std::collections::{HashMap, VecDeque};

use crate::wire::Dialect;
use crate::wire::neutral::{
    Call, CallKind, Message, Part, Refused, Request, Role, Text, ToolResult,
};

use super::{Outcome, Toward};

/// What is told of a call whose result is missing. Every vendor refuses a call without one.
const NO_RESULT: &str = "[no result]";

/// A result, and where it stood: its message, and its place among all results.
struct Placed {
    message: usize,
    order: usize,
    result: ToolResult,
}

/// Results by the id of their call, in order.
type Results = HashMap<String, VecDeque<Placed>>;

/// Results that belong to no call, by the message in which they stood.
type Orphans = HashMap<usize, Vec<Placed>>;

/// Puts results where they belong, tells orphaned ones as the user's words, and says of calls without one that there is none.
pub fn results_after_calls(
    request: &mut Request,
    toward: &Toward<'_>,
    _: &mut Outcome<'_>,
) -> Result<(), Refused> {
    if request.messages.iter().all(is_plain) {
        return Ok(());
    }
    // Where there is no such flag, none is lost: the words say it.
    let has_flag = matches!(toward.to, Dialect::Anthropic | Dialect::Gemini);
    let messages = std::mem::take(&mut request.messages);
    let (rest, results) = apart(messages);
    let (answers, orphans) = matched(&rest, results, has_flag);
    request.messages = together(rest, answers, orphans);
    Ok(())
}

/// Neither calls nor answers.
fn is_plain(message: &Message) -> bool {
    let is_of_tools = |part: &Part| matches!(part, Part::Call(_) | Part::Result(_));
    message.role != Role::Tool && !message.parts.iter().any(is_of_tools)
}

/// Takes the results out. Messages keep their places, with what stood beside the results.
fn apart(mut messages: Vec<Message>) -> (Vec<Message>, Results) {
    let mut results = Results::new();
    let mut order = 0;
    for (place, message) in messages.iter_mut().enumerate() {
        for part in std::mem::take(&mut message.parts) {
            match part {
                Part::Result(result) => {
                    order += 1;
                    let placed = Placed {
                        message: place,
                        order,
                        result,
                    };
                    let same = results.entry(placed.result.id.clone()).or_default();
                    same.push_back(placed);
                }
                other => message.parts.push(other),
            }
        }
    }
    (messages, results)
}

/// Gives each call the first result with its id that comes after it and before the next turn with such a call: some clients use their ids again in every turn.
/// Returns the results of each message's calls, and what is left.
fn matched(
    messages: &[Message],
    mut results: Results,
    has_flag: bool,
) -> (Vec<Vec<ToolResult>>, Orphans) {
    let mut turns = turns_by_id(messages);
    let mut answers: Vec<Vec<ToolResult>> = messages.iter().map(|_| Vec::new()).collect();
    let mut orphans = Vec::new();
    for (place, call) in calls(messages) {
        let later = turns.entry(&call.id).or_default();
        while pop_front_if(later, |it| *it <= place).is_some() {}
        let next = later.front().copied().unwrap_or(messages.len());
        let same = results.entry(call.id.clone()).or_default();
        while let Some(early) = pop_front_if(same, |it| it.message <= place) {
            orphans.push(early);
        }
        let found = pop_front_if(same, |it| it.message < next);
        answers[place].push(answer(call, found, has_flag));
    }
    orphans.extend(results.into_values().flatten());
    orphans.sort_by_key(|it| it.order);
    let mut by_message = Orphans::new();
    for orphan in orphans {
        by_message.entry(orphan.message).or_default().push(orphan);
    }
    (answers, by_message)
}

fn pop_front_if<T>(queue: &mut VecDeque<T>, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(is_wanted) {
        queue.pop_front()
    } else {
        None
    }
}

fn turns_by_id(messages: &[Message]) -> HashMap<&str, VecDeque<usize>> {
    let mut turns: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (place, call) in calls(messages) {
        let same = turns.entry(&call.id).or_default();
        if same.back() != Some(&place) {
            same.push_back(place);
        }
    }
    turns
}

fn calls(messages: &[Message]) -> impl Iterator<Item = (usize, &Call)> {
    let turns = messages.iter().enumerate();
    turns.flat_map(|(place, message)| {
        message.parts.iter().filter_map(move |part| match part {
            Part::Call(call) => Some((place, call)),
            _ => None,
        })
    })
}

/// The call's result, with the call's name, which Gemini and Ollama want to be told; or that there is none.
fn answer(call: &Call, found: Option<Placed>, has_flag: bool) -> ToolResult {
    let result = found.map(|it| it.result).unwrap_or_else(|| ToolResult {
        id: call.id.clone(),
        name: None,
        parts: vec![text(NO_RESULT)],
        is_error: has_flag,
        is_custom: call.kind == CallKind::Custom,
        cache: None,
    });
    ToolResult {
        name: Some(call.name.clone()),
        ..result
    }
}

fn together(
    messages: Vec<Message>,
    answers: Vec<Vec<ToolResult>>,
    mut orphans: Orphans,
) -> Vec<Message> {
    let mut all = Vec::with_capacity(messages.len());
    for (place, (mut message, answers)) in messages.into_iter().zip(answers).enumerate() {
        let orphans = orphans.remove(&place).unwrap_or_default();
        let told: Vec<Part> = orphans.into_iter().flat_map(|it| told(it.result)).collect();
        if !told.is_empty() {
            all.push(turn(Role::User, told));
        }
        if message.role == Role::Tool {
            if message.parts.is_empty() {
                continue;
            }
            // What a client says beside its results are its own words.
            message.role = Role::User;
        }
        all.push(message);
        if !answers.is_empty() {
            let results = answers.into_iter().map(Part::Result).collect();
            all.push(turn(Role::Tool, results));
        }
    }
    all
}

/// A result whose call is gone, as the user's words.
fn told(result: ToolResult) -> Vec<Part> {
    let name = result.name.as_deref().unwrap_or(&result.id);
    let mut parts = vec![text(&format!("[result of {name}]"))];
    parts.extend(result.parts);
    parts
}

fn turn(role: Role, parts: Vec<Part>) -> Message {
    Message {
        role,
        parts,
        name: None,
    }
}

fn text(text: &str) -> Part {
    Part::Text(Text {
        text: text.to_owned(),
        ..Text::default()
    })
}
