//! Where an issuer's keys come from, when they are to be fetched again, and what is held until then. It fetches nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::KeySet;

/// An issuer may say that its keys are to be fetched more often than is configured, but not more often than this.
const AGE_MIN: Duration = Duration::from_secs(60);
/// A token of an unknown key has keys fetched again, but no more often than this: anybody can make up key ids.
const MISS_INTERVAL: Duration = Duration::from_secs(30);
/// After a failure: at first, and at most. It doubles between.
const RETRY_MIN: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// A fetch that has not come back by then is held for lost.
const FETCH_MAX: Duration = Duration::from_secs(30);

/// What came of a fetch.
#[derive(Debug, Clone, Copy)]
pub enum Fetched<'a> {
    Document {
        body: &'a [u8],
        etag: Option<&'a str>,
        /// Of `Cache-Control`.
        max_age: Option<Duration>,
    },
    /// 304.
    NotModified { max_age: Option<Duration> },
    /// Why there is no answer to use.
    Failed(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Changed,
    Same,
}

/// One issuer's keys.
#[derive(Debug)]
pub struct JwksSource {
    url: String,
    /// How often they are fetched, if the issuer does not want it more often.
    refresh: Duration,
    keys: ArcSwapOption<KeySet>,
    is_missed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    etag: Option<String>,
    /// When they are to be fetched; none: at once.
    due: Option<Instant>,
    /// When the last fetch was begun, well or badly ended.
    begun: Option<Instant>,
    is_fetching: bool,
    failures: u32,
}

