//! What a key was used for in the present day or month (UTC). It must not know the bounds.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, NaiveDate};

use crate::config::QuotaPeriod;

const DAY_SECONDS: i64 = 86_400;

/// Requests and tokens since the period began.
#[derive(Default)]
pub(super) struct QuotaUse {
    /// The period, from and up to a time in seconds since 1970.
    span: Range<i64>,
    period: Option<QuotaPeriod>,
    pub(super) requests: u64,
    pub(super) tokens: u64,
}

impl QuotaUse {
    /// Begins anew when the period is over. A clock that goes back, or a shorter period of a new configuration, does not.
    pub(super) fn advance(&mut self, period: QuotaPeriod, wall: SystemTime) {
        let now = seconds(wall);
        if self.period == Some(period) && self.span.contains(&now) {
            return;
        }
        let end = period_end(period, now);
        if end > self.span.end {
            *self = QuotaUse::default();
        }
        self.period = Some(period);
        // Its true beginning is of no use to anyone; from here on it need not be looked up again.
        self.span = now..end;
    }

    /// Which period it is; another after it has begun anew.
    pub(super) fn period(&self) -> i64 {
        self.span.end
    }

    pub(super) fn left(&self, wall: SystemTime) -> Duration {
        let begin_of_next = u64::try_from(self.span.end).ok();
        begin_of_next
            .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .and_then(|end| end.duration_since(wall).ok())
            .unwrap_or_default()
    }
}

/// Whole seconds since 1970, rounded down.
fn seconds(wall: SystemTime) -> i64 {
    match wall.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

fn period_end(period: QuotaPeriod, seconds: i64) -> i64 {
    match period {
        QuotaPeriod::Day => (seconds / DAY_SECONDS)
            .saturating_add(1)
            .saturating_mul(DAY_SECONDS),
        QuotaPeriod::Month => month_end(seconds).unwrap_or(i64::MAX),
    }
}

/// `None` beyond the years that a calendar has.
fn month_end(seconds: i64) -> Option<i64> {
    let date = DateTime::from_timestamp(seconds, 0)?;
    let (year, month) = match date.month() {
        12 => (date.year() + 1, 1),
        month => (date.year(), month + 1),
    };
    let midnight = NaiveDate::from_ymd_opt(year, month, 1)?.and_hms_opt(0, 0, 0)?;
    Some(midnight.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_where_the_calendar_says() {
        // date -u -d … +%s
        let cases = [
            (QuotaPeriod::Day, 0, 86_400),
            (QuotaPeriod::Day, 86_399, 86_400),
            (QuotaPeriod::Day, 86_400, 172_800),
            // 2024-02-29T12:00:00Z → 2024-03-01
            (QuotaPeriod::Month, 1_709_208_000, 1_709_251_200),
            // 2023-12-31T23:59:59Z → 2024-01-01
            (QuotaPeriod::Month, 1_704_067_199, 1_704_067_200),
            (QuotaPeriod::Month, i64::MAX, i64::MAX),
            (QuotaPeriod::Day, i64::MAX, i64::MAX),
        ];
        for (period, at, end) in cases {
            assert_eq!(period_end(period, at), end, "{period:?} {at}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut quota = QuotaUse::default();
        quota.advance(QuotaPeriod::Day, at(100_000));
        quota.requests = 7;
        quota.advance(QuotaPeriod::Day, at(50_000));
        assert_eq!(quota.requests, 7);
        assert_eq!(quota.left(at(50_000)), Duration::from_secs(36_400));
        quota.advance(QuotaPeriod::Day, at(86_400));
        assert_eq!(quota.requests, 0);
    }
}
