//! How much an upstream's model is to think, what that leaves of the bound on its output, and how its tokens are chosen.
//! What a model takes is decided by its capabilities alone.

use serde_json::Number;

use crate::wire::Dialect;
use crate::wire::capability::{Capabilities, ThinkingStyle};
use crate::wire::neutral::{
    Effort, Loss, Losses, Part, Reasoning, Refused, Request, Role, Thinking, ThinkingMode,
};

use super::OUTPUT_TOKENS_DEFAULT;
use crate::wire::tree::{Json, Object};

/// The members that follow from how much is to be thought.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub max_tokens: u64,
    pub thinking: Option<Json<'a>>,
    /// `output_config.effort`.
    pub effort: Option<&'static str>,
    /// By a budget: no tool can be forced then.
    pub is_manual: bool,
    /// Sampling is bound to what the vendor allows beside thinking.
    pub bounds_sampling: bool,
}

/// The least that the vendor takes for a budget.
const BUDGET_MIN: u64 = 1024;

/// What is left for the answer beside a budget where the client has not said how long it may be.
const ANSWER_TOKENS: u64 = OUTPUT_TOKENS_DEFAULT;

/// Decides.
///
/// # Errors
/// Where the losses' policy refuses one.
pub(super) fn plan<'a>(
    request: &'a Request,
    capabilities: &Capabilities,
    losses: &mut Losses,
) -> Result<Plan<'a>, Refused> {
    let mut plan = Plan {
        max_tokens: output_bound(request, capabilities, losses)?,
        ..Plan::default()
    };
    let thinking = &request.thinking;
    let is_own = request.dialect == Dialect::Anthropic;
    if let (true, Some(whole)) = (is_own, request.extras.get("thinking")) {
        plan.thinking = Some(whole.into());
        plan.effort = effort_name(thinking.effort);
        return Ok(plan);
    }
    match capabilities.thinking {
        ThinkingStyle::Never => {
            losses.note_if(thinking.budget_tokens.is_some(), Loss::ThinkingBudget)?;
            let asks = thinking.effort.is_some_and(|effort| effort != Effort::None);
            losses.note_if(asks, Loss::Effort)?;
        }
        ThinkingStyle::Unknown if is_own => as_said(&mut plan, thinking),
        ThinkingStyle::Unknown | ThinkingStyle::Budget => {
            by_budget(&mut plan, request, capabilities, losses)?;
        }
        ThinkingStyle::Adaptive => by_effort(&mut plan, request, capabilities, losses)?,
        ThinkingStyle::Always if wants(thinking) == Some(false) => {
            losses.note(Loss::ThinkingOff)?;
            let lowest = || effort_name(capabilities.efforts.iter().copied().min());
            plan.effort = effort_name(thinking.effort).or_else(lowest);
        }
        ThinkingStyle::Always => by_effort(&mut plan, request, capabilities, losses)?,
    }
    Ok(plan)
}

fn output_bound(
    request: &Request,
    capabilities: &Capabilities,
    losses: &mut Losses,
) -> Result<u64, Refused> {
    let most = capabilities.output_tokens_max;
    let Some(said) = request.output_tokens_max else {
        return Ok(most.unwrap_or(OUTPUT_TOKENS_DEFAULT));
    };
    losses.note_if(most.is_some_and(|most| said > most), Loss::OutputBound)?;
    Ok(most.map_or(said, |most| said.min(most)))
}

/// Whether the client wants the model to think; `None`: it has not said.
fn wants(thinking: &Thinking) -> Option<bool> {
    match (thinking.mode, thinking.effort, thinking.budget_tokens) {
        (Some(ThinkingMode::Off), _, _) | (_, Some(Effort::None), _) => Some(false),
        (Some(ThinkingMode::On | ThinkingMode::Adaptive), _, _) | (None, Some(_), _) => Some(true),
        (None, None, Some(budget)) => Some(budget > 0),
        (None, None, None) => None,
    }
}

/// The vendor's name for a level; it has no `minimal`, and `none` is no level.
fn effort_name(effort: Option<Effort>) -> Option<&'static str> {
    match effort? {
        Effort::None => None,
        Effort::Minimal => Some(Effort::Low.name()),
        level @ (Effort::Low | Effort::Medium | Effort::High | Effort::ExtraHigh | Effort::Max) => {
            Some(level.name())
        }
    }
}

