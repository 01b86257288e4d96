//! From a file to a checked [`Config`]: read, index, expand, check the shape, then check what the values mean together.
//! Every stage goes on after a problem, so that all of them are told at once.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::env::{self, Environment};
use super::known::KnownModels;
use super::path::FieldPath;
use super::places::{Places, SyntaxError};
use super::plugins::{PluginNames, Plugins};
use super::problem::{Place, Problems, Report};
use super::raw::RawConfig;
use super::units::duration_text;
use super::upstream::Common;
use super::{
    Config, callers, health, listen, models, money, plugins, rates, schema, sections, shape, store,
    translation, upstream, yaml,
};

/// Largest configuration that is read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What the checks share.
pub(super) struct Context<'c, 'p> {
    pub report: Report<'p>,
    /// Of the configuration: files that it names are relative to it.
    pub folder: &'c Path,
    pub environment: Environment<'c>,
    /// Whether there is a store, and a master key with which it can hold secrets.
    pub seals: bool,
    /// The configuration, and the files that it names.
    pub files: Vec<PathBuf>,
}

/// Reads and checks a file.
///
/// # Errors
/// All problems at once.
pub(super) fn load(file: &Path, environment: Environment<'_>) -> Result<Config, Problems> {
    let text = read(file).map_err(|(place, message)| Problems::at(file, place, message))?;
    parse(&text, file, environment)
}

/// Checks a text as if it stood in `file`.
///
/// # Errors
/// All problems at once.
pub(super) fn parse(
    text: &str,
    file: &Path,
    environment: Environment<'_>,
) -> Result<Config, Problems> {
    // Editors on Windows begin files with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let syntax = |error: SyntaxError| {
        let error = error.or_tab_in(text);
        Problems::at(file, error.place, error.message)
    };
    let places = Places::of(text).map_err(syntax)?;
    if places.is_empty() {
        let message = "holds no settings; it needs at least `upstreams:`";
        return Err(Problems::of_file(file, message));
    }
    let mut value = yaml::read(text, &places).map_err(syntax)?;
    let mut context = Context {
        report: Report::new(&places),
        folder: file.parent().unwrap_or(Path::new("")),
        environment,
        seals: false,
        files: vec![file.to_owned()],
    };
    let config = context.raw(&mut value).and_then(|raw| context.config(raw));
    let problems = context.report.into_problems();
    match (config, problems.is_empty()) {
        (Some(config), true) => Ok(config),
        (None, true) => Err(Problems::of_file(
            file,
            "fits weir's schema but not its reader, which is a mistake in weir; please report it with this file, without its secrets",
        )),
        (_, false) => Err(Problems::new(file, problems)),
    }
}

