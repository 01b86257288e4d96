//! What `weir check` says of one model: a line, and further ones for what happens when its targets cannot answer.

use super::time;
use crate::config::{Model, Sticky, Target};

pub(super) fn lines(name: &str, model: &Model) -> Vec<String> {
    let targets: Vec<_> = model.targets.iter().map(target).collect();
    let sticky = model.sticky.map_or("", |sticky| match sticky {
        Sticky::Key => ", sticky by key",
        Sticky::User => ", sticky by user",
        Sticky::Session => ", sticky by session",
    });
    let policy = model.policy.name();
    let first = format!("{name}  {policy}{sticky}  {}", targets.join("; "));
    let list = |models: &[String], what: &str| {
        (!models.is_empty()).then(|| format!("  {what} {}", models.join(", ")))
    };
    let deadline = model.deadline;
    let further = [
        list(&model.fallbacks, "falls back to"),
        list(&model.context_fallbacks, "too long: falls back to"),
        deadline.map(|deadline| format!("  within {}", time(deadline))),
    ];
    std::iter::once(first)
        .chain(further.into_iter().flatten())
        .collect()
}

fn target(target: &Target) -> String {
    let weight = match target.weight {
        1 => String::new(),
        weight => format!(" ×{weight}"),
    };
    let price = target.price.map_or(String::new(), |price| {
        format!(" (price {} in, {} out)", price.input, price.output)
    });
    let Target {
        tier,
        upstream,
        model,
        ..
    } = target;
    format!("tier {tier}: {upstream} {model}{weight}{price}")
}
