//! What an exchange used, in one form for all dialects. Counts are cumulative: a later report replaces an earlier one.

/// What an exchange used: tokens, and what is paid by the piece. A part is never more than its whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Input that no cache answered.
    pub input_uncached: u64,
    /// Input read from a prompt cache.
    pub cache_read: u64,
    /// Input written to a prompt cache.
    pub cache_write: u64,
    /// All output, reasoning included.
    pub output: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
    /// The part of `cache_write` that is kept for longer and costs more: an hour at Anthropic, twelve at OpenAI.
    pub cache_write_1h: u64,
    /// The part of `input_uncached` that was audio.
    pub audio_input: u64,
    /// The part of the output that was audio; none of it is reasoning.
    pub audio_output: u64,
    /// Images made.
    pub images: u64,
    /// Searches that a reranker bills; 0 where it tells none.
    pub searches: u64,
    /// Length of the audio that was transcribed, in milliseconds, where that is what the upstream counts: up to 49 days.
    pub audio_milliseconds: u64,
    /// The part of `input_uncached` that was images; none of it is audio.
    pub image_input: u64,
    /// The part of the output that was images; none of it is reasoning or audio.
    pub image_output: u64,
    /// Characters of a text that was spoken: what the request asked for, as no upstream tells it.
    pub characters: u64,
}

/// No exchange uses more of anything: what an upstream claims beyond it is cut, so that sums stay numbers.
const TOKENS_MAX: u64 = 1 << 48;

/// No exchange makes or searches more.
const PIECES_MAX: u64 = 1 << 20;

impl Usage {
    /// Input alone, which no cache answered.
    pub fn of_input(tokens: u64) -> Usage {
        let usage = Usage {
            input_uncached: tokens,
            ..Usage::default()
        };
        usage.bounded()
    }

    /// The same within bounds that all sums of it can bear, every part within its whole.
    #[must_use]
    pub fn bounded(self) -> Usage {
        let output = self.output.min(TOKENS_MAX);
        let reasoning = self.reasoning.min(output);
        let input_uncached = self.input_uncached.min(TOKENS_MAX);
        let cache_write = self.cache_write.min(TOKENS_MAX);
        let audio_input = self.audio_input.min(input_uncached);
        let audio_output = self.audio_output.min(output - reasoning);
        Usage {
            input_uncached,
            cache_read: self.cache_read.min(TOKENS_MAX),
            cache_write,
            output,
            reasoning,
            cache_write_1h: self.cache_write_1h.min(cache_write),
            audio_input,
            audio_output,
            images: self.images.min(PIECES_MAX),
            searches: self.searches.min(PIECES_MAX),
            audio_milliseconds: self.audio_milliseconds.min(TOKENS_MAX),
            image_input: self.image_input.min(input_uncached - audio_input),
            image_output: self.image_output.min(output - reasoning - audio_output),
            characters: self.characters.min(TOKENS_MAX),
        }
    }

    /// What two answers have used together.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        self.sum(&other).bounded()
    }

    /// The sum of what many have used, which has no bound but that of its numbers.
    #[must_use]
    pub fn sum(&self, other: &Usage) -> Usage {
        let sum = |part: fn(&Usage) -> u64| part(self).saturating_add(part(other));
        Usage {
            input_uncached: sum(|usage| usage.input_uncached),
            cache_read: sum(|usage| usage.cache_read),
            cache_write: sum(|usage| usage.cache_write),
            output: sum(|usage| usage.output),
            reasoning: sum(|usage| usage.reasoning),
            cache_write_1h: sum(|usage| usage.cache_write_1h),
            audio_input: sum(|usage| usage.audio_input),
            audio_output: sum(|usage| usage.audio_output),
            images: sum(|usage| usage.images),
            searches: sum(|usage| usage.searches),
            audio_milliseconds: sum(|usage| usage.audio_milliseconds),
            image_input: sum(|usage| usage.image_input),
            image_output: sum(|usage| usage.image_output),
            characters: sum(|usage| usage.characters),
        }
    }

    /// All input, cached or not.
    pub fn input(&self) -> u64 {
        self.input_uncached + self.cache_read + self.cache_write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_what_an_upstream_claims_do_not_overflow() {
        let most = u64::MAX;
        let claimed = Usage {
            input_uncached: most,
            cache_read: most,
            cache_write: most,
            output: most,
            reasoning: most,
            cache_write_1h: most,
            audio_input: most,
            audio_output: most,
            images: most,
            searches: most,
            audio_milliseconds: most,
            image_input: most,
            image_output: most,
            characters: most,
        };
        let bounded = claimed.bounded();
        assert_eq!(bounded.input() + bounded.output, 4 * TOKENS_MAX);
        assert_eq!(bounded.cache_write_1h, bounded.cache_write);
        assert_eq!(bounded.audio_input, bounded.input_uncached);
        assert_eq!(bounded.reasoning + bounded.audio_output, bounded.output);
        assert_eq!((bounded.image_input, bounded.image_output), (0, 0));
        assert_eq!(bounded.images, PIECES_MAX);
    }
}
