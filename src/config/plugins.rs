//! Checks `plugins`, and where they are named. It must not load them: what a file holds is found out when a snapshot is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Secret;
use super::check::Context;
use super::path::FieldPath;
use super::problem::did_you_mean;
use super::raw::{
    RawFilter, RawGrants, RawInstance, RawPlugin, RawPluginLimits, RawPlugins, RawRouteRule,
    RawRouter,
};
use super::source::{self, Source};
use super::store::hex;
use crate::expr::{Expression, Kind, RawExpression, Scope};

/// Others' code, and weir's own guards.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plugins {
    /// Where compiled components are kept; `None`: in memory.
    pub cache_dir: Option<PathBuf>,
    /// By name.
    pub items: BTreeMap<String, Plugin>,
    /// Guards of every exchange, in this order; a model's own come after them.
    pub filters: Vec<Filter>,
    /// Who hears of settled exchanges.
    pub observers: Vec<String>,
    /// Of every exchange.
    pub rules: Rules,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    pub source: PluginSource,
    pub grants: Grants,
    pub limits: PluginLimits,
    pub instance: Instance,
    /// `None`: as its kind has it.
    pub on_error: Option<OnError>,
    /// As JSON; `null` where there is none.
    pub config: Value,
}

/// Where a plugin's code is.
#[derive(Debug, Clone, PartialEq)]
pub enum PluginSource {
    Wasm {
        path: PathBuf,
        sha256: Option<[u8; 32]>,
    },
    Builtin(Builtin),
}

/// Plugins that are part of weir.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Builtin {
    /// Masks, hashes or refuses personal data and secrets.
    Pii,
    /// Scores prompt injections and jailbreaks.
    Injection,
    /// Routes by what a request will cost.
    CostCap,
    /// Writes settled exchanges as lines of JSON.
    JsonLines,
    /// Speaks Cohere's v2 API.
    Cohere,
    /// Speaks AWS Bedrock's Converse API.
    Bedrock,
}

impl Builtin {
    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Builtin::Pii => "pii",
            Builtin::Injection => "injection",
            Builtin::CostCap => "cost-cap",
            Builtin::JsonLines => "json-lines",
            Builtin::Cohere => "cohere",
            Builtin::Bedrock => "bedrock",
        }
    }
}

/// What a plugin may use beside the exchange.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grants {
    pub kv: bool,
    /// `host`, `host:port` or `*.domain`.
    pub http: Vec<String>,
    pub secrets: BTreeMap<String, Secret>,
    pub payloads: bool,
}

/// Bounds of one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// For one call; `None`: as the hook has it.
    pub deadline: Option<Duration>,
    /// Of one instance. Default 32 MiB.
    pub memory_bytes: usize,
    /// Of one call. Default 8 MiB.
    pub output_bytes: usize,
    /// Of the file. Default 4 MiB.
    pub file_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// Default shared.
    pub mode: InstanceMode,
    /// At once. Default 4.
    pub max: u32,
    /// Then another takes its place. Default 10,000.
    pub calls_max: u32,
}

/// Whom an instance serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum InstanceMode {
    /// Any exchange, one call at a time.
    Shared,
    /// One exchange, from its first call to its last.
    Exchange,
    /// One call.
    Fresh,
}

/// What becomes of traffic when a plugin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnError {
    /// It passes as if the plugin were not there.
    Open,
    /// It does not pass.
    Closed,
}

/// A guard at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    pub plugin: String,
    /// `None`: always.
    pub when: Option<Rule>,
}

/// A condition, or a text, in CEL.
#[derive(Clone)]
pub struct Rule(pub Arc<Expression>);

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.0.text() == other.0.text() && self.0.kind() == other.0.kind()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Rule({})", self.0.text())
    }
}

/// Rules of all exchanges, or of a model's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// What must hold.
    pub authorize: Option<Rule>,
    /// By name.
    pub tags: Vec<(String, Rule)>,
    /// Models that answer instead: the first whose condition holds.
    pub route: Vec<(Rule, String)>,
}

impl Rules {
    pub fn is_empty(&self) -> bool {
        self.authorize.is_none() && self.tags.is_empty() && self.route.is_empty()
    }
}

/// Checks an expression; what is wrong with it is reported at its place.
fn rule(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: &RawExpression,
    kind: Kind,
) -> Option<Rule> {
    match raw.compile(kind, Scope::Request) {
        Ok(expression) => Some(Rule(Arc::new(expression))),
        Err(error) => {
            context
                .report
                .value(path, format!("is no expression that can be used: {error}"));
            None
        }
    }
}

