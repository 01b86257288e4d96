//! Where plugins of tests run: a host whose clock, chance and outside world are the test's, an exchange, and files.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use weir_plugin::{
    Api, Candidate, Header, HttpAnswer, HttpCall, HttpError, RequestMeta, ResponseHead, Segment,
};

use crate::plugin::services::{Chance, Clock, Fetch, Outside};
use crate::plugin::{
    Builtins, Called, Hook, Hooks, Limits, Meter, OwnInstances, PluginHost, PluginMeter, PluginSet,
    PluginSettings, Source, Trouble, Unfit, View,
};

/// A folder of its own, removed in the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "weir-plugin-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder can be made");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A host for one test.
pub struct Place {
    pub host: PluginHost,
    pub world: Arc<World>,
    pub folder: Folder,
}

/// What is handed in to the host, and what it has been told.
pub struct World {
    began: Instant,
    /// Added to the clock.
    pub later_ms: AtomicU64,
    /// What HTTP requests are answered with; `None`: never.
    pub answer: Option<HttpAnswer>,
    pub fetched: Mutex<Vec<HttpCall>>,
    pub called: Mutex<Vec<(String, Hook, &'static str)>>,
    pub tripped: Mutex<Vec<bool>>,
}

impl World {
    fn since(&self) -> Duration {
        self.began.elapsed() + Duration::from_millis(self.later_ms.load(Ordering::Relaxed))
    }
}

impl Clock for World {
    fn unix_ms(&self) -> u64 {
        1_700_000_000_000 + self.since().as_millis() as u64
    }
    fn monotonic_ns(&self) -> u64 {
        self.since().as_nanos() as u64
    }
}

impl Chance for World {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[async_trait]
impl Fetch for World {
    async fn fetch(&self, call: HttpCall, _: Duration, _: usize) -> Result<HttpAnswer, HttpError> {
        self.fetched.lock().push(call);
        match &self.answer {
            Some(answer) => Ok(answer.clone()),
            None => std::future::pending().await,
        }
    }
}

struct Told(Arc<World>, String);

impl Meter for Told {
    fn plugin(&self, name: &str) -> Arc<dyn PluginMeter> {
        Arc::new(Told(self.0.clone(), name.to_owned()))
    }
}

impl PluginMeter for Told {
    fn called(&self, hook: Hook, outcome: &'static str, _: Duration) {
        self.0.called.lock().push((self.1.clone(), hook, outcome));
    }
    fn tripped(&self, is_tripped: bool) {
        self.0.tripped.lock().push(is_tripped);
    }
    fn instances(&self, _: i64) {}
}

/// Nothing is built in.
pub struct Nothing;

impl Builtins for Nothing {
    fn build(
        &self,
        name: &str,
        _: &PluginSettings,
        _: &Arc<crate::plugin::services::PluginServices>,
    ) -> Result<Hooks, String> {
        Err(format!("there is no builtin `{name}`"))
    }
}

fn outside(world: &Arc<World>) -> Outside {
    Outside {
        clock: world.clone(),
        chance: world.clone(),
        fetch: world.clone(),
        meter: Arc::new(Told(world.clone(), String::new())),
    }
}

impl Place {
    pub fn new() -> Place {
        Place::with(Arc::new(Nothing), None)
    }

    /// One where HTTP requests are answered.
    pub fn answering(answer: HttpAnswer) -> Place {
        Place::with(Arc::new(Nothing), Some(answer))
    }

    pub fn with(builtins: Arc<dyn Builtins>, answer: Option<HttpAnswer>) -> Place {
        let world = Arc::new(World {
            began: Instant::now(),
            later_ms: AtomicU64::new(0),
            answer,
            fetched: Mutex::default(),
            called: Mutex::default(),
            tripped: Mutex::default(),
        });
        Place {
            host: PluginHost::new(outside(&world), builtins),
            world,
            folder: Folder::new(),
        }
    }

    /// What is handed in to the host.
    pub fn outside(&self) -> Outside {
        outside(&self.world)
    }

    /// Settings of a plugin whose file has these bytes.
    pub fn settings(&self, name: &str, bytes: &[u8]) -> PluginSettings {
        let path = self.folder.0.join(format!("{name}.wasm"));
        fs::write(&path, bytes).expect("a file can be written");
        PluginSettings {
            name: name.to_owned(),
            source: Source::Wasm { path, sha256: None },
            grants: Default::default(),
            limits: Limits {
                // Machines that run tests are slow at times.
                deadline: Some(Duration::from_secs(10)),
                ..Limits::default()
            },
            instance: Default::default(),
            on_error: None,
            config_json: "null".to_owned(),
        }
    }

