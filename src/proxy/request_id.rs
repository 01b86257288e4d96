//! The id that an exchange carries through weir, its upstream and its answer.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::headers::X_REQUEST_ID;

/// Longer ids of clients are replaced; in bytes.
const LENGTH_MAX: usize = 128;

/// The client's own id where it is short and plain, and a new one otherwise.
pub fn take_or_make(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(X_REQUEST_ID).filter(|id| is_plain(id));
    given.cloned().unwrap_or_else(make)
}

fn is_plain(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=LENGTH_MAX).contains(&bytes.len()) && bytes.iter().all(|byte| byte.is_ascii_graphic())
}

/// Unique over processes by a random start, and within one by a counter. Ids name requests and open nothing, so they need
/// not be secret.
fn make() -> HeaderValue {
    static SEEDS: LazyLock<(RandomState, u64)> = LazyLock::new(|| {
        let seed = RandomState::new();
        let process = seed.hash_one(std::process::id());
        (seed, process)
    });
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (seed, process) = &*SEEDS;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = [hexadecimal(*process), hexadecimal(seed.hash_one(count))].concat();
    HeaderValue::from_maybe_shared(Bytes::from(id)).expect("digits are valid in a header")
}

fn hexadecimal(number: u64) -> [u8; 16] {
    std::array::from_fn(|place| b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 0xf])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_is_kept_and_anything_else_replaced() {
        let with = |id: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
            take_or_make(&headers)
        };
        assert_eq!(with(b"req-1/a.b"), "req-1/a.b");
        for replaced in [&b""[..], b"with space", b"\xe4", &[b'x'; 129]] {
            assert_eq!(with(replaced).len(), 32, "{replaced:?}");
        }
        assert_ne!(make(), make());
    }

    #[test]
    fn numbers_in_hexadecimal() {
        for number in [0, 1, 0xf0, 0x0123_4567_89ab_cdef, u64::MAX] {
            let expected = format!("{number:016x}");
            assert_eq!(hexadecimal(number), expected.as_bytes());
        }
    }
}