/// `authorize`, `tags` and `route`, which stand at `path`. The models that routes lead to are looked up when all are known.
pub(super) fn rules(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    authorize: Option<RawExpression>,
    tags: Option<BTreeMap<String, Option<RawExpression>>>,
    route: Option<Vec<Option<RawRouteRule>>>,
) -> Option<Rules> {
    let authorize =
        authorize.map(|raw| rule(context, &path.key("authorize"), &raw, Kind::Condition));
    let tags_path = path.key("tags");
    let tags = tags.unwrap_or_default().into_iter().map(|(name, raw)| {
        let rule = rule(context, &tags_path.key(&name), &raw?, Kind::Text)?;
        Some((name, rule))
    });
    let tags: Vec<_> = tags.collect();
    let route_path = path.key("route");
    let route = route.unwrap_or_default().into_iter().enumerate();
    let route: Vec<_> = route
        .map(|(index, raw)| {
            let raw = raw?;
            let path = route_path.index(index).key("when");
            let when = rule(context, &path, &raw.when?, Kind::Condition)?;
            Some((when, raw.model?))
        })
        .collect();
    Some(Rules {
        authorize: match authorize {
            None => None,
            Some(rule) => Some(rule?),
        },
        tags: tags.into_iter().collect::<Option<_>>()?,
        route: route.into_iter().collect::<Option<_>>()?,
    })
}

/// Looks plugins' names up, and says what is wrong with one.
pub(super) struct PluginNames(BTreeSet<String>);

impl PluginNames {
    pub fn of(raw: &RawPlugins) -> PluginNames {
        let items = raw.items.iter().flatten();
        PluginNames(items.map(|(name, _)| name.clone()).collect())
    }

    /// The name at `path`, which must be one of a plugin.
    pub fn known(
        &self,
        context: &mut Context<'_, '_>,
        path: &FieldPath,
        name: Option<String>,
    ) -> Option<String> {
        let name = name?;
        if !self.0.contains(&name) {
            let shown = context.report.shown(path);
            let way_out = match did_you_mean(&name, self.0.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if self.0.is_empty() => "give it an entry under `plugins.items`".to_owned(),
                None => {
                    let names: Vec<&str> = self.0.iter().map(String::as_str).collect();
                    format!("the plugins are {}", names.join(", "))
                }
            };
            context
                .report
                .value(path, format!("there is no plugin {shown}; {way_out}"));
        }
        Some(name)
    }

    /// Guards in their order, each once.
    pub fn filters(
        &self,
        context: &mut Context<'_, '_>,
        path: &FieldPath,
        raw: Option<Vec<Option<RawFilter>>>,
    ) -> Option<Vec<Filter>> {
        let mut seen = BTreeSet::new();
        let raw = raw.unwrap_or_default().into_iter().enumerate();
        let filters: Vec<_> = raw
            .map(|(index, raw)| {
                let path = path.index(index);
                let (at, name, when) = match raw? {
                    RawFilter::Name(name) => (path.clone(), Some(name), None),
                    RawFilter::Object(object) => {
                        let when_path = path.key("when");
                        let when = object
                            .when
                            .map(|raw| rule(context, &when_path, &raw, Kind::Condition));
                        (path.key("plugin"), object.plugin, when)
                    }
                };
                let plugin = self.known(context, &at, name)?;
                if !seen.insert(plugin.clone()) {
                    let shown = context.report.shown(&at);
                    context
                        .report
                        .value(&at, format!("{shown} is listed already"));
                }
                Some(Filter {
                    plugin,
                    when: match when {
                        None => None,
                        Some(when) => Some(when?),
                    },
                })
            })
            .collect();
        filters.into_iter().collect()
    }

    pub fn router(
        &self,
        context: &mut Context<'_, '_>,
        path: &FieldPath,
        raw: Option<RawRouter>,
    ) -> Option<Option<String>> {
        let Some(raw) = raw else { return Some(None) };
        self.known(context, &path.key("plugin"), raw.plugin)
            .map(Some)
    }

    pub fn observers(
        &self,
        context: &mut Context<'_, '_>,
        raw: Option<Vec<Option<String>>>,
    ) -> Option<Vec<String>> {
        let path = FieldPath::root().key("observers");
        let names = context.names(&path, raw.unwrap_or_default())?;
        for (index, name) in names.iter().enumerate() {
            self.known(context, &path.index(index), Some(name.clone()));
        }
        Some(names)
    }
}

