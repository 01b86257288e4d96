//! Checks `translation`: how losses are treated, and what models can do by the operator's word.
//! It must not know how a request is translated.

use std::time::Duration;

use crate::wire::capability::{Capabilities, ThinkingStyle};
use crate::wire::neutral::{Effort, Policy};
use crate::wire::{Dialect, models};

use super::ModelPattern;
use super::check::Context;
use super::path::FieldPath;
use super::raw::{RawCapabilities, RawDialect, RawEffort, RawLoss, RawThinking, RawTranslation};

/// What happens where the client and the upstream speak different dialects.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// Default warn.
    pub loss: Policy,
    /// Default 10 s.
    pub keepalive: Duration,
    /// Default 3600 s.
    pub reasoning_kept: Duration,
    /// Those that say more exactly which models they mean come later, and win.
    pub models: Vec<(ModelPattern, CapabilityChanges)>,
}

/// What the operator says of a model; `None` leaves what weir knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CapabilityChanges {
    context_tokens: Option<u64>,
    output_tokens_max: Option<u64>,
    sampling: Option<bool>,
    prefill: Option<bool>,
    tools: Option<bool>,
    forced_tools: Option<bool>,
    thinking: Option<ThinkingStyle>,
    efforts: Option<Vec<Effort>>,
    system_anywhere: Option<bool>,
    structured_output: Option<bool>,
    images: Option<bool>,
    audio: Option<bool>,
    documents: Option<bool>,
    responses_only: Option<bool>,
}

impl Translation {
    /// What `model`, by its upstream's name, can do: as weir knows it, but for what the operator says.
    pub fn of_model(&self, model: &str) -> Capabilities {
        let mut capabilities = models::known(model).unwrap_or_default();
        let said = self.models.iter();
        for (_, changes) in said.filter(|(pattern, _)| pattern.matches(model)) {
            changes.apply(&mut capabilities);
        }
        capabilities
    }
}

impl CapabilityChanges {
    fn apply(&self, to: &mut Capabilities) {
        fn set<T: Clone>(to: &mut T, said: &Option<T>) {
            if let Some(said) = said {
                *to = said.clone();
            }
        }
        to.context_tokens = self.context_tokens.or(to.context_tokens);
        to.output_tokens_max = self.output_tokens_max.or(to.output_tokens_max);
        set(&mut to.sampling, &self.sampling);
        set(&mut to.prefill, &self.prefill);
        set(&mut to.tools, &self.tools);
        set(&mut to.forced_tools, &self.forced_tools);
        set(&mut to.thinking, &self.thinking);
        set(&mut to.efforts, &self.efforts);
        set(&mut to.system_anywhere, &self.system_anywhere);
        set(&mut to.structured_output, &self.structured_output);
        set(&mut to.images, &self.images);
        set(&mut to.audio, &self.audio);
        set(&mut to.documents, &self.documents);
        set(&mut to.responses_only, &self.responses_only);
    }
}

pub(super) fn translation(
    context: &mut Context<'_, '_>,
    raw: RawTranslation,
) -> Option<Translation> {
    let path = FieldPath::root().key("translation").key("models");
    let models = raw.models.unwrap_or_default().into_iter();
    let models: Vec<_> = models
        .map(|(text, raw)| {
            let pattern = ModelPattern::parse(&text).map_err(|problem| {
                let message = format!("{text:?} {problem}");
                context.report.key(&path.key(&text), message);
            });
            Some((pattern.ok()?, changes(raw?)?))
        })
        .collect();
    let mut models = models.into_iter().collect::<Option<Vec<_>>>()?;
    models.sort_by_key(|(pattern, _)| (pattern.is_name(), pattern.text().len()));
    Some(Translation {
        loss: policy(raw.loss?),
        keepalive: raw.keepalive?.0,
        reasoning_kept: raw.reasoning_kept?.0,
        models,
    })
}

/// What a route says of losses, in the core's terms.
pub(super) fn policy(raw: RawLoss) -> Policy {
    match raw {
        RawLoss::Strict => Policy::Strict,
        RawLoss::Warn => Policy::Warn,
        RawLoss::Silent => Policy::Silent,
    }
}

/// The dialects that an upstream speaks by the operator's word, each once.
pub(super) fn dialects(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<RawDialect>>,
) -> Option<Vec<Dialect>> {
    let mut dialects: Vec<Dialect> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let dialect = dialect(raw?);
        if dialects.contains(&dialect) {
            let message = format!("`{}` is listed already", dialect.name());
            context.report.value(&path.index(index), message);
        }
        dialects.push(dialect);
    }
    Some(dialects)
}

fn dialect(raw: RawDialect) -> Dialect {
    match raw {
        RawDialect::Chat => Dialect::Chat,
        RawDialect::Responses => Dialect::Responses,
        RawDialect::Completions => Dialect::Completions,
        RawDialect::Anthropic => Dialect::Anthropic,
        RawDialect::Ollama => Dialect::Ollama,
        RawDialect::Gemini => Dialect::Gemini,
    }
}

fn changes(raw: RawCapabilities) -> Option<CapabilityChanges> {
    let efforts = raw.efforts.map(|efforts| {
        let efforts = efforts.into_iter().map(|raw| raw.map(effort));
        efforts.collect::<Option<Vec<_>>>()
    });
    let efforts = match efforts {
        Some(efforts) => Some(efforts?),
        None => None,
    };
    Some(CapabilityChanges {
        context_tokens: raw.context,
        output_tokens_max: raw.max_output,
        sampling: raw.sampling,
        prefill: raw.prefill,
        tools: raw.tools,
        forced_tools: raw.forced_tools,
        thinking: raw.thinking.map(thinking),
        efforts,
        system_anywhere: raw.system_anywhere,
        structured_output: raw.structured_output,
        images: raw.images,
        audio: raw.audio,
        documents: raw.documents,
        responses_only: raw.responses_only,
    })
}

fn thinking(raw: RawThinking) -> ThinkingStyle {
    match raw {
        RawThinking::Never => ThinkingStyle::Never,
        RawThinking::Budget => ThinkingStyle::Budget,
        RawThinking::Adaptive => ThinkingStyle::Adaptive,
        RawThinking::Always => ThinkingStyle::Always,
    }
}

fn effort(raw: RawEffort) -> Effort {
    match raw {
        RawEffort::None => Effort::None,
        RawEffort::Minimal => Effort::Minimal,
        RawEffort::Low => Effort::Low,
        RawEffort::Medium => Effort::Medium,
        RawEffort::High => Effort::High,
        RawEffort::Xhigh => Effort::ExtraHigh,
        RawEffort::Max => Effort::Max,
    }
}