fn shown(config: Object<'static>, thinking: &Thinking) -> Json<'static> {
    let display = thinking
        .show
        .map(|show| if show { "summarized" } else { "omitted" });
    config.with_some("display", display).into()
}

/// Of a model that is not known, in the client's own words.
fn as_said(plan: &mut Plan<'_>, thinking: &Thinking) {
    plan.effort = effort_name(thinking.effort);
    plan.thinking = thinking.mode.map(|mode| match mode {
        ThinkingMode::Off => Object::typed("disabled").into(),
        ThinkingMode::Adaptive => shown(Object::typed("adaptive"), thinking),
        ThinkingMode::On => {
            let budget = thinking.budget_tokens.unwrap_or(BUDGET_MIN);
            shown(
                Object::typed("enabled").with("budget_tokens", budget),
                thinking,
            )
        }
    });
}

/// A budget for a level, in tokens.
fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => BUDGET_MIN,
        Effort::Medium => 4096,
        Effort::High => 16384,
        Effort::ExtraHigh | Effort::Max => 32000,
    }
}

/// The level that a budget comes to.
fn effort_of(budget: u64) -> Effort {
    match budget {
        0..2000 => Effort::Low,
        2000..8000 => Effort::Medium,
        8000..24000 => Effort::High,
        _ => Effort::ExtraHigh,
    }
}

fn by_budget(
    plan: &mut Plan<'_>,
    request: &Request,
    capabilities: &Capabilities,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let thinking = &request.thinking;
    let is_own = request.dialect == Dialect::Anthropic;
    if is_own {
        // Some models have both, and the client knows which.
        plan.effort = effort_name(thinking.effort);
    }
    let wanted = match wants(thinking) {
        None => return Ok(()),
        Some(false) => {
            plan.thinking = Some(Object::typed("disabled").into());
            return Ok(());
        }
        Some(true) => match (thinking.effort, thinking.budget_tokens) {
            (_, Some(budget)) if is_own => budget,
            // Effort beside no mode is, in this dialect, not about thinking alone.
            (Some(_), None) if is_own && thinking.mode.is_none() => return Ok(()),
            (Some(effort), _) => budget_of(effort),
            (None, Some(budget)) => budget,
            // As the model sees fit: this one sees fit not to, and the client need not hear of it.
            (None, None) if thinking.mode == Some(ThinkingMode::Adaptive) => return Ok(()),
            (None, None) => budget_of(Effort::Medium),
        },
    };
    if breaks_loop(request) {
        return losses.note(Loss::ThinkingBudget);
    }
    let budget = fit_budget(plan, wanted, request, capabilities);
    let is_changed = thinking.budget_tokens.is_some_and(|said| said != budget);
    losses.note_if(
        is_changed && thinking.effort.is_none(),
        Loss::ThinkingBudget,
    )?;
    plan.is_manual = true;
    plan.bounds_sampling = true;
    let config = Object::typed("enabled").with("budget_tokens", budget);
    plan.thinking = Some(shown(config, thinking));
    Ok(())
}

/// The budget must be less than the bound on output: it is lowered while enough of it remains, else the bound is raised.
fn fit_budget(
    plan: &mut Plan<'_>,
    wanted: u64,
    request: &Request,
    capabilities: &Capabilities,
) -> u64 {
    let budget = wanted.max(BUDGET_MIN);
    let most = capabilities.output_tokens_max.unwrap_or(u64::MAX);
    if request.output_tokens_max.is_none() {
        let whole = budget.saturating_add(ANSWER_TOKENS);
        plan.max_tokens = plan.max_tokens.max(whole).min(most);
    }
    if budget < plan.max_tokens {
        return budget;
    }
    let three_quarters = plan.max_tokens / 4 * 3;
    if three_quarters >= BUDGET_MIN {
        return three_quarters;
    }
    plan.max_tokens += BUDGET_MIN;
    BUDGET_MIN
}

