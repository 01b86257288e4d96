//! The turns of a conversation for upstreams.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::wire::Dialect;
use crate::wire::capability::{PastReasoning, Quirks};
use crate::wire::neutral::{
    CacheMark, Call, CallKind, Loss, Losses, Part, Refused, Request, Role, Source, ToolResult,
};
use crate::wire::tree::{Json, Object};

use super::answer_out::{call_value, proof};
use super::call_ids::IdMap;
use super::parts_out::{document_text, part_value, plain_text};
use super::reasoning;
use super::shape::{Turn, is_medium, placeholder};

/// What everything that writes a request looks at.
#[derive(Debug, Clone, Copy)]
pub struct Out<'a> {
    pub request: &'a Request,
    pub quirks: &'a Quirks,
}

impl Out<'_> {
    /// The client speaks this dialect too: what only it can say comes back as it was.
    pub fn is_own(&self) -> bool {
        self.request.dialect == Dialect::Chat
    }

    /// Texts may stand apart from each other: servers that are not known to take lists of texts everywhere get one.
    fn lists_of_texts(&self) -> bool {
        self.is_own() || self.quirks.openai_members || self.quirks.cache_marks
    }

    /// The member for a cache mark, where the target knows one.
    pub fn cache_mark<'a>(&self, cache: &'a CacheMark) -> Option<(&'static str, Object<'a>)> {
        let ttl = cache.ttl.as_deref();
        if self.quirks.cache_marks {
            let ttl = ttl.filter(|ttl| matches!(*ttl, "5m" | "1h"));
            return Some((
                "cache_control",
                Object::typed("ephemeral").with_some("ttl", ttl),
            ));
        }
        if !self.is_own() || self.quirks.strict_members {
            return None;
        }
        let mark = Object::default().with("mode", "explicit");
        Some(("prompt_cache_breakpoint", mark.with_some("ttl", ttl)))
    }
}

/// Writes the turns.
pub fn messages<'a>(
    out: &Out<'a>,
    turns: &'a [Turn<'a>],
    losses: &mut Losses,
) -> Result<Vec<Json<'a>>, Refused> {
    let mut ids = IdMap::new(out.quirks.call_ids);
    let mut written = Vec::with_capacity(turns.len());
    for turn in turns {
        match turn.role {
            Role::System => written.extend(plain_turn(out, "system", turn, losses)?),
            Role::Developer => {
                let known = out.quirks.developer_role;
                let role = if known { "developer" } else { "system" };
                written.extend(plain_turn(out, role, turn, losses)?);
            }
            Role::User => written.extend(plain_turn(out, "user", turn, losses)?),
            Role::Assistant => written.extend(assistant(out, turn, &mut ids, losses)?),
            Role::Tool => {
                for part in &turn.parts {
                    if let Part::Result(result) = &**part {
                        written.push(result_message(out, result, &mut ids, losses)?);
                    }
                }
            }
        }
    }
    Ok(written)
}

/// Instructions or the user's words; `None` where all of them were of a dialect that the target does not speak.
fn plain_turn<'a>(
    out: &Out<'a>,
    role: &'static str,
    turn: &'a Turn<'a>,
    losses: &mut Losses,
) -> Result<Option<Json<'a>>, Refused> {
    let mut message = Object::default().with("role", role);
    let content = content(out, turn.parts.iter().map(|part| &**part), "\n", losses)?;
    let was_empty = turn.parts.is_empty();
    let has_content = content.is_some();
    message.put("content", content.unwrap_or_else(|| "".into()));
    own_members(out, &turn.parts, &mut message);
    let has_more = message.len() > 2;
    name(out, turn, &mut message, losses)?;
    Ok((has_content || was_empty || has_more).then(|| message.into()))
}

