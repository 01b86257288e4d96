//! What is agreed with callers, as data: money, prices, limits, budgets, and which names an allowance is for.
//! The same shapes stand in the configuration, in the store and in the admin API. Nothing here counts or decides.

mod budget;
mod caller;
mod limits;
mod money;
mod pattern;
mod price;

pub use budget::{AtEnd, Budget, Period};
pub use caller::{KeyState, Priority, Scope, UserKind};
pub use limits::{Limits, Measure, Per, Rule, Window};
pub use money::Money;
pub use pattern::ModelPattern;
pub use price::{Price, Tier, Used};
