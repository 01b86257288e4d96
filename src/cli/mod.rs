//! The command line: arguments in, one function a command, exit codes out.
//! It must not do what a command does; that is the library's.

mod accounts;
mod ask;
mod check;
mod exit;
mod forms;
mod keys;
mod locate;
mod plans;
mod plugin;
mod reach;
mod serve;
mod sim;
mod tenants;
mod terms;
mod usage;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use exit::Failure;

/// Reverse proxy and load balancer for large-language-model traffic.
#[derive(Debug, Parser)]
#[command(name = "weir", version, after_help = EXIT_CODES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until stopped
    Serve(ConfigFile),
    /// Check a configuration and say what it means, without serving
    Check(CheckArguments),
    /// Make, list and end client keys
    Keys(Box<keys::Keys>),
    /// Make, list and change tenants
    Tenants(Box<tenants::Tenants>),
    /// Make, list and change users of a tenant
    Users(Box<tenants::Users>),
    /// Pay into accounts and show how they stand
    Accounts(Box<accounts::Accounts>),
    /// Make and list plans, and subscribe tenants to them
    Plans(Box<plans::Plans>),
    /// Show what was used and what it cost
    Usage(Box<usage::Usage>),
    /// Show and set prices
    Prices(Box<terms::Prices>),
    /// Show limits and what is left of them, and change them
    Limits(Box<terms::LimitsArguments>),
    /// Keep credentials for upstreams, sealed
    UpstreamKeys(Box<terms::UpstreamKeys>),
    /// Show how the ledger does
    Ledger(Box<terms::Ledger>),
    /// Begin, build, check, test and measure plugins, and show how they do
    Plugin(plugin::Plugin),
    /// Simulate a GPU host, to try configurations and failure drills without a GPU
    Sim(Box<sim::SimArgs>),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration [default: ./weir.yaml, else /etc/weir/weir.yaml]
    #[arg(long = "config", short = 'c', value_name = "FILE", env = "WEIR_CONFIG")]
    path: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Print the JSON Schema of the configuration, for editors, and do nothing else
    #[arg(long)]
    print_schema: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   it worked
  64  the configuration or the command line is wrong
  65  refused: what was asked for cannot be, as it is said
  69  cannot serve (an address is taken, or may not be used), or neither a server nor the store can be reached
  70  a mistake in weir";

/// Runs the command that the arguments (the program's name first) ask for, and gives the exit code. Answers go to
/// `out`, what went wrong to `err`.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let outcome = Arguments::try_parse_from(arguments)
        .map_err(Failure::Arguments)
        .and_then(|arguments| match arguments.command {
            Command::Serve(config) => serve::serve(&config),
            Command::Check(arguments) => check::check(&arguments, out),
            Command::Keys(arguments) => keys::run(&arguments, out, err),
            Command::Tenants(arguments) => tenants::tenants(&arguments, out),
            Command::Users(arguments) => tenants::users(&arguments, out),
            Command::Accounts(arguments) => accounts::run(&arguments, out),
            Command::Plans(arguments) => plans::run(&arguments, out),
            Command::Usage(arguments) => usage::run(&arguments, out),
            Command::Prices(arguments) => terms::prices(&arguments, out),
            Command::Limits(arguments) => terms::limits(&arguments, out),
            Command::UpstreamKeys(arguments) => terms::upstream_keys(&arguments, out),
            Command::Ledger(arguments) => terms::ledger(&arguments, out),
            Command::Plugin(arguments) => plugin::run(&arguments, out),
            Command::Sim(arguments) => crate::sim::run((*arguments).into()).map_err(Failure::Sim),
        });
    match outcome {
        Ok(()) => 0,
        Err(failure) => failure.tell(out, err),
    }
}

/// The process environment, for the configuration. A value that is not text counts as not set.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
