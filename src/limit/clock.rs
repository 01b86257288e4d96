//! Moments as numbers, that counts can be kept by.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How far back moments may lie before the first one that was seen; what is earlier counts as that.
const BEFORE: Duration = Duration::from_secs(86_400);

/// A moment in nanoseconds since a day before the first moment that anyone asked for. The zero point has no meaning of its own.
pub(super) fn tick(now: Instant) -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    let zero = ZERO.get_or_init(|| now.checked_sub(BEFORE).unwrap_or(now));
    let span = now.saturating_duration_since(*zero);
    // 584 years.
    span.as_secs() * 1_000_000_000 + u64::from(span.subsec_nanos())
}
