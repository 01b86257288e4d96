//! The plugins of one configuration. A new set is built beside the one that serves, and takes over from it what has not changed;
//! what is not taken over goes when the last exchange lets go of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::guarded::{Adapter, Auth, Guard, Guarded, Observer, Router};
use super::hooks::{Hooks, Kind};
use super::loaded::{Plugin, PluginState};
use super::services::{FamilySnapshot, Outside, PluginServices, Services};
use super::settings::{PluginSettings, Source};
use super::wasm::{self, DiskCache, Runtime};

/// The plugins that are part of weir.
pub trait Builtins: Send + Sync {
    /// # Errors
    /// When there is none of that name, or it refuses its configuration.
    fn build(
        &self,
        name: &str,
        settings: &PluginSettings,
        services: &Arc<PluginServices>,
    ) -> Result<Hooks, String>;
}

/// What outlives every configuration. One for the process.
pub struct PluginHost {
    services: Services,
    builtins: Arc<dyn Builtins>,
    /// There only while a plugin is a component.
    runtime: Mutex<Weak<Runtime>>,
}

/// The plugins of one configuration.
#[derive(Default)]
pub struct PluginSet {
    plugins: BTreeMap<String, Arc<Plugin>>,
    /// Keeps it there for as long as the plugins are.
    _runtime: Option<Arc<Runtime>>,
}

/// Why a plugin is not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    pub plugin: String,
    pub reason: String,
}

impl fmt::Display for Unfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "plugin `{}`: {}", self.plugin, self.reason)
    }
}

impl PluginHost {
    pub fn new(outside: Outside, builtins: Arc<dyn Builtins>) -> PluginHost {
        PluginHost {
            services: Services::new(outside),
            builtins,
            runtime: Mutex::default(),
        }
    }

    /// Builds the plugins of a configuration. Blocks for as long as compiling takes: not for a thread that serves. `previous`: what
    /// serves now; a plugin is taken over from it, with its instances, if settings and file are the same.
    ///
    /// # Errors
    /// All the plugins that cannot be loaded; nothing has changed then.
    pub fn build(
        &self,
        settings: &[PluginSettings],
        cache_dir: Option<&Path>,
        previous: Option<&PluginSet>,
    ) -> Result<PluginSet, Vec<Unfit>> {
        let mut building = Building {
            host: self,
            cache_dir,
            cache: None,
            runtime: None,
            previous,
        };
        let mut plugins = BTreeMap::new();
        let mut unfit = Vec::new();
        for settings in settings {
            match building.plugin(settings) {
                Ok(plugin) => {
                    plugins.insert(settings.name.clone(), plugin);
                }
                Err(reason) => unfit.push(Unfit {
                    plugin: settings.name.clone(),
                    reason,
                }),
            }
        }
        if !unfit.is_empty() {
            return Err(unfit);
        }
        Ok(PluginSet {
            plugins,
            _runtime: building.runtime,
        })
    }

    /// `set` serves now: keys, values and metrics of plugins that are not in it are forgotten.
    pub fn forget_others(&self, set: &PluginSet) {
        self.services.retain(|name| set.plugins.contains_key(name));
        set.plugins
            .values()
            .for_each(|plugin| plugin.note_serving());
    }

    /// Plugins' own metrics, by plugin.
    pub fn own_metrics(&self) -> Vec<(String, Vec<FamilySnapshot>)> {
        self.services.own_metrics()
    }

    fn runtime(&self) -> Result<Arc<Runtime>, String> {
        let mut kept = self.runtime.lock();
        if let Some(runtime) = kept.upgrade() {
            return Ok(runtime);
        }
        let runtime = Runtime::new(false)?;
        *kept = Arc::downgrade(&runtime);
        Ok(runtime)
    }
}

/// A set that is being built.
struct Building<'b> {
    host: &'b PluginHost,
    cache_dir: Option<&'b Path>,
    /// Opened for the first that needs it.
    cache: Option<DiskCache>,
    runtime: Option<Arc<Runtime>>,
    previous: Option<&'b PluginSet>,
}

