//! Simulated hosts, and what reached them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use weir::sim::{Options, Running, Stats};

use super::weir::{Host, command, label_of, new_folder};
use super::{MODEL, comes_to, within};

/// A simulated host in this process. Dropping it stops it.
pub struct Sim {
    running: Running,
    models: Vec<String>,
}

impl Sim {
    /// A host that answers at once, in few words.
    pub async fn start() -> Sim {
        Sim::with(|_| {}).await
    }

    /// A host with other settings.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Sim {
        let mut options = Options {
            tokens: 8,
            ttft: std::time::Duration::ZERO,
            itl: std::time::Duration::ZERO,
            ..Options::default()
        };
        change(&mut options);
        let models = options.models.clone();
        Sim {
            running: weir::sim::start(options).expect("the simulated host starts"),
            models,
        }
    }

    /// A host with faults from the start, in the sim's own words: `"reset after=3"`.
    pub async fn that(faults: &[&str]) -> Sim {
        let host = Sim::start().await;
        host.arm(faults);
        host
    }

    pub fn arm(&self, faults: &[&str]) {
        let faults = faults
            .iter()
            .map(|fault| fault.parse().expect("the fault is one"))
            .collect();
        self.running.arm(faults).expect("the fault can be armed");
    }

    pub fn clear_faults(&self) {
        self.running.clear_faults();
    }

    pub fn stats(&self) -> Stats {
        self.running.stats()
    }

    pub fn port(&self) -> u16 {
        self.running.address().port()
    }

    /// Requests so far, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        let requests = self.running.requests();
        requests
            .as_array()
            .expect("a list")
            .iter()
            .cloned()
            .map(Recorded)
            .collect()
    }

    /// The labels of the keys that requests came with, one after another.
    pub fn keys_used(&self) -> String {
        let requests = self.requests();
        requests.iter().map(|seen| label_of(seen.key())).collect()
    }

    #[track_caller]
    pub fn last_request(&self) -> Recorded {
        self.requests()
            .pop()
            .expect("a request has reached the host")
    }

    /// Stops listening and closes every connection.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

impl Host for Sim {
    fn url(&self) -> String {
        self.running.url()
    }

    fn models(&self) -> Vec<String> {
        self.models.clone()
    }
}

/// A simulated host in a process of its own, which can be frozen. Dropping it ends it.
pub struct SimProcess {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl SimProcess {
    pub async fn start() -> SimProcess {
        let folder = new_folder();
        let child = command(&folder)
            .args(["sim", "--port", "0", "--ttft", "0", "--itl", "0"])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("the simulated host can be started");
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        let first = tokio::task::spawn_blocking(move || said.lines().next());
        let first = within("first line of the host", first).await;
        let first = first.expect("it does not panic").expect("it says a line");
        let line = first.expect("it is text");
        let port = line.split(['/', ' ']).find_map(|word| {
            let (_, port) = word.rsplit_once(':')?;
            port.parse().ok()
        });
        let port = port.unwrap_or_else(|| panic!("no port in {line}"));
        SimProcess {
            child,
            port,
            folder,
        }
    }

    /// Stops it; once this returns it does nothing any more, but its kernel still accepts connections.
    pub async fn freeze(&self) {
        let id = i32::try_from(self.child.id()).expect("a process id fits");
        kill(Pid::from_raw(id), Signal::SIGSTOP).expect("it runs");
        // Each thread stops for itself.
        comes_to("threads that are not stopped", 0, async || {
            let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("Linux lists them");
            let stats = tasks.filter_map(|task| {
                let stat = task.ok()?.path().join("stat");
                std::fs::read_to_string(stat).ok()
            });
            stats.filter(|stat| !stat.contains(") T ")).count()
        })
        .await;
    }
}

impl Host for SimProcess {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn models(&self) -> Vec<String> {
        vec![MODEL.to_owned()]
    }
}

impl Drop for SimProcess {
    fn drop(&mut self) {
        // It may have ended by itself, and what is left behind lies in the target folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// One request as it reached a simulated host.
#[derive(Debug)]
pub struct Recorded(Value);

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The key that it shows.
    pub fn key(&self) -> &str {
        let shown = self.header("authorization").unwrap_or_default();
        shown.strip_prefix("Bearer ").unwrap_or(shown)
    }

    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.0["headers"].as_array().expect("a list").iter();
        headers.map(|header| {
            (
                header[0].as_str().expect("a name"),
                header[1].as_str().expect("a value"),
            )
        })
    }

    pub fn method(&self) -> &str {
        self.0["method"].as_str().expect("a method")
    }

    pub fn path(&self) -> &str {
        self.0["path"].as_str().expect("a path")
    }

    pub fn query(&self) -> Option<&str> {
        self.0["query"].as_str()
    }

    pub fn version(&self) -> &str {
        self.0["http_version"].as_str().expect("a version")
    }

    /// The body, of which the host keeps 256 KiB.
    pub fn body(&self) -> &str {
        self.0["body"].as_str().expect("the body is text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(self.body()).expect("the body is JSON")
    }

    pub fn body_bytes(&self) -> u64 {
        self.0["body_bytes"].as_u64().expect("a number")
    }

    /// A count of the host's: `prompt_tokens`, `output_tokens`.
    pub fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().expect("a number")
    }

    /// FNV-1a of the whole body, in hexadecimal.
    pub fn body_fingerprint(&self) -> &str {
        self.0["body_fnv1a"].as_str().expect("a text")
    }
}

/// The same fingerprint as the host's.
pub fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
