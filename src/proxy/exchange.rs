//! The life of an exchange, top to bottom: receive the request, plan where to try, attempt one candidate after another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::fault::Fault;
use crate::gateway::{Gateway, Snapshot};
use crate::route::{Candidate, Catalog, Plan};
use crate::upstream::health::Trial;
use crate::upstream::{self, Chosen, Lease, Standing};
use crate::wire::endpoint::{Endpoint, ModelIn};
use crate::wire::openai::Envelope;

use super::attempt::{self, Failure, Refusal};
use super::client::Client;
use super::course::{Course, Leave, Next, Reason};
use super::receive::{Body, Received, receive};
use super::relay;
use super::settle::{ModelName, Record};
use super::sticky;
use super::watch::{Interrupted, watched};

/// How often a model that nobody lists yet is looked for, while a host is loading.
const MODEL_LOOK: Duration = Duration::from_millis(50);

/// A request that is ready to be sent anywhere.
pub struct Exchange {
    pub gateway: Arc<Gateway>,
    pub snapshot: Arc<Snapshot>,
    pub endpoint: &'static Endpoint,
    pub envelope: Envelope,
    /// Kept for further attempts, until an answer is accepted.
    body: Mutex<Option<Body>>,
}

impl Exchange {
    /// The client's body; empty once an answer has been accepted.
    pub fn body(&self) -> Bytes {
        let body = self.body.lock();
        body.as_ref()
            .map(|body| body.bytes.clone())
            .unwrap_or_default()
    }

    /// No further attempt will be made: the body, which a long stream has no use for, is given back.
    pub fn accepted(&self) {
        self.body.lock().take();
    }

    /// The model's name for those who read faults.
    pub fn model(&self) -> &str {
        self.envelope
            .model
            .as_deref()
            .unwrap_or("the default model")
    }
}

/// Runs an exchange to its answer.
///
/// # Errors
/// The fault that ended it; as far as it can still be told, the client is to be told.
pub async fn run(
    gateway: Arc<Gateway>,
    mut snapshot: Arc<Snapshot>,
    endpoint: &'static Endpoint,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    record.operation = Some(endpoint.operation);
    let received = receive(client.session, endpoint, &gateway, &snapshot.config.limits).await?;
    let Received { body, envelope } = received;
    record.note_received(envelope.stream);
    let plan = match plan(&snapshot.catalog, endpoint, &envelope, record) {
        Err(Fault::ModelUnknown(asked)) => {
            await_model(&gateway, &mut snapshot, asked, client, record).await?
        }
        planned => planned?,
    };
    let exchange = Exchange {
        gateway,
        snapshot,
        endpoint,
        envelope,
        body: Mutex::new(Some(body)),
    };
    try_models(&exchange, plan, client, record).await
}

/// Where to try; notes the model's name.
fn plan(
    catalog: &Catalog,
    endpoint: &Endpoint,
    envelope: &Envelope,
    record: &mut Record,
) -> Result<Plan, Fault> {
    let asked = envelope.model.as_deref().filter(|model| !model.is_empty());
    let Some(asked) = asked else {
        let default = if endpoint.model_optional {
            catalog.default_plan()
        } else {
            None
        };
        return default.ok_or(Fault::ModelMissing {
            place: place(endpoint.model_in),
        });
    };
    let plan = catalog.plan(asked);
    record.model = ModelName::of(asked, plan.as_ref());
    plan.ok_or_else(|| Fault::ModelUnknown(asked.to_owned()))
}

/// A model that nobody lists may be one that a host is still loading: that is waited for.
async fn await_model(
    gateway: &Gateway,
    snapshot: &mut Arc<Snapshot>,
    asked: String,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Plan, Fault> {
    let failover = &snapshot.config.failover;
    let until = record.begun + failover.cold_start_wait.min(failover.deadline);
    // A host that has loaded has still to be asked for its list, and the catalog to be built on that.
    let awaited = snapshot.loading();
    while snapshot.lacks_any(&awaited) {
        let now = Instant::now();
        if now >= until {
            count_wait(gateway, Reason::ColdStart, "in_vain");
            return Err(Fault::Loading { model: asked });
        }
        pause(client, until.min(now + MODEL_LOOK)).await?;
        *snapshot = gateway.snapshot();
        if let Some(plan) = snapshot.catalog.plan(&asked) {
            record.model = ModelName::of(&asked, Some(&plan));
            count_wait(gateway, Reason::ColdStart, "served");
            return Ok(plan);
        }
    }
    Err(Fault::ModelUnknown(asked))
}

fn place(model_in: ModelIn) -> &'static str {
    match model_in {
        ModelIn::Json => "the body's member",
        ModelIn::Form => "the form's field",
        ModelIn::Query => "the query's parameter",
        ModelIn::Nowhere => "the path's",
    }
}

