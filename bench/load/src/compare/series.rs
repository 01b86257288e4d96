//! Figures of the sides, round by round, and what they come to: medians, ranges, ratios, verdicts.
//! Pure arithmetic; how a figure was measured is not known here.

use super::side::Name;

/// What is asked of weir's figure.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    /// weir's figure over nginx's: now, and later.
    OverNginx { now: f64, later: f64 },
    /// weir's figure itself.
    AtMost(f64),
}

/// One line of the table.
#[derive(Debug)]
pub struct Series {
    pub what: String,
    pub unit: &'static str,
    pub bar: Option<Bar>,
    pub direct: Vec<f64>,
    pub nginx: Vec<f64>,
    pub weir: Vec<f64>,
}

impl Series {
    pub fn new(what: impl Into<String>, unit: &'static str) -> Series {
        Series {
            what: what.into(),
            unit,
            bar: None,
            direct: Vec::new(),
            nginx: Vec::new(),
            weir: Vec::new(),
        }
    }

    pub fn with_bar(self, bar: Bar) -> Series {
        Series {
            bar: Some(bar),
            ..self
        }
    }

    pub fn push(&mut self, side: Name, value: f64) {
        match side {
            Name::Direct => self.direct.push(value),
            Name::Nginx => self.nginx.push(value),
            Name::Weir => self.weir.push(value),
        }
    }

    /// weir's ratios to nginx, each within one round: what slows a round down slows down both.
    pub fn ratios(&self) -> Vec<f64> {
        let pairs = self
            .weir
            .iter()
            .zip(&self.nginx)
            .filter(|(_, nginx)| **nginx > 0.0);
        pairs.map(|(weir, nginx)| weir / nginx).collect()
    }

    /// Whether weir is within the bar of now; `None` without a bar or without figures.
    pub fn within_bar(&self) -> Option<bool> {
        match self.bar? {
            Bar::OverNginx { now, .. } => median(&self.ratios()).map(|ratio| ratio <= now),
            Bar::AtMost(most) => median(&self.weir).map(|value| value <= most),
        }
    }
}

pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (
        sorted.get(sorted.len().checked_sub(1)? / 2)?,
        sorted.get(sorted.len() / 2)?,
    );
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    fn series(bar: Bar, nginx: &[f64], weir: &[f64]) -> Series {
        let mut series = Series::new("x", "µs").with_bar(bar);
        nginx
            .iter()
            .for_each(|value| series.push(Name::Nginx, *value));
        weir.iter()
            .for_each(|value| series.push(Name::Weir, *value));
        series
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The second round was slow for both.
        let series = series(
            Bar::OverNginx {
                now: 2.0,
                later: 1.5,
            },
            &[10.0, 100.0, 10.0],
            &[19.0, 190.0, 21.0],
        );
        assert_eq!(series.ratios(), [1.9, 1.9, 2.1]);
        assert_eq!(series.within_bar(), Some(true));
    }

    #[test]
    fn bars_are_missed_and_met() {
        assert_eq!(
            series(
                Bar::OverNginx {
                    now: 2.0,
                    later: 1.5
                },
                &[10.0],
                &[20.1]
            )
            .within_bar(),
            Some(false)
        );
        assert_eq!(
            series(Bar::AtMost(30.0), &[], &[30.1]).within_bar(),
            Some(false)
        );
        assert_eq!(
            series(Bar::AtMost(30.0), &[], &[29.0]).within_bar(),
            Some(true)
        );
        assert_eq!(series(Bar::AtMost(30.0), &[], &[]).within_bar(), None);
    }
}
