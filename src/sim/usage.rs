//! Token counts as answers report them, truly or under a fault.
//! It must not know how tokens are counted.

use serde_json::{Value, json};

use super::armory::Faults;
use super::fault::FaultKind;
use super::options::EngineKind;

/// How usage is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporting {
    Right,
    /// Ten times the tokens.
    Wrong,
    Missing,
    /// In the chunk with the finish reason.
    Early,
}

impl Reporting {
    pub fn of(faults: &Faults) -> Self {
        if faults.has(FaultKind::UsageWrong) {
            Self::Wrong
        } else if faults.has(FaultKind::UsageMissing) {
            Self::Missing
        } else if faults.has(FaultKind::UsageEarly) {
            Self::Early
        } else {
            Self::Right
        }
    }

    /// The `usage` object, or nothing where it is left out.
    pub fn usage(self, kind: EngineKind, prompt: usize, completion: usize) -> Option<Value> {
        let factor = if self == Self::Wrong { 10 } else { 1 };
        let (prompt, completion) = (prompt * factor, completion * factor);
        let mut usage = json!({"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion});
        match kind {
            EngineKind::Vllm => usage["prompt_tokens_details"] = Value::Null,
            EngineKind::Openai => {
                usage["prompt_tokens_details"] = json!({"cached_tokens": 0, "audio_tokens": 0});
                usage["completion_tokens_details"] = json!({"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0});
            }
            _ => {}
        }
        (self != Self::Missing).then_some(usage)
    }
}
