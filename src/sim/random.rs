//! Randomness that is the same for the same seed: a hash to start from and a small generator.
//! It must not know the clock or the operating system's entropy.

/// SplitMix64 (Steele, Lea, Flood 2014): tiny, and good enough to choose words.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that depends on every part, in order.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = FNV_OFFSET;
        for part in parts {
            hash = fnv1a(hash, part);
            hash = fnv1a(hash, &[0xff]);
        }
        Self(hash)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// `digits` hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits)
            .map(|_| char::from(b"0123456789abcdef"[self.below(16)]))
            .collect()
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a with 64 bits, of a whole body; what `GET /sim/v1/requests` shows as `body_fnv1a`.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    fnv1a(FNV_OFFSET, bytes)
}

fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_every_part_and_on_where_it_ends() {
        let first = |parts: &[&[u8]]| Random::of(parts).next();
        assert_eq!(first(&[b"a", b"b"]), first(&[b"a", b"b"]));
        assert_ne!(first(&[b"a", b"b"]), first(&[b"ab", b""]));
        assert_ne!(first(&[b"a", b"b"]), first(&[b"b", b"a"]));
    }

    #[test]
    fn fingerprint_is_fnv_1a() {
        // The published test vector for "foobar".
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