/// Whether the turn to go on with began without reasoning of the vendor's: with a budget the vendor refuses to go on then.
fn breaks_loop(request: &Request) -> bool {
    let mut later = request.messages.iter().rev();
    let Some(last) = later.find(|message| message.role == Role::Assistant) else {
        return false;
    };
    let after = request
        .messages
        .iter()
        .rev()
        .take_while(|message| message.role != Role::Assistant);
    let follows_results = after.clone().any(|message| message.role == Role::Tool);
    let is_last = after.count() == 0;
    (follows_results || is_last) && !last.parts.first().is_some_and(is_signed)
}

fn is_signed(part: &Part) -> bool {
    match part {
        Part::Reasoning(Reasoning { signature, .. }) => {
            let signature = signature.as_ref();
            signature.is_some_and(|signature| signature.dialect == Dialect::Anthropic)
        }
        Part::Text(_)
        | Part::Refusal(_)
        | Part::Image(_)
        | Part::Audio(_)
        | Part::Document(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Opaque { .. } => false,
    }
}

fn by_effort(
    plan: &mut Plan<'_>,
    request: &Request,
    capabilities: &Capabilities,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let thinking = &request.thinking;
    let is_own = request.dialect == Dialect::Anthropic;
    match wants(thinking) {
        None => return Ok(()),
        Some(false) => {
            plan.thinking = Some(Object::typed("disabled").into());
            // An own client may still say how hard to work.
            plan.effort = effort_name(thinking.effort).filter(|_| is_own);
            return Ok(());
        }
        Some(true) => {}
    }
    let effort = match (thinking.effort, thinking.budget_tokens) {
        (Some(effort), _) => Some(effort),
        (None, Some(budget)) => {
            losses.note(Loss::ThinkingBudget)?;
            Some(nearest(effort_of(budget), &capabilities.efforts))
        }
        (None, None) => None,
    };
    plan.effort = effort_name(effort);
    // In this dialect effort alone does not ask for thinking.
    if !is_own || thinking.mode.is_some() {
        plan.thinking = Some(shown(Object::typed("adaptive"), thinking));
        plan.bounds_sampling = true;
    }
    Ok(())
}

/// The level itself where the model has it, the next lower one otherwise, the lowest where there is none.
fn nearest(level: Effort, known: &[Effort]) -> Effort {
    let lower = known.iter().copied().filter(|known| *known <= level).max();
    lower.or(known.iter().copied().min()).unwrap_or(level)
}

/// Writes the members that say how tokens are chosen.
///
/// # Errors
/// Where the losses' policy refuses one.
pub(super) fn sampling<'a>(
    request: &'a Request,
    capabilities: &Capabilities,
    bounded: bool,
    body: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let sampling = &request.sampling;
    // Beside thinking: temperature at its default, hardly any `top_p`, no `top_k`.
    let takes = |number: &Number, beside_thinking: bool| {
        capabilities.sampling
            && (!bounded || (beside_thinking && as_f64(number) >= TOP_P_BESIDE_THINKING))
    };
    if let Some(temperature) = &sampling.temperature {
        let clamped = as_f64(temperature).clamp(0.0, 1.0);
        let is_taken = takes(temperature, clamped == 1.0);
        let is_whole = is_taken && clamped == as_f64(temperature);
        losses.note_if(!is_whole, Loss::Temperature)?;
        if is_whole {
            body.put("temperature", number(temperature));
        } else if is_taken {
            body.put("temperature", if clamped == 0.0 { 0 } else { 1 });
        }
    }
    if let Some(top_p) = &sampling.top_p {
        let alone = capabilities.temperature_with_top_p || sampling.temperature.is_none();
        let is_taken = alone && takes(top_p, true);
        losses.note_if(!is_taken, Loss::TopP)?;
        if is_taken {
            body.put("top_p", number(top_p));
        }
    }
    if let Some(top_k) = &sampling.top_k {
        let is_taken = takes(top_k, false);
        losses.note_if(!is_taken, Loss::TopK)?;
        if is_taken {
            body.put("top_k", number(top_k));
        }
    }
    Ok(())
}

/// The vendor takes `top_p` from here to 1 beside thinking.
const TOP_P_BESIDE_THINKING: f64 = 0.95;

fn as_f64(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

fn number(number: &Number) -> Json<'static> {
    serde_json::Value::Number(number.clone()).into()
}
