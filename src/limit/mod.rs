//! How much is left: bounds that exchanges share.
//!
//! Bytes of bodies ([`ByteBudget`]), and what callers may use: rates of requests, tokens and money, exchanges at once, budgets and
//! balances. Each subject has a [`Meter`]; an exchange [`reserve`]s at all meters that concern it in one step, all or nothing, and
//! settles its [`Reservation`] once with the truth. The clock comes in from outside, and nothing here waits.

mod addresses;
mod bytes;
mod calendar;
mod check;
mod clock;
mod bucket;
mod exceeded;
mod headers;
mod meter;
mod profile;
mod purse;
mod purses;
mod rate;
mod registry;
mod reserve;
mod sliding;
mod standing;
mod subject;
mod tuned;
#[cfg(test)]
mod tests;

pub use bytes::{ByteBudget, HeldBytes};
pub use calendar::{Day, day_of, start_of};
pub use exceeded::{Exceeded, seconds_up};
pub use headers::headers;
pub use meter::{Held, Meter, Terms};
pub use profile::{Choice, Profile, choice_when, chosen};
pub use purses::{BalanceStanding, BudgetStanding, Crossing};
pub use registry::Meters;
pub use reserve::{Demand, Reservation, Truth, reserve};
pub use standing::{Standing, rates, standing};
pub use subject::Subject;
pub use tuned::Tuned;
