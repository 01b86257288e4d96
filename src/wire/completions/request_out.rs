//! Requests for upstreams: the prompt as it is, or a conversation written down as a transcript, which ends where the
//! assistant is to go on.

use crate::wire::Dialect;
use crate::wire::capability::Target;
use crate::wire::chat::messages_out::Out;
use crate::wire::chat::parts_out::document_text;
use crate::wire::chat::request_out::{STREAM_OPTIONS, bounded_user, loss_of, sampling, stream};
use crate::wire::neutral::{
    Format, Loss, Losses, Message, Part, Refused, Request, Role, Source, ToolChoice,
};
use crate::wire::translate::Written;
use crate::wire::tree::{Json, Object};

/// OpenAI's bound on `logprobs`.
const LOGPROBS_MAX: u32 = 5;
/// Where a transcript's next turn would begin: a model that only continues texts would write the user's as well.
const NEXT_TURN: &str = "\nUser:";

/// Writes a request.
///
/// # Errors
/// When it says what a prompt cannot say.
pub fn write_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let out = Out {
        request,
        quirks: target.quirks,
    };
    refuse_tools(request, losses)?;
    let is_bare = is_bare(request);
    let mut body = Object::default().with("model", target.model);
    let prompt = if is_bare {
        texts(&request.messages[0], losses)?
    } else {
        losses.note(Loss::FlattenedMessages)?;
        transcript(request, losses)?
    };
    body.put("prompt", prompt);
    body.put_some("suffix", request.suffix.as_ref());
    bounds(&out, !is_bare, &mut body, losses)?;
    sampling(&out, &mut body, losses)?;
    rest(&out, &mut body, losses)?;
    stream(&out, &mut body);
    Ok(Written {
        path: "/completions".to_owned(),
        body: body.bytes(),
    })
}

/// One text to continue.
fn is_bare(request: &Request) -> bool {
    request.is_prompt && request.messages.len() == 1
}

fn refuse_tools(request: &Request, losses: &mut Losses) -> Result<(), Refused> {
    let has_tools = !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None);
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let has_calls = parts.any(|part| matches!(part, Part::Call(_) | Part::Result(_)));
    losses.note_if(has_tools || has_calls, Loss::Tools)
}

/// The turns one below the other, each with its speaker.
fn transcript(request: &Request, losses: &mut Losses) -> Result<String, Refused> {
    let mut text = String::new();
    if let Some(words) = format_words(request, losses)? {
        text.push_str(&words);
        text.push_str("\n\n");
    }
    for message in &request.messages {
        let speaker = match message.role {
            Role::System | Role::Developer => "System",
            Role::User => "User",
            Role::Assistant => "Assistant",
            Role::Tool => continue,
        };
        let said = texts(message, losses)?;
        text.push_str(&format!("{speaker}: {said}\n\n"));
    }
    // A turn of the assistant's that stands last is to be gone on with.
    match request.messages.last() {
        Some(last) if last.role == Role::Assistant => text.truncate(text.trim_end().len()),
        Some(_) | None => text.push_str("Assistant:"),
    }
    Ok(text)
}

fn format_words(request: &Request, losses: &mut Losses) -> Result<Option<String>, Refused> {
    Ok(match &request.format {
        Format::Text => None,
        Format::Json => {
            losses.note(Loss::JsonMode)?;
            Some("System: Answer with one JSON object and nothing else.".to_owned())
        }
        Format::Schema(schema) => {
            losses.note(Loss::JsonMode)?;
            let schema = &schema.schema;
            Some(format!(
                "System: Answer with one JSON value and nothing else. It must be valid against this JSON Schema:\n{schema}"
            ))
        }
    })
}

/// The texts of a turn.
fn texts(message: &Message, losses: &mut Losses) -> Result<String, Refused> {
    let mut said: Vec<String> = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(text) => said.push(text.text.clone()),
            Part::Refusal(text) => said.push(text.clone()),
            Part::Document(media) => match &media.source {
                Source::Text(text) => {
                    said.push(document_text(media.name.as_deref(), text).into_owned())
                }
                Source::Base64 { .. } | Source::Url { .. } | Source::File { .. } => {
                    losses.note(Loss::Document)?;
                }
            },
            Part::Image(_) => losses.note(Loss::Image)?,
            Part::Audio(_) => losses.note(Loss::Audio)?,
            Part::Reasoning(_) => losses.note(Loss::ReasoningOfOthers)?,
            Part::Opaque { .. } => losses.note(Loss::OpaqueBlock)?,
            Part::Call(_) | Part::Result(_) => losses.note(Loss::Tools)?,
        }
    }
    Ok(said.join("\n"))
}

fn bounds<'a>(
    out: &Out<'a>,
    is_transcript: bool,
    body: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let (request, quirks) = (out.request, out.quirks);
    if let Some(tokens) = request.output_tokens_max {
        body.put("max_tokens", tokens);
    }
    let stops = request.stop.iter().filter(|stop| !stop.is_empty());
    let mut stops: Vec<&str> = stops.map(String::as_str).collect();
    losses.note_if(stops.len() > quirks.stop_max, Loss::StopTexts)?;
    stops.truncate(quirks.stop_max);
    if is_transcript && stops.len() < quirks.stop_max {
        stops.push(NEXT_TURN);
    }
    if !stops.is_empty() {
        body.put(
            "stop",
            stops.into_iter().map(Json::from).collect::<Vec<_>>(),
        );
    }
    if request.choices > 1 {
        losses.note_if(!quirks.choices, Loss::Choices)?;
        body.put("n", u64::from(request.choices));
    }
    match request.logprobs {
        Some(others) if quirks.logprobs => {
            body.put("logprobs", u64::from(others.min(LOGPROBS_MAX)));
            Ok(())
        }
        Some(_) => losses.note(Loss::Logprobs),
        None => Ok(()),
    }
}

fn rest<'a>(out: &Out<'a>, body: &mut Object<'a>, losses: &mut Losses) -> Result<(), Refused> {
    let request = out.request;
    losses.note_if(request.thinking.effort.is_some(), Loss::Effort)?;
    losses.note_if(
        request.thinking.budget_tokens.is_some(),
        Loss::ThinkingBudget,
    )?;
    losses.note_if(request.verbosity.is_some(), Loss::Verbosity)?;
    losses.note_if(request.service_tier.is_some(), Loss::ServiceTier)?;
    losses.note_if(request.cache_key.is_some(), Loss::CacheKey)?;
    if is_bare(request) && request.format != Format::Text {
        losses.note(Loss::JsonMode)?;
    }
    if let Some(user) = &request.user {
        if out.quirks.strict_members {
            losses.note(Loss::User)?;
        } else {
            body.put("user", bounded_user(user));
        }
    }
    let is_own = request.dialect == Dialect::Completions && !out.quirks.strict_members;
    for (name, value) in &request.extras {
        if name == STREAM_OPTIONS || body.get(name).is_some() {
            continue;
        }
        if is_own {
            body.put(name, value);
        } else if let Some(loss) = loss_of(name, value) {
            losses.note_at(loss, Some(name.clone()))?;
        }
    }
    Ok(())
}
