//! `weir plugin`: what plugins' authors use. It must not know how plugins run.

mod bench;
mod build;
mod c;
mod check;
mod component;
mod javascript;
mod list;
mod new;
mod project;
mod python;
mod recordings;
mod rehearse;
mod rust;
mod script;
mod shown;
mod stage;
mod templates;
mod tool;
mod try_out;

#[cfg(test)]
mod tests;

use std::io::Write;

use clap::{Args, Subcommand};

use super::Failure;

#[derive(Debug, Args)]
pub(super) struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a plugin: a folder with one that builds and does something small
    New(new::New),
    /// Make a component of a plugin, with its language's own tools
    Build(build::Build),
    /// Say what a component is, what it asks for, and whether it takes its configuration
    Check(check::Check),
    /// Ask a plugin what a script asks, and see whether it decides as the script says
    Test(try_out::Test),
    /// Measure how long calls of a plugin take
    Bench(bench::Bench),
    /// Show how the plugins of a running weir do
    List(list::List),
}

pub(super) fn run(plugin: &Plugin, out: &mut dyn Write) -> Result<(), Failure> {
    match &plugin.command {
        Command::New(new) => new::run(new, out),
        Command::Build(build) => build::run(build, out),
        Command::Check(check) => check::run(check, out),
        Command::Test(test) => try_out::run(test, out),
        Command::Bench(bench) => bench::run(bench, out),
        Command::List(list) => list::run(list, out),
    }
}
