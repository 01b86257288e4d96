//! By how much a model's own counts differ from the estimate, learnt from what its upstream reports: tokenizers differ, and so do the prompts that servers put around a request.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::weight;

/// Models that are remembered; of more, the one is forgotten whose turn was longest ago.
const MODELS_MAX: usize = 1_024;

/// One part of this is what a new report counts.
const MEMORY: u64 = 16;

/// Ratios are whole numbers of this part.
const ONE: u64 = 1 << 16;

/// What is further off is not the tokenizer, and is not believed further.
const RATIO_MIN: u64 = ONE / 8;
const RATIO_MAX: u64 = ONE * 16;

/// Estimates below this say more about the frame than about the text, in tokens.
const ESTIMATED_MIN: u64 = 16;

/// What has been learnt of each model. Shared by all exchanges; a look-up takes a lock for reading.
#[derive(Debug, Default)]
pub struct Calibration {
    learnt: RwLock<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    models: HashMap<Box<str>, Ratio>,
    /// Reports so far: the time by which what is oldest is told.
    turn: u64,
}

#[derive(Debug, Clone, Copy)]
struct Ratio {
    /// Reported to estimated.
    of_one: u64,
    reports: u64,
    turn: u64,
}

impl Calibration {
    /// Learns from an exchange whose upstream has counted its input. `model` is the public name: all that is known of a request
    /// before it is sent.
    pub fn learn(&self, model: &str, estimated: u64, reported: u64) {
        if estimated < ESTIMATED_MIN || reported == 0 {
            return;
        }
        let reported = reported.min(u64::MAX / ONE);
        let now = (reported * ONE / estimated).clamp(RATIO_MIN, RATIO_MAX);
        let mut learnt = self.learnt.write();
        learnt.turn += 1;
        let turn = learnt.turn;
        if let Some(ratio) = learnt.models.get_mut(model) {
            ratio.reports += 1;
            ratio.turn = turn;
            // The first reports count as much as all before them.
            let memory = ratio.reports.min(MEMORY);
            ratio.of_one = (ratio.of_one * (memory - 1) + now) / memory;
            return;
        }
        if learnt.models.len() >= MODELS_MAX {
            let oldest = learnt.models.iter().min_by_key(|(_, ratio)| ratio.turn);
            let oldest = oldest.map(|(model, _)| model.clone());
            oldest.and_then(|model| learnt.models.remove(&model));
        }
        let ratio = Ratio {
            of_one: now,
            reports: 1,
            turn,
        };
        learnt.models.insert(model.into(), ratio);
    }

    /// An estimate made the model's own; the same where nothing is known of it.
    pub fn corrected(&self, model: &str, estimated: u64) -> u64 {
        let learnt = self.learnt.read();
        let ratio = learnt.models.get(model).map_or(ONE, |ratio| ratio.of_one);
        let tokens = u128::from(estimated) * u128::from(ratio) / u128::from(ONE);
        u64::try_from(tokens)
            .unwrap_or(u64::MAX)
            .max(estimated.min(1))
    }

    /// How many tokens of the model's a text is, by estimate.
    pub fn estimate(&self, model: &str, text: &[u8]) -> u64 {
        self.corrected(model, weight::tokens(weight::weigh(text)))
    }

    /// Models of which something has been learnt.
    pub fn len(&self) -> usize {
        self.learnt.read().models.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_ratio_is_learnt_and_followed() {
        let learnt = Calibration::default();
        assert_eq!(learnt.corrected("m", 100), 100);
        learnt.learn("m", 100, 150);
        assert_eq!(learnt.corrected("m", 100), 150);
        assert_eq!(learnt.corrected("other", 100), 100);
        for _ in 0..200 {
            learnt.learn("m", 1_000, 800);
        }
        assert!((799..=801).contains(&learnt.corrected("m", 1_000)));
        learnt.learn("m", 1_000, 8_000);
        let after = learnt.corrected("m", 1_000);
        assert!(
            (1_200..=1_300).contains(&after),
            "one report moves it by a sixteenth: {after}"
        );
    }

    #[test]
    fn what_is_absurd_is_not_believed_and_nothing_overflows() {
        let learnt = Calibration::default();
        learnt.learn("small", 3, 300);
        learnt.learn("none", 100, 0);
        assert!(learnt.is_empty());
        learnt.learn("m", 16, u64::MAX);
        assert_eq!(learnt.corrected("m", 100), 1_600);
        assert_eq!(learnt.corrected("m", u64::MAX), u64::MAX);
        learnt.learn("n", u64::MAX, 1);
        assert_eq!(learnt.corrected("n", 800), 100);
        assert_eq!(learnt.corrected("n", 1), 1);
        assert_eq!(learnt.corrected("n", 0), 0);
    }

    #[test]
    fn it_remembers_so_many_models_and_forgets_the_oldest() {
        let learnt = Calibration::default();
        learnt.learn("first", 100, 200);
        for count in 1..MODELS_MAX {
            learnt.learn(&format!("m{count}"), 100, 200);
        }
        learnt.learn("first", 100, 200);
        learnt.learn("one more", 100, 200);
        assert_eq!(learnt.len(), MODELS_MAX);
        assert_eq!(learnt.corrected("first", 100), 200);
        assert_eq!(learnt.corrected("m1", 100), 100, "it was the oldest");
    }
}
