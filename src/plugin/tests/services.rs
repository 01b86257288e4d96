//! What plugins get beside the exchange, and its bounds.

use weir_plugin::{Header, HttpCall, HttpError};

use super::guests::{ANSWER, Guest, words};
use super::place::{Place, answered, closed, exchange};
use crate::plugin::services::{Measure, Namespace, OwnMetrics, Value};

#[test]
fn values_are_kept_until_they_end() {
    let kv = Namespace::default();
    kv.set("a", b"1", Some(100), 0).unwrap();
    kv.set("b", b"2", None, 0).unwrap();
    assert_eq!(kv.get("a", 99), Some(b"1".to_vec()));
    assert_eq!(kv.get("a", 100), None);
    assert_eq!(kv.get("b", u64::MAX), Some(b"2".to_vec()));
    kv.delete("b");
    assert_eq!(kv.get("b", 0), None);
}

#[test]
fn numbers_are_added_up_within_their_time() {
    let kv = Namespace::default();
    assert_eq!(kv.add("n", 5, Some(100), 0), Ok(5));
    // The time counts from the first.
    assert_eq!(kv.add("n", -2, Some(100), 60), Ok(3));
    assert_eq!(kv.add("n", 1, Some(100), 100), Ok(1));
    assert_eq!(kv.get("n", 101), Some(b"1".to_vec()));
    kv.set("text", b"abc", None, 0).unwrap();
    assert!(
        kv.add("text", 1, None, 0)
            .unwrap_err()
            .contains("no number")
    );
    kv.set("n", i64::MAX.to_string().as_bytes(), None, 0)
        .unwrap();
    assert!(kv.add("n", 1, None, 0).unwrap_err().contains("64 bits"));
}

#[test]
fn a_plugin_can_keep_only_so_much() {
    let kv = Namespace::default();
    let value = vec![0; 64 << 10];
    assert!(kv.set(&"k".repeat(513), b"", None, 0).is_err());
    assert!(kv.set("k", &[0; (64 << 10) + 1], None, 0).is_err());
    let mut kept = 0;
    while kv.set(&format!("{kept:03}"), &value, Some(1000), 0).is_ok() {
        kept += 1;
    }
    // 8 MiB, less the keys.
    assert_eq!(kept, 127);
    // Overwriting takes no more room, and what has ended makes some.
    kv.set("000", &value, Some(2000), 0).unwrap();
    kv.set("new", &value, None, 1000).unwrap();
    assert_eq!(kv.get("001", 1000), None);
    assert!(kv.get("000", 1000).is_some());
    let many = Namespace::default();
    let full = (0..=10_000).find(|n| many.set(&n.to_string(), b"", None, 0).is_err());
    assert_eq!(full, Some(10_000));
}

#[test]
fn own_metrics_are_bounded() {
    let metrics = OwnMetrics::default();
    let count =
        |name: &str, labels: &[(&str, &str)]| metrics.record(Measure::Counter, name, labels, 1.0);
    count("seen", &[("kind", "a")]).unwrap();
    count("seen", &[("kind", "a")]).unwrap();
    for (bad, labels) in [
        ("Seen", [("a", "b")]),
        ("x", [("plugin", "b")]),
        ("seen", [("other", "b")]),
    ] {
        assert!(count(bad, &labels).is_err(), "{bad}");
    }
    assert!(
        metrics
            .record(Measure::Gauge, "seen", &[("kind", "a")], 1.0)
            .is_err()
    );
    assert!(metrics.record(Measure::Counter, "x", &[], -1.0).is_err());
    assert!(metrics.record(Measure::Gauge, "x", &[], f64::NAN).is_err());
    let room = (0..1000).find(|n| count("seen", &[("kind", &n.to_string())]).is_err());
    assert_eq!(room, Some(255));
    metrics
        .record(Measure::Gauge, "level", &[], 3.0)
        .unwrap_err();
    let families = metrics.snapshot();
    let seen = families
        .iter()
        .find(|family| family.name == "seen")
        .unwrap();
    assert_eq!(seen.series.len(), 256);
    let a = seen
        .series
        .iter()
        .find(|(labels, _)| labels == &["a"])
        .unwrap();
    assert_eq!(a.1, Value::Number(2.0));
}