    pub fn build(&self, settings: &PluginSettings) -> Result<PluginSet, Vec<Unfit>> {
        self.host.build(std::slice::from_ref(settings), None, None)
    }

    /// A set of one plugin, `plugin`, with settings that the test may change.
    pub fn load(&self, bytes: &[u8], change: impl FnOnce(&mut PluginSettings)) -> PluginSet {
        let mut settings = self.settings("plugin", bytes);
        change(&mut settings);
        self.build(&settings)
            .unwrap_or_else(|unfit| panic!("{unfit:?}"))
    }

    /// Why a plugin of these bytes is not loaded.
    pub fn refusal(&self, bytes: &[u8], change: impl FnOnce(&mut PluginSettings)) -> String {
        let mut settings = self.settings("plugin", bytes);
        change(&mut settings);
        match self.build(&settings) {
            Ok(_) => panic!("it is loaded"),
            Err(unfit) => unfit[0].to_string(),
        }
    }

    /// How calls have ended, as metrics were told.
    pub fn outcomes(&self) -> Vec<&'static str> {
        let called = self.world.called.lock();
        called.iter().map(|(_, _, outcome)| *outcome).collect()
    }

    pub fn pass_ms(&self, millis: u64) {
        self.world.later_ms.fetch_add(millis, Ordering::Relaxed);
    }
}

/// An exchange.
#[derive(Default)]
pub struct Exchange {
    pub body: Vec<u8>,
    pub own: OwnInstances,
}

pub fn exchange(body: &str) -> Arc<dyn View> {
    Arc::new(Exchange {
        body: body.as_bytes().to_vec(),
        own: OwnInstances::default(),
    })
}

impl View for Exchange {
    fn meta(&self) -> RequestMeta {
        RequestMeta {
            id: "exchange-1".to_owned(),
            api: Api::ChatCompletions,
            operation: "chat".to_owned(),
            model: "gpt".to_owned(),
            stream: false,
            method: "POST".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            client_ip: "127.0.0.1".to_owned(),
            received_unix_ms: 0,
            deadline_ms: 60_000,
            attempt: 0,
            body_bytes: self.body.len() as u64,
            message_count: 1,
            prompt_tokens_estimate: 3,
            max_output_tokens: None,
            has_tools: false,
            has_images: false,
            session: None,
            traceparent: None,
            principal: None,
            tags: Vec::new(),
        }
    }
    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        (name == "x-here").then(|| b"yes".to_vec())
    }
    fn request_headers(&self) -> Vec<Header> {
        vec![Header::new("x-here", "yes")]
    }
    fn request_segments(&self) -> Vec<Segment> {
        Vec::new()
    }
    fn request_json(&self, _: &str) -> Option<String> {
        None
    }
    fn request_body(&self) -> Vec<u8> {
        self.body.clone()
    }
    fn response_status(&self) -> u16 {
        200
    }
    fn response_headers(&self) -> Vec<Header> {
        Vec::new()
    }
    fn response_segments(&self) -> Vec<Segment> {
        Vec::new()
    }
    fn response_body(&self) -> Vec<u8> {
        Vec::new()
    }
    fn own_instances(&self) -> &OwnInstances {
        &self.own
    }
}

pub fn candidate(id: &str) -> Candidate {
    Candidate {
        id: id.to_owned(),
        provider: "openai".to_owned(),
        model: "gpt".to_owned(),
        region: None,
        weight: 1,
        healthy: true,
        in_flight: 0,
        queue_depth: None,
        ttft_ms_ewma: 1.0,
        tokens_per_second_ewma: 1.0,
        error_rate: 0.0,
        kv_cache_usage: None,
        prefix_match: None,
        input_usd_per_mtok: 1.0,
        output_usd_per_mtok: 1.0,
        score: 1.0,
        labels: vec![("tier".to_owned(), "a".to_owned())],
    }
}

pub fn head() -> ResponseHead {
    ResponseHead {
        status: 200,
        headers: Vec::new(),
        upstream: "here".to_owned(),
        model: "gpt".to_owned(),
    }
}

/// What was answered.
#[track_caller]
pub fn answered<T: std::fmt::Debug>(called: Called<T>) -> T {
    match called {
        Called::Answered(value) => value,
        other => panic!("{other:?}"),
    }
}

/// Why traffic does not pass.
#[track_caller]
pub fn closed<T: std::fmt::Debug>(called: Called<T>) -> Trouble {
    match called {
        Called::FailedClosed(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}
