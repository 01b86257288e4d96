//! The way to the admin API: that of the server which has the store, or the desk in this process where none runs. Either way the
//! same handlers answer. It must not know what is asked.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::ask::{self, Heard, Question};
use super::{Failure, environment, locate};
use crate::admin::{Call, Desk, Pass, place};
use crate::config::Config;
use crate::gateway::Accounting;
use crate::log;

/// Where the admin API is.
#[derive(Debug, Args)]
pub(super) struct Reaching {
    /// The configuration [default: ./weir.yaml, else /etc/weir/weir.yaml]
    #[arg(
        long = "config",
        short = 'c',
        value_name = "FILE",
        env = "WEIR_CONFIG",
        global = true
    )]
    config: Option<PathBuf>,
    /// The admin listener of a running weir, such as http://127.0.0.1:9090; the token is WEIR_ADMIN_TOKEN's
    #[arg(long, value_name = "URL", env = "WEIR_ADMIN", global = true)]
    admin: Option<String>,
}

/// Who answers.
pub(super) enum Reach {
    Server {
        address: SocketAddr,
        token: Option<String>,
    },
    InProcess(Box<(Config, Accounting)>),
}

/// A good answer.
pub(super) struct Answer {
    pub body: Vec<u8>,
    /// Where the next page begins, of answers that are no JSON.
    pub next: Option<String>,
}

impl Answer {
    pub(super) fn json(&self) -> Result<Value, Failure> {
        let read = serde_json::from_slice(&self.body);
        read.map_err(|error| {
            Failure::Unavailable(format!("the admin API answers no JSON: {error}"))
        })
    }
}

impl Reaching {
    /// # Errors
    /// When neither a server nor the store can be reached.
    pub(super) fn reach(&self) -> Result<Reach, Failure> {
        let token = environment("WEIR_ADMIN_TOKEN");
        if let Some(url) = &self.admin {
            let address = address_of(url)?;
            return Ok(Reach::Server { address, token });
        }
        let path = locate::locate(self.config.as_deref())?;
        let config = Config::load(&path, &environment).map_err(Failure::Config)?;
        let listener = config.admin.as_ref();
        let configured = listener.and_then(|admin| admin.token.as_ref());
        let token = configured.map(|token| token.expose().to_owned()).or(token);
        let Some(store) = &config.store else {
            let address = listener.map(|admin| place::reachable(admin.address));
            let address = address.filter(|address| ask::is_there(*address));
            return address.map(|address| Reach::Server { address, token }).ok_or_else(|| {
                Failure::Unavailable("no server answers where the configuration says, and it has no `store` that could be opened; start weir, or add `store: { path: weir-data }`".to_owned())
            });
        };
        let folder = store.path.clone();
        log::start_diagnostics(crate::config::LogFormat::Text);
        // Only who has the store knows what holds now: the lock decides, not a file that somebody may have left behind.
        match Accounting::open(&config) {
            Ok(accounting) => Ok(Reach::InProcess(Box::new((config, accounting)))),
            Err(why) => {
                let told = place::Place::told(&folder);
                let told = told.filter(|address| ask::is_there(*address));
                told.map(|address| Reach::Server { address, token }).ok_or_else(|| {
                    Failure::Unavailable(format!("{why}\nweir: and no server answers on an admin listener; if one runs with `admin: off`, stop it first or give it a listener"))
                })
            }
        }
    }
}

impl Reach {
    /// # Errors
    /// What the admin API says, or that nothing answers.
    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Answer, Failure> {
        let heard = match self {
            Reach::Server { address, token } => {
                ask::ask(*address, token.as_deref(), question).map_err(Failure::Unavailable)?
            }
            Reach::InProcess(office) => in_process(&office.0, &office.1, question),
        };
        if heard.status < 300 {
            return Ok(Answer {
                body: heard.body,
                next: heard.next,
            });
        }
        let said: Value = serde_json::from_slice(&heard.body).unwrap_or_default();
        let error = &said["error"];
        let message = match error["message"].as_str() {
            Some(message) => message.to_owned(),
            None => format!("the admin API answers {}", heard.status),
        };
        let code = error["code"].as_str().unwrap_or_default().to_owned();
        Err(Failure::Refused { code, message })
    }

    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.ask(&Question::new(Method::GET, path, query, None))?
            .json()
    }

    pub(super) fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, Failure> {
        let body = body.map(|body| body.to_string());
        self.ask(&Question::new(
            method,
            path,
            &[],
            body.as_deref().map(str::as_bytes),
        ))
    }
}

fn in_process(config: &Config, accounting: &Accounting, question: &Question<'_>) -> Heard {
    let desk = Desk {
        accounting,
        config,
        changed: &|| {},
        upstream_keys_changed: &|| Ok(()),
        now: SystemTime::now(),
    };
    let call = Call {
        method: &question.method,
        path: &question.path,
        query: &question.query,
        idempotency_key: question.idempotency_key.map(str::as_bytes),
        body: question.body,
    };
    let answered = desk.answer(&Pass::operator("command line"), &call);
    let reply = answered.unwrap_or_else(crate::admin::Refusal::reply);
    let next = reply
        .headers()
        .get("x-next-cursor")
        .and_then(|next| next.to_str().ok());
    Heard {
        status: reply.status().as_u16(),
        next: next.map(str::to_owned),
        body: reply.into_body(),
    }
}

fn address_of(url: &str) -> Result<SocketAddr, Failure> {
    let wrong = |why: &str| {
        Failure::NoConfig(format!(
            "--admin {url}: {why}; write for example http://127.0.0.1:9090"
        ))
    };
    let read = url::Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    if read.scheme() != "http" {
        return Err(wrong("the admin listener speaks http only"));
    }
    let host = read.host_str().ok_or_else(|| wrong("it has no host"))?;
    let port = read
        .port_or_known_default()
        .ok_or_else(|| wrong("it has no port"))?;
    let mut found = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .map_err(|error| wrong(&error.to_string()))?;
    found.next().ok_or_else(|| wrong("its name has no address"))
}
