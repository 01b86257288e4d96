//! Checks what callers may use: models, operations, addresses, budgets; and the tags of their usage.
//! It must not know whose they are.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Allow, Names};
use crate::config::check::Context;
use crate::config::key::patterns;
use crate::config::path::{FieldPath, printable};
use crate::config::problem::did_you_mean;
use crate::config::raw::Draft;
use crate::config::scalar::RawNetwork;
use crate::terms::{AtEnd, Budget, ModelPattern};
use crate::wire::Operation;

/// Tags of one entry.
const TAGS_MAX: usize = 32;
/// Characters of a tag, and of its value.
const TAG_CHARS_MAX: usize = 64;
const TAG_VALUE_CHARS_MAX: usize = 200;

/// One of each name that operations have.
const OPERATIONS: [Operation; 22] = [
    Operation::Chat,
    Operation::Completions,
    Operation::Responses,
    Operation::Embeddings,
    Operation::Rerank,
    Operation::Score,
    Operation::Classify,
    Operation::Pooling,
    Operation::Moderations,
    Operation::ImageGeneration,
    Operation::ImageEdit,
    Operation::ImageVariation,
    Operation::Speech,
    Operation::Transcription,
    Operation::Translation,
    Operation::Realtime,
    Operation::Tokenize,
    Operation::Detokenize,
    Operation::CountTokens,
    Operation::Models,
    Operation::Manage,
    Operation::Version,
];

/// What stands under `models`, `operations` and `addresses`.
pub(super) struct RawAllow {
    pub models: Option<Vec<Option<String>>>,
    pub operations: Option<Vec<Option<String>>>,
    pub addresses: Option<Vec<Option<RawNetwork>>>,
}

/// The three lists of the entry at `path`.
pub(super) fn allow(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawAllow,
    names: &Names<'_>,
) -> Option<Allow> {
    let models = models(context, &path.key("models"), raw.models, names);
    let operations = operations(context, &path.key("operations"), raw.operations);
    let addresses = networks(raw.addresses.unwrap_or_default());
    Some(Allow {
        models: models?,
        operations: operations?,
        addresses: addresses?,
    })
}

/// Patterns of public names; a plain name must be one that there is.
pub(in crate::config) fn models(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<Vec<Option<String>>>,
    names: &Names<'_>,
) -> Option<Vec<ModelPattern>> {
    let raw = raw.unwrap_or_default();
    for (index, name) in raw.iter().enumerate() {
        let Some(Ok(pattern)) = name.as_deref().map(ModelPattern::parse) else {
            continue;
        };
        if let (true, Err(problem)) = (pattern.is_name(), names.models.resolve(pattern.text())) {
            let path = path.index(index);
            let shown = context.report.shown(&path);
            context.report.value(&path, format!("{shown} {problem}"));
        }
    }
    patterns(context, path, raw)
}

fn operations(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<Vec<Option<String>>>,
) -> Option<Vec<ModelPattern>> {
    let raw = raw.unwrap_or_default();
    for (index, name) in raw.iter().enumerate() {
        let Some(Ok(pattern)) = name.as_deref().map(ModelPattern::parse) else {
            continue;
        };
        let problem = match pattern.is_name() {
            true => operation(pattern.text()).err(),
            false if labels().any(|label| pattern.matches(label)) => None,
            false => Some(format!("matches no operation; {}", all_operations())),
        };
        if let Some(problem) = problem {
            let path = path.index(index);
            let shown = context.report.shown(&path);
            context.report.value(&path, format!("{shown} {problem}"));
        }
    }
    patterns(context, path, raw)
}

fn labels() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|operation| operation.label())
}

/// The operation of this name, as [`Operation::label`] gives it.
///
/// # Errors
/// What is wrong, for a sentence that begins with the name.
pub(in crate::config) fn operation(name: &str) -> Result<&'static str, String> {
    if let Some(label) = labels().find(|label| *label == name) {
        return Ok(label);
    }
    Err(match did_you_mean(name, labels()) {
        Some(meant) => format!("is not an operation; did you mean `{meant}`?"),
        None => format!("is not an operation; {}", all_operations()),
    })
}

fn all_operations() -> String {
    let labels: Vec<_> = labels().collect();
    format!("there are {}", labels.join(", "))
}

/// What is absent has been refused by the schema, and is reported already.
pub(super) fn networks(raw: Vec<Option<RawNetwork>>) -> Option<Vec<IpNet>> {
    raw.into_iter()
        .map(|network| network.map(|network| network.0))
        .collect()
}

/// A budget, with the model that takes over when it is spent looked up.
pub(super) fn budget(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<Draft<Budget>>,
    names: &Names<'_>,
) -> Option<Budget> {
    let mut budget = raw?.0?;
    if let Some(AtEnd::Downgrade(model)) = &mut budget.at_end {
        let path = path.key("at_end").key("downgrade");
        match names.models.resolve(model) {
            Ok(resolved) => *model = resolved,
            Err(problem) => {
                let shown = context.report.shown(&path);
                context.report.value(&path, format!("{shown} {problem}"));
            }
        }
    }
    Some(budget)
}

/// Tags, bounded so that usage by tag stays small.
pub(super) fn tags(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<BTreeMap<String, Option<String>>>,
) -> Option<BTreeMap<String, String>> {
    let raw = raw.unwrap_or_default();
    if raw.len() > TAGS_MAX {
        let message = format!("has {} tags; the most is {TAGS_MAX}", raw.len());
        context.report.value(path, message);
    }
    let tags: Vec<_> = raw
        .into_iter()
        .map(|(tag, value)| {
            let path = path.key(&tag);
            if !is_name(&tag, TAG_CHARS_MAX) {
                let message = format!(
                    "`{}` is not a tag; use letters, digits, `.`, `_`, `@` and `-`, at most {TAG_CHARS_MAX}",
                    printable(&tag)
                );
                context.report.key(&path, message);
            }
            let value = value?;
            let length = value.chars().count();
            if length == 0 || length > TAG_VALUE_CHARS_MAX || value.contains(char::is_control) {
                let message = format!(
                    "a tag's value is text of 1 to {TAG_VALUE_CHARS_MAX} characters, on one line"
                );
                context.report.value(&path, message);
            }
            Some((tag, value))
        })
        .collect();
    tags.into_iter().collect()
}

/// Reports an id that cannot be one.
pub(in crate::config) fn check_id(context: &mut Context<'_, '_>, path: &FieldPath, id: &str) {
    if !is_name(id, TAG_CHARS_MAX) {
        let message = format!(
            "`{}` is not an id; use 1 to {TAG_CHARS_MAX} letters, digits, `.`, `_`, `@` and `-`",
            printable(id)
        );
        context.report.key(path, message);
    }
}

fn is_name(text: &str, most: usize) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(is_sound)
}
