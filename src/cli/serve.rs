//! `weir serve`: read the configuration and serve it.

use super::{ConfigFile, Failure, environment};
use crate::config::Config;
use crate::server;

/// Serves until stopped by a signal.
pub(super) fn serve(file: &ConfigFile) -> Result<(), Failure> {
    let path = file.locate()?;
    let config = Config::load(&path, &environment).map_err(Failure::Config)?;
    server::serve(&path, config, environment).map_err(Failure::Serve)
}
