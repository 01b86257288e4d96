//! A plugin as a guest: the contract's imports as a [`Host`](crate::Host), and what its exports do.
//!
//! Written against the canonical ABI of the component model (<https://component-model.bytecodealliance.org>) instead of generated:
//! the types of this crate are the contract's own, so that they are read and written where they stand, a guest needs no other
//! crate, and nothing is converted. What is not kept here is the text of the contract: `weir plugin build` adds it to the module.

mod abi;
mod exports;
mod imports;
mod shapes;

pub use exports::{Slot, adapter, auth, configure, guard, observer, reallocate, router};