fn assistant<'a>(
    out: &Out<'a>,
    turn: &'a Turn<'a>,
    ids: &mut IdMap,
    losses: &mut Losses,
) -> Result<Option<Json<'a>>, Refused> {
    let mut message = Object::default().with("role", "assistant");
    let calls = calls(out, &turn.parts, ids);
    let is_spoken = |part: &&Part| !matches!(part, Part::Refusal(_));
    let spoken = turn.parts.iter().map(|part| &**part).filter(is_spoken);
    // Vendors cut one text into several where they cite: nothing belongs between them.
    let content = content(out, spoken, "", losses)?;
    let refusal = refusal(&turn.parts);
    let has_content = content.is_some();
    let says_otherwise = !calls.is_empty() || refusal.is_some();
    let empty = || match says_otherwise {
        true => Json::Null,
        false => "".into(),
    };
    message.put("content", content.unwrap_or_else(empty));
    let has_refusal = refusal.is_some();
    message.put_some("refusal", refusal);
    past_reasoning(out, &turn.parts, &mut message);
    let has_calls = !calls.is_empty();
    if has_calls {
        message.put("tool_calls", calls);
    }
    name(out, turn, &mut message, losses)?;
    own_members(out, &turn.parts, &mut message);
    // A turn of which nothing is left says nothing.
    let says_something = has_content || has_calls || has_refusal;
    let was_empty = turn.parts.is_empty() && out.is_own();
    let has_more = message.len() > 2;
    Ok((says_something || was_empty || has_more).then(|| message.into()))
}

/// The content: a text where that suffices. `None` where there is none.
fn content<'a>(
    out: &Out<'a>,
    parts: impl Iterator<Item = &'a Part>,
    between: &str,
    losses: &mut Losses,
) -> Result<Option<Json<'a>>, Refused> {
    let mut values = Vec::new();
    for part in parts {
        values.extend(part_value(out, part, losses)?);
    }
    Ok(joined(out, values, between))
}

/// Parts as one content.
fn joined<'a>(out: &Out<'a>, mut values: Vec<Json<'a>>, between: &str) -> Option<Json<'a>> {
    if values.len() == 1
        && let Some(text) = values.first_mut().and_then(bare_text)
    {
        return Some(Json::Text(std::mem::take(text)));
    }
    if values.is_empty() {
        return None;
    }
    let texts: Option<Vec<&mut Cow<'_, str>>> = values.iter_mut().map(bare_text).collect();
    match texts {
        Some(texts) if !out.lists_of_texts() => {
            let texts: Vec<&str> = texts.iter().map(|text| &***text).collect();
            Some(texts.join(between).into())
        }
        _ => Some(Json::List(values)),
    }
}

/// The text of a part that is a text and nothing more.
fn bare_text<'v, 'a>(part: &'v mut Json<'a>) -> Option<&'v mut Cow<'a, str>> {
    match part {
        Json::Object(part) if part.len() == 2 => part.text_mut("text"),
        _ => None,
    }
}

fn name<'a>(
    out: &Out<'a>,
    turn: &Turn<'a>,
    message: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let Some(name) = turn.name else {
        return Ok(());
    };
    if out.quirks.strict_members {
        return losses.note(Loss::ParticipantName);
    }
    message.put("name", name);
    Ok(())
}

/// Members of the message that only this dialect knows.
fn own_members<'a>(out: &Out<'a>, parts: &'a [Cow<'a, Part>], message: &mut Object<'a>) {
    if out.quirks.strict_members {
        return;
    }
    for part in parts {
        if let Part::Opaque {
            dialect: Dialect::Chat,
            value: Value::Object(members),
        } = &**part
            && !members.contains_key("type")
        {
            message.extend(members);
        }
    }
}

fn refusal<'a>(parts: &'a [Cow<'a, Part>]) -> Option<Cow<'a, str>> {
    let texts = parts.iter().filter_map(|part| match &**part {
        Part::Refusal(text) => Some(Cow::Borrowed(text.as_str())),
        _ => None,
    });
    texts.reduce(|all, text| all + text)
}

fn calls<'a>(out: &Out<'a>, parts: &'a [Cow<'a, Part>], ids: &mut IdMap) -> Vec<Json<'a>> {
    let calls = parts.iter().filter_map(|part| match &**part {
        Part::Call(call) => Some(call),
        _ => None,
    });
    calls
        .map(|call| {
            let mut value = call_value(call, ids.map(&call.id), readable(out, call));
            if !out.quirks.strict_members {
                value.put_some("extra_content", proof(call));
            }
            value.into()
        })
        .collect()
}

