//! How much to think, for upstreams: OpenAI's effort, and the switches that other servers have.

use serde_json::Value;

use crate::wire::capability::ThinkingSwitch;
use crate::wire::neutral::{Effort, Loss, Losses, Refused, Thinking, ThinkingMode};
use crate::wire::tree::Object;

use super::messages_out::Out;

/// Budgets from here on are the next level of effort, in tokens; above the last: extra high.
const LOW_BELOW: u64 = 2000;
const MEDIUM_BELOW: u64 = 8000;
const HIGH_BELOW: u64 = 24_000;

/// Writes what the request says of thinking.
pub fn thinking<'a>(
    out: &Out<'a>,
    body: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let thinking = &out.request.thinking;
    let quirks = out.quirks;
    let is_said = said(thinking);
    let is_lenient = !quirks.strict_members && !quirks.openai_members;
    match quirks.thinking_switch {
        ThinkingSwitch::ReasoningObject => {
            body.put_some("reasoning", reasoning_object(thinking));
            return Ok(());
        }
        // A client of this dialect that says more than effort says it to a server that understands it; OpenAI's own does not.
        ThinkingSwitch::None if out.is_own() && is_lenient && !is_effort(thinking) => {
            body.put_some("reasoning", reasoning_object(thinking));
            return Ok(());
        }
        ThinkingSwitch::None => {}
        ThinkingSwitch::TemplateArgument => template_argument(out, body),
        ThinkingSwitch::ThinkingObject => {
            if let Some(on) = on(thinking) {
                let kind = if on { "enabled" } else { "disabled" };
                body.put("thinking", Object::typed(kind));
            }
        }
    }
    let has_switch = quirks.thinking_switch != ThinkingSwitch::None;
    let level = level(thinking);
    if has_switch && level == Some(Effort::None) {
        return Ok(());
    }
    match level {
        Some(level) if quirks.reasoning_effort => {
            body.put("reasoning_effort", level.name());
            Ok(())
        }
        Some(Effort::None) => losses.note(Loss::ThinkingOff),
        Some(_) if thinking.effort.is_some() => losses.note(Loss::Effort),
        Some(_) => losses.note(Loss::ThinkingBudget),
        None => losses.note_if(
            is_said && thinking.budget_tokens.is_some(),
            Loss::ThinkingBudget,
        ),
    }
}

fn said(thinking: &Thinking) -> bool {
    thinking.mode.is_some() || thinking.effort.is_some() || thinking.budget_tokens.is_some()
}

/// Only a level of effort is said, or nothing.
fn is_effort(thinking: &Thinking) -> bool {
    let only = Thinking {
        effort: thinking.effort,
        ..Thinking::default()
    };
    *thinking == only
}

/// On or off, as far as that is said.
fn on(thinking: &Thinking) -> Option<bool> {
    match (thinking.mode, thinking.effort) {
        (Some(ThinkingMode::Off), _) | (None, Some(Effort::None)) => Some(false),
        (Some(ThinkingMode::On | ThinkingMode::Adaptive), _) | (None, Some(_)) => Some(true),
        (None, None) => thinking.budget_tokens.map(|budget| budget > 0),
    }
}

/// The level of effort: as said, or as the budget comes to. Adaptive and on without more are the target's default.
fn level(thinking: &Thinking) -> Option<Effort> {
    if on(thinking) == Some(false) {
        return Some(Effort::None);
    }
    thinking
        .effort
        .or_else(|| thinking.budget_tokens.map(effort_of_budget))
}

fn effort_of_budget(tokens: u64) -> Effort {
    match tokens {
        0 => Effort::None,
        _ if tokens < LOW_BELOW => Effort::Low,
        _ if tokens < MEDIUM_BELOW => Effort::Medium,
        _ if tokens < HIGH_BELOW => Effort::High,
        _ => Effort::ExtraHigh,
    }
}

/// OpenRouter's object; effort and budget exclude each other there.
fn reasoning_object(thinking: &Thinking) -> Option<Object<'_>> {
    let mut object = Object::default();
    match (on(thinking), thinking.effort, thinking.budget_tokens) {
        (Some(false), _, _) => {
            object.put("enabled", false);
        }
        (_, Some(effort), _) => {
            object.put("effort", effort.name());
        }
        (_, None, Some(budget)) => {
            object.put("max_tokens", budget);
        }
        (Some(true), None, None) => {
            object.put("enabled", true);
        }
        (None, None, None) => {}
    }
    if thinking.show == Some(false) {
        object.put("exclude", true);
    }
    object.put_some("summary", thinking.summary.as_ref());
    (!object.is_empty()).then_some(object)
}

/// Qwen's and GLM's templates call the argument `enable_thinking`, DeepSeek's and Granite's `thinking`; templates ignore
/// what they do not know. <https://docs.vllm.ai/en/latest/features/reasoning_outputs.html>
fn template_argument<'a>(out: &Out<'a>, body: &mut Object<'a>) {
    let Some(on) = on(&out.request.thinking) else {
        return;
    };
    // The client's own arguments stay, and win.
    let own = out.request.extras.get("chat_template_kwargs");
    let own = own.filter(|_| out.is_own()).and_then(Value::as_object);
    let mut arguments = Object::default()
        .with("enable_thinking", on)
        .with("thinking", on);
    arguments.extend(own.into_iter().flatten());
    body.put("chat_template_kwargs", arguments);
}