#[test]
fn histograms_are_counted_in_buckets() {
    let metrics = OwnMetrics::default();
    for seconds in [0.005, 2.0, 1e9] {
        metrics
            .record(Measure::Histogram, "took", &[], seconds)
            .unwrap();
    }
    let families = metrics.snapshot();
    let Value::Histogram {
        count,
        sum,
        buckets,
    } = &families[0].series[0].1
    else {
        panic!("{families:?}");
    };
    assert_eq!((*count, *sum), (3, 1_000_000_002.005));
    assert_eq!(buckets.iter().sum::<u64>(), 2);
}

/// Adds 1 to `n` and refuses the request when it cannot.
#[tokio::test]
async fn keys_are_there_with_the_grant_and_outlive_the_plugin() {
    let mut guest = Guest::guard();
    let key = guest.text("n");
    let body = format!(
        "(call $add (i32.const {}) (i32.const {}) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 512))
         {} (i32.store offset=8 (i32.const {ANSWER}) (i32.load (i32.const 520))) (i32.store offset=12 (i32.const {ANSWER}) (i32.load (i32.const 524)))
         (if (i32.load8_u (i32.const 512)) (then (return (i32.const {ANSWER}))))
         {} (i32.store offset=8 (i32.const {ANSWER}) (i32.wrap_i64 (i64.load (i32.const 520)))) (i32.const {ANSWER})",
        key.0,
        key.1,
        words(ANSWER, &[1, 1]),
        // ok, reject, with the sum as its status.
        words(ANSWER, &[0, 2, 0, 0, 0, 0, 0, 0, 0]),
    );
    let guest = guest
        .imports("kv", "add", "(param i32 i32 i64 i32 i64 i32)")
        .does("on-request", body)
        .component();
    let place = Place::new();
    let set = place.load(&guest, |_| {});
    let guard = set.guard("plugin").unwrap();
    let trouble = closed(guard.on_request(&exchange("{}")).await).to_string();
    assert!(
        trouble.contains("denied: plugins.items.plugin.grants has no `kv: true`"),
        "{trouble}"
    );
    for expected in [1, 2] {
        let set = place.load(&guest, |settings| settings.grants.kv = true);
        let guard = set.guard("plugin").unwrap();
        let verdict = answered(guard.on_request(&exchange("{}")).await);
        let weir_plugin::Verdict::Reject(rejection) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(rejection.status, expected);
    }
    place
        .host
        .forget_others(&crate::plugin::PluginSet::default());
    assert!(place.host.own_metrics().is_empty());
}

#[test]
fn http_goes_where_it_is_granted_and_carries_only_what_it_may() {
    let granted = ["api.test", "local.test:3000", "*.wide.test", "[::1]:80"].map(str::to_owned);
    let call = |url: &str, header: Option<&str>| HttpCall {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: header
            .map(|name| Header::new(name, "x"))
            .into_iter()
            .collect(),
        body: Vec::new(),
        timeout_ms: 0,
    };
    let check = |url: &str| crate::plugin::services::check_outbound(&granted, &call(url, None));
    for fine in [
        "http://api.test/x",
        "https://API.test",
        "http://local.test:3000/",
        "https://a.b.wide.test/",
        "http://[::1]/",
    ] {
        assert_eq!(check(fine), Ok(()), "{fine}");
    }
    for denied in [
        "http://api.test:8080/",
        "http://local.test/",
        "https://wide.test/",
        "https://evilwide.test/",
        "http://api.test.evil.test/",
        "http://127.0.0.1/",
    ] {
        assert_eq!(check(denied), Err(HttpError::Denied), "{denied}");
    }
    for bad in [
        "ftp://api.test/",
        "/x",
        "http://user:pass@api.test/",
        "http://api.test@evil.test/",
    ] {
        assert!(matches!(check(bad), Err(HttpError::Other(_))), "{bad}");
    }
    for header in ["Host", "content-length", "Transfer-Encoding", "a b"] {
        let refused = crate::plugin::services::check_outbound(
            &granted,
            &call("http://api.test/", Some(header)),
        );
        assert!(matches!(refused, Err(HttpError::Other(_))), "{header}");
    }
}
