//! Reads Prometheus' text format as far as weir writes it. Pure.

use std::collections::BTreeMap;

/// The samples of one page.
#[derive(Debug, Default)]
pub struct Figures(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Figures {
    pub fn parse(page: &str) -> Figures {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        Figures(lines.filter_map(sample).collect())
    }

    /// The sum of a metric over all samples that have these labels; 0 where there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &Sample| labels.iter().all(|(label, value)| sample.is(label, value));
        let found = self.0.iter().filter(|sample| sample.name == name);
        let values = found
            .filter(|sample| has(sample))
            .map(|sample| sample.value);
        // The sum of no floating-point numbers is -0.
        values.sum::<f64>() + 0.0
    }

    /// The sums of a metric by the values of one label, without those that are 0.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.0.iter().filter(|sample| sample.name == name) {
            let value = sample.labels.iter().find(|(known, _)| known == label);
            if let Some((_, value)) = value {
                *sums.entry(value.clone()).or_insert(0.0) += sample.value;
            }
        }
        sums.retain(|_, sum| *sum != 0.0);
        sums
    }

    /// Whether the page has the metric at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|sample| sample.name == name)
    }
}

impl Sample {
    fn is(&self, label: &str, value: &str) -> bool {
        let mut labels = self.labels.iter();
        labels.any(|(known, has)| known == label && has == value)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series
        .strip_suffix('}')
        .and_then(|series| series.split_once('{'))
        .unwrap_or((series, ""));
    // No label value of weir's has a comma with a quotation mark before it.
    let labels = labels.split("\",").filter_map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some(Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let page = "# HELP a What.\n# TYPE a counter\na{x=\"1\",y=\"u v\"} 2\na{x=\"2\",y=\"u v\"} 3\na{x=\"2\",y=\"z\"} 0\nb 1.5\n";
        let figures = Figures::parse(page);
        assert_eq!(figures.sum("a", &[]), 5.0);
        assert_eq!(figures.sum("a", &[("x", "2")]), 3.0);
        assert_eq!(figures.sum("a", &[("x", "2"), ("y", "z")]), 0.0);
        assert_eq!(figures.sum("b", &[]), 1.5);
        let by = |label| figures.by("a", label).into_iter().collect::<Vec<_>>();
        assert_eq!(by("x"), [("1".to_owned(), 2.0), ("2".to_owned(), 3.0)]);
        assert_eq!(by("y"), [("u v".to_owned(), 5.0)]);
        assert!(figures.has("b") && !figures.has("c"));
    }
}
