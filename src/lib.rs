//! weir: a reverse proxy and load balancer for large-language-model traffic, on Pingora.
//!
//! The modules stand in dependency order: **a module uses only those above it** (`tests/tidy.rs` keeps that true).

pub mod wire;
pub mod terms;
pub mod expr;
pub mod fault;
pub mod config;
pub mod metrics;
pub mod log;
pub mod tls;
pub mod store;
pub mod access;
pub mod price;
pub mod tokens;
pub mod limit;
pub mod ledger;
pub mod upstream;
pub mod route;
pub mod plugin;
pub mod gateway;
pub mod proxy;
pub mod reload;
pub mod admin;
pub mod server;
pub mod sim;
pub mod cli;