impl JwksSource {
    pub fn new(url: &str, refresh: Duration) -> JwksSource {
        JwksSource {
            url: url.to_owned(),
            refresh,
            keys: ArcSwapOption::empty(),
            is_missed: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// For `If-None-Match`.
    pub fn etag(&self) -> Option<String> {
        self.state.lock().etag.clone()
    }

    /// The last good keys, however old; `None` before the first.
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// Whether it is time to fetch, and nobody does.
    pub fn needs_refresh(&self, now: Instant) -> bool {
        self.state
            .lock()
            .is_due(now, self.is_missed.load(Ordering::Relaxed))
    }

    /// Takes it upon the caller to fetch and [`super::JwtIssuers::apply`]; `false` where there is no need, or somebody does it.
    pub fn begin(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        if !state.is_due(now, self.is_missed.load(Ordering::Relaxed)) {
            return false;
        }
        self.is_missed.store(false, Ordering::Relaxed);
        state.begun = Some(now);
        state.is_fetching = true;
        true
    }

    /// Somebody showed a token of a key that is not here; the issuer may have a new one.
    pub(super) fn miss(&self) {
        self.is_missed.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// Why what came is not taken. The last good keys stay, and the next try is put off.
    pub(super) fn apply(&self, fetched: Fetched<'_>, now: Instant) -> Result<Applied, String> {
        let read = match fetched {
            Fetched::Document { body, .. } => KeySet::parse(body).map(Some),
            Fetched::NotModified { .. } if self.keys.load().is_some() => Ok(None),
            Fetched::NotModified { .. } => Err("304, though there are no keys yet".to_owned()),
            Fetched::Failed(why) => Err(why.to_owned()),
        };
        let mut state = self.state.lock();
        state.is_fetching = false;
        let new = match read {
            Ok(new) => new,
            Err(why) => {
                state.failed(now);
                return Err(format!("{}: {why}", self.url));
            }
        };
        let max_age = match fetched {
            Fetched::Document { etag, max_age, .. } => {
                state.etag = etag.map(str::to_owned);
                max_age
            }
            Fetched::NotModified { max_age } => max_age,
            Fetched::Failed(_) => None,
        };
        state.failures = 0;
        let age = max_age.map_or(self.refresh, |age| age.max(AGE_MIN).min(self.refresh));
        state.due = now.checked_add(age);
        Ok(self.take(new))
    }

    fn take(&self, new: Option<KeySet>) -> Applied {
        let held = self.keys.load();
        match new {
            Some(new) if held.as_deref() != Some(&new) => {
                self.keys.store(Some(Arc::new(new)));
                Applied::Changed
            }
            Some(_) | None => Applied::Same,
        }
    }
}

impl State {
    fn is_due(&self, now: Instant, is_missed: bool) -> bool {
        let since_begun = self.begun.map(|begun| now.saturating_duration_since(begun));
        if self.is_fetching && since_begun.is_some_and(|since| since < FETCH_MAX) {
            return false;
        }
        let has_come = self.due.is_none_or(|due| now >= due);
        has_come
            || (is_missed
                && self.failures == 0
                && since_begun.is_none_or(|since| since >= MISS_INTERVAL))
    }

    fn failed(&mut self, now: Instant) {
        let factor = 1u32 << self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        let wait = RETRY_MIN.saturating_mul(factor).min(RETRY_MAX);
        self.due = now.checked_add(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    const REFRESH: Duration = Duration::from_secs(600);

    fn document(body: &str) -> Fetched<'_> {
        Fetched::Document {
            body: body.as_bytes(),
            etag: Some("\"a\""),
            max_age: Some(Duration::from_secs(120)),
        }
    }

    #[test]
    fn keys_are_fetched_at_once_then_when_they_are_old() {
        let (source, start) = (JwksSource::new("https://id/keys", REFRESH), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(source.needs_refresh(start) && source.keys().is_none() && source.etag().is_none());
        assert!(source.begin(start));
        assert!(!source.begin(start) && !source.needs_refresh(after(29)));
        assert_eq!(source.apply(document(KEYS), start), Ok(Applied::Changed));
        assert_eq!(source.etag().as_deref(), Some("\"a\""));
        assert!(!source.needs_refresh(after(119)) && source.needs_refresh(after(120)));
        assert_eq!(source.apply(document(KEYS), after(120)), Ok(Applied::Same));
        let unchanged = Fetched::NotModified { max_age: None };
        assert_eq!(source.apply(unchanged, after(240)), Ok(Applied::Same));
        assert!(!source.needs_refresh(after(240 + 599)) && source.needs_refresh(after(240 + 600)));
    }

    #[test]
    fn the_last_good_keys_stay_when_their_source_is_down() {
        let (source, mut now) = (JwksSource::new("https://id/keys", REFRESH), Instant::now());
        assert!(
            source
                .apply(Fetched::NotModified { max_age: None }, now)
                .is_err()
        );
        assert_eq!(source.apply(document(KEYS), now), Ok(Applied::Changed));
        let mut waits = Vec::new();
        for count in 0..10 {
            let fetched = match count % 3 {
                0 => Fetched::Failed("503"),
                1 => document("<html>"),
                _ => document(r#"{"keys":[]}"#),
            };
            let why = source.apply(fetched, now).unwrap_err();
            assert!(why.starts_with("https://id/keys: "), "{why}");
            let wait =
                (0..).find(|seconds| source.needs_refresh(now + Duration::from_secs(*seconds)));
            waits.push(wait.unwrap());
            now += Duration::from_secs(waits[count]);
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(source.keys().unwrap().len(), 1);
        assert_eq!(source.apply(document(KEYS), now), Ok(Applied::Same));
    }

    #[test]
    fn unknown_keys_have_them_fetched_again_but_not_for_each_token() {
        let (source, start) = (JwksSource::new("https://id/keys", REFRESH), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(source.begin(start));
        source.apply(document(KEYS), start).unwrap();
        source.miss();
        assert!(!source.needs_refresh(after(29)) && source.needs_refresh(after(30)));
        assert!(source.begin(after(30)));
        source.apply(document(KEYS), after(30)).unwrap();
        assert!(!source.needs_refresh(after(61)));
        source.miss();
        assert!(!source.needs_refresh(after(59)) && source.begin(after(60)));
        // A fetch that never comes back does not stand in the way for ever.
        assert!(!source.begin(after(89)));
        source.miss();
        assert!(source.begin(after(90)));
    }
}
