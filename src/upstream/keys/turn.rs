//! Takes keys in turn by weight alone. Pure but for a counter.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::UpstreamKey;

/// Takes keys in turn, each as often as its weight says, spread rather than in runs.
pub struct KeyRing {
    /// Indices of keys, in the order of one full turn.
    turn: Vec<usize>,
    next: AtomicUsize,
}

impl KeyRing {
    pub fn new(keys: &[UpstreamKey]) -> KeyRing {
        let weights: Vec<u32> = keys.iter().map(|key| key.weight).collect();
        KeyRing {
            turn: spread(&weights),
            next: AtomicUsize::new(0),
        }
    }

    /// The index of the next key.
    pub fn next(&self) -> Option<usize> {
        if self.turn.is_empty() {
            return None;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.turn.len();
        Some(self.turn[turn])
    }
}

/// A full turn in which index `i` occurs `weights[i]` times, spread as evenly as it goes (smooth weighted round robin).
pub(crate) fn spread(weights: &[u32]) -> Vec<usize> {
    let divisor = weights
        .iter()
        .copied()
        .fold(0, greatest_common_divisor)
        .max(1);
    let weights: Vec<i64> = weights
        .iter()
        .map(|weight| i64::from(weight / divisor))
        .collect();
    let total: i64 = weights.iter().sum();
    let mut credit = vec![0i64; weights.len()];
    let mut turn = Vec::with_capacity(total as usize);
    for _ in 0..total {
        for (credit, weight) in credit.iter_mut().zip(&weights) {
            *credit += weight;
        }
        let richest =
            (0..credit.len()).max_by_key(|&index| (credit[index], std::cmp::Reverse(index)));
        let richest =
            richest.expect("a turn has as many steps as there are weights, so there is one");
        credit[richest] -= total;
        turn.push(richest);
    }
    turn
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_the_weights_and_spread_them() {
        let cases: &[(&[u32], &[usize])] = &[
            (&[], &[]),
            (&[7], &[0]),
            (&[1, 1, 1], &[0, 1, 2]),
            (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
            (&[100, 200], &[1, 0, 1]),
        ];
        for (weights, expected) in cases {
            assert_eq!(&spread(weights), expected, "{weights:?}");
        }
    }
}
