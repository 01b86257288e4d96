//! Plugins: what is asked of them, how they are run, and what surrounds every call. They are part of weir, or WebAssembly components;
//! who asks cannot tell. This module must not know where in an exchange a plugin is asked.

pub mod bench;
pub mod chat;
pub mod edits;
pub mod events;
pub mod native;
pub mod services;
pub mod wasm;
mod breaker;
mod guarded;
mod hooks;
mod meter;
mod own;
mod loaded;
mod set;
mod settings;
mod trouble;
#[cfg(test)]
mod tests;

pub use guarded::{Adapter, Auth, Guard, Guarded, GuardedDecoder, GuardedStream, Observer, Router};
pub use hooks::{
    AdapterHook, AuthHook, DecoderHook, GuardHook, Hook, Hooks, Kind, ObserverHook, RouterHook,
    StreamHook, View,
};
pub use loaded::{Called, LastTrouble, Plugin, PluginState};
pub use meter::{Meter, NoMeter, OK, PluginMeter};
pub use own::OwnInstances;
pub use set::{Builtins, PluginHost, PluginSet, Unfit};
pub use settings::{
    GrantedSecret, Grants, Instance, Limits, Mode, OnError, PluginSettings, Source,
};
pub use trouble::Trouble;
