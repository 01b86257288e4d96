//! Shapes of `plugins`, `filters` and `observers`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RawSource;
use crate::config::plugins::{Builtin, InstanceMode, OnError};
use crate::config::scalar::{RawDuration, RawSize};
use crate::expr::RawExpression;

/// Marks, in the schema, values that may be anything.
pub(in crate::config) const ANY_MARK: &str = "x-weir-any";

/// Others' code, and weir's own guards, that exchanges go through.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Plugins")]
pub(in crate::config) struct RawPlugins {
    /// Where compiled components are kept, so that the next start is quick: a folder that weir makes, for itself alone. Relative to
    /// the configuration's folder. Default: in memory only.
    pub cache_dir: Option<PathBuf>,
    /// By name.
    pub items: Option<BTreeMap<String, Option<RawPlugin>>>,
}

/// One plugin: a WebAssembly component (`path`), or one that is part of weir (`builtin`).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Plugin")]
#[schemars(extend("oneOf" = [{"required": ["path"]}, {"required": ["builtin"]}]))]
pub(in crate::config) struct RawPlugin {
    /// A `.wasm` file. Relative to the configuration's folder.
    pub path: Option<PathBuf>,
    pub builtin: Option<Builtin>,
    /// SHA-256 of the file, in hexadecimal digits; another file is refused.
    pub sha256: Option<String>,
    pub grants: Option<RawGrants>,
    pub limits: Option<RawPluginLimits>,
    pub instance: Option<RawInstance>,
    /// What becomes of traffic when the plugin fails: it passes as if the plugin were not there (`open`), or not at all (`closed`). Default:
    /// `closed` for guards, authenticators and adapters, `open` for routers and observers.
    pub on_error: Option<OnError>,
    /// For the plugin itself: anything.
    pub config: Option<RawAny>,
}

/// What a plugin may use beside the exchange, the clock and its log. Nothing by default.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Grants")]
pub(in crate::config) struct RawGrants {
    /// A store of keys and values, shared by its instances, in memory.
    #[serde(default)]
    pub kv: Option<bool>,
    /// Hosts that it may send HTTP requests to: `host`, `host:port` or `*.domain`.
    pub http: Option<Vec<Option<String>>>,
    /// Secrets by the name that the plugin asks for.
    #[schemars(extend("x-weir-secret" = true))]
    pub secrets: Option<BTreeMap<String, Option<RawSource>>>,
    /// Requests and answers in full, for observers.
    #[serde(default)]
    pub payloads: Option<bool>,
}

/// Bounds of one plugin.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "PluginLimits")]
pub(in crate::config) struct RawPluginLimits {
    /// For one call. Default: 2 ms for routers and events of streams, 20 ms for requests and answers, 50 ms for authenticators, 10 ms for
    /// adapters, 1 s for a batch of an observer.
    pub deadline: Option<RawDuration>,
    /// Of one instance.
    pub memory: Option<RawSize>,
    /// What one call may hand over.
    pub output: Option<RawSize>,
    /// Of the file.
    pub size: Option<RawSize>,
}

impl Default for RawPluginLimits {
    fn default() -> Self {
        Self {
            deadline: None,
            memory: Some(RawSize(32 << 20)),
            output: Some(RawSize(8 << 20)),
            size: Some(RawSize(4 << 20)),
        }
    }
}

/// Instances of one plugin.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Instance")]
pub(in crate::config) struct RawInstance {
    /// `shared` by exchanges, of one `exchange`, or `fresh` for each call.
    pub mode: Option<InstanceMode>,
    /// At once.
    #[schemars(range(min = 1, max = 256))]
    pub max: Option<u32>,
    /// Then another takes its place.
    #[schemars(range(min = 1))]
    pub max_calls: Option<u32>,
}

impl Default for RawInstance {
    fn default() -> Self {
        Self {
            mode: Some(InstanceMode::Shared),
            max: Some(4),
            max_calls: Some(10_000),
        }
    }
}

/// A guard in the order of filters: its name, or with more to say.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::config) enum RawFilter {
    Name(String),
    Object(RawFilterObject),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Filter")]
pub(in crate::config) struct RawFilterObject {
    #[schemars(required)]
    pub plugin: Option<String>,
    /// A condition in CEL over `req`, `caller` and `now`: the guard is asked where it holds, and where it cannot be told.
    pub when: Option<RawExpression>,
}

/// Where a model's requests go instead, under a condition.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RouteRule")]
pub(in crate::config) struct RawRouteRule {
    /// A condition in CEL over `req`, `caller` and `now`.
    #[schemars(required)]
    pub when: Option<RawExpression>,
    /// Public name of the model that answers.
    #[schemars(required)]
    pub model: Option<String>,
}

/// Who orders a model's candidates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Router")]
pub(in crate::config) struct RawRouter {
    /// Name of a router among `plugins.items`.
    #[schemars(required)]
    pub plugin: Option<String>,
}

/// Any value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::config) struct RawAny(pub Value);

impl JsonSchema for RawAny {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-weir-any": true})
    }
}
