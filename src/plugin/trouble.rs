//! Why a plugin could not do its work. What becomes of the traffic then is not said here.

use std::fmt;
use std::time::Duration;

/// What went wrong in one call of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It computed beyond its deadline.
    Timeout(Duration),
    /// It waited beyond its deadline, for an answer from outside.
    Blocked(Duration),
    /// It broke off: a panic, an access out of bounds, a value that the contract does not know.
    Trap(String),
    /// It wanted more memory than the limit, in bytes.
    Memory(usize),
    /// It handed over more than the limit, in bytes.
    Output(usize),
    /// It says so itself.
    Said { retryable: bool, message: String },
    /// It has failed so often of late that it is not asked.
    Tripped,
    /// It could not be asked: no instance was free, or the one that the stream lived in is gone.
    Unavailable(String),
}

impl Trouble {
    /// For metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Trouble::Timeout(_) => "timeout",
            Trouble::Blocked(_) => "blocked",
            Trouble::Trap(_) => "trap",
            Trouble::Memory(_) => "memory",
            Trouble::Output(_) => "output",
            Trouble::Said { .. } => "said",
            Trouble::Tripped => "tripped",
            Trouble::Unavailable(_) => "unavailable",
        }
    }

    /// All that [`Trouble::label`] may say.
    pub const LABELS: [&'static str; 8] = [
        "timeout",
        "blocked",
        "trap",
        "memory",
        "output",
        "said",
        "tripped",
        "unavailable",
    ];

    /// Whether it counts against the plugin. That all instances are busy is the traffic's doing, and asking less helps nobody.
    pub fn counts(&self) -> bool {
        match self {
            Trouble::Tripped | Trouble::Unavailable(_) => false,
            Trouble::Timeout(_)
            | Trouble::Blocked(_)
            | Trouble::Trap(_)
            | Trouble::Memory(_)
            | Trouble::Output(_)
            | Trouble::Said { .. } => true,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Timeout(limit) => {
                write!(
                    out,
                    "ran beyond its deadline of {limit:?} (`limits.deadline`)"
                )
            }
            Trouble::Blocked(limit) => write!(
                out,
                "waited for an answer from outside beyond its deadline of {limit:?} (`limits.deadline`)"
            ),
            Trouble::Trap(what) => write!(out, "broke off: {what}"),
            Trouble::Memory(limit) => {
                write!(
                    out,
                    "wanted more than {limit} bytes of memory (`limits.memory`)"
                )
            }
            Trouble::Output(limit) => {
                write!(
                    out,
                    "handed over more than {limit} bytes in one call (`limits.output`)"
                )
            }
            Trouble::Said { message, .. } => write!(out, "says: {message}"),
            Trouble::Tripped => write!(out, "failed too often and is not asked for now"),
            Trouble::Unavailable(why) => write!(out, "cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for Trouble {}
