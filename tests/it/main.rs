//! The whole gateway, as the real binary in front of simulated and scripted hosts. One file a theme; `harness` has the
//! words that the tests are written in.

// A test runs once; its buffers may stand in its future.
#![allow(clippy::large_futures)]

mod harness;

mod accounts_callers;
mod accounts_crash;
mod accounts_crowd;
mod accounts_full_disk;
mod accounts_limits;
mod accounts_media;
mod accounts_own_keys;
mod accounts_phantoms;
mod accounts_plans;
mod accounts_stored_keys;
mod accounts_streams;
mod accounts_tokens;
mod admin;
mod admin_desk;
mod admin_tokens;
mod case_01_to_04_framing;
mod case_05_to_08_broken_streams;
mod case_10_to_12_bodies;
mod case_13_clients_that_leave;
mod case_14_to_16_odd_answers;
mod budget;
mod credentials;
mod endpoints;
mod fidelity;
mod headers;
mod health_breaker;
mod health_discovery;
mod health_failover;
mod health_fallbacks;
mod health_loading;
mod health_probes;
mod health_sharing;
mod health_trials;
mod keys_caps;
mod keys_failover;
mod keys_other_paths;
mod keys_refused;
mod keys_rotation;
mod keys_seen;
mod keys_waits;
mod pass_through;
mod plugins;
mod plugins_components;
mod pool;
mod records;
mod relay_downstream;
mod relay_upstream;
mod relay_waits;
mod reload;
mod reload_accounts;
mod reload_under_load;
mod shutdown;
mod signed_requests;
mod start;
mod tls_listeners;
mod translated_endings;
mod translated_requests;
mod translated_streams;
mod translation;
mod upstream_connections;
mod upstream_protocols;
