//! What a key was used for in the last minute, to the second. It must not know the caps.

use std::time::{Duration, Instant};

/// Seconds that are kept: sixty, and the one that has only begun, so that no 60 s however they lie hold more than a cap.
const SECONDS: u64 = 61;

/// Requests and tokens of the last minute. A use counts until 60 to 61 s after it.
#[derive(Default)]
pub(super) struct Minute {
    /// The first use; seconds count from here.
    origin: Option<Instant>,
    /// The latest second that was asked about.
    second: u64,
    requests: Counts,
    tokens: Counts,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Measure {
    Requests,
    Tokens,
}

impl Minute {
    /// Counts a use now, and says the second that it was counted in.
    pub(super) fn count(&mut self, measure: Measure, amount: u64, now: Instant) -> u64 {
        self.advance(now);
        let second = self.second;
        self.counts_mut(measure).add(second, amount);
        second
    }

    /// Takes back a request that was counted in `second`, if it counts still.
    pub(super) fn take_back_request(&mut self, second: u64) {
        if second + SECONDS > self.second {
            self.requests.subtract_one(second);
        }
    }

    pub(super) fn used(&mut self, measure: Measure, now: Instant) -> u64 {
        self.advance(now);
        self.counts_mut(measure).sum
    }

    /// How long until less than `cap` counts; `None`: never, because the cap is zero.
    pub(super) fn room_in(&mut self, measure: Measure, cap: u64, now: Instant) -> Option<Duration> {
        if self.used(measure, now) < cap {
            return Some(Duration::ZERO);
        }
        let latest = self.second;
        let second = self.counts_mut(measure).room_after(latest, cap)?;
        let leaves = self.origin? + Duration::from_secs(second + SECONDS);
        Some(leaves.saturating_duration_since(now))
    }

    /// Lets go of seconds that have passed. A `now` from before the latest use, as a race of threads brings, is that use's.
    fn advance(&mut self, now: Instant) {
        let origin = *self.origin.get_or_insert(now);
        let second = now.saturating_duration_since(origin).as_secs();
        let passed = second.saturating_sub(self.second).min(SECONDS);
        for step in 1..=passed {
            // The slots of the seconds that begin are those of the seconds that end.
            self.requests.clear(self.second + step);
            self.tokens.clear(self.second + step);
        }
        self.second = self.second.max(second);
    }

    fn counts_mut(&mut self, measure: Measure) -> &mut Counts {
        match measure {
            Measure::Requests => &mut self.requests,
            Measure::Tokens => &mut self.tokens,
        }
    }
}

/// A ring of one number a second, and their sum.
struct Counts {
    slots: [u64; SECONDS as usize],
    sum: u64,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            slots: [0; SECONDS as usize],
            sum: 0,
        }
    }
}

impl Counts {
    fn slot(&mut self, second: u64) -> &mut u64 {
        &mut self.slots[(second % SECONDS) as usize]
    }

    /// Amounts are bounded so that no sum can overflow.
    fn add(&mut self, second: u64, amount: u64) {
        let amount = amount.min(u64::from(u32::MAX));
        *self.slot(second) += amount;
        self.sum += amount;
    }

    fn subtract_one(&mut self, second: u64) {
        if *self.slot(second) > 0 {
            *self.slot(second) -= 1;
            self.sum -= 1;
        }
    }

    fn clear(&mut self, second: u64) {
        self.sum -= std::mem::take(self.slot(second));
    }

    /// The second whose leaving makes the sum fall below `cap`.
    fn room_after(&mut self, latest: u64, cap: u64) -> Option<u64> {
        let mut sum = self.sum;
        for second in (latest + 1).saturating_sub(SECONDS)..=latest {
            sum -= *self.slot(second);
            if sum < cap {
                return Some(second);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_counts_for_a_minute_and_at_most_a_second_more() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut minute = Minute::default();
        minute.count(Measure::Tokens, 5, at(0));
        minute.count(Measure::Tokens, 7, at(1_500));
        assert_eq!(minute.used(Measure::Tokens, at(60_000)), 12);
        assert_eq!(minute.used(Measure::Tokens, at(60_999)), 12);
        assert_eq!(minute.used(Measure::Tokens, at(61_000)), 7);
        assert_eq!(minute.used(Measure::Tokens, at(62_000)), 0);
        assert_eq!(minute.used(Measure::Requests, at(62_000)), 0);
        minute.count(Measure::Tokens, 3, at(10_000_000));
        assert_eq!(minute.used(Measure::Tokens, at(10_000_001)), 3);
    }

    #[test]
    fn room_comes_when_enough_has_left() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut minute = Minute::default();
        for second in [0, 10, 20] {
            minute.count(Measure::Requests, 1, at(second));
        }
        let mut room = |cap| minute.room_in(Measure::Requests, cap, at(30));
        assert_eq!(room(4), Some(Duration::ZERO));
        assert_eq!(room(3), Some(Duration::from_secs(31)));
        assert_eq!(room(2), Some(Duration::from_secs(41)));
        assert_eq!(room(1), Some(Duration::from_secs(51)));
        assert_eq!(room(0), None);
    }

    #[test]
    fn a_request_is_taken_back_while_it_counts() {
        let begin = Instant::now();
        let mut minute = Minute::default();
        let second = minute.count(Measure::Requests, 1, begin);
        minute.take_back_request(second);
        minute.take_back_request(second);
        assert_eq!(minute.used(Measure::Requests, begin), 0);
        let second = minute.count(Measure::Requests, 1, begin);
        let later = begin + Duration::from_secs(61);
        minute.count(Measure::Requests, 1, later);
        minute.take_back_request(second);
        assert_eq!(minute.used(Measure::Requests, later), 1);
    }
}
