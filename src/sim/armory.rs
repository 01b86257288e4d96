//! Which faults fall on which request: those armed by flags and the control endpoint, and those a request asks for itself.
//! It must not know how a fault is carried out.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::fault::{Fault, FaultKind};
use super::random::Random;

/// The faults that fall on one request; at most one of a kind matters.
#[derive(Debug, Default, Clone)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn get(&self, kind: FaultKind) -> Option<&Fault> {
        self.0.iter().find(|fault| fault.kind == kind)
    }

    pub fn has(&self, kind: FaultKind) -> bool {
        self.get(kind).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is armed on one host.
pub struct Armory {
    host: String,
    /// The share of a fault that names neither share nor count.
    rate: f64,
    armed: Mutex<Vec<Armed>>,
    /// Spares a request of a host without faults the lock.
    any: AtomicBool,
    /// How often each prompt marker with a count has fired.
    markers: Mutex<HashMap<String, u32>>,
    seed: u64,
}

struct Armed {
    fault: Fault,
    seen: u32,
    fired: u32,
}

/// Faults armed at once, and prompt markers with a count remembered.
const ARMED_MAX: usize = 64;
const MARKERS_MAX: usize = 4096;
/// Markers that one request may carry.
const MARKERS_A_REQUEST_MAX: usize = 8;

impl Armory {
    pub fn new(host: &str, rate: f64, seed: u64) -> Self {
        Self {
            host: host.to_string(),
            rate,
            armed: Mutex::default(),
            any: AtomicBool::new(false),
            markers: Mutex::default(),
            seed,
        }
    }

    /// # Errors
    /// Too many are armed.
    pub fn arm(&self, faults: Vec<Fault>) -> Result<(), String> {
        let mut armed = self
            .armed
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if armed.len() + faults.len() > ARMED_MAX {
            return Err(format!(
                "{} faults are armed, {ARMED_MAX} at most can be: DELETE /sim/v1/faults first",
                armed.len()
            ));
        }
        armed.extend(faults.into_iter().map(|fault| Armed {
            fault,
            seen: 0,
            fired: 0,
        }));
        self.any.store(!armed.is_empty(), Ordering::Release);
        Ok(())
    }

    pub fn clear(&self) {
        self.armed
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clear();
        self.markers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clear();
        self.any.store(false, Ordering::Release);
    }

    pub fn to_json(&self) -> Value {
        let armed = self
            .armed
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let rows = armed.iter().map(|armed| {
            let mut row = armed.fault.to_json();
            row["seen"] = armed.seen.into();
            row["fired"] = armed.fired.into();
            row
        });
        rows.collect()
    }

    /// The armed faults that fall on a request for `path` that shows `key`; `infers` says whether a model runs for it.
    pub fn on_request(&self, path: &str, infers: bool, key: Option<&str>) -> Faults {
        if !self.any.load(Ordering::Acquire) {
            return Faults::default();
        }
        let mut armed = self
            .armed
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut faults = Faults::default();
        for (index, armed) in armed.iter_mut().enumerate() {
            let meant = armed
                .fault
                .path
                .as_ref()
                .map_or(infers, |start| path.starts_with(start.as_str()));
            let meant = meant && self.is_this_host(&armed.fault) && is_of_key(&armed.fault, key);
            if meant && armed.falls(self.rate, self.seed, index) {
                faults.0.push(armed.fault.clone());
            }
        }
        armed.retain(|armed| armed.fault.count.is_none_or(|count| armed.fired < count));
        self.any.store(!armed.is_empty(), Ordering::Release);
        faults
    }

    /// Adds the faults that a request, which shows `key`, asks for: markers such as `[[fault:reset after=3]]` in its body, and the `x-sim-fault`
    /// header, whose faults are separated by `;`.
    ///
    /// # Errors
    /// A marker that cannot be read, in words for its author.
    pub fn add_asked_for(
        &self,
        faults: &mut Faults,
        body: &[u8],
        header: Option<&str>,
        key: Option<&str>,
    ) -> Result<(), String> {
        let in_body = markers(body).take(MARKERS_A_REQUEST_MAX);
        let in_header = header
            .into_iter()
            .flat_map(|header| header.split(';'))
            .take(MARKERS_A_REQUEST_MAX);
        for text in in_body.chain(in_header) {
            let fault: Fault = text.parse()?;
            let meant = self.is_this_host(&fault) && is_of_key(&fault, key);
            if meant && self.marker_falls(text, fault.count) {
                faults.0.push(fault);
            }
        }
        Ok(())
    }

    fn is_this_host(&self, fault: &Fault) -> bool {
        fault.host.as_ref().is_none_or(|host| *host == self.host)
    }

    /// A marker with `count=N` fires on the first N requests that carry that very text.
    fn marker_falls(&self, text: &str, count: Option<u32>) -> bool {
        let Some(count) = count else { return true };
        let mut fired = self
            .markers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if fired.len() >= MARKERS_MAX && !fired.contains_key(text) {
            fired.clear();
        }
        let fired = fired.entry(text.to_string()).or_insert(0);
        *fired += 1;
        *fired <= count
    }
}

fn is_of_key(fault: &Fault, key: Option<&str>) -> bool {
    fault.key.is_none() || fault.key.as_deref() == key
}

impl Armed {
    fn falls(&mut self, rate: f64, seed: u64, index: usize) -> bool {
        self.seen += 1;
        if self.seen <= self.fault.skip {
            return false;
        }
        let share = self.fault.share.unwrap_or(if self.fault.count.is_some() {
            1.0
        } else {
            rate
        });
        // The same requests are hit in every run with the same seed.
        let draw = Random::of(&[
            &seed.to_le_bytes(),
            &index.to_le_bytes(),
            &self.seen.to_le_bytes(),
        ])
        .unit();
        let falls = draw < share;
        self.fired += u32::from(falls);
        falls
    }
}

fn markers(body: &[u8]) -> impl Iterator<Item = &str> {
    const START: &[u8] = b"[[fault:";
    memchr::memmem::find_iter(body, START).filter_map(|at| {
        let rest = &body[at + START.len()..];
        let end = memchr::memmem::find(&rest[..rest.len().min(256)], b"]]")?;
        std::str::from_utf8(&rest[..end]).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armory(faults: &[&str]) -> Armory {
        let armory = Armory::new("gpu-a", 1.0, 1);
        armory
            .arm(faults.iter().map(|fault| fault.parse().unwrap()).collect())
            .unwrap();
        armory
    }

    fn fires(armory: &Armory, times: usize) -> usize {
        (0..times)
            .filter(|_| {
                armory
                    .on_request("/v1/chat/completions", true, None)
                    .has(FaultKind::Reset)
            })
            .count()
    }

    #[test]
    fn count_skip_and_share_choose_the_requests() {
        assert_eq!(fires(&armory(&["reset"]), 10), 10);
        assert_eq!(fires(&armory(&["reset count=3"]), 10), 3);
        assert_eq!(fires(&armory(&["reset skip=4"]), 10), 6);
        let share = fires(&armory(&["reset share=0.25"]), 4000);
        assert!((900..1100).contains(&share), "{share}");
        assert_eq!(
            share,
            fires(&armory(&["reset share=0.25"]), 4000),
            "the same seed hits the same requests"
        );
    }

    #[test]
    fn host_and_path_choose_too() {
        assert_eq!(fires(&armory(&["reset host=gpu-b"]), 3), 0);
        assert_eq!(fires(&armory(&["reset host=gpu-a"]), 3), 3);
        let armory = armory(&["status=503 path=/health"]);
        assert!(
            armory
                .on_request("/health", false, None)
                .has(FaultKind::Status)
        );
        assert!(
            armory
                .on_request("/v1/chat/completions", true, None)
                .is_empty()
        );
    }

    #[test]
    fn the_key_chooses_too() {
        let armory = armory(&["status=401 key=sk-a"]);
        for (key, falls) in [(Some("sk-a"), true), (Some("sk-ab"), false), (None, false)] {
            let faults = armory.on_request("/v1/chat/completions", true, key);
            assert_eq!(faults.has(FaultKind::Status), falls, "{key:?}");
            let mut faults = Faults::default();
            let asked = armory.add_asked_for(&mut faults, b"", Some("reset key=sk-a"), key);
            assert_eq!(
                (asked, faults.has(FaultKind::Reset)),
                (Ok(()), falls),
                "{key:?}"
            );
        }
    }

    #[test]
    fn without_a_path_only_inference_is_hit() {
        assert!(
            armory(&["reset"])
                .on_request("/health", false, None)
                .is_empty()
        );
    }

    #[test]
    fn markers_are_read_from_prompts_and_headers() {
        let armory = Armory::new("gpu-a", 1.0, 1);
        let ask = |body: &str, header| {
            let mut faults = Faults::default();
            armory
                .add_asked_for(&mut faults, body.as_bytes(), header, None)
                .map(|()| faults.0.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            ask("hi [[fault:reset after=3]] and [[fault:crlf]]", None).unwrap(),
            ["reset", "crlf"]
        );
        assert_eq!(
            ask("hi [[fault:reset host=gpu-b]]", Some("gzip; split size=3")).unwrap(),
            ["gzip", "split"]
        );
        assert_eq!(ask("[[fault:", None).unwrap(), Vec::<String>::new());
        assert!(
            ask("[[fault:nonsense]]", None)
                .unwrap_err()
                .contains("nonsense")
        );
        assert_eq!(ask("[[fault:reset count=1]]", None).unwrap(), ["reset"]);
        assert_eq!(
            ask("[[fault:reset count=1]]", None).unwrap(),
            Vec::<String>::new()
        );
    }
}
