//! weir itself: the real binary with a configuration of the test's, on free ports.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::client::{Connection, Protocol, Request};
use super::wire::Wire;
use super::{MODEL, eventually};

/// What weir can stand in front of.
pub trait Host {
    fn url(&self) -> String;
    fn models(&self) -> Vec<String>;
}

/// weir, running. It ends with the test; when the test fails, its log is printed.
pub struct Weir {
    child: Child,
    /// In the order of `listen`.
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    folder: PathBuf,
    access: Lines,
    log: Lines,
}

type Lines = Arc<Mutex<Vec<String>>>;

/// weir, about to be started; `.await` starts it.
pub struct Setup {
    upstreams: Vec<(String, Vec<String>)>,
    each: String,
    with: String,
    learning: bool,
    environment: Vec<(String, String)>,
    files: Vec<(String, String)>,
}

impl Weir {
    /// weir with these hosts as upstreams `gpu-a`, `gpu-b`, … of kind vllm.
    pub fn in_front_of<'h, H: Host + ?Sized + 'h>(hosts: impl IntoIterator<Item = &'h H>) -> Setup {
        Setup {
            upstreams: hosts
                .into_iter()
                .map(|host| (host.url(), host.models()))
                .collect(),
            each: String::new(),
            with: String::new(),
            learning: false,
            environment: Vec::new(),
            files: Vec::new(),
        }
    }

    /// weir with a configuration of one's own; `listen` and `admin` are added where they are missing.
    pub fn configured(yaml: impl Into<String>) -> Setup {
        let none: [&dyn Host; 0] = [];
        Weir::in_front_of(none).with(&yaml.into())
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The address of the listener with this number.
    pub fn address_of(&self, listener: usize) -> SocketAddr {
        self.addresses[listener]
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    pub fn get(&self, path: &str) -> Request {
        Request::new(self.address(), Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Request {
        Request::new(self.address(), Method::POST, path)
    }

    pub fn request(&self, method: Method, path: &str) -> Request {
        Request::new(self.address(), method, path)
    }

    /// A chat with one message.
    pub fn chat(&self, prompt: &str) -> Request {
        self.post("/v1/chat/completions")
            .json(json!({"model": MODEL, "messages": [{"role": "user", "content": prompt}]}))
    }

    pub async fn connect(&self, protocol: Protocol) -> Connection {
        Connection::open(self.address(), protocol).await
    }

    pub async fn dial(&self) -> Wire {
        Wire::dial(self.address()).await
    }

    pub fn admin(&self, path: &str) -> Request {
        Request::new(self.admin, Method::GET, path)
    }

    /// The status page.
    pub async fn status(&self) -> Value {
        self.admin("/admin/v1/status").send().await.json()
    }

    /// The whole text of /metrics.
    pub async fn metrics(&self) -> String {
        self.admin("/metrics").send().await.text()
    }

    /// The sum of all series that `selector` takes in: `weir_requests_total{code="200"}`; 0 where there is none.
    pub async fn metric(&self, selector: &str) -> f64 {
        let (name, labels) = selector.split_once('{').unwrap_or((selector, "}"));
        let labels: Vec<&str> = labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.is_empty())
            .collect();
        let metrics = self.metrics().await;
        let series = metrics.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (this, its) = series.split_once('{').unwrap_or((series, ""));
            let meant = this == name && labels.iter().all(|label| its.contains(label));
            meant.then(|| value.parse::<f64>().expect("a sample is a number"))
        });
        series.sum()
    }

    /// The access-log lines, once there are `count` of them.
    pub async fn access_lines(&self, count: usize) -> Vec<Value> {
        let lines = eventually("access-log line", async || {
            let lines = self.access.lock().expect("no reader has panicked").clone();
            (lines.len() >= count).then_some(lines)
        })
        .await;
        lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }

    /// The access-log line of the only exchange.
    pub async fn access_line(&self) -> Value {
        let lines = self.access_lines(1).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().expect("there is one")
    }

    /// Everything that weir has written: diagnostics and access log.
    pub fn everything_written(&self) -> String {
        let lines = |lines: &Lines| lines.lock().expect("no reader has panicked").join("\n");
        format!("{}\n{}", lines(&self.log), lines(&self.access))
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("weir runs");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits"))
    }

    /// Waits for the end of the process.
    pub async fn exited(&mut self) -> ExitStatus {
        eventually("end of weir", async || {
            self.child.try_wait().expect("weir is a child")
        })
        .await
    }

    /// The memory that it holds, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("weir runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("Linux says it");
        let kibibytes = line
            .trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .expect("it is a number");
        kibibytes * 1024
    }

