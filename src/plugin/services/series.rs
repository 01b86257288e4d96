//! Metrics of a plugin's own: counters, gauges and histograms, bounded in names, labels and series. It must not know how they are
//! exported.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Metric names of one plugin.
pub const NAMES_MAX: usize = 32;
/// Series of one plugin: names with their labels.
pub const SERIES_MAX: usize = 256;
/// Labels of one series.
pub const LABELS_MAX: usize = 4;
/// Of a name, of a label's name and of its value.
pub const TEXT_BYTES_MAX: usize = 64;
/// Upper bounds of histograms, for seconds as well as for counts and bytes.
pub const BUCKETS: [f64; 12] = [
    0.001, 0.01, 0.1, 1.0, 5.0, 10.0, 50.0, 100.0, 1e3, 1e4, 1e5, 1e6,
];

/// The metrics of one plugin.
#[derive(Default)]
pub struct OwnMetrics(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    names: BTreeMap<String, Family>,
    series: usize,
}

struct Family {
    measure: Measure,
    /// Their names; all series of a family have the same.
    labels: Vec<String>,
    series: BTreeMap<Vec<String>, Value>,
}

/// What kind of number a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Histogram {
        count: u64,
        sum: f64,
        /// Values up to each of [`BUCKETS`], not cumulative.
        buckets: [u64; BUCKETS.len()],
    },
}

/// All series of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilySnapshot {
    pub name: String,
    pub measure: Measure,
    pub labels: Vec<String>,
    /// Values of the labels, in their order, with the number.
    pub series: Vec<(Vec<String>, Value)>,
}

impl OwnMetrics {
    /// Adds to a counter or histogram, or sets a gauge.
    ///
    /// # Errors
    /// Why it is not recorded: a bound, or a name that no metric can have.
    pub fn record(
        &self,
        measure: Measure,
        name: &str,
        labels: &[(&str, &str)],
        number: f64,
    ) -> Result<(), String> {
        check(measure, name, labels, number)?;
        let mut kept = self.0.lock();
        let Kept { names, series } = &mut *kept;
        if !names.contains_key(name) {
            if names.len() >= NAMES_MAX {
                return Err(format!("{name}: a plugin has at most {NAMES_MAX} metrics"));
            }
            let labels = labels.iter().map(|(label, _)| (*label).to_owned());
            let family = Family {
                measure,
                labels: labels.collect(),
                series: BTreeMap::new(),
            };
            names.insert(name.to_owned(), family);
        }
        let Some(family) = names.get_mut(name) else {
            return Ok(());
        };
        family.record(series, (measure, name), labels, number)
    }

    pub fn snapshot(&self) -> Vec<FamilySnapshot> {
        let kept = self.0.lock();
        let families = kept.names.iter().map(|(name, family)| FamilySnapshot {
            name: name.clone(),
            measure: family.measure,
            labels: family.labels.clone(),
            series: family.series.clone().into_iter().collect(),
        });
        families.collect()
    }
}

impl Family {
    fn record(
        &mut self,
        series: &mut usize,
        (measure, name): (Measure, &str),
        labels: &[(&str, &str)],
        number: f64,
    ) -> Result<(), String> {
        let are_same = labels
            .iter()
            .map(|(label, _)| *label)
            .eq(self.labels.iter());
        if self.measure != measure || !are_same {
            return Err(format!(
                "{name} is a {:?} with the labels {:?}, and is used otherwise",
                self.measure, self.labels
            ));
        }
        let values: Vec<String> = labels
            .iter()
            .map(|(_, value)| (*value).to_owned())
            .collect();
        if !self.series.contains_key(&values) {
            if *series >= SERIES_MAX {
                return Err(format!("{name}: a plugin has at most {SERIES_MAX} series"));
            }
            *series += 1;
        }
        let value = self.series.entry(values).or_insert_with(|| match measure {
            Measure::Counter | Measure::Gauge => Value::Number(0.0),
            Measure::Histogram => Value::Histogram {
                count: 0,
                sum: 0.0,
                buckets: [0; BUCKETS.len()],
            },
        });
        match value {
            Value::Number(value) if measure == Measure::Gauge => *value = number,
            Value::Number(value) => *value += number,
            Value::Histogram {
                count,
                sum,
                buckets,
            } => {
                *count += 1;
                *sum += number;
                if let Some(at) = BUCKETS.iter().position(|bound| number <= *bound) {
                    buckets[at] += 1;
                }
            }
        }
        Ok(())
    }
}

fn check(measure: Measure, name: &str, labels: &[(&str, &str)], number: f64) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!(
            "{name:.80} is no metric's name: a–z, 0–9 and `_`, at most {TEXT_BYTES_MAX} bytes"
        ));
    }
    if !number.is_finite() || (measure == Measure::Counter && number < 0.0) {
        return Err(format!("{name}: {number} cannot be recorded"));
    }
    if labels.len() > LABELS_MAX {
        return Err(format!("{name}: a series has at most {LABELS_MAX} labels"));
    }
    for (index, (label, value)) in labels.iter().enumerate() {
        let is_new = labels[..index].iter().all(|(before, _)| before != label);
        if !is_name(label) || !is_new || *label == "plugin" || *label == "le" {
            return Err(format!("{name}: {label:.80} cannot be a label of it"));
        }
        if value.len() > TEXT_BYTES_MAX {
            return Err(format!(
                "{name}: the value of label {label} is longer than {TEXT_BYTES_MAX} bytes"
            ));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=TEXT_BYTES_MAX).contains(&text.len())
        && !text.as_bytes()[0].is_ascii_digit()
        && text.bytes().all(is_sound)
}
