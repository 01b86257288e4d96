//! An observer that writes settled exchanges as lines of JSON: to weir's log, or in batches to a server that the configuration
//! grants. Fields are chosen and hidden by their paths; what a server does not take waits within a bound, and what is dropped is
//! counted.

mod config;
mod deliver;
mod line;
mod path;

use weir_plugin::{Host, Level, Observer, Outcome};

use config::{Config, Destination, Server};
use deliver::Pending;

weir_plugin::observer!(JsonLines);

/// The observer.
pub struct JsonLines {
    config: Config,
    pending: Pending,
}

impl Observer for JsonLines {
    fn configure(config_json: &str) -> Result<JsonLines, String> {
        Ok(JsonLines {
            config: Config::parse(config_json)?,
            pending: Pending::default(),
        })
    }

    fn on_log(&mut self, host: &dyn Host, batch: &[Outcome]) -> Result<(), String> {
        let (mut lines, mut too_long) = (Vec::with_capacity(batch.len()), 0);
        for outcome in batch {
            match line::line(outcome, &self.config) {
                Ok(line) => lines.push(line),
                Err(_) => too_long += 1,
            }
        }
        let bound = self.config.line_bytes_max;
        let why = (too_long > 0).then(|| format!("longer than {bound} bytes"));
        match &self.config.to {
            Destination::Log => {
                lines.iter().for_each(|line| host.log(Level::Info, line));
                count(host, "json_lines_sent", lines.len());
                told(host, too_long, why)
            }
            Destination::Http(server) => {
                let (dropped, later) = post(&mut self.pending, server, lines, host);
                told(host, too_long + dropped, later.or(why))
            }
        }
    }
}

/// How many lines were dropped, and why the last that was not sent was not.
fn post(
    pending: &mut Pending,
    server: &Server,
    lines: Vec<String>,
    host: &dyn Host,
) -> (usize, Option<String>) {
    let (mut sent, mut dropped, mut why) = (0, 0, None);
    let mut deliver = |pending: &mut Pending| {
        let delivered = pending.deliver(server, host);
        sent += delivered.sent;
        dropped += delivered.dropped;
        why = delivered.why.or(why.take());
    };
    let (mut crowded_out, mut may_send) = (0, true);
    for line in lines {
        if may_send && !pending.has_room(&line, server) {
            deliver(pending);
            // What is still there was not taken, and would not be for each line that comes.
            may_send = pending.len() == 0;
        }
        crowded_out += pending.add(line, server);
    }
    if may_send {
        deliver(pending);
    }
    count(host, "json_lines_sent", sent);
    host.gauge("json_lines_pending", &[], pending.len() as f64);
    (crowded_out + dropped, why)
}

/// Counts what was dropped, and makes an error of it.
fn told(host: &dyn Host, dropped: usize, why: Option<String>) -> Result<(), String> {
    count(host, "json_lines_dropped", dropped);
    match dropped {
        0 => Ok(()),
        _ => Err(format!(
            "{dropped} lines dropped: {}",
            why.as_deref().unwrap_or("no room for more")
        )),
    }
}

fn count(host: &dyn Host, name: &str, lines: usize) {
    if lines > 0 {
        host.count(name, &[], lines as f64);
    }
}
