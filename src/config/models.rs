//! Checks public model names: their targets, their fallbacks, and the upstream that takes the rest.
//! It must not know which models upstreams turn out to have at run time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::Context;
use super::known::KnownModels;
use super::money::check_tiers;
use super::path::FieldPath;
use super::plugins::{PluginNames, rules};
use super::raw::{RawModel, RawTarget};
use super::upstream::Names;
use super::{Model, Policy, Price, PriceSettings, Target, rates, translation};
use crate::terms;

/// `models:`, and what can be said of it even where parts of it are wrong.
pub(super) struct CheckedModels {
    pub checked: Option<BTreeMap<String, Model>>,
    /// Also those whose entry has problems.
    names: BTreeSet<String>,
    targeted_upstreams: BTreeSet<String>,
    fallbacks: Vec<Fallbacks>,
    pub prices: Vec<TargetPrice>,
    /// Those with `policy: cost`.
    by_cost: Vec<(String, Vec<Target>)>,
}

/// What a target says that its upstream's model costs.
pub(super) struct TargetPrice {
    pub path: FieldPath,
    pub upstream: String,
    pub model: String,
    pub price: Arc<terms::Price>,
}

/// The models that one model names for the case that it cannot answer; not looked up yet.
struct Fallbacks {
    of: String,
    path: FieldPath,
    case: Case,
    names: Vec<Option<String>>,
}

#[derive(Clone, Copy)]
enum Case {
    Unavailable,
    TooLong,
}

impl CheckedModels {
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Whether some model is served by that upstream.
    pub fn targets_upstream(&self, name: &str) -> bool {
        self.targeted_upstreams.contains(name)
    }

    /// Gives each target the price that policies compare. Those ordered by price need one.
    pub fn set_prices(&mut self, context: &mut Context<'_, '_>, prices: &PriceSettings) {
        for (name, model) in self.checked.iter_mut().flatten() {
            for target in &mut model.targets {
                let price = prices.price(&target.upstream, &target.model, name);
                target.price = price.map(|price| Price {
                    input: price.input,
                    output: price.output,
                });
            }
        }
        for (name, targets) in &self.by_cost {
            let mut targets = targets.iter();
            if targets.all(|it| prices.price(&it.upstream, &it.model, name).is_none()) {
                let path = FieldPath::root().key("models").key(name).key("policy");
                let message = "orders by price, and no target has one; give them for example `price: { input: 0.15, output: 0.6 }`, of a million tokens";
                context.report.value(&path, message);
            }
        }
    }

    /// Looks the models up that conditions lead to.
    pub fn set_routes(&mut self, context: &mut Context<'_, '_>, known: &KnownModels) {
        let root = FieldPath::root().key("models");
        for (name, model) in self.checked.iter_mut().flatten() {
            let path = root.key(name).key("route");
            for (index, (_, to)) in model.rules.route.iter_mut().enumerate() {
                let problem = match known.resolve(to) {
                    Err(problem) => problem,
                    Ok(found) if found == *name => {
                        "is the model itself; name another, or remove it".to_owned()
                    }
                    Ok(found) => {
                        *to = found;
                        continue;
                    }
                };
                let path = path.index(index).key("model");
                let shown = context.report.shown(&path);
                context.report.value(&path, format!("{shown} {problem}"));
            }
        }
    }

    /// Looks the fallbacks up among all models, and gives each model its own.
    pub fn set_fallbacks(&mut self, context: &mut Context<'_, '_>, known: &KnownModels) {
        for fallbacks in std::mem::take(&mut self.fallbacks) {
            let models = fallbacks.models(context, known);
            let checked = self.checked.as_mut();
            if let Some(model) = checked.and_then(|checked| checked.get_mut(&fallbacks.of)) {
                match fallbacks.case {
                    Case::Unavailable => model.fallbacks = models,
                    Case::TooLong => model.context_fallbacks = models,
                }
            }
        }
    }
}