impl Building<'_> {
    fn plugin(&mut self, settings: &PluginSettings) -> Result<Arc<Plugin>, String> {
        match &settings.source {
            Source::Wasm { path, sha256 } => {
                let runtime = self.runtime()?;
                let (bytes, digest) = wasm::read(path, settings.limits.file_bytes, *sha256)?;
                if let Some(same) = self.same(settings, Some(digest)) {
                    return Ok(same);
                }
                let services = self.host.services.of(settings);
                let cache = self.cache()?;
                let hooks = wasm::load(&runtime, settings, (&bytes, digest), &services, cache)?;
                Ok(finish(settings, hooks, services, Some(digest)))
            }
            Source::Builtin(name) => {
                if let Some(same) = self.same(settings, None) {
                    return Ok(same);
                }
                let services = self.host.services.of(settings);
                let hooks = self.host.builtins.build(name, settings, &services)?;
                Ok(finish(settings, hooks, services, None))
            }
        }
    }

    fn same(&self, settings: &PluginSettings, digest: Option<[u8; 32]>) -> Option<Arc<Plugin>> {
        let plugin = self.previous?.plugins.get(&settings.name)?;
        let is_same = plugin.settings() == settings && plugin.digest() == digest;
        is_same.then(|| plugin.clone())
    }

    fn runtime(&mut self) -> Result<Arc<Runtime>, String> {
        if let Some(runtime) = &self.runtime {
            return Ok(runtime.clone());
        }
        let runtime = self.host.runtime()?;
        self.runtime = Some(runtime.clone());
        Ok(runtime)
    }

    fn cache(&mut self) -> Result<Option<&DiskCache>, String> {
        if self.cache.is_none()
            && let Some(folder) = self.cache_dir
        {
            self.cache = Some(DiskCache::open(folder)?);
        }
        Ok(self.cache.as_ref())
    }
}

fn finish(
    settings: &PluginSettings,
    hooks: Hooks,
    services: Arc<PluginServices>,
    digest: Option<[u8; 32]>,
) -> Arc<Plugin> {
    Arc::new(Plugin::new(settings.clone(), hooks, services, digest))
}

impl PluginSet {
    /// # Errors
    /// When there is no such plugin, or it is something else.
    pub fn guard(&self, name: &str) -> Result<Guard, Unfit> {
        self.find(name, Kind::Guard, |hooks| hooks.guard.as_ref())
    }

    /// # Errors
    /// As [`PluginSet::guard`].
    pub fn router(&self, name: &str) -> Result<Router, Unfit> {
        self.find(name, Kind::Router, |hooks| hooks.router.as_ref())
    }

    /// # Errors
    /// As [`PluginSet::guard`].
    pub fn auth(&self, name: &str) -> Result<Auth, Unfit> {
        self.find(name, Kind::Auth, |hooks| hooks.auth.as_ref())
    }

    /// # Errors
    /// As [`PluginSet::guard`].
    pub fn observer(&self, name: &str) -> Result<Observer, Unfit> {
        self.find(name, Kind::Observer, |hooks| hooks.observer.as_ref())
    }

    /// # Errors
    /// As [`PluginSet::guard`].
    pub fn adapter(&self, name: &str) -> Result<Adapter, Unfit> {
        self.find(name, Kind::Adapter, |hooks| hooks.adapter.as_ref())
    }

    /// How all of them do, by name.
    pub fn list(&self) -> Vec<PluginState> {
        self.plugins.values().map(|plugin| plugin.state()).collect()
    }

    fn find<H: ?Sized>(
        &self,
        name: &str,
        kind: Kind,
        hook: impl FnOnce(&Hooks) -> Option<&Arc<H>>,
    ) -> Result<Guarded<H>, Unfit> {
        let unfit = |reason: String| Unfit {
            plugin: name.to_owned(),
            reason,
        };
        let plugin = self.plugins.get(name);
        let plugin = plugin.ok_or_else(|| unfit("there is none of this name".to_owned()))?;
        if let Some(hook) = hook(plugin.hooks()) {
            return Ok(Guarded::new(plugin, hook));
        }
        let kinds = plugin.hooks().kinds();
        let is: Vec<&str> = kinds.iter().map(|kind| kind.named()).collect();
        let is = is.join(" and ");
        Err(unfit(format!("is {is}, and is named as {}", kind.named())))
    }
}
