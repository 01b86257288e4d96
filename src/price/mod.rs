//! What models cost: a table of what vendors and hosts ask, and what an operator says in its place, in the configuration or while weir runs.
//! It must not know who pays, nor where settings are kept.

mod book;
mod scope;
mod table;
#[cfg(test)]
mod tests;

pub use book::{Named, PriceBook};
pub use scope::{PriceEntry, Prices, TooManyPrices};
pub use table::built_in;

use crate::terms::Used;
use crate::wire::Usage;

/// What an exchange used, as prices count it. `milliseconds`: time at the upstream, for hosts that are paid by it. `images`: how many were asked for, for answers that
/// do not tell how many were made.
pub fn used(usage: &Usage, milliseconds: u64, images: u64, is_batch: bool) -> Used {
    let usage = usage.bounded();
    Used {
        input: usage.input_uncached - usage.audio_input - usage.image_input,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write - usage.cache_write_1h,
        cache_write_1h: usage.cache_write_1h,
        output: usage.output - usage.reasoning - usage.audio_output - usage.image_output,
        reasoning: usage.reasoning,
        audio_input: usage.audio_input,
        audio_output: usage.audio_output,
        image_input: usage.image_input,
        image_output: usage.image_output,
        audio_milliseconds: usage.audio_milliseconds,
        characters: usage.characters,
        images: if usage.images > 0 {
            usage.images
        } else {
            images
        },
        // A reranker may bill one request as several.
        requests: usage.searches.max(1),
        milliseconds,
        is_batch,
    }
}
