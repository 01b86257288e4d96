//! Names that requests may use: models, and the aliases that lead to them.
//! It must not know which models upstreams turn out to have at run time, only whether there may be others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::Context;
use super::path::FieldPath;
use super::problem::did_you_mean;
use super::{Upstream, UpstreamModels};

/// The models and aliases that the file names.
pub(super) struct KnownModels {
    models: BTreeSet<String>,
    aliases: BTreeMap<String, String>,
    /// Whether there may be other models at run time.
    open: bool,
}

enum AliasProblem {
    /// With the alias itself.
    Name(String),
    /// With what it stands for; goes on after it.
    Model(String),
}

impl KnownModels {
    pub fn of(
        models: &BTreeSet<String>,
        upstreams: Option<&[Arc<Upstream>]>,
        has_default_upstream: bool,
        raw_aliases: Option<BTreeMap<String, Option<String>>>,
    ) -> Self {
        let mut models = models.clone();
        // Upstreams that have problems may list or learn any model.
        let mut open = has_default_upstream || upstreams.is_none();
        for upstream in upstreams.unwrap_or_default() {
            match &upstream.models {
                UpstreamModels::Auto { .. } => open = true,
                UpstreamModels::Listed(listed) => models.extend(listed.iter().cloned()),
                UpstreamModels::Targets => {}
            }
        }
        let mut aliases = BTreeMap::new();
        for (alias, model) in raw_aliases.unwrap_or_default() {
            match model {
                Some(model) => drop(aliases.insert(alias, model)),
                // What it stands for has been refused; whoever uses it is not to be blamed too.
                None => drop(models.insert(alias)),
            }
        }
        Self {
            models,
            aliases,
            open,
        }
    }

    /// Aliases, with chains (`a` → `b` → model) followed to the model.
    pub fn aliases(&self, context: &mut Context<'_, '_>) -> Option<BTreeMap<String, String>> {
        let path = FieldPath::root().key("aliases");
        let aliases: Vec<_> = self
            .aliases
            .iter()
            .map(|(alias, stands_for)| {
                let path = path.key(alias);
                let model = self.model_of(alias, stands_for);
                model
                    .map(|model| (alias.clone(), model))
                    .map_err(|problem| match problem {
                        AliasProblem::Name(message) => context.report.key(&path, message),
                        AliasProblem::Model(message) => {
                            let shown = context.report.shown(&path);
                            context.report.value(&path, format!("{shown} {message}"));
                        }
                    })
                    .ok()
            })
            .collect();
        aliases.into_iter().collect()
    }

    fn model_of(&self, alias: &str, stands_for: &str) -> Result<String, AliasProblem> {
        if alias.trim().is_empty() {
            return Err(AliasProblem::Name("an alias needs a name".into()));
        }
        if self.models.contains(alias) {
            let message = "is the name of a model already, which it would hide; choose another";
            return Err(AliasProblem::Name(message.into()));
        }
        if alias == stands_for {
            let message = "is the alias itself; write the model that it stands for";
            return Err(AliasProblem::Model(message.into()));
        }
        self.resolve(stands_for).map_err(AliasProblem::Model)
    }

    /// The model that a name stands for.
    ///
    /// # Errors
    /// What is wrong, for a sentence that begins with the name.
    pub fn resolve(&self, name: &str) -> Result<String, String> {
        let mut model = name;
        // More steps than aliases: one of them came twice.
        for _ in 0..=self.aliases.len() {
            match self.aliases.get(model) {
                _ if self.models.contains(model) => return Ok(model.to_owned()),
                Some(next) => model = next,
                None if self.open => return Ok(model.to_owned()),
                None => return Err(self.unknown(model)),
            }
        }
        Err("leads back to itself through other aliases; write the model that it stands for".into())
    }

    fn unknown(&self, model: &str) -> String {
        let known = self.models.iter().chain(self.aliases.keys());
        let way_out = match did_you_mean(model, known.map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "no upstream learns models either; add it under `models`".to_owned(),
        };
        format!("is not a model of this file; {way_out}")
    }
}
