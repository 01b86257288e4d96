//! Lines about plugins, and of their own, in weir's log: bounded in length and number, under one target.

use parking_lot::Mutex;
use weir_plugin::Level;

/// Of one line; the rest is cut off.
const LINE_BYTES_MAX: usize = 4096;
/// A plugin's own lines within [`SPAN_NS`].
pub(super) const OWN_LINES_MAX: u32 = 100;
const SPAN_NS: u64 = 1_000_000_000;

/// Counts lines.
pub struct LineGate {
    lines_max: u32,
    span: Mutex<Span>,
}

#[derive(Default)]
struct Span {
    began_ns: u64,
    lines: u32,
    left_out: u64,
}

impl LineGate {
    /// `lines_max`: in a second.
    pub fn new(lines_max: u32) -> LineGate {
        LineGate {
            lines_max,
            span: Mutex::default(),
        }
    }

    /// Lines left out before this one, if this one may be written.
    pub fn passes(&self, now_ns: u64) -> Option<u64> {
        let mut span = self.span.lock();
        if now_ns.saturating_sub(span.began_ns) >= SPAN_NS {
            span.began_ns = now_ns;
            span.lines = 0;
        }
        if span.lines >= self.lines_max {
            span.left_out += 1;
            return None;
        }
        span.lines += 1;
        Some(std::mem::take(&mut span.left_out))
    }
}

/// Writes a line of the plugin's own.
pub(super) fn write(plugin: &str, level: Level, message: &str, left_out: u64) {
    if left_out > 0 {
        tracing::warn!(target: "weir::plugin", plugin, left_out, "lines of a plugin's own were left out: too many in a second");
    }
    let message = cut(message);
    match level {
        Level::Debug => tracing::debug!(target: "weir::plugin", plugin, "{message}"),
        Level::Info => tracing::info!(target: "weir::plugin", plugin, "{message}"),
        Level::Warn => tracing::warn!(target: "weir::plugin", plugin, "{message}"),
        Level::Error => tracing::error!(target: "weir::plugin", plugin, "{message}"),
    }
}

/// The beginning of a line that is too long.
fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(LINE_BYTES_MAX)]
}
