//! The host of plugins, with guests that are written by hand: no toolchain is needed.

mod guests;
mod hostile;
mod isolation;
mod kinds;
mod loading;
mod measure;
mod natives;
mod place;
mod reload;
mod services;
mod trip;
