//! Plugins that are a part of weir go the same way as components.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use weir_plugin::{Candidate, Choice};

use super::place::{Place, answered, candidate, exchange};
use crate::plugin::services::PluginServices;
use crate::plugin::{
    Builtins, Called, Grants, Hooks, Instance, Limits, OnError, PluginSettings, RouterHook, Source,
    Trouble, View,
};

/// `works`, `panics` and `waits`.
struct Own;

struct Native(String);

impl Builtins for Own {
    fn build(
        &self,
        name: &str,
        settings: &PluginSettings,
        _: &Arc<PluginServices>,
    ) -> Result<Hooks, String> {
        if settings.config_json != "null" {
            return Err("`config` must be absent".to_owned());
        }
        Ok(Hooks {
            router: Some(Arc::new(Native(name.to_owned()))),
            ..Hooks::default()
        })
    }
}

#[async_trait]
impl RouterHook for Native {
    async fn pick(&self, _: &Arc<dyn View>, _: &[Candidate]) -> Result<Choice, Trouble> {
        match self.0.as_str() {
            "panics" => panic!("as it should"),
            "waits" => std::future::pending().await,
            _ => Ok(Choice::UseDefault),
        }
    }
}

fn settings(name: &str) -> PluginSettings {
    PluginSettings {
        name: name.to_owned(),
        source: Source::Builtin(name.to_owned()),
        grants: Grants::default(),
        limits: Limits::default(),
        instance: Instance::default(),
        on_error: Some(OnError::Closed),
        config_json: "null".to_owned(),
    }
}

#[tokio::test]
async fn a_part_of_weir_is_contained_as_well() {
    let place = Place::with(Arc::new(Own), None);
    let all = ["works", "panics", "waits"].map(settings);
    let set = place.host.build(&all, None, None).unwrap();
    let pick = async |name: &str| {
        let router = set.router(name).unwrap();
        router.pick(&exchange("{}"), &[candidate("a/1")]).await
    };
    assert_eq!(answered(pick("works").await), Choice::UseDefault);
    let panicked = pick("panics").await;
    assert!(
        matches!(panicked, Called::FailedClosed(Trouble::Trap(_))),
        "{panicked:?}"
    );
    let waited = pick("waits").await;
    let deadline = Duration::from_millis(2);
    assert!(
        matches!(waited, Called::FailedClosed(Trouble::Blocked(limit)) if limit == deadline),
        "{waited:?}"
    );
    assert_eq!(place.outcomes(), ["ok", "trap", "blocked"]);
    let mut wrong = settings("works");
    wrong.config_json = "{}".to_owned();
    let unfit = place
        .host
        .build(&[wrong], None, Some(&set))
        .map(drop)
        .unwrap_err();
    assert_eq!(
        unfit[0].to_string(),
        "plugin `works`: `config` must be absent"
    );
}
