//! `inferenceConfig`, and what Converse leaves to models: `additionalModelRequestFields` in their own words.
//! Claude's are those of its own API (<https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html>),
//! Nova's those of its guide (<https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>); the others' are general
//! knowledge.

use serde_json::{Map, Value, json};
use weir_openai::{Choice, Effort, Thinking, Wishes};

use super::family::Family;

/// The least that Claude takes for a budget.
const BUDGET_MIN: u64 = 1024;

/// The three members that a request's wishes come to.
#[derive(Debug, Default)]
pub struct Fields {
    pub inference: Map<String, Value>,
    pub additional: Map<String, Value>,
    pub effort: Option<&'static str>,
}

/// What else decides.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub family: Family,
    /// As the upstream calls it.
    pub model: &'a str,
    pub choice: &'a Choice,
    /// The turn to go on with began without thinking.
    pub breaks_thinking: bool,
}

pub fn fields(wishes: &Wishes, about: &About<'_>) -> Fields {
    let mut fields = Fields::default();
    bounds(&mut fields, wishes, about.family);
    let thinks = thinking(&mut fields, wishes, about);
    let is_sampled = match about.family {
        Family::ClaudeUnsampled => false,
        Family::ClaudeByBudget | Family::ClaudeByEffort | Family::Nova2 => !thinks,
        Family::ClaudeOfOld
        | Family::Nova
        | Family::Openai
        | Family::Cohere
        | Family::Mistral
        | Family::Other => true,
    };
    if is_sampled {
        sampling(&mut fields, wishes, about.family);
    }
    fields
}

fn bounds(fields: &mut Fields, wishes: &Wishes, family: Family) {
    if let Some(tokens) = wishes.output_tokens_max.filter(|tokens| *tokens > 0) {
        put(&mut fields.inference, "maxTokens", tokens);
    }
    let is_taken = |text: &&String| !family.is_claude() || !text.trim().is_empty();
    let stop: Vec<&str> = wishes
        .stop
        .iter()
        .filter(is_taken)
        .map(String::as_str)
        .collect();
    if !stop.is_empty() {
        put(&mut fields.inference, "stopSequences", stop);
    }
}

/// What is out of Converse's bounds is brought to the nearest that is not.
fn sampling(fields: &mut Fields, wishes: &Wishes, family: Family) {
    if let Some(temperature) = wishes.temperature {
        put(
            &mut fields.inference,
            "temperature",
            temperature.clamp(0.0, 1.0),
        );
    }
    let is_either_or = matches!(family, Family::ClaudeByBudget | Family::ClaudeByEffort);
    let top_p = wishes
        .top_p
        .filter(|_| !is_either_or || wishes.temperature.is_none());
    if let Some(top_p) = top_p {
        put(&mut fields.inference, "topP", top_p.clamp(0.0, 1.0));
    }
    let Some(top_k) = wishes.top_k else { return };
    match family {
        Family::ClaudeByBudget
        | Family::ClaudeByEffort
        | Family::ClaudeUnsampled
        | Family::ClaudeOfOld
        | Family::Mistral => put(&mut fields.additional, "top_k", top_k),
        Family::Nova | Family::Nova2 => {
            put(
                &mut fields.additional,
                "inferenceConfig",
                json!({"topK": top_k}),
            );
        }
        Family::Cohere => put(&mut fields.additional, "k", top_k),
        Family::Openai | Family::Other => {}
    }
}

fn put(members: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    members.insert(name.to_owned(), value.into());
}

/// Adds what is asked for of thinking; whether the model is to think by it, so that its sampling is its own.
fn thinking(fields: &mut Fields, wishes: &Wishes, about: &About<'_>) -> bool {
    let asked = &wishes.thinking;
    let Some(is_on) = asked.on else {
        return false;
    };
    match about.family {
        Family::ClaudeByBudget => by_budget(fields, wishes, about, is_on),
        Family::ClaudeByEffort | Family::ClaudeUnsampled => by_effort(fields, asked, about, is_on),
        Family::Nova2 => nova(fields, asked, is_on),
        Family::Openai => {
            // The least there is; it cannot be turned off.
            let effort = effort(asked).filter(|_| is_on).unwrap_or(Effort::Low);
            put(&mut fields.additional, "reasoning_effort", three(effort));
            false
        }
        Family::ClaudeOfOld | Family::Nova | Family::Cohere | Family::Mistral | Family::Other => {
            false
        }
    }
}

/// No tool can be forced while Claude thinks by a budget: what is forced goes before.
fn by_budget(fields: &mut Fields, wishes: &Wishes, about: &About<'_>, is_on: bool) -> bool {
    let is_forced = matches!(about.choice, Choice::Required | Choice::Named(_));
    if !is_on || is_forced || about.breaks_thinking {
        return false;
    }
    let asked = &wishes.thinking;
    let by_effort = asked.effort.unwrap_or(Effort::Medium).budget_tokens();
    let wanted = asked.budget_tokens.unwrap_or(by_effort).max(BUDGET_MIN);
    // The budget is part of what may be written, and less than it.
    let room = wishes
        .output_tokens_max
        .map_or(wanted, |most| most.saturating_sub(1));
    let budget = wanted.min(room);
    if budget < BUDGET_MIN {
        return false;
    }
    let thinking = json!({"type": "enabled", "budget_tokens": budget});
    put(&mut fields.additional, "thinking", thinking);
    true
}

/// Models whose thinking cannot be turned off.
const ALWAYS: [&str; 2] = ["fable", "mythos"];

fn by_effort(fields: &mut Fields, asked: &Thinking, about: &About<'_>, is_on: bool) -> bool {
    let is_always = ALWAYS.iter().any(|name| about.model.contains(name));
    if !is_on {
        if !is_always {
            put(
                &mut fields.additional,
                "thinking",
                json!({"type": "disabled"}),
            );
        }
        return false;
    }
    if !is_always {
        put(
            &mut fields.additional,
            "thinking",
            json!({"type": "adaptive"}),
        );
    }
    fields.effort = effort(asked).map(|effort| match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        // 4.6 knows the highest, and not the one before it.
        Effort::ExtraHigh if about.family == Family::ClaudeByEffort => "high",
        Effort::ExtraHigh => "xhigh",
        Effort::Max => "max",
    });
    true
}

/// With the highest effort Nova takes no bound and no sampling of the client's.
fn nova(fields: &mut Fields, asked: &Thinking, is_on: bool) -> bool {
    if !is_on {
        put(
            &mut fields.additional,
            "reasoningConfig",
            json!({"type": "disabled"}),
        );
        return false;
    }
    let effort = three(effort(asked).unwrap_or(Effort::Medium));
    let config = json!({"type": "enabled", "maxReasoningEffort": effort});
    put(&mut fields.additional, "reasoningConfig", config);
    let is_highest = effort == "high";
    if is_highest {
        fields.inference.shift_remove("maxTokens");
    }
    is_highest
}

fn effort(asked: &Thinking) -> Option<Effort> {
    asked.effort.or(asked.budget_tokens.map(Effort::of_budget))
}

fn three(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::ExtraHigh | Effort::Max => "high",
    }
}
