//! `weir plugin bench`: how long calls of a plugin take here, warm, one after another. A number of this machine, to compare with others
//! of it; the gateway's own bars are in bench/.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use weir_plugin::testing::{TestHost, candidate, outcome, response_head};
use weir_plugin::{Candidate, StreamEvent};

use super::check::Given;
use super::rehearse::answer;
use super::stage::{Exchange, Loaded, Stage};
use crate::cli::Failure;
use crate::plugin::{Called, Trouble, View};

/// Long enough for interpreters; a plugin that is slower fails at the gateway's own deadlines.
const DEADLINE: Duration = Duration::from_secs(1);
/// Before anything is measured.
const WARM_CALLS: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// The component
    file: PathBuf,
    #[command(flatten)]
    given: Given,
    /// How often each hook is called
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    calls: u32,
}

pub(super) fn run(bench: &Bench, out: &mut dyn Write) -> Result<(), Failure> {
    let (config, grants) = (bench.given.config_json()?, bench.given.grants()?);
    let failed = |problem: String| Failure::Refused {
        code: "unfit".to_owned(),
        message: format!("{}: {problem}", bench.file.display()),
    };
    let stage = Stage::new(None, DEADLINE);
    let began = Instant::now();
    let loaded = stage.load(&bench.file, &config, grants).map_err(failed)?;
    writeln!(
        out,
        "loaded in {:.1} ms (compiled, instantiated, configured)\n",
        1e3 * began.elapsed().as_secs_f64()
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let calls = bench.calls as usize;
    let measured = runtime.block_on(measure(&loaded, calls));
    writeln!(out, "{:<36} {:>10} {:>10}", "warm call, µs", "p50", "p99")?;
    for (name, mut took) in measured.map_err(|trouble| failed(trouble.to_string()))? {
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        writeln!(out, "{name:<36} {:>10.1} {:>10.1}", at(0.5), at(0.99))?;
    }
    if cfg!(debug_assertions) {
        writeln!(
            out,
            "\nThis weir is a development build: its side of a call is several times slower than a release build's."
        )?;
    }
    Ok(())
}

type Measured = Vec<(&'static str, Vec<Duration>)>;

async fn measure(loaded: &Loaded, calls: usize) -> Result<Measured, Trouble> {
    let mut measured = Vec::new();
    let prompt = "All work and no play makes a dull prompt. ".repeat(25);
    let asked = TestHost::asked(&prompt[..1024]).answered(&prompt[..1024]);
    let view: Arc<dyn View> = Exchange::of(&asked);
    if let Ok(guard) = loaded.guard() {
        measured.push((
            "on_request, 1 KiB",
            timed(calls, async || guard.on_request(&view).await).await?,
        ));
        measured.push((
            "on_response, 1 KiB",
            timed(calls, async || guard.on_response(&view).await).await?,
        ));
        measured.push((
            "stream: begin",
            timed(calls, async || {
                guard.open_stream(&view, response_head()).await
            })
            .await?,
        ));
        for (name, count) in [("stream: 1 event", 1), ("stream: 16 events", 16)] {
            let mut stream = answer(guard.open_stream(&view, response_head()).await)?;
            let events = vec![StreamEvent::text(0, "word "); count];
            let mut took = Vec::new();
            for _ in 0..calls + WARM_CALLS {
                let given = events.clone();
                let began = Instant::now();
                answer(stream.on_events(given).await)?;
                took.push(began.elapsed());
            }
            measured.push((name, took.split_off(WARM_CALLS)));
        }
    }
    if let Ok(router) = loaded.router() {
        for (name, count) in [("pick, 2 candidates", 2), ("pick, 8 candidates", 8)] {
            let candidates: Vec<Candidate> = (0..count)
                .map(|number| candidate(&format!("upstream/{number}")))
                .collect();
            measured.push((
                name,
                timed(calls, async || router.pick(&view, &candidates).await).await?,
            ));
        }
    }
    if let Ok(auth) = loaded.auth() {
        measured.push((
            "authenticate",
            timed(calls, async || auth.authenticate(&view).await).await?,
        ));
    }
    if let Ok(observer) = loaded.observer() {
        let batch = vec![outcome(); 16];
        measured.push((
            "on_log, 16 exchanges",
            timed(calls, async || observer.on_log(&batch).await).await?,
        ));
    }
    if let Ok(adapter) = loaded.adapter() {
        let target = candidate("upstream/endpoint");
        measured.push((
            "encode, 1 KiB",
            timed(calls, async || adapter.encode(&view, &target).await).await?,
        ));
        measured.push((
            "answer: begin",
            timed(calls, async || {
                adapter.open_decoder(&view, 200, Vec::new()).await
            })
            .await?,
        ));
    }
    Ok(measured)
}

async fn timed<T>(
    calls: usize,
    mut call: impl AsyncFnMut() -> Called<T>,
) -> Result<Vec<Duration>, Trouble> {
    let mut took = Vec::new();
    for _ in 0..calls + WARM_CALLS {
        let began = Instant::now();
        let value = answer(call().await)?;
        took.push(began.elapsed());
        drop(value);
    }
    Ok(took.split_off(WARM_CALLS))
}
