//! The messages of a request as the vendor wants them: instructions apart, then turns, with the results of tools first.

use crate::wire::capability::Target;
use crate::wire::neutral::{Loss, Message, Part, Refused, Request, Role};

use super::blocks_out::{Blocks, borrowed, lone_text, text_block};
use crate::wire::tree::{Json, Object};

/// Instructions and turns, written.
pub(super) struct Turns<'a> {
    pub system: Vec<Json<'a>>,
    pub messages: Vec<Json<'a>>,
}

/// A turn that is being gathered.
struct Turn<'a> {
    role: &'static str,
    content: Content<'a>,
    /// Results of tools stand in it: what the user says next belongs to it.
    has_results: bool,
}

enum Content<'a> {
    Text(&'a str),
    Blocks(Vec<Json<'a>>),
}

impl<'a> Content<'a> {
    fn into_blocks(self) -> Vec<Json<'a>> {
        match self {
            Content::Text(text) => vec![Object::typed("text").with("text", text).into()],
            Content::Blocks(blocks) => blocks,
        }
    }
}

/// Writes `request.messages`.
///
/// # Errors
/// Where a part cannot be sent, or there is nothing to answer.
pub(super) fn write<'a>(
    request: &'a Request,
    target: &Target<'_>,
    blocks: &mut Blocks<'a, '_>,
) -> Result<Turns<'a>, Refused> {
    let is_instruction = |message: &Message| matches!(message.role, Role::System | Role::Developer);
    let messages = &request.messages;
    let leading = messages
        .iter()
        .take_while(|message| is_instruction(message))
        .count();
    let (instructions, rest) = messages.split_at(leading);
    let mut system = Vec::new();
    for message in instructions {
        system.extend(message.parts.iter().filter_map(instruction));
    }
    let mut turns: Vec<Turn<'a>> = Vec::with_capacity(rest.len());
    for (at, message) in rest.iter().enumerate() {
        let is_last = at + 1 == rest.len();
        blocks
            .losses
            .note_if(message.name.is_some(), Loss::ParticipantName)?;
        let role = role(message, target.capabilities.system_anywhere);
        let content = content(message, is_last, blocks)?;
        add(&mut turns, role, message.role, content);
    }
    if turns.is_empty() {
        blocks.losses.note(Loss::NoMessages)?;
    }
    let messages = turns.into_iter().map(written).collect();
    Ok(Turns { system, messages })
}

/// Each instruction stays a block of its own: joined ones would be others to the cache.
fn instruction(part: &Part) -> Option<Json<'_>> {
    match part {
        Part::Text(text) => text_block(text),
        // Nothing else can instruct.
        Part::Refusal(_)
        | Part::Image(_)
        | Part::Audio(_)
        | Part::Document(_)
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Opaque { .. } => None,
    }
}

fn role(message: &Message, system_anywhere: bool) -> &'static str {
    match message.role {
        Role::System | Role::Developer if system_anywhere => "system",
        Role::Assistant => "assistant",
        Role::System | Role::Developer | Role::User | Role::Tool => "user",
    }
}

/// What a message says; `None` where it says nothing.
fn content<'a>(
    message: &'a Message,
    is_last: bool,
    blocks: &mut Blocks<'a, '_>,
) -> Result<Option<Content<'a>>, Refused> {
    // A text that the model is to go on with must not end in white space.
    let is_prefill = is_last && message.role == Role::Assistant;
    if let Some(text) = lone_text(&message.parts) {
        let text = if is_prefill { text.trim_end() } else { text };
        return Ok((!text.trim().is_empty()).then_some(Content::Text(text)));
    }
    let mut written = blocks.of(&message.parts)?;
    if let (true, Some(Part::Text(text))) = (is_prefill, message.parts.last())
        && let (false, Some(Json::Object(last))) = (text.text.trim().is_empty(), written.last_mut())
    {
        last.put("text", text.text.trim_end());
    }
    Ok((!written.is_empty()).then_some(Content::Blocks(written)))
}

/// Adds a message: to the turn before it where that holds results and this one is the user's as well, as a turn otherwise.
fn add<'a>(
    turns: &mut Vec<Turn<'a>>,
    role: &'static str,
    speaker: Role,
    content: Option<Content<'a>>,
) {
    let Some(content) = content else { return };
    let has_results = speaker == Role::Tool;
    if let Some(last) = turns.last_mut()
        && last.has_results
        && role == "user"
    {
        let mut blocks = std::mem::replace(&mut last.content, Content::Text("")).into_blocks();
        blocks.extend(content.into_blocks());
        last.content = Content::Blocks(blocks);
        last.has_results = has_results;
        return;
    }
    turns.push(Turn {
        role,
        content,
        has_results,
    });
}

fn written(turn: Turn<'_>) -> Json<'_> {
    let content = match turn.content {
        Content::Text(text) => borrowed(text),
        Content::Blocks(blocks) => Json::List(blocks),
    };
    let message = Object::default().with("role", turn.role);
    message.with("content", content).into()
}
