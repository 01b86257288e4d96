//! When certificates end, and what is said of it. Pure: the time of day comes in.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate that ends within this is warned of.
pub const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// When the certificate of a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    pub file: PathBuf,
    pub at: SystemTime,
}

impl Expiry {
    /// What an operator should know of it at the time `now`; `None` when all is well.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let file = self.file.display();
        let Ok(left) = self.at.duration_since(now) else {
            return Some(format!(
                "{file}: the certificate has expired; renew it, and reload"
            ));
        };
        (left < SOON).then(|| {
            let days = left.as_secs().div_ceil(DAY.as_secs());
            format!("{file}: the certificate expires within {days} days; renew it, and reload")
        })
    }

    /// Seconds since 1970.
    pub fn timestamp(&self) -> i64 {
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_expired_or_soon_will_is_warned_of() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let warning = |at| {
            let file = PathBuf::from("a.pem");
            Expiry { file, at }.warning(now)
        };
        assert_eq!(warning(now + SOON), None);
        let cases = [
            (now - DAY, "has expired"),
            (now + DAY / 2, "expires within 1 days"),
            (now + 3 * DAY, "expires within 3 days"),
            (now + SOON - DAY, "expires within 13 days"),
        ];
        for (at, expected) in cases {
            let text = warning(at).unwrap_or_default();
            assert!(
                text.starts_with("a.pem: ") && text.contains(expected),
                "{expected}: {text}"
            );
        }
    }
}
