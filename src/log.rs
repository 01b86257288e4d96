//! What weir writes for its operators: diagnostics by `tracing`, and the access log, which a thread of its own writes so
//! that no exchange waits for a disk or a pipe.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Lines that may wait to be written. Above it lines are dropped and counted: traffic goes before its log.
const LINES_WAITING_MAX: usize = 16 * 1024;
/// Lines are gathered for this long before they are written: a write, and a thread woken, for each line would cost more
/// than the exchange's own work.
const GATHER: Duration = Duration::from_millis(20);
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// Sends diagnostics to standard error. `RUST_LOG` chooses what; without it, weir's own from `info` on and its libraries' errors.
pub fn start_diagnostics(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error,weir=info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call, in a process that serves twice, changes nothing.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_target(false).try_init(),
    };
}

/// Where access-log lines go.
pub struct AccessLog {
    format: LogFormat,
    entries: Option<SyncSender<Entry>>,
    dropped: IntCounter,
}

enum Entry {
    Line(Vec<u8>),
    /// Everything before it is to be written now, and the sender told.
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// A log on standard output; where it is not wanted, it writes nothing.
    pub fn new(log: &Log, dropped: IntCounter) -> AccessLog {
        AccessLog {
            format: log.format,
            entries: log.access.then(start_writer),
            dropped,
        }
    }

    /// How lines are to be written: as when the process began, whatever was read since.
    pub fn format(&self) -> LogFormat {
        self.format
    }

    pub fn is_on(&self) -> bool {
        self.entries.is_some()
    }

    /// Hands over one line, without its line end. Never waits.
    pub fn write(&self, mut line: Vec<u8>) {
        let Some(entries) = &self.entries else {
            return;
        };
        line.push(b'\n');
        if entries.try_send(Entry::Line(line)).is_err() {
            self.dropped.inc();
        }
    }

    /// Waits until all lines so far are written, at most for `FLUSH_WAIT`: whoever reads the log may have stopped.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        let asked = self
            .entries
            .as_ref()
            .map(|entries| entries.try_send(Entry::Flush(done)));
        if let Some(Ok(())) = asked {
            let _ = written.recv_timeout(FLUSH_WAIT);
        }
    }
}

fn start_writer() -> SyncSender<Entry> {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    let started = std::thread::Builder::new()
        .name("access-log".to_owned())
        .spawn(move || write_entries(&receiver));
    started.expect("the system can start a thread");
    sender
}

fn write_entries(entries: &Receiver<Entry>) {
    let mut output = std::io::stdout();
    let mut gathered = Vec::new();
    while let Ok(first) = entries.recv() {
        let mut flush = gather(first, &mut gathered);
        if flush.is_none() {
            std::thread::sleep(GATHER);
            flush = entries
                .try_iter()
                .find_map(|entry| gather(entry, &mut gathered));
        }
        // Nobody is there to be told when standard output is closed.
        let _ = output.write_all(&gathered).and_then(|()| output.flush());
        gathered.clear();
        if let Some(flush) = flush {
            let _ = flush.send(());
        }
    }
}

/// Adds a line to what is gathered; gives back whom to tell once it is written.
fn gather(entry: Entry, gathered: &mut Vec<u8>) -> Option<SyncSender<()>> {
    match entry {
        Entry::Line(line) => {
            gathered.extend_from_slice(&line);
            None
        }
        Entry::Flush(done) => Some(done),
    }
}