    async fn start(setup: Setup) -> Weir {
        let folder = new_folder();
        let config = folder.join("weir.yaml");
        std::fs::write(&config, setup.yaml()).expect("the folder can be written to");
        for (name, contents) in &setup.files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("it is in a folder"))
                .expect("the folder can be written to");
            std::fs::write(path, contents).expect("the folder can be written to");
        }
        let mut command = command(&folder);
        command
            .args(["serve", "--config"])
            .arg(&config)
            .envs(setup.environment.iter().cloned());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("weir can be started");
        let access = collect(child.stdout.take().expect("it is piped"));
        let log = collect(child.stderr.take().expect("it is piped"));
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut weir = Weir {
            child,
            addresses: Vec::new(),
            admin: anywhere,
            folder,
            access,
            log,
        };
        weir.find_addresses().await;
        weir.wait_until_ready(setup.learning).await;
        weir
    }

    async fn find_addresses(&mut self) {
        let (child, log) = (&mut self.child, self.log.clone());
        let lines = eventually("weir that serves", async || {
            let lines = log.lock().expect("no reader has panicked").clone();
            if let Some(status) = child.try_wait().expect("weir is a child") {
                panic!("weir ended with {status}:\n{}", lines.join("\n"));
            }
            lines
                .iter()
                .any(|line| line.contains("weir serves"))
                .then_some(lines)
        })
        .await;
        for line in lines {
            let Some((before, address)) = line.split_once("listening on http") else {
                continue;
            };
            let address: String = address
                .trim_start_matches('s')
                .trim_start_matches("://")
                .chars()
                .take_while(|c| *c != '"' && *c != ' ')
                .collect();
            let address = address.parse().expect("it is an address");
            if before.ends_with("admin ") {
                self.admin = address
            } else {
                self.addresses.push(address)
            }
        }
        assert!(!self.addresses.is_empty(), "weir names no address");
    }

    async fn wait_until_ready(&self, learning: bool) {
        if learning || self.admin.port() == 0 {
            return;
        }
        eventually("weir that is ready", async || {
            (self.admin("/readyz").send().await.status == 200).then_some(())
        })
        .await;
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- weir wrote\n{}\n----", self.everything_written());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Setup {
    /// More configuration, beside the upstreams.
    pub fn with(mut self, yaml: &str) -> Setup {
        self.with.push_str(yaml);
        self.with.push('\n');
        self
    }

    /// More settings of each upstream, a line each.
    pub fn each(mut self, yaml: &str) -> Setup {
        self.each.push_str(yaml);
        self.each.push('\n');
        self
    }

    /// The hosts' models are learnt from them rather than listed. weir is not waited for to be ready.
    pub fn learning(mut self) -> Setup {
        self.learning = true;
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: &str, contents: &str) -> Setup {
        self.files.push((name.to_owned(), contents.to_owned()));
        self
    }

    fn yaml(&self) -> String {
        let mut yaml = String::new();
        let has = |text: &str, key: &str| text.lines().any(|line| line.starts_with(key));
        for (key, address) in [("listen:", "127.0.0.1:0"), ("admin:", "127.0.0.2:0")] {
            if !has(&self.with, key) {
                yaml.push_str(&format!("{key} {address}\n"));
            }
        }
        if !self.upstreams.is_empty() {
            yaml.push_str("upstreams:\n");
        }
        for (index, (url, models)) in self.upstreams.iter().enumerate() {
            let letter = char::from(b'a' + u8::try_from(index).expect("few hosts"));
            yaml.push_str(&format!("  - name: gpu-{letter}\n    url: {url}\n"));
            if !has(&self.each, "kind:") {
                yaml.push_str("    kind: vllm\n");
            }
            if !has(&self.each, "models:") && !self.learning {
                yaml.push_str(&format!("    models: {}\n", json!(models)));
            }
            for line in self.each.lines() {
                yaml.push_str(&format!("    {line}\n"));
            }
        }
        yaml + &self.with
    }
}

impl IntoFuture for Setup {
    type Output = Weir;
    type IntoFuture = Pin<Box<dyn Future<Output = Weir>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(Weir::start(self))
    }
}

/// The binary, with nothing of the test's environment that would change it.
///
/// It stays in the test's process group, so that whoever kills a test that hangs kills its weir as well.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_remove("RUST_LOG");
    command
}

/// A folder of this test alone.
pub fn new_folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("it-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    folder
}

/// Collects the lines of a pipe as they come.
fn collect(pipe: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let collected = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            collected.lock().expect("no reader has panicked").push(line);
        }
    });
    lines
}