pub(super) fn models(
    context: &mut Context<'_, '_>,
    raw: Option<BTreeMap<String, Option<RawModel>>>,
    upstreams: &Names,
    plugins: &PluginNames,
) -> CheckedModels {
    let raw = raw.unwrap_or_default();
    let path = FieldPath::root().key("models");
    let names = raw.keys().cloned().collect();
    let targeted_upstreams = targeted(&raw);
    let mut fallbacks = Vec::new();
    let mut prices = Vec::new();
    let mut by_cost = Vec::new();
    let models: Vec<_> = raw
        .into_iter()
        .map(|(name, raw)| {
            let path = path.key(&name);
            check_name(context, &path, &name);
            let mut raw = raw?;
            fallbacks.extend(Fallbacks::of(&path, &name, &mut raw));
            let model = model(
                context,
                &path,
                &name,
                raw,
                (upstreams, plugins),
                &mut prices,
            )?;
            if model.policy == Policy::Cost {
                by_cost.push((name.clone(), model.targets.clone()));
            }
            Some((name, model))
        })
        .collect();
    CheckedModels {
        checked: models.into_iter().collect(),
        names,
        targeted_upstreams,
        fallbacks,
        prices,
        by_cost,
    }
}

impl Fallbacks {
    /// Takes them out of the entry of the model `of`.
    fn of(path: &FieldPath, of: &str, raw: &mut RawModel) -> impl Iterator<Item = Fallbacks> {
        let lists = [
            ("fallbacks", Case::Unavailable, raw.fallbacks.take()),
            (
                "context_fallbacks",
                Case::TooLong,
                raw.context_fallbacks.take(),
            ),
        ];
        let (path, of) = (path.clone(), of.to_owned());
        lists.into_iter().filter_map(move |(key, case, names)| {
            Some(Fallbacks {
                of: of.clone(),
                path: path.key(key),
                case,
                names: names?,
            })
        })
    }

    /// The models that are meant, aliases followed.
    fn models(&self, context: &mut Context<'_, '_>, known: &KnownModels) -> Vec<String> {
        let mut models: Vec<String> = Vec::new();
        let names = self.names.iter().enumerate();
        for (index, name) in names.filter_map(|(index, name)| Some((index, name.as_ref()?))) {
            let problem = match known.resolve(name) {
                Err(problem) => problem,
                Ok(model) if model == self.of => {
                    "is the model itself; name another, or remove it".to_owned()
                }
                Ok(model) if models.contains(&model) => "is listed already".to_owned(),
                Ok(model) => {
                    models.push(model);
                    continue;
                }
            };
            let path = self.path.index(index);
            let shown = context.report.shown(&path);
            context.report.value(&path, format!("{shown} {problem}"));
        }
        models
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
    (upstreams, plugins): (&Names, &PluginNames),
    prices: &mut Vec<TargetPrice>,
) -> Option<Model> {
    if let (Some(policy), Some(_)) = (raw.policy, raw.sticky)
        && policy != Policy::Split
    {
        let message = format!(
            "has no effect with `policy: {}`; write `policy: split`, or remove it",
            policy.name()
        );
        context.report.key(&path.key("sticky"), message);
    }
    let rules = rules(context, path, raw.authorize, raw.tags, raw.route);
    let filters = plugins.filters(context, &path.key("filters"), raw.filters);
    let router = plugins.router(context, &path.key("router"), raw.router);
    let targets_path = path.key("targets");
    let raw_targets = raw.targets?;
    let targets = targets(context, &targets_path, name, raw_targets, upstreams, prices)?;
    Some(Model {
        policy: raw.policy?,
        sticky: raw.sticky,
        targets,
        fallbacks: Vec::new(),
        context_fallbacks: Vec::new(),
        deadline: raw.deadline.map(|deadline| deadline.0),
        loss: raw.loss.map(translation::policy),
        limits: rates::limits(raw.limits),
        filters: filters?,
        router: router?,
        rules: rules?,
    })
}

/// The targets of a model, by tier.
fn targets(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    public_name: &str,
    raw: Vec<Option<RawTarget>>,
    upstreams: &Names,
    prices: &mut Vec<TargetPrice>,
) -> Option<Vec<Target>> {
    let raw = raw.into_iter().enumerate();
    let checked: Vec<_> = raw
        .map(|(index, raw)| {
            let path = path.index(index);
            target(context, &path, public_name, raw?, upstreams, prices)
        })
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
    Some(targets)
}

fn target(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    public_name: &str,
    raw: RawTarget,
    upstreams: &Names,
    prices: &mut Vec<TargetPrice>,
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
    if let Some(price) = raw.price.and_then(|raw| raw.0) {
        let path = path.key("price");
        check_tiers(context, &path, &price);
        prices.push(TargetPrice {
            path,
            upstream: upstream.clone(),
            model: model.clone(),
            price: Arc::new(price),
        });
    }
    Some(Target {
        upstream,
        model,
        tier: raw.tier?,
        weight: raw.weight?,
        price: None,
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