/// How the candidates of one model did.
enum Tried {
    Answered,
    /// Nothing has answered.
    InVain(Refusal),
    /// The request is too long for the model.
    TooLong(Refusal),
}

/// Tries the model that was asked for, then those that may answer in its place.
async fn try_models(
    exchange: &Exchange,
    plan: Plan,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let failover = &exchange.snapshot.config.failover;
    let (budget, deadline) = (&exchange.gateway.retries, plan.route.deadline);
    let mut course = Course::new(failover, budget, deadline, record.begun);
    let tried = try_model(exchange, &plan, &mut course, client, record).await?;
    let (mut refusal, fallbacks) = match tried {
        Tried::Answered => return Ok(()),
        Tried::InVain(refusal) => (refusal, &plan.route.fallbacks),
        Tried::TooLong(refusal) => (refusal, &plan.route.context_fallbacks),
    };
    for name in fallbacks {
        let fallback = exchange.snapshot.catalog.plan(name);
        // The default upstream would be asked for the client's model, under the fallback's name.
        let Some(fallback) = fallback.filter(|fallback| fallback.model.is_some()) else {
            continue;
        };
        if let Leave::Refused(bound) = course.turn_to_another_model(Instant::now()) {
            count_refused(&exchange.gateway, bound);
            break;
        }
        record.fallback = Some(name.clone());
        refusal = match try_model(exchange, &fallback, &mut course, client, record).await? {
            Tried::Answered => return Ok(()),
            Tried::InVain(last) | Tried::TooLong(last) => last,
        };
    }
    // Nobody has answered in the place of another.
    record.fallback = None;
    Err(pass_refusal(exchange, refusal, client, record).await)
}

/// Goes through the candidates of one model until one answers, or none can.
async fn try_model(
    exchange: &Exchange,
    plan: &Plan,
    course: &mut Course<'_>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Tried, Fault> {
    let sticky = sticky::hash(plan.route.sticky, client.session.req_header(), exchange);
    let mut waited = None;
    loop {
        let candidates = candidates(exchange, plan, sticky, client).await?;
        course.begin_round();
        let round = go_through(exchange, &candidates, course, client, record).await?;
        let tried = match round {
            Round::Ended(tried) => *tried,
            Round::Through => match course.next(Instant::now(), fastrand::f64()) {
                Next::Again(after) => {
                    pause(client, Instant::now() + after).await?;
                    continue;
                }
                Next::Wait(reason, until) => {
                    waited = Some(reason);
                    pause(client, until).await?;
                    continue;
                }
                Next::GiveUp => Tried::InVain(course.give_up(exchange.model(), Instant::now())),
            },
            Round::Stopped => Tried::InVain(course.give_up(exchange.model(), Instant::now())),
        };
        if let Some(reason) = waited {
            let outcome = match tried {
                Tried::Answered => "served",
                Tried::InVain(_) | Tried::TooLong(_) => "in_vain",
            };
            count_wait(&exchange.gateway, reason, outcome);
        }
        return Ok(tried);
    }
}

fn count_wait(gateway: &Gateway, reason: Reason, outcome: &str) {
    let labels = [reason.label(), outcome];
    gateway.metrics.waits.with_label_values(&labels).inc();
}

async fn candidates(
    exchange: &Exchange,
    plan: &Plan,
    sticky: Option<u64>,
    client: &mut Client<'_>,
) -> Result<Vec<Candidate>, Fault> {
    let stream = exchange.envelope.stream;
    let known = plan.known_candidates(sticky, stream);
    if !known.is_empty() {
        return Ok(known);
    }
    // Looking a name up has a bound of its own.
    let far = Instant::now() + Duration::from_secs(3600);
    let found = watched(client, far, plan.found_candidates(sticky, stream)).await;
    found.map_err(|_| Fault::ClientGone)
}

/// Waits, while the client stays.
pub async fn pause(client: &mut Client<'_>, until: Instant) -> Result<(), Fault> {
    match watched(client, until, std::future::pending::<()>()).await {
        Err(Interrupted::ClientGone) => Err(Fault::ClientGone),
        Ok(()) | Err(Interrupted::TimedOut) => Ok(()),
    }
}

/// How one pass through the candidates went.
enum Round {
    Ended(Box<Tried>),
    /// No candidate is left.
    Through,
    /// There is more to try, but a bound has been reached.
    Stopped,
}