/// vLLM and others parse the arguments of calls in the history for their templates, and refuse what is no JSON.
fn readable<'a>(out: &Out<'a>, call: &'a Call) -> Cow<'a, str> {
    let is_read = || serde_json::from_str::<serde::de::IgnoredAny>(&call.arguments).is_ok();
    let as_it_is = out.is_own()
        || call.kind == CallKind::Custom
        || call.arguments.trim().is_empty()
        || is_read();
    if as_it_is {
        return Cow::Borrowed(&call.arguments);
    }
    json!({"_raw": call.arguments}).to_string().into()
}

fn past_reasoning<'a>(out: &Out<'a>, parts: &'a [Cow<'a, Part>], message: &mut Object<'a>) {
    let blocks = || {
        parts.iter().filter_map(|part| match &**part {
            Part::Reasoning(block) => Some(block),
            _ => None,
        })
    };
    let text = || {
        let texts = blocks().map(|block| Cow::Borrowed(block.text.as_str()));
        texts
            .reduce(|all, text| all + text)
            .filter(|text| !text.is_empty())
    };
    match out.quirks.past_reasoning {
        PastReasoning::Strip => {}
        PastReasoning::ReasoningContent => message.put_some("reasoning_content", text()),
        PastReasoning::Reasoning => message.put_some("reasoning", text()),
        PastReasoning::Details => {
            let numbered = blocks().enumerate();
            let details: Vec<Json<'a>> = numbered
                .flat_map(|(index, block)| reasoning::write_details(block, index))
                .map(Json::from)
                .collect();
            if !details.is_empty() {
                message.put("reasoning_details", details);
            }
        }
    }
}

fn result_message<'a>(
    out: &Out<'a>,
    result: &'a ToolResult,
    ids: &mut IdMap,
    losses: &mut Losses,
) -> Result<Json<'a>, Refused> {
    // The text stays as the tool wrote it; nearly all tools say in words that they failed.
    losses.note_if(result.is_error, Loss::ErrorFlag)?;
    let mut message = Object::default().with("role", "tool");
    message.put("tool_call_id", ids.map(&result.id));
    let mut texts = Vec::with_capacity(result.parts.len());
    for part in &result.parts {
        texts.extend(result_part(out, part, losses)?);
    }
    if texts.is_empty() && result.is_error {
        texts.push(plain_text("Error"));
    }
    let content = joined(out, texts, "\n");
    message.put("content", content.unwrap_or_else(|| "".into()));
    message.put_some("name", result.name.as_ref().filter(|_| out.is_own()));
    Ok(message.into())
}

/// What a tool's message says of a part of its result: text, or where to look.
fn result_part<'a>(
    out: &Out<'a>,
    part: &'a Part,
    losses: &mut Losses,
) -> Result<Option<Json<'a>>, Refused> {
    if is_medium(part) {
        return Ok(Some(plain_text(placeholder(part))));
    }
    match part {
        Part::Text(_)
        | Part::Refusal(_)
        | Part::Opaque {
            dialect: Dialect::Chat,
            ..
        } => part_value(out, part, losses),
        Part::Document(media) => Ok(match &media.source {
            Source::Text(text) => Some(plain_text(document_text(media.name.as_deref(), text))),
            _ => None,
        }),
        Part::Opaque { .. } => losses.note(Loss::OpaqueBlock).map(|()| None),
        Part::Image(_) | Part::Audio(_) | Part::Reasoning(_) | Part::Call(_) | Part::Result(_) => {
            Ok(None)
        }
    }
}
