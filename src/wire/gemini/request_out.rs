//! A request for an upstream.

use serde_json::{Map, Value, json};

use crate::wire::Dialect;
use crate::wire::capability::Target;
use crate::wire::neutral::{Loss, Losses, Refused, Request};
use crate::wire::translate::Written;
use crate::wire::tree;

use super::config_out::config;
use super::content_out::contents;
use super::tools_out::write_tools;

/// Writes the request; model and form stand in the path.
///
/// # Errors
/// Where Google cannot take what the request means.
pub fn write_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let body = body(request, target, losses)?;
    let method = if request.stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    Ok(Written {
        path: format!("{}:{method}", model_path(target.model)),
        body: tree::bytes_of(&Value::Object(body)),
    })
}

/// The body of a request, which counting wants as well.
pub fn body(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Refused> {
    let mut body = Map::new();
    let contents = contents(request, target, losses)?;
    losses.note_if(contents.turns.is_empty(), Loss::NoMessages)?;
    if !contents.system.is_empty() {
        let system = json!({ "parts": contents.system });
        body.insert("systemInstruction".into(), system);
    }
    body.insert("contents".into(), contents.turns.into());
    write_tools(request, target, &mut body, losses)?;
    let config = config(request, target, losses)?;
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    tier(request, &mut body, losses)?;
    own_members(request, &mut body);
    note_what_is_lost(request, losses)?;
    Ok(body)
}

/// The tier, of which others' usual words say nothing.
fn tier(
    request: &Request,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let is_own = request.dialect == Dialect::Gemini;
    let tier = match request.service_tier.as_deref() {
        None => return Ok(()),
        Some(tier @ ("flex" | "priority")) => tier,
        Some("default") if is_own => "standard",
        Some("auto") if is_own => "unspecified",
        Some(other) if is_own => other,
        Some("auto" | "default") => return Ok(()),
        Some(_) => return losses.note(Loss::ServiceTier),
    };
    body.insert("serviceTier".into(), tier.into());
    Ok(())
}

/// What a client of Gemini's said and only Gemini understands: `safetySettings`, `cachedContent`, `labels`.
fn own_members(request: &Request, body: &mut Map<String, Value>) {
    if request.dialect != Dialect::Gemini {
        return;
    }
    for (name, value) in &request.extras {
        if !["generationConfig", "toolConfig"].contains(&name.as_str()) {
            body.insert(name.clone(), value.clone());
        }
    }
}

fn note_what_is_lost(request: &Request, losses: &mut Losses) -> Result<(), Refused> {
    let has_tools = !request.tools.is_empty();
    for (is_lost, loss) in [
        (request.suffix.is_some(), Loss::Suffix),
        (
            has_tools && request.parallel_calls == Some(false),
            Loss::ParallelCalls,
        ),
        (request.verbosity.is_some(), Loss::Verbosity),
        (request.user.is_some(), Loss::User),
        (request.cache_key.is_some(), Loss::CacheKey),
    ] {
        losses.note_if(is_lost, loss)?;
    }
    Ok(())
}

/// `/models/m`; the names of tuned models say their collection themselves.
pub fn model_path(model: &str) -> String {
    let has_collection = ["models/", "tunedModels/"]
        .iter()
        .any(|start| model.starts_with(start));
    let mut path = String::from(if has_collection { "/" } else { "/models/" });
    for byte in model.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~/@".contains(&byte);
        if is_plain {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
