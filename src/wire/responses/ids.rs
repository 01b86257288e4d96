//! Ids that weir makes for items of answers. Clients send them back, and no vendor knows them: writers of requests leave
//! them out.

use std::fmt::Write as _;

/// Stands after the prefix of every id that is made; no vendor's ids begin so.
const MARK: &str = "weir";

/// The id of the item at `index`: `msg_weirSEED_0`. `prefix` says what it is, as the vendor's do.
pub fn made(prefix: &str, seed: &str, index: u32) -> String {
    /// Digits of the last index, and the marks.
    const REST_BYTES: usize = 16;
    let mut id = String::with_capacity(prefix.len() + seed.len() + REST_BYTES);
    for part in [prefix, "_", MARK, seed, "_"] {
        id.push_str(part);
    }
    // Writing to memory does not fail.
    let _ = write!(id, "{index}");
    id
}

/// Whether weir has made the id.
pub fn is_made(id: &str) -> bool {
    id.split_once('_')
        .is_some_and(|(_, rest)| rest.starts_with(MARK))
}
