//! The ways in which the soak makes a host fail: how each is called, and how it is ordered of a simulated host.

use std::time::Duration;

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and started again at the end.
    Killed,
    /// The same, and it loads its model before it is back.
    KilledThenLoading,
    /// SIGSTOP, and SIGCONT at the end.
    Stopped,
    /// SIGSTOP, SIGKILL half-way, and started again at the end.
    StoppedThenKilled,
    /// Faults that the host commits itself, as its control endpoint takes them; see docs/sim.md.
    Armed {
        name: &'static str,
        orders: &'static str,
    },
}

const fn armed(name: &'static str, orders: &'static str) -> Fault {
    Fault::Armed { name, orders }
}

/// Waits in them are bounded, so that answers that are no streams end too: those are waited for as long as they may take.
pub const ALL: [Fault; 22] = [
    Fault::Killed,
    Fault::KilledThenLoading,
    Fault::Stopped,
    Fault::StoppedThenKilled,
    armed(
        "refuses",
        r#"[{"fault":"refuse","style":"drop","for":"3s"}]"#,
    ),
    armed("slow", r#"[{"fault":"slow_head","for":"500ms"}]"#),
    armed("500", r#"[{"fault":"status=500"}]"#),
    armed(
        "503 now and then",
        r#"[{"fault":"status=503","share":0.4}]"#,
    ),
    armed("429", r#"[{"fault":"status=429","retry_after":1}]"#),
    armed("HTML 500", r#"[{"fault":"html_500"}]"#),
    armed("empty 502", r#"[{"fault":"empty_502"}]"#),
    armed("garbage", r#"[{"fault":"garbage"}]"#),
    armed("reset before", r#"[{"fault":"reset_before"}]"#),
    armed("closed before", r#"[{"fault":"close_before","share":0.5}]"#),
    armed("error first", r#"[{"fault":"error_first=503"}]"#),
    armed(
        "error in stream",
        r#"[{"fault":"error_mid","after":5,"share":0.5}]"#,
    ),
    armed(
        "reset in answer",
        r#"[{"fault":"reset","after":4,"share":0.5}]"#,
    ),
    armed(
        "cut off",
        r#"[{"fault":"truncate","style":"cut","after":4,"share":0.5}]"#,
    ),
    armed(
        "cut off cleanly",
        r#"[{"fault":"truncate","style":"clean","after":4}]"#,
    ),
    armed(
        "silent",
        r#"[{"fault":"stall","after":4,"for":"5s","share":0.5}]"#,
    ),
    armed("probe lies", r#"[{"fault":"status=503","path":"/health"}]"#),
    armed("closes after", r#"[{"fault":"close_after","share":0.5}]"#),
];

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Killed => "killed",
            Fault::KilledThenLoading => "killed, then loading",
            Fault::Stopped => "stopped",
            Fault::StoppedThenKilled => "stopped, then killed",
            Fault::Armed { name, .. } => name,
        }
    }

    /// How long the model is loaded after the start that ends the fault.
    pub fn loading(self) -> Duration {
        match self {
            Fault::KilledThenLoading => Duration::from_secs(2),
            _ => Duration::ZERO,
        }
    }
}