/// `plugins`, without where they are named.
pub(super) fn plugins(context: &mut Context<'_, '_>, raw: RawPlugins) -> Option<Plugins> {
    let path = FieldPath::root().key("plugins").key("items");
    let items: Vec<_> = raw
        .items
        .unwrap_or_default()
        .into_iter()
        .map(|(name, raw)| {
            let path = path.key(&name);
            check_name(context, &path, &name);
            Some((name, plugin(context, &path, raw?)?))
        })
        .collect();
    Some(Plugins {
        cache_dir: raw.cache_dir.map(|folder| context.folder.join(folder)),
        items: items.into_iter().collect::<Option<_>>()?,
        filters: Vec::new(),
        observers: Vec::new(),
        rules: Rules::default(),
    })
}

/// Names stand in metrics and log lines.
fn check_name(context: &mut Context<'_, '_>, path: &FieldPath, name: &str) {
    const NAME_BYTES_MAX: usize = 64;
    let is_sound = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    if !fits || !name.bytes().all(is_sound) {
        context.report.key(
            path,
            "a plugin's name has 1 to 64 characters: a–z, 0–9, `-`, `_` and `.`",
        );
    }
}

fn plugin(context: &mut Context<'_, '_>, path: &FieldPath, raw: RawPlugin) -> Option<Plugin> {
    let sha256 = sha256(context, &path.key("sha256"), raw.sha256.as_deref());
    let source = match (raw.path, raw.builtin) {
        (Some(name), _) => {
            let file = context.readable_file(&path.key("path"), &name);
            file.map(|path| PluginSource::Wasm { path, sha256 })
        }
        (None, Some(builtin)) => {
            if raw.sha256.is_some() {
                let message = "has no effect on a plugin that is part of weir; remove it";
                context.report.key(&path.key("sha256"), message);
            }
            Some(PluginSource::Builtin(builtin))
        }
        // Reported by the schema.
        (None, None) => None,
    };
    let grants = grants(context, &path.key("grants"), raw.grants.unwrap_or_default());
    Some(Plugin {
        source: source?,
        grants: grants?,
        limits: limits(raw.limits.unwrap_or_default())?,
        instance: instance(raw.instance.unwrap_or_default())?,
        on_error: raw.on_error,
        config: raw.config.map_or(Value::Null, |any| any.0),
    })
}

fn sha256(context: &mut Context<'_, '_>, path: &FieldPath, text: Option<&str>) -> Option<[u8; 32]> {
    let digest = hex(text?).and_then(|bytes| bytes.try_into().ok());
    if digest.is_none() {
        let message = "is no SHA-256: 64 hexadecimal digits, as `sha256sum` prints them";
        context.report.value(path, message);
    }
    digest
}

fn grants(context: &mut Context<'_, '_>, path: &FieldPath, raw: RawGrants) -> Option<Grants> {
    let http_path = path.key("http");
    let http = context.names(&http_path, raw.http.unwrap_or_default());
    for (index, host) in http.iter().flatten().enumerate() {
        if host.contains('/') || host.contains(char::is_whitespace) {
            let message = "is no host; write `host`, `host:port` or `*.domain`";
            context.report.value(&http_path.index(index), message);
        }
    }
    let secrets_path = path.key("secrets");
    let secrets: Vec<_> = raw
        .secrets
        .unwrap_or_default()
        .into_iter()
        .map(|(name, raw)| {
            let raw = raw?;
            let secret = source::secret(context, &secrets_path.key(&name), &Source::from(&raw))?;
            Some((name, secret))
        })
        .collect();
    Some(Grants {
        kv: raw.kv.unwrap_or(false),
        http: http?,
        secrets: secrets.into_iter().collect::<Option<_>>()?,
        payloads: raw.payloads.unwrap_or(false),
    })
}

fn limits(raw: RawPluginLimits) -> Option<PluginLimits> {
    Some(PluginLimits {
        deadline: raw.deadline.map(|deadline| deadline.0),
        memory_bytes: raw.memory?.0,
        output_bytes: raw.output?.0,
        file_bytes: raw.size?.0,
    })
}

fn instance(raw: RawInstance) -> Option<Instance> {
    Some(Instance {
        mode: raw.mode?,
        max: raw.max?,
        calls_max: raw.max_calls?,
    })
}
