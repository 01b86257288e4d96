//! How the plugins of the configuration in force do, for operators. It must not change anything.

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::plugin::{Kind, OnError, PluginState, Source};

use super::reply::{self, Reply};

pub(super) fn plugins(gateway: &Gateway) -> Reply {
    let snapshot = gateway.snapshot();
    let plugins: Vec<Value> = snapshot.guards.set().list().iter().map(one).collect();
    reply::json(&json!({ "data": plugins }))
}

fn one(plugin: &PluginState) -> Value {
    let kinds: Vec<&str> = plugin.kinds.iter().map(|kind| Kind::label(*kind)).collect();
    let on_error = plugin.on_error.iter().map(|on_error| match on_error {
        OnError::Open => "open",
        OnError::Closed => "closed",
    });
    let source = match &plugin.source {
        Source::Wasm { path, .. } => path.display().to_string(),
        Source::Builtin(name) => format!("builtin:{name}"),
    };
    let sha256 = plugin.sha256.map(|digest| {
        let digits = digest.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    });
    let last = plugin.last_trouble.as_ref().map(|last| {
        json!({ "unix_ms": last.unix_ms, "hook": last.hook.label(), "reason": last.trouble.to_string() })
    });
    json!({
        "name": plugin.name,
        "kinds": kinds,
        "source": source,
        "sha256": sha256,
        "on_error": on_error.collect::<Vec<_>>(),
        "state": if plugin.is_tripped { "tripped" } else { "working" },
        "instances": plugin.instances,
        "calls": plugin.calls,
        "troubles": plugin.troubles,
        "last_trouble": last,
    })
}
