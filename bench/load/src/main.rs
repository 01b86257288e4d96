//! `load`: the benchmark's tool. Arguments become one command; an error becomes exit code 1 and one line.

mod accounting;
mod accounts;
mod chat;
mod checked;
mod client;
mod compare;
mod drive;
mod events;
mod figures;
mod framing;
mod host;
mod manual;
mod messages;
mod open_streams;
mod paper;
mod process;
mod quiet;
mod random;
mod reloads;
mod request;
mod sim;
mod soak;
mod tally;
mod traffic;
mod translation;
mod weir;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;

use crate::host::HostSettings;

/// Load generator, fixed-answer host, and weir beside nginx.
#[derive(Parser)]
#[command(name = "load")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures weir beside nginx and beside a direct connection, and prints a table
    Compare(compare::CompareArgs),
    /// Measures what translating costs: clients and upstreams of different dialects beside a pass-through, through one weir
    Translation(translation::TranslationArgs),
    /// Measures what callers, limits, money and the ledger cost: weir with all of it beside weir without any
    Accounting(accounting::AccountingArgs),
    /// Lets hosts die, stall and come back under traffic through weir, and checks what clients saw
    Soak(soak::SoakArgs),
    /// Reloads weir's configuration hundreds of times under traffic, and a large one beside single requests
    Reloads(reloads::ReloadsArgs),
    /// Serves fixed answers, as an engine would, until stopped
    Host(HostArgs),
    /// Sends GET requests in closed loops
    Get(manual::GetArgs),
    /// Sends chat requests in closed loops
    Chat(manual::ChatArgs),
}

#[derive(Args)]
struct HostArgs {
    /// Address to listen on; loopback unless you know why
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// The one model that it says it has
    #[arg(long, default_value = "bench")]
    model: String,
    /// Wait before the first byte of an answer
    #[arg(long, default_value = "0ms", value_parser = duration)]
    ttft: Duration,
    /// Time between two events of a stream; 0 is as fast as they are read
    #[arg(long, default_value = "0ms", value_parser = duration)]
    itl: Duration,
    /// Content events of a stream whose request has no max_tokens
    #[arg(long, default_value_t = 300)]
    events: u64,
}

/// `250us`, `20ms`, `1.5s`, or `0`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(
        text.find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(text.len()),
    );
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "" if number == "0" => 1.0,
        _ => return Err(format!("{text:?} has no unit: write 250us, 20ms or 1.5s")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} does not begin with a number"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

/// One thread, so that on two cores as much as possible is left to what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    tokio::select! {
        outcome = run(command) => outcome.unwrap_or_else(|error| {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }),
        // What was running is dropped, and with it every process that it started.
        signal = stopped() => ExitCode::from(128 + signal),
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Compare(args) => compare::run(args).await,
        Command::Translation(args) => translation::run(args).await,
        Command::Accounting(args) => accounting::run(args).await,
        Command::Soak(args) => soak::run(args).await,
        Command::Reloads(args) => reloads::run(args).await,
        Command::Get(args) => manual::get(args).await,
        Command::Chat(args) => manual::chat(args).await,
        Command::Host(args) => {
            process::allow_open_files(1024)?;
            let settings = HostSettings {
                model: args.model,
                time_to_first: args.ttft,
                between_events: args.itl,
                events: args.events,
            };
            let listening = TcpListener::bind(args.listen).await;
            host::serve(
                listening.with_context(|| format!("cannot listen on {}", args.listen))?,
                settings,
            )
            .await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The number of the signal that asked this program to stop.
async fn stopped() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => 15,
        _ = interrupt.recv() => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("20").is_err());
        assert!(duration("-1s").is_err());
    }
}
