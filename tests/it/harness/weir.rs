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

use super::answer::Answer;
use super::client::{Connection, Protocol, Request};
use super::wire::Wire;
use super::{MODEL, eventually, within};

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
    environment: Vec<(String, String)>,
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
    links: Vec<(String, String)>,
    is_shielded: bool,
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
            links: Vec::new(),
            is_shielded: false,
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

    /// An action of an operator's.
    pub fn act(&self, path: &str) -> Request {
        Request::new(self.admin, Method::POST, path)
    }

    /// Asks for a reload, as an operator does.
    pub async fn reload(&self) -> Answer {
        self.act("/admin/v1/reload").send().await
    }

    /// Another configuration in the place of the one that weir began with, which is not told yet. The upstreams keep their
    /// order, and with it their names.
    pub fn rewrite(&self, setup: &Setup) {
        for (name, contents) in &setup.files {
            self.write(name, contents);
        }
        self.write("weir.yaml", &setup.yaml());
    }

    /// What a command of weir's prints when it is run beside this one, with its configuration.
    ///
    /// # Panics
    /// When it fails.
    pub fn command(&self, arguments: &[&str]) -> String {
        let output = self.try_command(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "weir {arguments:?}: {told}");
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// The same, whatever comes of it.
    pub fn try_command(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = command(&self.folder);
        command
            .args(arguments)
            .args(["--config", "weir.yaml"])
            .envs(self.environment.iter().cloned());
        command.output().expect("weir can be started")
    }

    /// A file beside the configuration, or the configuration itself, replaced in one step.
    pub fn write(&self, name: &str, contents: &str) {
        let (fresh, path) = (self.folder.join("fresh"), self.folder.join(name));
        let written = std::fs::write(&fresh, contents);
        let written = written.and_then(|()| std::fs::rename(&fresh, &path));
        written.expect("the folder can be written to");
    }

    /// Takes a file beside the configuration, or the configuration itself, away.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.join(name)).expect("it is there");
    }

    /// Lets the link `name` beside the configuration point to `target`, in one step.
    pub fn link(&self, name: &str, target: &str) {
        link(&self.folder, name, target);
    }

    /// A pipe in the place of a file beside the configuration: whoever reads it waits for what is written.
    pub fn pipe(&self, name: &str) -> Pipe {
        let path = self.folder.join(name);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "a pipe can be made"
        );
        Pipe(path)
    }

    /// SIGHUP, and what became of it: whether the configuration that the file holds now came into force.
    pub async fn hang_up(&self) -> bool {
        let before = self.reloads().await;
        self.signal(Signal::SIGHUP);
        self.reloaded_since(before).await
    }

    /// Reloads so far, good and bad.
    pub async fn reloads(&self) -> f64 {
        self.metric("weir_config_reloads_total").await
    }

    /// Waits for a reload beside the `before` that there have been. Whether it was a good one.
    pub async fn reloaded_since(&self, before: f64) -> bool {
        eventually("reload", async || {
            (self.reloads().await > before).then_some(())
        })
        .await;
        self.metric("weir_config_last_reload_successful").await == 1.0
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
        for (name, target) in &setup.links {
            link(&folder, name, target);
        }
        let command = match setup.is_shielded {
            true => shielded(&folder),
            false => command(&folder),
        };
        Weir::start_in(command, folder, setup.environment, setup.learning).await
    }

    /// Lets it write nothing to any file from now on, as a full disk does, or all again. Only one that is
    /// [shielded](Setup::shielded) outlives that.
    pub fn fill_disk(&self, is_full: bool) {
        let bound = if is_full { "0" } else { "unlimited" };
        let done = Command::new("prlimit")
            .arg(format!("--pid={}", self.child.id()))
            .arg(format!("--fsize={bound}:unlimited"))
            .status();
        assert!(done.is_ok_and(|status| status.success()), "prlimit sets it");
    }

    /// A file or folder of its own.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// SIGKILL at once, and weir anew on what it has left behind, on other ports.
    pub async fn killed_and_started_again(mut self) -> Weir {
        self.child.kill().expect("weir runs");
        self.child.wait().expect("it is a child");
        // The folder goes to the next.
        let folder = std::mem::take(&mut self.folder);
        let environment = std::mem::take(&mut self.environment);
        Weir::start_in(command(&folder), folder, environment, false).await
    }

    async fn start_in(
        mut command: Command,
        folder: PathBuf,
        environment: Vec<(String, String)>,
        learning: bool,
    ) -> Weir {
        command
            .args(["serve", "--config"])
            .arg(folder.join("weir.yaml"))
            .envs(environment.iter().cloned());
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
            environment,
            access,
            log,
        };
        weir.find_addresses().await;
        weir.wait_until_ready(learning).await;
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
        if self.folder.as_os_str().is_empty() {
            return;
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The label of a key that [`Setup::keys`] has made; `-` where there is none.
pub fn label_of(secret: &str) -> &str {
    secret.strip_prefix("sk-").unwrap_or("-")
}

impl Setup {
    /// Keys of each upstream by their labels, with further settings: `["a, weight: 2", "b"]`. The secret of `a` is `sk-a`.
    pub fn keys<'k>(self, keys: impl IntoIterator<Item = &'k str>) -> Setup {
        let keys = keys.into_iter().map(|key| {
            let (label, more) = key.split_once(',').unwrap_or((key, ""));
            format!("{{ label: {label}, value: sk-{label}, {more} }}")
        });
        self.each(&format!("keys: [{}]", keys.collect::<Vec<_>>().join(", ")))
    }

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

    /// A write that a [full disk](Weir::fill_disk) refuses is an error, and not the end of the process.
    pub fn shielded(mut self) -> Setup {
        self.is_shielded = true;
        self
    }

    /// A link beside the configuration.
    pub fn link(mut self, name: &str, target: &str) -> Setup {
        self.links.push((name.to_owned(), target.to_owned()));
        self
    }

    /// The whole configuration.
    pub fn yaml(&self) -> String {
        let mut yaml = String::new();
        let has = |text: &str, key: &str| text.lines().any(|line| line.starts_with(key));
        // Tests count what their hosts are asked; those of probes say so.
        if !has(&self.with, "health:") {
            yaml.push_str("health: { probe: off }\n");
        }
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

/// A pipe that weir takes for a file.
pub struct Pipe(PathBuf);

impl Pipe {
    /// Waits for a reader; it reads on until what comes back is dropped.
    pub async fn opened(&self) -> std::fs::File {
        let path = self.0.clone();
        // Opening waits for the reader.
        let opening =
            tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(path));
        let opened = within("reader of the pipe", opening).await;
        opened.expect("it does not panic").expect("it is a pipe")
    }
}

fn link(folder: &Path, name: &str, target: &str) {
    let fresh = folder.join("fresh");
    let linked = std::os::unix::fs::symlink(target, &fresh);
    let linked = linked.and_then(|()| std::fs::rename(&fresh, folder.join(name)));
    linked.expect("the folder can be written to");
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

/// The same, without the signal that comes with writes beyond a bound: what a shell ignores is ignored by what it becomes.
fn shielded(folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_weir"))
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
