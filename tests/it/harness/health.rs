//! How endpoints fare, as weir's metrics say it; and where requests went, as its answers say it.

use std::collections::BTreeMap;

use futures::StreamExt;
use serde_json::Value;

use super::client::Request;
use super::eventually;
use super::weir::Weir;

impl Weir {
    /// The state of the upstream's only endpoint.
    pub async fn state(&self, upstream: &str) -> String {
        let mut states = self.states(upstream).await;
        let state = states.pop_first().map(|(_, state)| state);
        assert!(states.is_empty(), "{upstream} has several endpoints");
        state.unwrap_or_else(|| panic!("{upstream} has no endpoint"))
    }

    /// The states of the upstream's endpoints, by address.
    pub async fn states(&self, upstream: &str) -> BTreeMap<String, String> {
        let metrics = self.metrics().await;
        let series = metrics.lines().filter(|line| {
            line.starts_with("weir_endpoint_state{")
                && line.ends_with(" 1")
                && label(line, "upstream") == Some(upstream)
        });
        let mut states = BTreeMap::new();
        for line in series {
            let endpoint = label(line, "endpoint").expect("every state is of an endpoint");
            let state = label(line, "state").expect("every state has a name");
            let twice = states.insert(endpoint.to_owned(), state.to_owned());
            assert_eq!(twice, None, "{endpoint} is in two states");
        }
        states
    }

    /// How often the standing of the upstream's endpoints has changed to `change`.
    pub async fn changes(&self, upstream: &str, change: &str) -> f64 {
        let selector =
            format!(r#"weir_endpoint_changes_total{{upstream="{upstream}",change="{change}"}}"#);
        self.metric(&selector).await
    }

    /// The upstream's only endpoint, as the status page shows it.
    pub async fn endpoint(&self, upstream: &str) -> Value {
        let status = self.status().await;
        let upstreams = status["upstreams"].as_array().expect("a list");
        let its = upstreams.iter().find(|known| known["name"] == upstream);
        let endpoints = &its.expect("the upstream is there")["endpoints"];
        assert_eq!(endpoints.as_array().map(Vec::len), Some(1), "{endpoints}");
        endpoints[0].clone()
    }

    /// The first line of the log with these words, once it is written.
    pub async fn line_with(&self, words: &str) -> String {
        eventually("line in the log", async || {
            let log = self.everything_written();
            let line = log.lines().find(|line| line.contains(words));
            line.map(str::to_owned)
        })
        .await
    }

    /// What counted against the upstream's endpoints, by reason.
    pub async fn failures(&self, upstream: &str) -> BTreeMap<String, u64> {
        let metrics = self.metrics().await;
        let series = metrics.lines().filter(|line| {
            line.starts_with("weir_upstream_failures_total{")
                && label(line, "upstream") == Some(upstream)
        });
        let counts = series.map(|line| {
            let (_, count) = line.rsplit_once(' ').expect("a series has a value");
            let reason = label(line, "reason").expect("every failure has a reason");
            (reason.to_owned(), count.parse().expect("a count"))
        });
        counts.collect()
    }
}

/// The value of a label of a line of metrics.
fn label<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let labels = line.split_once('{')?.1;
    labels.split(',').find_map(|pair| {
        let (its, value) = pair.split_once("=\"")?;
        (its == name).then(|| value.split('"').next().unwrap_or_default())
    })
}

/// How many requests each upstream answered.
#[derive(Debug, Default)]
pub struct Shares(BTreeMap<String, usize>);

impl Shares {
    /// Sends `requests`, `at_once` of them at a time. All are to be answered well.
    pub async fn among(requests: impl IntoIterator<Item = Request>, at_once: usize) -> Shares {
        let answers = futures::stream::iter(requests.into_iter().map(Request::send));
        let answers: Vec<_> = answers.buffer_unordered(at_once).collect().await;
        let mut shares = Shares::default();
        for answer in answers {
            answer.assert_status(200).assert_whole();
            let upstream = answer.header("x-weir-upstream").expect("weir says it");
            *shares.0.entry(upstream.to_owned()).or_default() += 1;
        }
        shares
    }

    /// The share of one upstream; 0 where it answered nothing.
    pub fn of(&self, upstream: &str) -> usize {
        self.0.get(upstream).copied().unwrap_or_default()
    }

    /// The shares of those that answered anything.
    pub fn all(&self) -> impl Iterator<Item = usize> {
        self.0.values().copied()
    }
}
