//! A stage for one scenario: a fresh host, fresh sides in front of it, the request, and what a right answer to it is.
//! It starts and ends processes; what is measured on it is not its matter.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::side::{self, Name, Side};
use super::{HostKind, Settings};
use crate::chat::{Ask, request_body};
use crate::checked::Expected;
use crate::drive::{Target, fetch};
use crate::events::Events;
use crate::process::Process;
use crate::request::Url;

/// Size of every request body, in bytes.
const BODY_BYTES: usize = 1024;
/// Longest wait for the answers that show what is right.
const LEARN_WAIT: Duration = Duration::from_secs(60);
/// The one model.
const MODEL: &str = "bench";

/// What OpenAI's own Python client sends besides: proxies have to carry that.
const CLIENT_HEADERS: [&str; 9] = [
    "accept-encoding: gzip, deflate",
    "authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef",
    "x-stainless-lang: python",
    "x-stainless-package-version: 2.3.0",
    "x-stainless-os: Linux",
    "x-stainless-arch: x64",
    "x-stainless-runtime: CPython",
    "x-stainless-runtime-version: 3.12.11",
    "x-stainless-retry-count: 0",
];

/// What is asked of the host on one stage.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    pub stream: bool,
    /// Content events of a stream.
    pub events: u64,
    /// Between two events; zero for as fast as possible.
    pub pace: Duration,
}

pub struct Stage {
    // Before `_host`, so that the proxies end first, and before `_folder`, so that it is removed last.
    pub sides: Vec<Side>,
    request_body: Vec<u8>,
    expected: Expected,
    _host: Process,
    _folder: TempDir,
}

impl Stage {
    /// # Errors
    /// When something does not start, or the host itself answers wrongly.
    pub async fn start(settings: &Settings, play: Play) -> Result<Stage> {
        let folder = tempfile::Builder::new().prefix("weir-bench-").tempdir()?;
        let host_address = side::free_address()?;
        let mut host = start_host(settings, play, host_address, folder.path())?;
        let ask = Ask {
            model: MODEL,
            stream: play.stream,
            max_tokens: play.events,
            body_bytes: BODY_BYTES,
        };
        let request_body = request_body(ask);
        let probe = message(
            host_address,
            &self::request_body(Ask {
                stream: false,
                max_tokens: 1,
                ..ask
            }),
        );
        side::ready(host_address, &probe, Some(&mut host))
            .await
            .context("the host is not ready")?;

        let mut sides = vec![
            Side::direct(host_address),
            Side::nginx(Name::Nginx, folder.path(), host_address, settings)?,
        ];
        sides.push(match &settings.weir {
            Some(binary) => Side::weir(binary, folder.path(), host_address, settings)?,
            None => Side::nginx(Name::Weir, folder.path(), host_address, settings)?,
        });
        for side in &mut sides {
            side.ready(&probe).await?;
        }
        let expected = learn(host_address, &message(host_address, &request_body), play)
            .await
            .context("the host's own answer")?;
        Ok(Stage {
            sides,
            request_body,
            expected,
            _host: host,
            _folder: folder,
        })
    }

    /// What to send to a side, and what must come back.
    pub fn target(&self, side: usize) -> Target {
        let address = self.sides[side].address;
        Target {
            address,
            request: message(address, &self.request_body),
            expected: self.expected.clone(),
        }
    }

    /// Ends everything.
    ///
    /// # Errors
    /// When a side did not do what it is compared at.
    pub async fn end(self) -> Result<()> {
        for side in self.sides {
            side.end().await?;
        }
        Ok(())
    }
}

fn message(address: SocketAddr, body: &[u8]) -> Vec<u8> {
    let url = Url {
        authority: address.to_string(),
        path: "/v1/chat/completions".to_owned(),
    };
    url.post_json(&CLIENT_HEADERS.map(str::to_owned), body)
}

fn start_host(
    settings: &Settings,
    play: Play,
    address: SocketAddr,
    folder: &Path,
) -> Result<Process> {
    let pace = format!("{}us", play.pace.as_micros());
    let mut command = match (settings.host, &settings.weir) {
        (HostKind::Fixed, _) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([
                "host",
                "--ttft",
                "0",
                "--listen",
                &address.to_string(),
                "--model",
                MODEL,
            ]);
            command
        }
        (HostKind::Sim, Some(weir)) => {
            let mut command = Command::new(weir);
            command.args([
                "sim",
                "--fixed-ids",
                "--threads",
                "1",
                "--ttft",
                "0",
                "--models",
                MODEL,
            ]);
            command.args([
                "--port",
                &address.port().to_string(),
                "--tokens",
                &play.events.to_string(),
            ]);
            command
        }
        (HostKind::Sim, None) => bail!("--host sim is part of weir, and no --weir is given"),
    };
    command.args(["--itl", &pace]);
    let cores = settings.pinned.as_ref().map(|cores| cores.host.as_slice());
    Process::start("host", command, &folder.join("host.log"), cores)
}

/// Asks the host itself, twice. Equal answers are what every side must give, byte for byte; if the host's answers differ
/// from each other (in their ids, say), streams must have as many events.
async fn learn(host: SocketAddr, request: &[u8], play: Play) -> Result<Expected> {
    let (first, second) = (
        fetch(host, request, LEARN_WAIT).await?,
        fetch(host, request, LEARN_WAIT).await?,
    );
    let mut events = Events::default();
    events.feed(&first);
    if play.stream && (!events.done() || events.count < play.events) {
        bail!(
            "{} events for {} tokens, end marker: {}",
            events.count,
            play.events,
            events.done()
        );
    }
    Ok(match (first == second, play.stream) {
        (true, _) => Expected::Body(first),
        (false, true) => Expected::Stream {
            events: Some(events.count),
        },
        (false, false) => Expected::Anything,
    })
}
