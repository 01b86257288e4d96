//! What a command failed with, and the exit code and text that stand for it. The only place that knows exit codes
//! (those of sysexits.h); it must not know how a failure came about.

use std::io::{ErrorKind, Write};

use crate::config::Problems;
use crate::server::ServeError;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// The arguments do not fit, or asked for help or the version.
    Arguments(clap::Error),
    /// There is no configuration where it was looked for; the text says where.
    NoConfig(String),
    Config(Problems),
    Serve(ServeError),
    /// The simulated host cannot listen.
    Sim(std::io::Error),
    /// The admin API, or the store behind it, cannot be reached.
    Unavailable(String),
    /// The admin API says no.
    Refused {
        code: String,
        message: String,
    },
    /// An argument that has a form of its own does not have it.
    Argument(String),
    /// Standard output cannot be written.
    Output(std::io::Error),
}

impl Failure {
    const USAGE: u8 = 64;
    const REFUSED: u8 = 65;
    const UNAVAILABLE: u8 = 69;
    const INTERNAL: u8 = 70;

    /// Says it on `err` (help and version are answers: on `out`), and gives the exit code.
    pub(super) fn tell(self, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
        let (code, text) = match self {
            Failure::Arguments(error) if !error.use_stderr() => {
                // Where even this cannot be written, the exit code is all that is left.
                drop(write!(out, "{}", error.render()));
                return 0;
            }
            Failure::Arguments(error) => (Self::USAGE, error.render().to_string()),
            // A reader that has seen enough (`weir check | head`) is no failure.
            Failure::Output(error) if error.kind() == ErrorKind::BrokenPipe => return 0,
            Failure::Output(error) => (Self::INTERNAL, format!("weir: cannot write: {error}")),
            Failure::NoConfig(message) => (Self::USAGE, format!("weir: {message}")),
            Failure::Config(problems) => (Self::USAGE, of_config(&problems)),
            Failure::Serve(error) => (Self::UNAVAILABLE, format!("weir: {error}")),
            Failure::Unavailable(message) => (Self::UNAVAILABLE, format!("weir: {message}")),
            Failure::Refused { message, .. } => (Self::REFUSED, format!("weir: {message}")),
            Failure::Argument(message) => (Self::USAGE, format!("weir: {message}")),
            Failure::Sim(error) => (Self::UNAVAILABLE, format!("weir sim: {error}")),
        };
        drop(writeln!(err, "{}", text.trim_end()));
        code
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Output(error)
    }
}

fn of_config(problems: &Problems) -> String {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    format!("{problems}\nweir: {count} in {}", problems.file().display())
}
