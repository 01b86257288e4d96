//! The order in which the endpoints of one tier are tried: pure functions of what is known at the moment of choice. What a tier
//! is and what is sent where is not known here.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::time::Duration;

use crate::config::{Policy, Price};
use crate::upstream::health::{Standing, View, score};

/// Scores this close to each other are equal: they are made of measurements that vary more.
const EQUAL_WITHIN: f64 = 1.2;
/// Input tokens to one output token, for the price of a request that has not been answered yet: prompts are longer than answers.
const INPUT_PER_OUTPUT: i128 = 3;
/// Weights that add up to no more are kept exactly in each full turn. Above it, a choice would cost more than it is worth, and
/// they are kept in the long run.
const EXACT_TURN_MAX: u64 = 64;

/// One endpoint of a tier.
#[derive(Debug, Clone, Copy)]
pub struct Ranked {
    pub view: View,
    /// Of its target, which shares it among its endpoints.
    pub weight: u32,
    pub price: Option<Price>,
    /// Index of its target in the tier.
    pub target: usize,
}

/// Where random numbers come from: any `u64` is as likely as any other.
pub type Chance<'a> = &'a mut dyn FnMut() -> u64;

/// Indices of a tier's candidates in the order to try them; each is there once. First an endpoint whose trial is free, then those
/// that take requests, by the policy; last the others, the soonest to come back first.
///
/// `turn` is the number of the choice. `sticky` is the [`caller`], where [`Policy::Split`] is to keep callers apart.
pub fn order(
    policy: Policy,
    turn: usize,
    sticky: Option<u64>,
    chance: Chance<'_>,
    candidates: &[Ranked],
) -> Vec<usize> {
    if candidates.len() < 2 {
        return (0..candidates.len()).collect();
    }
    let is_usable = |index: &usize| candidates[*index].view.standing.is_usable();
    let mut order = Vec::with_capacity(candidates.len());
    order.extend((0..candidates.len()).filter(is_usable));
    let usable = order.len();
    order.extend((0..candidates.len()).filter(|index| !is_usable(index)));

    let tier = Tier::new(candidates, &order[..usable]);
    // A caller's way is the same for all of the choice; where nobody is to be kept apart, it is drawn.
    let way = match policy {
        Policy::Split => sticky.unwrap_or_else(&mut *chance),
        _ => mix(turn as u64),
    };
    tier.by_policy(policy, turn, way, chance, &mut order[..usable]);
    rotate(&mut order[usable..], turn);
    order[usable..].sort_by_key(|&index| return_of(&candidates[index].view));

    let of_split = (policy == Policy::Split)
        .then(|| tier.target_of(way))
        .flatten();
    let is_tried = |&index: &usize| {
        let candidate = &candidates[index];
        candidate.view.trial_is_free && of_split.is_none_or(|target| candidate.target == target)
    };
    if let Some(found) = order[usable..].iter().position(is_tried) {
        order[..=usable + found].rotate_right(1);
    }
    order
}

/// What stands for a caller in [`order`]: the same for the same name (FNV-1a) in every process and version, so that callers keep
/// their way.
pub fn caller(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// When an endpoint that takes no requests may take some again: those who say when, then those who load, then those who are down.
fn return_of(view: &View) -> (u8, Duration) {
    let said = view.ejected_for.max(view.busy_for).unwrap_or_default();
    match view.standing {
        Standing::Healthy | Standing::Recovering | Standing::Trial => (0, Duration::ZERO),
        Standing::Busy | Standing::Ejected => (0, said),
        Standing::Loading => (1, Duration::ZERO),
        Standing::Down => (2, Duration::ZERO),
    }
}

/// A tier's candidates, with what an endpoint without a measurement is taken for.
struct Tier<'a> {
    candidates: &'a [Ranked],
    latency_if_unknown: Duration,
}

