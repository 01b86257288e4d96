//! `weir plugin list`: how the plugins of a running weir do. It must not know how they run.

use std::io::Write;

use crate::cli::Failure;
use crate::cli::forms;
use crate::cli::reach::Reaching;
use clap::Args;

const COLUMNS: [&str; 8] = [
    "name",
    "kinds",
    "source",
    "state",
    "instances",
    "calls",
    "troubles",
    "last_trouble",
];

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    reaching: Reaching,
    /// All that is known of them
    #[arg(long)]
    json: bool,
}

pub(super) fn run(list: &List, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = list.reaching.reach()?.get("plugins", &[])?;
    if list.json {
        return forms::json(out, &answer);
    }
    let plugins = answer["data"].as_array();
    forms::table(out, &COLUMNS, plugins.map_or(&[], Vec::as_slice))?;
    Ok(())
}
