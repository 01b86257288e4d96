//! What plugins for weir are written with: the types of its contract ([`types`]), what a plugin may ask of its host
//! ([`Host`]), and the hooks, of which a plugin implements one: [`Guard`], [`Router`], [`Auth`], [`Observer`] or [`Adapter`].
//!
//! The same crate becomes a WebAssembly component, or a part of weir itself: the types here are the very types that weir
//! works with. The macros [`guard!`], [`router!`], [`auth!`], [`observer!`] and [`adapter!`] name the type that is the plugin.

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
mod hooks;
mod host;
mod macros;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod types;

pub use hooks::{Adapter, Auth, Decoder, Guard, GuardStream, Observer, Router, Wants};
pub use host::{Host, HttpAnswer, HttpCall, HttpError, Level};
#[doc(hidden)]
pub use macros::check;
pub use types::*;
