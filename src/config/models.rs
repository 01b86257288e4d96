//! Checks public model names: their targets, their aliases, and the upstream that takes the rest.
//! It must not know which models upstreams turn out to have at run time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::Context;
use super::path::FieldPath;
use super::problem::did_you_mean;
use super::raw::{RawModel, RawTarget};
use super::upstream::Names;
use super::{Model, Target, Upstream, UpstreamModels};

/// `models:`, and what can be said of it even where parts of it are wrong.
pub(super) struct CheckedModels {
    pub checked: Option<BTreeMap<String, Model>>,
    /// Also those whose entry has problems.
    names: BTreeSet<String>,
    targeted_upstreams: BTreeSet<String>,
}

impl CheckedModels {
    /// Whether some model is served by that upstream.
    pub fn targets_upstream(&self, name: &str) -> bool {
        self.targeted_upstreams.contains(name)
    }
}

pub(super) fn models(
    context: &mut Context<'_, '_>,
    raw: Option<BTreeMap<String, Option<RawModel>>>,
    upstreams: &Names,
) -> CheckedModels {
    let raw = raw.unwrap_or_default();
    let path = FieldPath::root().key("models");
    let names = raw.keys().cloned().collect();
    let targeted_upstreams = targeted(&raw);
    let models: Vec<_> = raw
        .into_iter()
        .map(|(name, raw)| {
            let path = path.key(&name);
            check_name(context, &path, &name);
            let model = model(context, &path, &name, raw?, upstreams)?;
            Some((name, model))
        })
        .collect();
    CheckedModels {
        checked: models.into_iter().collect(),
        names,
        targeted_upstreams,
    }
}

fn targeted(raw: &BTreeMap<String, Option<RawModel>>) -> BTreeSet<String> {
    let models = raw.values().flatten();
    models
        .flat_map(|model| model.targets.iter().flatten().flatten())
        .filter_map(|target| target.upstream.clone())
        .collect()
}

fn check_name(context: &mut Context<'_, '_>, path: &FieldPath, name: &str) {
    if name.trim().is_empty() {
        context.report.key(path, "a model needs a name");
    }
}

fn model(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    name: &str,
    raw: RawModel,
    upstreams: &Names,
) -> Option<Model> {
    let path = path.key("targets");
    let checked: Vec<_> = raw
        .targets?
        .into_iter()
        .enumerate()
        .map(|(index, raw)| target(context, &path.index(index), name, raw?, upstreams))
        .collect();
    let mut targets = checked.into_iter().collect::<Option<Vec<Target>>>()?;
    for (index, target) in targets.iter().enumerate() {
        let is_same =
            |other: &Target| other.upstream == target.upstream && other.model == target.model;
        if targets[..index].iter().any(is_same) {
            let message = "names the same upstream and model as another target of this model; remove one of them";
            context.report.value(&path.index(index), message);
        }
    }
    targets.sort_by_key(|target| target.tier);
    Some(Model {
        policy: raw.policy?,
        targets,
    })
}

fn target(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    public_name: &str,
    raw: RawTarget,
    upstreams: &Names,
) -> Option<Target> {
    let upstream = raw.upstream?;
    check_upstream(context, &path.key("upstream"), &upstream, upstreams);
    let model = raw.model.unwrap_or_else(|| public_name.to_owned());
    if model.trim().is_empty() {
        context.report.value(
            &path.key("model"),
            "is empty; remove it to ask for the public name",
        );
    }
    Some(Target {
        upstream,
        model,
        tier: raw.tier?,
    })
}

/// `default_upstream` must exist.
pub(super) fn default_upstream(
    context: &mut Context<'_, '_>,
    name: Option<&str>,
    upstreams: &Names,
) {
    if let Some(name) = name {
        let path = FieldPath::root().key("default_upstream");
        check_upstream(context, &path, name, upstreams);
    }
}

fn check_upstream(context: &mut Context<'_, '_>, path: &FieldPath, name: &str, upstreams: &Names) {
    let shown = context.report.shown(path);
    if let Some(problem) = upstreams.problem_with(name, &shown) {
        context.report.value(path, problem);
    }
}

/// Aliases, with chains (`a` → `b` → model) followed to the model.
pub(super) fn aliases(
    context: &mut Context<'_, '_>,
    raw: Option<BTreeMap<String, Option<String>>>,
    models: &CheckedModels,
    upstreams: Option<&[Arc<Upstream>]>,
    has_default_upstream: bool,
) -> Option<BTreeMap<String, String>> {
    let raw: BTreeMap<String, String> = raw
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(alias, model)| Some((alias, model?)))
        .collect();
    let path = FieldPath::root().key("aliases");
    let known = KnownModels::of(models, upstreams, has_default_upstream);
    raw.keys()
        .map(|alias| {
            let path = path.key(alias);
            let model = known.resolve(alias, &raw);
            model
                .map(|model| (alias.clone(), model))
                .map_err(|message| match message {
                    AliasProblem::Name(message) => context.report.key(&path, message),
                    AliasProblem::Model(message) => {
                        let shown = context.report.shown(&path);
                        context.report.value(&path, format!("{shown} {message}"));
                    }
                })
                .ok()
        })
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

enum AliasProblem {
    /// With the alias itself.
    Name(String),
    /// With what it stands for; goes on after it.
    Model(String),
}

/// The models that the file names.
struct KnownModels {
    names: BTreeSet<String>,
    /// Whether there may be others at run time.
    open: bool,
}

impl KnownModels {
    fn of(
        models: &CheckedModels,
        upstreams: Option<&[Arc<Upstream>]>,
        has_default_upstream: bool,
    ) -> Self {
        let mut names = models.names.clone();
        // Upstreams that have problems may list or learn any model.
        let mut open = has_default_upstream || upstreams.is_none();
        for upstream in upstreams.unwrap_or_default() {
            match &upstream.models {
                UpstreamModels::Auto { .. } => open = true,
                UpstreamModels::Listed(listed) => names.extend(listed.iter().cloned()),
                UpstreamModels::Targets => {}
            }
        }
        Self { names, open }
    }

    fn resolve(
        &self,
        alias: &str,
        aliases: &BTreeMap<String, String>,
    ) -> Result<String, AliasProblem> {
        if alias.trim().is_empty() {
            return Err(AliasProblem::Name("an alias needs a name".into()));
        }
        if self.names.contains(alias) {
            let message = "is the name of a model already, which it would hide; choose another";
            return Err(AliasProblem::Name(message.into()));
        }
        let mut model = alias;
        // More steps than aliases: one of them came twice.
        for _ in 0..=aliases.len() {
            match aliases.get(model) {
                Some(next) if self.names.contains(next) => return Ok(next.clone()),
                Some(next) => model = next,
                None => return self.checked(model, aliases),
            }
        }
        let message = match aliases.get(alias).is_some_and(|model| model == alias) {
            true => "is the alias itself; write the model that it stands for",
            false => {
                "leads back to itself through other aliases; write the model that it stands for"
            }
        };
        Err(AliasProblem::Model(message.into()))
    }

    fn checked(
        &self,
        model: &str,
        aliases: &BTreeMap<String, String>,
    ) -> Result<String, AliasProblem> {
        if self.open || self.names.contains(model) {
            return Ok(model.to_owned());
        }
        let known = self.names.iter().chain(aliases.keys()).map(String::as_str);
        let way_out = match did_you_mean(model, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "no upstream learns models either; add it under `models`".to_owned(),
        };
        Err(AliasProblem::Model(format!(
            "is not a model of this file; {way_out}"
        )))
    }
}