async fn go_through(
    exchange: &Exchange,
    candidates: &[Candidate],
    course: &mut Course<'_>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Round, Fault> {
    let usable = candidates
        .iter()
        .any(|candidate| candidate.standing.is_usable());
    for candidate in candidates {
        if course.has_failed(candidate.endpoint.place()) {
            continue;
        }
        let mut trial = None;
        match candidate.standing {
            Standing::Trial => {
                trial = candidate.endpoint.health.take_trial(Instant::now());
                // Another exchange is the trial.
                if trial.is_none() && usable {
                    continue;
                }
            }
            Standing::Loading => {
                course.loading = true;
                // When the wait is over it is tried all the same, as nothing better is left.
                if course.waits_for_loading(Instant::now()) {
                    continue;
                }
            }
            Standing::Healthy
            | Standing::Recovering
            | Standing::Busy
            | Standing::Ejected
            | Standing::Down => {}
        }
        let round = try_keys(exchange, candidate, trial, course, client, record).await?;
        if let Some(round) = round {
            return Ok(round);
        }
    }
    Ok(Round::Through)
}

/// What stands before an attempt at an endpoint.
pub enum Leasing {
    /// With this key, where one is wanted.
    Go(Option<Lease>),
    /// No key is free there; the course has noted why.
    Elsewhere,
    /// A bound of the exchange has been reached.
    Stop,
}

/// Takes a key for an attempt, and the leave to begin it.
pub fn lease(
    gateway: &Gateway,
    endpoint: &upstream::Endpoint,
    model: &str,
    course: &mut Course<'_>,
    record: &Record,
) -> Leasing {
    let lease = match endpoint.account.choose(model) {
        Chosen::NotNeeded => None,
        Chosen::Key(lease) => Some(lease),
        Chosen::Wait(soonest) => {
            course.note_key_free(soonest, Instant::now());
            return Leasing::Elsewhere;
        }
        Chosen::NotAllowed => {
            let model = model.to_owned();
            course.note_no_key(Fault::NoKeyFor { model });
            return Leasing::Elsewhere;
        }
        Chosen::AllOut => {
            let model = model.to_owned();
            course.note_no_key(Fault::NoKey { model });
            return Leasing::Elsewhere;
        }
    };
    if let Leave::Refused(bound) = course.begin_attempt(Instant::now()) {
        if let Some(lease) = lease {
            lease.unsent();
        }
        count_refused(gateway, bound);
        return Leasing::Stop;
    }
    count_failover(gateway, course, record);
    Leasing::Go(lease)
}

/// Tries one endpoint with one key after another; `None`: on to the next candidate.
async fn try_keys(
    exchange: &Exchange,
    candidate: &Candidate,
    mut trial: Option<Trial>,
    course: &mut Course<'_>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Round>, Fault> {
    let model = candidate.model.as_deref().unwrap_or(exchange.model());
    loop {
        let lease = match lease(
            &exchange.gateway,
            &candidate.endpoint,
            model,
            course,
            record,
        ) {
            Leasing::Go(lease) => lease,
            Leasing::Elsewhere => return Ok(None),
            Leasing::Stop => return Ok(Some(Round::Stopped)),
        };
        match attempt::run(exchange, candidate, lease, trial.take(), client, record).await {
            Ok(()) => return Ok(Some(Round::Ended(Box::new(Tried::Answered)))),
            Err(Failure::Final(fault)) => return Err(fault),
            Err(Failure::Stands(refusal)) if refusal.reason.context_too_long => {
                return Ok(Some(Round::Ended(Box::new(Tried::TooLong(refusal)))));
            }
            Err(Failure::Stands(refusal)) => {
                return Err(pass_refusal(exchange, refusal, client, record).await);
            }
            Err(Failure::Next { refusal, cause }) => {
                course.note(candidate.endpoint.place(), refusal, cause);
                match cause {
                    attempt::Cause::Key => {}
                    attempt::Cause::Endpoint
                    | attempt::Cause::Busy
                    | attempt::Cause::Loading
                    | attempt::Cause::Elsewhere => return Ok(None),
                }
            }
        }
    }
}

/// Counts an attempt that was not allowed.
fn count_refused(gateway: &Gateway, bound: &str) {
    let refused = &gateway.metrics.retries_refused;
    refused.with_label_values(&[bound]).inc();
}

/// Counts an attempt that follows a failed one.
fn count_failover(gateway: &Gateway, course: &Course<'_>, record: &Record) {
    if let Some((refusal, _)) = &course.last {
        let labels = [record.upstream_name(), refusal.fault.label()];
        gateway.metrics.failovers.with_label_values(&labels).inc();
    }
}

/// Passes an upstream's own words of refusal, where there are any; gives back the fault to note.
async fn pass_refusal(
    exchange: &Exchange,
    refusal: Refusal,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Fault {
    let Some(whole) = refusal.said else {
        return refusal.fault;
    };
    match relay::whole(exchange, whole, client, record).await {
        Ok(()) => refusal.fault,
        Err(fault) => fault,
    }
}
