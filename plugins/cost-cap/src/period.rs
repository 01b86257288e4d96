//! Periods of caps, in UTC. The time comes in from outside.

/// How long a cap holds before it begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
}

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

impl Period {
    pub(crate) const NAMES: &'static str = "hour, day, week, month";

    pub(crate) fn parse(name: &str) -> Option<Period> {
        match name {
            "hour" => Some(Period::Hour),
            "day" => Some(Period::Day),
            "week" => Some(Period::Week),
            "month" => Some(Period::Month),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        }
    }

    /// Where the period begins that a moment is in, and where the next does, in milliseconds since 1970.
    pub(crate) fn around(self, unix_ms: u64) -> (u64, u64) {
        let day = unix_ms / DAY_MS;
        match self {
            Period::Hour => {
                let begins = unix_ms - unix_ms % HOUR_MS;
                (begins, begins + HOUR_MS)
            }
            Period::Day => (day * DAY_MS, (day + 1) * DAY_MS),
            Period::Week => {
                // 1970-01-01 was a Thursday; before the first Monday it is that Thursday's week.
                let begins = (day + 3) / 7 * 7;
                (begins.saturating_sub(3) * DAY_MS, (begins + 4) * DAY_MS)
            }
            Period::Month => {
                let (year, month, _) = date(day);
                let next = if month == 12 {
                    (year + 1, 1)
                } else {
                    (year, month + 1)
                };
                (
                    day_of(year, month) * DAY_MS,
                    day_of(next.0, next.1) * DAY_MS,
                )
            }
        }
    }
}

/// `2026-12-01T00:00:00Z`.
pub(crate) fn text(unix_ms: u64) -> String {
    let (year, month, day) = date(unix_ms / DAY_MS);
    let second = unix_ms % DAY_MS / 1000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of 400 years, after which the calendar repeats itself.
const ERA_DAYS: u64 = 146_097;

/// Year, month and day of a day since 1970.
fn date(day: u64) -> (u64, u64, u64) {
    let mut year = 1970 + day / ERA_DAYS * 400;
    let mut rest = day % ERA_DAYS;
    loop {
        let days = if is_leap(year) { 366 } else { 365 };
        if rest < days {
            break;
        }
        rest -= days;
        year += 1;
    }
    let mut month = 1;
    while rest >= month_days(year, month) {
        rest -= month_days(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

/// The first day of a month, since 1970.
fn day_of(year: u64, month: u64) -> u64 {
    let eras = (year - 1970) / 400;
    let years = (1970 + eras * 400..year).map(|year| if is_leap(year) { 366 } else { 365 });
    let months = (1..month).map(|month| month_days(year, month));
    eras * ERA_DAYS + years.sum::<u64>() + months.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T22:30:00Z, a Friday.
    const NOW: u64 = 1_795_213_800_000;

    #[test]
    fn periods_begin_and_end_in_utc() {
        let cases = [
            (Period::Hour, "2026-11-20T22:00:00Z", "2026-11-20T23:00:00Z"),
            (Period::Day, "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
            (Period::Week, "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (
                Period::Month,
                "2026-11-01T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
        ];
        for (period, begins, ends) in cases {
            let around = period.around(NOW);
            assert_eq!(
                (text(around.0).as_str(), text(around.1).as_str()),
                (begins, ends),
                "{period:?}"
            );
            assert_eq!(
                period.around(around.0),
                around,
                "{period:?} holds its beginning"
            );
            assert_eq!(period.around(around.1 - 1), around);
            assert_eq!(period.around(around.1).0, around.1);
        }
        // 2028-02-29.
        let leap = Period::Month.around(1_835_481_599_000);
        assert_eq!(
            (text(leap.0), text(leap.1)),
            (
                "2028-02-01T00:00:00Z".to_owned(),
                "2028-03-01T00:00:00Z".to_owned()
            )
        );
        assert_eq!(Period::Week.around(0), (0, 4 * DAY_MS));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut previous = date(0);
        for day in 1..200_000 {
            let (year, month, of_month) = date(day);
            let follows = (year, month, of_month) == (previous.0, previous.1, previous.2 + 1)
                || (of_month == 1 && (year, month) == (previous.0, previous.1 + 1))
                || (of_month, month, year) == (1, 1, previous.0 + 1);
            assert!(follows, "{day}");
            if of_month == 1 {
                assert_eq!(day_of(year, month), day);
            }
            previous = (year, month, of_month);
        }
    }
}
