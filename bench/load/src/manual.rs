//! The commands for use by hand: closed loops of requests against any URL, bounded by count and by time.
//! They report what came back; they start nothing.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tokio::time::Instant;

use crate::chat::{Ask, FRAME_EVENTS, request_body};
use crate::checked::Expected;
use crate::drive::{Bounds, Target, closed_loops};
use crate::process::allow_open_files;
use crate::request::Url;
use crate::tally::Tally;

#[derive(Args)]
pub struct LoopArgs {
    /// http:// URL to send to
    url: String,
    /// Loops, each with a connection of its own
    #[arg(long, default_value_t = 1)]
    concurrency: usize,
    /// Ends after so many requests
    #[arg(long, default_value_t = 100)]
    requests: u64,
    /// Ends after this time, even before all requests are sent; those in progress are finished
    #[arg(long, default_value = "60s", value_parser = crate::duration)]
    time: Duration,
    /// A header line, as `name: value`; may be given several times
    #[arg(long = "header")]
    headers: Vec<String>,
}

#[derive(Args)]
pub struct GetArgs {
    #[command(flatten)]
    common: LoopArgs,
}

#[derive(Args)]
pub struct ChatArgs {
    #[command(flatten)]
    common: LoopArgs,
    #[arg(long, default_value = "bench")]
    model: String,
    /// Ask for a stream; an answer is right when it ends with [DONE]
    #[arg(long)]
    stream: bool,
    /// Tokens to ask for
    #[arg(long, default_value_t = 100)]
    max_tokens: u64,
    /// The answer is right only with one event a token and the four that frame them, as `load host` sends
    #[arg(long, requires = "stream")]
    count_events: bool,
    /// Size of the request body
    #[arg(long, default_value_t = 1024)]
    body_bytes: usize,
}

/// # Errors
/// A URL that cannot be used. Wrong answers are printed and make the exit code 1.
pub async fn get(args: GetArgs) -> Result<ExitCode> {
    let url = Url::parse(&args.common.url)?;
    let request = url.get(&args.common.headers);
    let target = Target {
        address: url.address()?,
        request,
        expected: Expected::Anything,
    };
    run(&target, &args.common).await
}

/// # Errors
/// A URL that cannot be used. Wrong answers are printed and make the exit code 1.
pub async fn chat(args: ChatArgs) -> Result<ExitCode> {
    let url = Url::parse(&args.common.url)?;
    let ask = Ask {
        model: &args.model,
        stream: args.stream,
        max_tokens: args.max_tokens,
        body_bytes: args.body_bytes,
    };
    let expected = match (args.stream, args.count_events) {
        (true, true) => Expected::Stream {
            events: Some(args.max_tokens + FRAME_EVENTS),
        },
        (true, false) => Expected::Stream { events: None },
        (false, _) => Expected::Anything,
    };
    let request = url.post_json(&args.common.headers, &request_body(ask));
    run(
        &Target {
            address: url.address()?,
            request,
            expected,
        },
        &args.common,
    )
    .await
}

async fn run(target: &Target, args: &LoopArgs) -> Result<ExitCode> {
    allow_open_files(args.concurrency as u64 + 64)?;
    let bounds = Bounds {
        until: Instant::now() + args.time,
        exchanges: args.requests,
    };
    let tally = closed_loops(target, args.concurrency, bounds).await?;
    print(&tally);
    Ok(if tally.failed == 0 && tally.right > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(tally: &Tally) {
    let seconds = tally.elapsed.as_secs_f64();
    println!(
        "{} right, {} failed in {seconds:.2} s: {:.0}/s",
        tally.right,
        tally.failed,
        tally.right as f64 / seconds
    );
    if tally.events > 0 {
        println!(
            "{} events: {:.0}/s",
            tally.events,
            tally.events as f64 / seconds
        );
    }
    for (what, histogram) in [
        ("first byte", &tally.first_us),
        ("whole answer", &tally.whole_us),
    ] {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        println!(
            "{what}: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
            at(0.5),
            at(0.99),
            histogram.max() as f64 / 1e3
        );
    }
    tally
        .failures
        .iter()
        .for_each(|failure| println!("failed: {failure}"));
}
