//! One host, a weir with everything before it and a weir with nothing, a store that is full, and the request.
//! What is measured on it is not known here.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::Settings;
use super::side::{FromMany, Side};
use crate::chat::{Ask, request_body};
use crate::checked::Expected;
use crate::compare::{free_address, ready};
use crate::drive::{Requests, Target, fetch};
use crate::process::Process;
use crate::request::Url;

const MODEL: &str = "bench";
/// Size of every request body, in bytes.
const BODY_BYTES: usize = 1024;
/// Longest wait for the answer that shows what is right.
const LEARN_WAIT: Duration = Duration::from_secs(60);
/// What a token of input and of output costs, in billionths: the configuration below has them for a million.
const INPUT_NANOS: u64 = 500;
const OUTPUT_NANOS: u64 = 2_000;

/// Running processes, and what to send to them.
pub struct Stage {
    // Before the host, so that they end first, and before the folder, which is removed last.
    pub sides: Vec<Side>,
    _host: Process,
    _folder: TempDir,
}

impl Stage {
    /// # Errors
    /// When something does not start, or an answer is not the host's.
    pub async fn start(settings: &Settings) -> Result<Stage> {
        let folder = tempfile::Builder::new().prefix("weir-bench-").tempdir()?;
        let tokens = Arc::new(fill(settings, &folder.path().join("store"))?);
        let host_address = free_address()?;
        let mut host = start_host(settings, host_address, folder.path())?;
        let probe = message(host_address, &tokens[0]);
        let started = ready(host_address, &probe, Some(&mut host)).await;
        started.context("the host is not ready")?;
        let expected = fetch(host_address, &probe, LEARN_WAIT).await?;
        let mut sides = Vec::new();
        for has_accounting in [false, true] {
            let side = start_side(
                settings,
                has_accounting,
                (host_address, &expected),
                &tokens,
                folder.path(),
            );
            sides.push(side.await?);
        }
        Ok(Stage {
            sides,
            _host: host,
            _folder: folder,
        })
    }
}

/// Fills the store; the tokens of its keys.
fn fill(settings: &Settings, store: &Path) -> Result<Vec<String>> {
    let Settings {
        fill_store,
        tenants,
        keys,
        ..
    } = settings;
    eprintln!("filling a store with {tenants} tenants and {keys} keys");
    let mut command = Command::new(fill_store);
    command
        .arg(store)
        .args([tenants.to_string(), keys.to_string()]);
    let output = command.output();
    let output = output.with_context(|| format!("cannot start {}", fill_store.display()))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {why}", fill_store.display());
    }
    let tokens = String::from_utf8(output.stdout)?;
    let tokens: Vec<String> = tokens.lines().map(str::to_owned).collect();
    match tokens.len() == *keys {
        true => Ok(tokens),
        false => bail!("{} tokens for {keys} keys", tokens.len()),
    }
}

async fn start_side(
    settings: &Settings,
    has_accounting: bool,
    (host, expected): (SocketAddr, &[u8]),
    tokens: &Arc<Vec<String>>,
    folder: &Path,
) -> Result<Side> {
    let name = if has_accounting { "with" } else { "without" };
    let (address, admin) = (free_address()?, free_address()?);
    let config = config(settings, has_accounting, (address, admin), host);
    let mut weir = start_weir(settings, name, &config, folder)?;
    let request = message(address, &tokens[0]);
    let started = ready(address, &request, Some(&mut weir)).await;
    started.with_context(|| {
        let log = std::fs::read_to_string(folder.join(format!("{name}.log")));
        format!("weir is not ready; it wrote:\n{}", log.unwrap_or_default())
    })?;
    let many = FromMany::new(&request, &tokens[0], tokens.clone());
    let requests: Requests = Arc::new(move |message: &mut Vec<u8>| many.write(message));
    let target = Target {
        address,
        request,
        expected: Expected::Body(expected.to_vec()),
    };
    // One was answered to see whether it is ready.
    let nanos_each = cost(expected)?;
    Ok(Side::new(
        has_accounting,
        (weir, admin),
        (target, requests),
        nanos_each,
        1,
    ))
}

/// What the host's answer costs.
fn cost(answer: &[u8]) -> Result<u64> {
    let answer: Value = serde_json::from_slice(answer)?;
    let count = |name: &str| {
        let count = answer["usage"][name].as_u64();
        count.with_context(|| format!("the host's answer has no usage.{name}"))
    };
    Ok(count("prompt_tokens")? * INPUT_NANOS + count("completion_tokens")? * OUTPUT_NANOS)
}

fn message(address: SocketAddr, token: &str) -> Vec<u8> {
    let url = Url {
        authority: address.to_string(),
        path: "/v1/chat/completions".to_owned(),
    };
    let headers = [
        "accept-encoding: gzip, deflate".to_owned(),
        format!("authorization: Bearer {token}"),
    ];
    let ask = Ask {
        model: MODEL,
        stream: false,
        max_tokens: 112,
        body_bytes: BODY_BYTES,
    };
    url.post_json(&headers, &request_body(ask))
}

fn start_host(settings: &Settings, address: SocketAddr, folder: &Path) -> Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["host", "--ttft", "0", "--model", MODEL])
        .args(["--listen", &address.to_string()]);
    let cores = settings.pinned.as_ref().map(|cores| cores.host.as_slice());
    Process::start("host", command, &folder.join("host.log"), cores)
}

/// With access log and metrics on both sides. With everything: four limits at four scopes (a key's requests and a tenant's tokens
/// stand in the store), a budget of each tenant, prices, a ledger on the disk.
fn config(
    settings: &Settings,
    has_accounting: bool,
    (address, admin): (SocketAddr, SocketAddr),
    host: SocketAddr,
) -> String {
    let threads = settings.threads;
    let (limits, accounting) = match has_accounting {
        true => (
            "limits: { concurrency: 1000000 }, ",
            "access: { required: true }
store: { path: store }
prices: { models: { bench: { input: 0.5, output: 2 } } }
limits: { global: { spend_per_day: 1000000000 } }
",
        ),
        false => ("", ""),
    };
    format!(
        r#"listen: {address}
admin: {admin}
server:
  threads: {threads}
upstreams:
  - {{ name: engine, kind: vllm, url: "http://{host}", models: [{MODEL}], dialects: [chat] }}
models:
  {MODEL}: {{ {limits}targets: [{{ upstream: engine, model: {MODEL} }}] }}
{accounting}"#
    )
}

fn start_weir(
    settings: &Settings,
    name: &'static str,
    config: &str,
    folder: &Path,
) -> Result<Process> {
    let file = folder.join(format!("{name}.yaml"));
    std::fs::write(&file, config)?;
    let words = settings
        .under
        .iter()
        .map(|word| word.replace("{side}", name));
    let mut words = words.chain([settings.weir.display().to_string()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
        .args(["serve", "--config"])
        .arg(&file)
        .current_dir(folder);
    let cores = settings
        .pinned
        .as_ref()
        .map(|cores| cores.proxies.as_slice());
    Process::start("weir", command, &folder.join(format!("{name}.log")), cores)
}
