//! What a stream has said since it was last counted: kept for streams that may break off before they say what they used.

use crate::wire::{Spoken, Usage};

/// Gathers what is said, and forgets what a count covers.
#[derive(Debug, Default)]
pub struct Tally {
    spoken: Spoken,
    /// What had been said before the event that is read, in bytes.
    bytes_before: u64,
    /// The output of the last count.
    output: u64,
}

impl Tally {
    /// Where what is said goes.
    pub fn spoken(&mut self) -> &mut Spoken {
        &mut self.spoken
    }

    /// An event has been read; `usage` is the last count so far. One that has grown covers all that was said before. One that has
    /// not is about the input, or a placeholder.
    pub fn event_over(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage
            && usage.output != self.output
        {
            self.output = usage.output;
            self.spoken = Spoken::default();
        }
        if self.spoken.bytes() > self.bytes_before {
            self.spoken.events = self.spoken.events.saturating_add(1);
        }
        self.bytes_before = self.spoken.bytes();
    }

    /// What was said and is in no count.
    pub fn take(&mut self) -> Spoken {
        self.bytes_before = 0;
        std::mem::take(&mut self.spoken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(output: u64) -> Option<Usage> {
        Some(Usage {
            input_uncached: 9,
            output,
            ..Usage::default()
        })
    }

    #[test]
    fn a_count_that_has_grown_covers_what_was_said() {
        let mut tally = Tally::default();
        for (said, usage) in [("a", counted(0)), ("b", counted(0)), ("", None)] {
            tally.spoken().say(said);
            tally.event_over(usage);
        }
        assert_eq!((&*tally.spoken.text, tally.spoken.events), ("ab", 2));
        tally.spoken().say("c");
        tally.event_over(counted(3));
        tally.spoken().say("d");
        tally.event_over(counted(3));
        let left = tally.take();
        assert_eq!((&*left.text, left.events), ("d", 1));
        assert_eq!(tally.take(), Spoken::default());
    }
}
