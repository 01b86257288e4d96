//! The order of equals: pure functions of what is known at the moment of choice.

use crate::config::Policy;

/// Indices of a tier's targets in the order to try them. `turn` is the number of the choice, `in_flight` the load of each.
pub fn order(policy: Policy, turn: usize, in_flight: &[usize]) -> Vec<usize> {
    let count = in_flight.len();
    let mut order: Vec<usize> = (0..count).map(|step| (turn + step) % count).collect();
    match policy {
        Policy::RoundRobin => {}
        // The sort is stable: equals stay in turn, and so share.
        Policy::LeastInflight => order.sort_by_key(|&index| in_flight[index]),
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_tried_in_turn_or_by_load() {
        let cases: &[(Policy, usize, &[usize], &[usize])] = &[
            (Policy::RoundRobin, 0, &[], &[]),
            (Policy::RoundRobin, 0, &[9, 0, 0], &[0, 1, 2]),
            (Policy::RoundRobin, 4, &[9, 0, 0], &[1, 2, 0]),
            (Policy::LeastInflight, 0, &[2, 1, 1], &[1, 2, 0]),
            (Policy::LeastInflight, 2, &[2, 1, 1], &[2, 1, 0]),
            (Policy::LeastInflight, 1, &[0, 0, 0], &[1, 2, 0]),
        ];
        for (policy, turn, in_flight, expected) in cases {
            assert_eq!(
                &order(*policy, *turn, in_flight),
                expected,
                "{policy:?} {turn} {in_flight:?}"
            );
        }
    }

    #[test]
    fn equals_share_evenly() {
        let mut first = [0; 16];
        for turn in 0..1600 {
            first[order(Policy::LeastInflight, turn, &[0; 16])[0]] += 1;
        }
        assert_eq!(first, [100; 16]);
    }
}