impl Tier<'_> {
    fn new<'a>(candidates: &'a [Ranked], usable: &[usize]) -> Tier<'a> {
        let known = usable
            .iter()
            .filter_map(|&index| candidates[index].view.latency);
        let (sum, count) = known.fold((Duration::ZERO, 0), |(sum, count), latency| {
            (sum.saturating_add(latency), count + 1)
        });
        Tier {
            candidates,
            latency_if_unknown: sum.checked_div(count).unwrap_or_default(),
        }
    }

    /// Orders those who take requests.
    fn by_policy(
        &self,
        policy: Policy,
        turn: usize,
        way: u64,
        chance: Chance<'_>,
        order: &mut [usize],
    ) {
        if order.len() < 2 {
            return;
        }
        match policy {
            Policy::Health => self.by_health(chance, order),
            Policy::RoundRobin => rotate(order, turn),
            Policy::Weighted => self.by_weight(turn, way, order),
            Policy::Random => shuffle(chance, order),
            Policy::LeastInflight => {
                rotate(order, turn);
                order.sort_by_key(|&index| self.load(index).to_bits());
            }
            Policy::Latency => {
                rotate(order, turn);
                order.sort_by_key(|&index| self.latency(index));
            }
            Policy::Cost => {
                let ties = chance();
                order.sort_by_cached_key(|&index| (self.price(index), self.rank(index, ties)));
            }
            Policy::Split => self.by_split(way, chance, order),
        }
    }

    /// The better of two taken by chance comes first, so that not all run to the best; then the best.
    fn by_health(&self, chance: Chance<'_>, order: &mut [usize]) {
        if order.len() < 2 {
            return;
        }
        let ties = chance();
        order.sort_by_cached_key(|&index| self.rank(index, ties));
        let one = below(chance, order.len());
        let other = (one + 1 + below(chance, order.len() - 1)) % order.len();
        let (one_score, other_score) = (self.score(order[one]), self.score(order[other]));
        let is_equal = one_score.max(other_score) <= EQUAL_WITHIN * one_score.min(other_score);
        // Which of two is `one` is chance already.
        let first = if is_equal || one_score < other_score {
            one
        } else {
            other
        };
        order[..=first].rotate_right(1);
    }

    /// The turn decides who is first; the others follow in an order by weight that differs from turn to turn.
    fn by_weight(&self, turn: usize, way: u64, order: &mut [usize]) {
        order.sort_by_key(|&index| self.candidates[index].target);
        let first = pick(turn, &self.shares(order)).map(|position| order[position]);
        order.sort_by_cached_key(|&index| (self.way(index, way), mix(way ^ index as u64)));
        let first = order.iter().position(|index| Some(*index) == first);
        if let Some(first) = first {
            order[..=first].rotate_right(1);
        }
    }

    /// Targets by the caller's way, the endpoints of each by health.
    fn by_split(&self, way: u64, chance: Chance<'_>, order: &mut [usize]) {
        let target = |index: usize| self.candidates[index].target;
        order.sort_by_cached_key(|&index| (self.way(index, way), target(index)));
        for endpoints in order.chunk_by_mut(|&one, &other| target(one) == target(other)) {
            self.by_health(chance, endpoints);
        }
    }

    /// The first target on a caller's way that has an endpoint to answer, or one to be tried.
    fn target_of(&self, way: u64) -> Option<usize> {
        let candidates = self.candidates.iter().enumerate();
        let could = candidates.filter(|(_, candidate)| {
            candidate.view.standing.is_usable() || candidate.view.trial_is_free
        });
        let first =
            could.min_by_key(|(index, candidate)| (self.way(*index, way), candidate.target));
        first.map(|(_, candidate)| candidate.target)
    }

    /// Where a target comes on a caller's way, lowest first: weighted rendezvous hashing. Each target has a number of its own for
    /// each caller, so that another's weight only changes who is before it.
    fn way(&self, index: usize, way: u64) -> u64 {
        let candidate = &self.candidates[index];
        let hash = mix(way ^ mix(candidate.target as u64 + 1));
        // Within (0, 1), so that the logarithm is finite and below 0; positive numbers are in the order of their bits.
        let uniform = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        (-uniform.ln() / f64::from(candidate.weight)).to_bits()
    }

    /// The weights of targets as shared by their endpoints, which are to stand next to each other.
    fn shares(&self, order: &[usize]) -> Vec<u64> {
        // Divisible by all numbers of endpoints up to ten.
        const WHOLE: u64 = 5040;
        let target = |index: usize| self.candidates[index].target;
        let mut shares = Vec::with_capacity(order.len());
        for endpoints in order.chunk_by(|&one, &other| target(one) == target(other)) {
            let weight = u64::from(self.candidates[endpoints[0]].weight);
            let share = weight * WHOLE / endpoints.len() as u64;
            shares.extend(endpoints.iter().map(|_| share));
        }
        shares
    }

    fn score(&self, index: usize) -> f64 {
        score(&self.candidates[index].view, self.latency_if_unknown)
    }

    /// The score in steps of what counts as equal, and chance among equals.
    fn rank(&self, index: usize, ties: u64) -> (i32, u64) {
        let step = (self.score(index).ln() / EQUAL_WITHIN.ln()).floor();
        (step as i32, mix(ties ^ index as u64))
    }

    /// Exchanges in flight were this one there too; one that comes back counts as fuller than it is.
    fn load(&self, index: usize) -> f64 {
        let view = &self.candidates[index].view;
        (1.0 + view.in_flight as f64) / view.share
    }

    fn latency(&self, index: usize) -> Duration {
        let latency = self.candidates[index].view.latency;
        latency.unwrap_or(self.latency_if_unknown)
    }

    /// Of a request as they are on average, in whole parts; the most where none is known, to come last.
    fn price(&self, index: usize) -> i128 {
        let price = self.candidates[index].price;
        price.map_or(i128::MAX, |price| {
            i128::from(price.input.nanos()) * INPUT_PER_OUTPUT + i128::from(price.output.nanos())
        })
    }
}

