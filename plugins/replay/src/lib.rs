//! Plays recordings of a provider to its adapter: the request that is to come of what a client asks, and the events that are to
//! come of the provider's bytes, whole, byte by byte, cut in two at every place, and cut at random. A recording is data (README.md of
//! this folder), so that every build of an adapter can be held to the same.

mod bytes;
mod compare;
mod recording;
mod shown;

pub use bytes::decode_base64;
pub use compare::{Played, check, check_broken, check_folder, cuts, host, play};
pub use recording::{Answer, Recording};
pub use shown::{event, failure, fault, wire};
