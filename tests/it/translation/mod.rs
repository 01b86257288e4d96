//! Translation judged from outside: the grammar of every dialect, recorded exchanges, streams cut anywhere.

// The judge's vocabulary is whole, whether or not a test uses every word of it.
#![allow(dead_code, unused_imports)]

pub mod cuts;
mod edge_cases;
mod golden;
mod golden_setting;
pub mod grammar;
pub mod machine;
mod matrix;
mod properties;
mod recorded;
pub mod recordings;
mod requests_properties;
pub mod story;
mod watched;