/// Whose turn it is among shares of the turns; `None` where all are 0.
fn pick(turn: usize, shares: &[u64]) -> Option<usize> {
    let divisor = shares.iter().copied().fold(0, greatest_common_divisor);
    if divisor == 0 {
        return None;
    }
    let total = shares.iter().sum::<u64>() / divisor;
    if total <= EXACT_TURN_MAX {
        let shares = shares.iter().map(|share| (share / divisor) as i64);
        return smooth(
            turn % total as usize,
            total as i64,
            &shares.collect::<Vec<_>>(),
        );
    }
    // Multiples of the golden ratio, less their whole part, are spread over 0 to 1 as evenly as it goes, at every length.
    let golden = (turn as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut slot = (u128::from(golden) * u128::from(total)) >> 64;
    shares.iter().position(|share| {
        let share = u128::from(share / divisor);
        let is_here = slot < share;
        slot = slot.saturating_sub(share);
        is_here
    })
}

/// The choice numbered `turn` of a smooth weighted round robin: who has waited longest for his share.
fn smooth(turn: usize, total: i64, shares: &[i64]) -> Option<usize> {
    let mut credit = vec![0; shares.len()];
    let mut chosen = None;
    for _ in 0..=turn {
        for (credit, share) in credit.iter_mut().zip(shares) {
            *credit += share;
        }
        chosen = (0..credit.len()).max_by_key(|&index| (credit[index], Reverse(index)));
        credit[chosen?] -= total;
    }
    chosen
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

fn rotate(order: &mut [usize], turn: usize) {
    if !order.is_empty() {
        order.rotate_left(turn % order.len());
    }
}

fn shuffle(chance: Chance<'_>, order: &mut [usize]) {
    for last in (1..order.len()).rev() {
        order.swap(last, below(chance, last + 1));
    }
}

/// A number below `bound`, each as likely as any other.
fn below(chance: Chance<'_>, bound: usize) -> usize {
    ((u128::from(mix(chance())) * bound as u128) >> 64) as usize
}

/// Spreads the bits of a number over all of it: the finalizer of SplitMix64 (Steele, Lea, Flood 2014). The same in every version,
/// so that callers keep their way when weir is updated.
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
