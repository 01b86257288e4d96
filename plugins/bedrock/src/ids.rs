//! Ids of calls. Bedrock takes `[a-zA-Z0-9_.:-]`, up to 64 of them; calls that other providers have made may have others. Those are
//! written in ids that are made of them: the same each time, so that calls and results still meet.

/// As the service's model has it.
const ID_MAX: usize = 64;
/// What is kept of an id that is replaced; the rest tells it from others.
const KEPT: usize = 40;

pub fn written(id: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.:-".contains(letter);
    if !id.is_empty() && id.len() <= ID_MAX && id.chars().all(fits) {
        return id.to_owned();
    }
    let plain = id
        .chars()
        .map(|letter| if fits(letter) { letter } else { '_' });
    let plain: String = plain.take(KEPT).collect();
    format!("{plain}_{:016x}", fnv1a(id.as_bytes()))
}

/// FNV-1a, 64 bits (<https://datatracker.ietf.org/doc/html/rfc9923>).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_and_stay_apart() {
        assert_eq!(
            written("tooluse_kZJMlvQmRJ6eAyJE5GIl7Q"),
            "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q"
        );
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        let long = "x".repeat(65);
        let longer = "x".repeat(66);
        for id in ["", "a|b", "a b", &long, &longer] {
            let made = written(id);
            assert!(made.len() <= ID_MAX && written(&made) == made, "{made}");
        }
        assert_ne!(written(&long), written(&longer));
        assert_ne!(written("a|b"), written("a b"));
    }
}
