//! How much is left: bounds that exchanges share.

mod bytes;

pub use bytes::{ByteBudget, HeldBytes};