fn read(file: &Path) -> Result<String, (Option<Place>, String)> {
    let unreadable = |error: std::io::Error| (None, format!("cannot be read: {error}"));
    if file.is_dir() {
        return Err((None, "is a folder; name the file in it".into()));
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let mebibytes = FILE_BYTES_MAX >> 20;
        return Err((
            None,
            format!("is larger than {mebibytes} MiB; is it a configuration?"),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let good = String::from_utf8_lossy(good);
        let place = Place {
            line: good.matches('\n').count() + 1,
            column: good
                .rsplit('\n')
                .next()
                .map_or(0, |line| line.chars().count())
                + 1,
        };
        (Some(place), "not UTF-8 text; is it a configuration?".into())
    })
}

impl Context<'_, '_> {
    /// The raw shapes; what does not fit is absent from them, and reported.
    fn raw(&mut self, value: &mut Value) -> Option<RawConfig> {
        if let Value::Object(sections) = value {
            sections.retain(|key, _| !key.starts_with("x-"));
        }
        let expanded = env::expand(value, self.environment, &mut self.report);
        shape::check(&schema::json_schema(), value, &expanded, &mut self.report);
        // The error is dropped: it could hold a secret, and every mismatch is reported already.
        serde_json::from_value(value.take()).ok()
    }

    /// Runs every check, then puts together what came out; `None` where one of them reported a problem.
    fn config(&mut self, raw: RawConfig) -> Option<Config> {
        let listen = listen::listeners(self, raw.listen);
        let admin = listen::admin(self, raw.admin, listen.as_deref().unwrap_or_default());
        let mut raw_limits = raw.limits.unwrap_or_default();
        let rates = rates::rates(self, &mut raw_limits);
        let limits = sections::limits(self, raw_limits);
        let has_store = raw.store.is_some();
        self.seals = (raw.store.as_ref()).is_some_and(|store| store.master_key.is_some());
        let store = store::store(self, raw.store);
        let failover = sections::failover(self, raw.failover.unwrap_or_default());
        let translation = translation::translation(self, raw.translation.unwrap_or_default());
        let upstream_names = upstream::names(raw.upstreams.as_deref());
        let raw_plugins = raw.plugins.unwrap_or_default();
        let plugin_names = PluginNames::of(&raw_plugins);
        let plugins = plugins::plugins(self, raw_plugins);
        let filters_path = FieldPath::root().key("filters");
        let filters = plugin_names.filters(self, &filters_path, raw.filters);
        let observers = plugin_names.observers(self, raw.observers);
        let root = FieldPath::root();
        let rules = plugins::rules(self, &root, raw.authorize, raw.tags, None);
        let mut models = models::models(self, raw.models, &upstream_names, &plugin_names);
        let common = Common {
            timeouts: sections::timeouts(raw.timeouts.unwrap_or_default()),
            health: health::common(self, raw.health.unwrap_or_default()),
            plugins: &plugin_names,
        };
        let upstreams = upstream::upstreams(self, raw.upstreams, &models, &common);
        let known = KnownModels::of(
            models.names(),
            upstreams.as_deref(),
            raw.default_upstream.is_some(),
            raw.aliases,
        );
        let aliases = known.aliases(self);
        models.set_fallbacks(self, &known);
        models.set_routes(self, &known);
        models::default_upstream(self, raw.default_upstream.as_deref(), &upstream_names);
        let names = callers::Names::of(&known, raw.tenants.as_ref(), raw.plans.as_ref(), has_store);
        let raw_prices = raw.prices.unwrap_or_default();
        let prices = money::prices(self, raw_prices, &upstream_names, &models.prices, &names);
        if let Some(prices) = &prices {
            models.set_prices(self, prices);
        }
        let plans = money::plans(self, raw.plans, &names);
        let tenants = callers::tenants(self, raw.tenants, &names);
        let access = callers::access(
            self,
            raw.access.unwrap_or_default(),
            &names,
            has_store,
            &plugin_names,
        );
        let usage = money::usage(self, raw.usage.unwrap_or_default());
        let webhooks = money::webhooks(self, raw.webhooks.unwrap_or_default());
        let (access, tenants) = (access?, tenants?);
        Some(Config {
            listen: listen?,
            admin: admin?,
            reload: sections::reload(raw.reload.unwrap_or_default())?,
            limits: limits?,
            rates,
            store: store?,
            tenants: callers::with_default(tenants, &access, has_store),
            access,
            plans: plans?,
            prices: prices?,
            usage: usage?,
            webhooks: webhooks?,
            plugins: Plugins {
                filters: filters?,
                observers: observers?,
                rules: rules?,
                ..plugins?
            },
            failover: failover?,
            server: sections::server(raw.server.unwrap_or_default())?,
            translation: translation?,
            log: sections::log(raw.log.unwrap_or_default())?,
            upstreams: upstreams?,
            models: models.checked?,
            aliases: aliases?,
            default_upstream: raw.default_upstream,
            files: self.files(),
        })
    }

    /// Each once, in the order in which they are named.
    fn files(&mut self) -> Vec<PathBuf> {
        let mut seen = HashSet::new();
        let mut files = std::mem::take(&mut self.files);
        files.retain(|file| seen.insert(file.clone()));
        files
    }

    /// Names that are listed at `path`, each with something in it and there once. An absent one has been refused by the
    /// schema, and is reported already.
    pub fn names(&mut self, path: &FieldPath, raw: Vec<Option<String>>) -> Option<Vec<String>> {
        let mut seen = HashSet::new();
        for (index, name) in raw.iter().enumerate() {
            let problem = match name {
                Some(name) if name.trim().is_empty() => "is empty",
                Some(name) if !seen.insert(name) => "is listed already",
                Some(_) | None => continue,
            };
            let path = path.index(index);
            let shown = self.report.shown(&path);
            self.report.value(&path, format!("{shown} {problem}"));
        }
        raw.into_iter().collect()
    }

    /// Reports a time that is longer than the longest that stands beside it at `path`. What is absent has been refused.
    pub fn check_order(
        &mut self,
        path: &FieldPath,
        (name, time): (&str, Option<Duration>),
        (most_name, most): (&str, Option<Duration>),
    ) {
        if let (Some(time), Some(most)) = (time, most)
            && time > most
        {
            let (time, most) = (duration_text(time), duration_text(most));
            let message =
                format!("{time} is more than `{most_name}` ({most}); lower it, or raise that");
            self.report.value(&path.key(name), message);
        }
    }

    /// The path of a file that the configuration names, checked to be readable.
    pub fn readable_file(&mut self, path: &FieldPath, name: &Path) -> Option<PathBuf> {
        let file = self.folder.join(name);
        let problem = match File::open(&file) {
            Err(error) => format!("cannot be read: {error}"),
            Ok(_) if file.is_dir() => "is a folder; name a file in it".to_owned(),
            Ok(_) => {
                self.files.push(file.clone());
                return Some(file);
            }
        };
        let problem = self.about_file(path, name, &problem);
        self.report.value(path, problem);
        None
    }

    /// A sentence about a file, which says where a relative name was looked for.
    pub fn about_file(&self, path: &FieldPath, name: &Path, problem: &str) -> String {
        let shown = self.report.shown(path);
        let folder = match self.folder.as_os_str().is_empty() {
            true => "the current folder".to_owned(),
            false => self.folder.display().to_string(),
        };
        match name.is_absolute() {
            true => format!("{shown} {problem}"),
            false => {
                format!("{shown} {problem} (relative to the folder of the configuration, {folder})")
            }
        }
    }
}
