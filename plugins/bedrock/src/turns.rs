//! Turns of a conversation by Converse's rules: the user's is first, sides alternate, no text is blank, every call is answered in the
//! turn that follows it, results stand before all else there, and a document has a text beside it.

use serde_json::{Value, json};
use weir_openai::{Message, Refused, Role, object};

use super::blocks::{Blocks, cache_point, call, mark_of, unanswered};

/// A text for places where nothing was said and something has to be.
const NOTHING_SAID: &str = "(no content)";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    User,
    Assistant,
}

/// Instructions and turns.
#[derive(Debug, Default)]
pub struct Turns {
    pub system: Vec<Value>,
    pub messages: Vec<Value>,
    /// Calls or results stand in them: the tools have to be told.
    pub has_tools: bool,
    /// A budget for thinking would be refused: the turn to go on with began without what was thought before it.
    pub breaks_thinking: bool,
}

impl Turns {
    /// # Errors
    /// What Converse has no form for.
    pub fn of(messages: Vec<Message>, blocks: &mut Blocks<'_>) -> Result<Turns, Refused> {
        let mut turns = Turns::default();
        let mut sides: Vec<(Side, Vec<Value>)> = Vec::new();
        for message in messages {
            let role = message.role;
            let inner = message.parts.iter().filter_map(mark_of).next_back();
            let inner = inner.filter(|_| role == Role::Tool);
            let mark = message.cache.as_ref().or(inner).map(cache_point);
            let mut content = match role {
                Role::System | Role::User => blocks.content(message.parts)?,
                Role::Assistant => assistant(message, blocks)?,
                Role::Tool => vec![blocks.result(message)?],
            };
            if !content.is_empty() {
                content.extend(mark);
            }
            let side = match role {
                Role::System => {
                    turns.system.append(&mut content);
                    continue;
                }
                Role::Assistant => Side::Assistant,
                Role::User | Role::Tool => Side::User,
            };
            match sides.last_mut() {
                _ if content.is_empty() => {}
                Some((last, before)) if *last == side => before.append(&mut content),
                _ => sides.push((side, content)),
            }
        }
        turns.finish(sides)
    }

    fn finish(mut self, mut sides: Vec<(Side, Vec<Value>)>) -> Result<Turns, Refused> {
        match sides.first() {
            None => return Err("the conversation says nothing".to_owned()),
            Some((Side::Assistant, _)) => {
                sides.insert(0, (Side::User, vec![json!({"text": NOTHING_SAID})]));
            }
            Some((Side::User, _)) => {}
        }
        answer_all(&mut sides);
        let is_tool = |block: &Value| has(block, "toolUse") || has(block, "toolResult");
        self.has_tools = sides.iter().any(|(_, content)| content.iter().any(is_tool));
        self.breaks_thinking = breaks_thinking(&sides);
        for (side, content) in &mut sides {
            match side {
                Side::User => {
                    results_first(content);
                    with_text(content);
                }
                Side::Assistant => {}
            }
        }
        if let Some((Side::Assistant, content)) = sides.last_mut() {
            without_trailing_space(content);
        }
        let messages = sides.into_iter().map(|(side, content)| {
            let role = match side {
                Side::User => "user",
                Side::Assistant => "assistant",
            };
            object([("role", role.into()), ("content", Value::Array(content))])
        });
        self.messages = messages.collect();
        Ok(self)
    }
}

fn assistant(message: Message, blocks: &mut Blocks<'_>) -> Result<Vec<Value>, Refused> {
    let said = blocks.content(message.parts)?;
    let calls = message.calls.iter().map(call);
    let rest: Vec<Value> = said.into_iter().chain(calls).collect();
    // What was thought alone is no turn.
    let thoughts = match rest.is_empty() {
        true => Vec::new(),
        false => blocks.thoughts(&message.thoughts),
    };
    Ok(thoughts.into_iter().chain(rest).collect())
}

fn has(block: &Value, name: &str) -> bool {
    block.get(name).is_some()
}

/// Adds a result for each call that is not answered in the turn behind it. A call in the last turn is not yet to be answered.
fn answer_all(sides: &mut [(Side, Vec<Value>)]) {
    for at in 1..sides.len() {
        let (before, after) = sides.split_at_mut(at);
        let (Some((Side::Assistant, said)), (Side::User, answers)) = (before.last(), &mut after[0])
        else {
            continue;
        };
        let ids = said
            .iter()
            .filter_map(|block| block["toolUse"]["toolUseId"].as_str());
        let missing: Vec<Value> = ids
            .filter(|id| {
                !answers
                    .iter()
                    .any(|block| block["toolResult"]["toolUseId"] == **id)
            })
            .map(unanswered)
            .collect();
        answers.splice(0..0, missing);
    }
}

/// Results before all else, in their order; a cache mark stays behind what it marks.
fn results_first(content: &mut Vec<Value>) {
    let mut rank = 1;
    let mut ranked: Vec<(u8, Value)> = content
        .drain(..)
        .map(|block| {
            if !has(&block, "cachePoint") {
                rank = u8::from(!has(&block, "toolResult"));
            }
            (rank, block)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    content.extend(ranked.into_iter().map(|(_, block)| block));
}

/// Bedrock refuses a turn with a document and no text.
fn with_text(content: &mut Vec<Value>) {
    let has_document = content.iter().any(|block| has(block, "document"));
    if has_document && !content.iter().any(|block| has(block, "text")) {
        content.push(json!({"text": NOTHING_SAID}));
    }
}

/// Claude goes on with a text that stands last, and with none that ends in white space.
fn without_trailing_space(content: &mut [Value]) {
    if let Some(Value::String(text)) = content.last_mut().and_then(|last| last.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

fn breaks_thinking(sides: &[(Side, Vec<Value>)]) -> bool {
    let last = sides.iter().rposition(|(side, _)| *side == Side::Assistant);
    let Some(last) = last else {
        return false;
    };
    let (_, said) = &sides[last];
    let follows_results = match sides.get(last + 1) {
        None => true,
        Some((_, content)) => content.iter().any(|block| has(block, "toolResult")),
    };
    follows_results
        && !said
            .first()
            .is_some_and(|block| has(block, "reasoningContent"))
}
