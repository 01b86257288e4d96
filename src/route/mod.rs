//! Which targets serve a model, and in which order an exchange tries them.

mod catalog;
mod policy;

pub use catalog::{Candidate, Catalog, Plan};
