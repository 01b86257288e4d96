//! `weir sim`: the command line of the simulated GPU host.
//! It must not know how the host works.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::sim::options::parse_duration;
use crate::sim::{EngineKind, Fault, Options, Quirk, TlsFiles, Unsupported};

/// A simulated upstream: an inference server without a GPU, in any of the dialects, with faults on demand.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct SimArgs {
    /// Port to listen on; 0 takes a free one, which the first line printed names
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Engine or vendor whose API and manners it has: vllm, sglang, tgi, trtllm, llamacpp, ollama, openai, anthropic or gemini
    #[arg(long, default_value = "vllm")]
    kind: EngineKind,
    /// Models it serves, separated by commas
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "llama-3.1-8b",
        value_name = "NAMES"
    )]
    models: Vec<String>,
    /// Time to the first token
    #[arg(long, default_value = "40ms", value_parser = parse_duration, value_name = "DURATION")]
    ttft: Duration,
    /// Time between tokens; 0 sends as fast as the connection takes them
    #[arg(long, default_value = "8ms", value_parser = parse_duration, value_name = "DURATION")]
    itl: Duration,
    /// Tokens in an answer, where the request allows them
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// The same seed, model and prompt give the same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How long it answers 503 after its start, as an engine that loads a model does
    #[arg(long, default_value = "0", value_parser = parse_duration, value_name = "DURATION")]
    loading: Duration,
    /// Key that clients must show, where the dialect has it: `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or `?key=`
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Requests worked on at once; more wait
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "NUMBER")]
    slots: Option<u32>,
    /// Name in `system_fingerprint` and in the `x-sim-name` response header
    #[arg(long, default_value = "sim")]
    name: String,
    /// Fault to commit, such as "reset after=3 share=0.1" (may be repeated; --help lists all)
    #[arg(long, value_name = "SPEC")]
    fault: Vec<Fault>,
    /// Share of requests that a --fault without share or count falls on
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    fault_rate: f64,
    /// Manners of single vendors, separated by commas (--help lists all)
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    quirk: Vec<Quirk>,
    /// What its models do not support and refuse, separated by commas (--help lists all)
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    refuses: Vec<Unsupported>,
    /// Give the same request the same id and time of creation
    #[arg(long)]
    fixed_ids: bool,
    /// Close HTTP/1.1 connections that are idle for so long; vLLM does after 5s
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    idle_close: Option<Duration>,
    /// Let events that are due together share a write
    #[arg(long)]
    coalesce: bool,
    /// File that gets a line of JSON for each exchange when it ends: request id, tokens read and sent, outcome
    #[arg(long, value_name = "FILE")]
    served: Option<PathBuf>,
    /// Certificate chain (PEM), for TLS
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key (PEM), for TLS
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Worker threads; one a core unless told
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
}

fn after_help() -> String {
    format!(
        "Faults (more in docs/sim.md). Any takes count=N, skip=N, share=0.0-1.0, path=/prefix and host=NAME; they can also be armed with\n\
         POST /sim/v1/faults, and asked for by a prompt: [[fault:reset after=3]]\n\n{}\n\n{}",
        crate::sim::fault_table::help(),
        crate::sim::quirks::help()
    )
}

impl From<SimArgs> for Options {
    fn from(args: SimArgs) -> Self {
        Self {
            host: args.host,
            port: args.port,
            kind: args.kind,
            models: args.models,
            ttft: args.ttft,
            itl: args.itl,
            tokens: args.tokens,
            seed: args.seed,
            loading: args.loading,
            api_key: args.api_key,
            slots: args.slots.map(|slots| slots as usize),
            name: args.name,
            faults: args.fault,
            fault_rate: args.fault_rate,
            fixed_ids: args.fixed_ids,
            idle_close: args.idle_close,
            tls: args
                .tls_cert
                .zip(args.tls_key)
                .map(|(certificate, key)| TlsFiles { certificate, key }),
            coalesce: args.coalesce,
            served: args.served,
            quirks: args.quirk,
            refuses: args.refuses,
            threads: args.threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{FromArgMatches, Parser};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        sim: SimArgs,
    }

    fn options(arguments: &[&str]) -> Result<Options, String> {
        let command = <Command as clap::CommandFactory>::command().no_binary_name(true);
        let matches = command
            .try_get_matches_from(arguments)
            .map_err(|error| error.to_string())?;
        let command = Command::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        Ok(command.sim.into())
    }

    #[test]
    fn the_defaults_are_those_of_options() {
        let expected = Options {
            port: 8000,
            ..Options::default()
        };
        assert_eq!(
            format!("{:?}", options(&[]).unwrap()),
            format!("{expected:?}")
        );
    }

    #[test]
    fn flags_reach_the_options() {
        let options = options(&[
            "--models",
            "a,b",
            "--itl",
            "0",
            "--kind",
            "ollama",
            "--fault",
            "reset after=3",
            "--fault",
            "gzip",
            "--quirk",
            "mistral,no_done",
            "--refuses",
            "sampling",
        ])
        .unwrap();
        assert_eq!(options.models, ["a", "b"]);
        assert_eq!(
            (options.itl, options.kind, options.faults.len()),
            (Duration::ZERO, EngineKind::Ollama, 2)
        );
        assert_eq!(options.quirks, [Quirk::Mistral, Quirk::NoDone]);
        assert_eq!(options.refuses, [Unsupported::Sampling]);
    }

    #[test]
    fn wrong_flags_are_refused_with_the_way_out() {
        for (arguments, says) in [
            (&["--kind", "vlm"][..], "use one of vllm"),
            (&["--itl", "8"], "is not a duration"),
            (&["--fault", "rest"], "unknown fault"),
            (&["--tls-cert", "a.pem"], "--tls-key"),
            (&["--slots", "0"], "--slots"),
            (&["--quirk", "mistrall"], "use one of mistral"),
            (&["--refuses", "all"], "use one of sampling"),
        ] {
            let error = options(arguments).unwrap_err();
            assert!(error.contains(says), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn help_lists_every_fault() {
        let help = <Command as clap::CommandFactory>::command()
            .render_long_help()
            .to_string();
        for facts in &crate::sim::fault_table::FAULTS {
            assert!(help.contains(facts.name), "{}", facts.name);
        }
    }
}
