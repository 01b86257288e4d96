//! The life of an exchange, top to bottom: receive the request, plan where to try, attempt one candidate after another.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, header};
use parking_lot::Mutex;

use crate::fault::Fault;
use crate::gateway::{Gateway, Snapshot};
use crate::route::{Candidate, Catalog, Plan};
use crate::tokens::request_tokens;
use crate::upstream::health::Trial;
use crate::upstream::{Account, Standing};
use crate::wire::endpoint::{Endpoint, ModelIn};
use crate::wire::neutral::Request;
use crate::wire::openai::{self, Envelope};
use crate::wire::translate::{self, Naming};
use crate::wire::{Dialect, Operation};

use super::admit::Asking;
use super::attempt::{self, Failure, Refusal, Whole};
use super::charge::{self, Refused, Wanted};
use super::client::Client;
use super::course::{Course, Leave, Next};
use super::filters::Filters;
use super::headers;
use super::lease::{Leasing, count_refused, lease};
use super::order::order;
use super::plan::{self, count_wait, pause};
use super::prepare::{self, Prepared, Unprepared};
use super::receive::{Body, Received, receive};
use super::refuse;
use super::relay;
use super::screen::{Passed, Screened, screen};
use super::settle::Record;
use super::sticky;
use super::translated::Said;
use super::view::ExchangeView;

/// A request that is ready to be sent anywhere.
pub struct Exchange {
    pub gateway: Arc<Gateway>,
    pub snapshot: Arc<Snapshot>,
    pub endpoint: &'static Endpoint,
    pub envelope: Envelope,
    /// Kept for further attempts, until an answer is accepted.
    body: Mutex<Option<Body>>,
    /// What the body says, for candidates that speak another dialect; read when the first of them is met.
    said: Mutex<Option<Result<Arc<Said>, Fault>>>,
    /// For what such candidates' answers leave out.
    pub naming: OnceLock<Naming>,
    /// What tells callers apart.
    credential: Option<HeaderValue>,
    address: Option<IpAddr>,
    /// A stream of Gemini's is wanted as one JSON array.
    pub as_array: bool,
    /// The guards that it passes.
    pub filters: Option<Filters>,
    /// What plugins see, where there are any.
    view: Option<Arc<ExchangeView>>,
    begun: Instant,
}

impl Exchange {
    /// The client's body; empty once an answer has been accepted.
    pub fn body(&self) -> Bytes {
        let body = self.body.lock();
        body.as_ref()
            .map(|body| body.bytes.clone())
            .unwrap_or_default()
    }

    /// What the client says, in no dialect.
    ///
    /// # Errors
    /// What makes its body no request of its dialect.
    pub fn said(&self) -> Result<Arc<Said>, Fault> {
        let mut said = self.said.lock();
        said.get_or_insert_with(|| prepare::read(self).map(Arc::new))
            .clone()
    }

    /// Whether a prompt has a text after the gap that is to be filled.
    pub fn fills_gap(&self) -> bool {
        openai::text_member(&self.body(), "suffix").is_some_and(|suffix| !suffix.is_empty())
    }

    /// Ids and times for a translated answer.
    pub fn naming(&self, asked: &Request) -> &Naming {
        self.naming.get_or_init(|| Naming {
            seed: format!("{:016x}{:08x}", fastrand::u64(..), fastrand::u32(..)),
            created: since_1970(),
            input_tokens_estimate: translate::input_tokens(asked),
        })
    }

    /// Stands for the caller: for its credential, or its address where it shows none.
    pub fn caller(&self) -> u64 {
        let memory = &self.gateway.reasoning;
        match (&self.credential, self.address) {
            (Some(credential), _) => memory.caller(credential.as_bytes()),
            (None, Some(address)) => memory.caller(address.to_string().as_bytes()),
            (None, None) => memory.caller(b""),
        }
    }

    /// Time since the request's head came.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What plugins see, where there are any.
    pub fn view(&self) -> Option<Arc<ExchangeView>> {
        let filtered = self.filters.as_ref().map(Filters::view);
        filtered.or_else(|| self.view.clone())
    }

    /// Whether guards look at the events of its answer, which have to be told anew then.
    pub fn is_retold(&self) -> bool {
        let filters = self.filters.as_ref();
        let has_events = matches!(
            self.endpoint.operation,
            Operation::Chat | Operation::Responses | Operation::Completions
        );
        let wants = filters.is_some_and(|it| it.wants.streams || it.wants.whole_answers);
        wants && has_events && self.envelope.stream
    }

    /// Whether its stream is held until it is whole, for guards that have to see all of it.
    pub fn is_judged_whole(&self) -> bool {
        let wants = self.filters.as_ref().map(|it| it.wants);
        wants.is_some_and(|wants| wants.whole_answers) && self.is_retold()
    }

    /// Whether guards look at whole answers.
    pub fn is_read_whole(&self) -> bool {
        self.filters.as_ref().is_some_and(|it| it.wants.answers)
    }

    /// No further attempt will be made: the body, which a long stream has no use for, is given back.
    pub fn accepted(&self) {
        self.body.lock().take();
        self.said.lock().take();
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
    asked: Asking,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let endpoint = asked.endpoint;
    record.operation = Some(endpoint.operation);
    let received = receive(client.session, asked, &gateway, &snapshot.config.limits).await?;
    record.note_received(received.envelope.stream);
    let head = client.session.req_header();
    let (accounting, config) = (&gateway.accounting, &snapshot.config);
    record
        .calling
        .check_signature(accounting, config, head, &received.body.bytes)?;
    let asked = received
        .envelope
        .model
        .as_deref()
        .filter(|model| !model.is_empty());
    let plan = match asked {
        Some(asked) => plan::named(&gateway, &mut snapshot, asked, client, record).await?,
        None => unnamed(&snapshot.catalog, endpoint)?,
    };
    let (meant, asked) = (plan.model.as_deref(), asked.or(plan.model.as_deref()));
    if let Some(asked) = asked {
        record.calling.permit_model(asked, meant)?;
    }
    let screened = screen(
        &gateway,
        &mut snapshot,
        endpoint,
        received,
        plan,
        client,
        record,
    );
    let passed = match Box::pin(screened).await? {
        Screened::Passed(passed) => *passed,
        Screened::Replied(reply) => {
            refuse::answer_in_its_place(client, record, reply).await;
            return Ok(());
        }
    };
    let Passed {
        received,
        plan,
        filters,
        view,
    } = passed;
    record.view = view.clone().filter(|_| record.guards.is_some());
    let Received { body, envelope, .. } = received;
    let plan = reserve(&gateway, &snapshot, &envelope, &body, plan, client, record)?;
    let exchange = Exchange {
        credential: headers::credential(client.session.req_header()).cloned(),
        address: address(client),
        gateway,
        snapshot,
        endpoint,
        envelope,
        body: Mutex::new(Some(body)),
        said: Mutex::default(),
        naming: OnceLock::new(),
        as_array: wants_array(client, endpoint),
        filters,
        view,
        begun: record.begun,
    };
    try_models(&exchange, plan, client, record).await
}

/// Sees to it that the caller may use the model and has room for what it asks; the plan is another's where a spent budget leads
/// to another model.
fn reserve(
    gateway: &Arc<Gateway>,
    snapshot: &Snapshot,
    envelope: &Envelope,
    body: &Body,
    plan: Plan,
    client: &Client<'_>,
    record: &mut Record,
) -> Result<Plan, Fault> {
    let meant = plan.model.as_deref();
    if let Some(asked) = envelope.model.as_deref().or(meant) {
        record.calling.permit_model(asked, meant)?;
    }
    if !snapshot.counts {
        return Ok(plan);
    }
    let content_type = client.session.get_header(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let calling = record.calling.clone();
    let operation = record.operation.unwrap_or(Operation::Chat);
    let size = request_tokens(&body.bytes, content_type);
    let mut wanted = Wanted {
        gateway,
        snapshot,
        calling: &calling,
        operation,
        model: meant.or(envelope.model.as_deref()),
        plan: Some(&plan),
        upstream: None,
        size,
        characters: match operation {
            Operation::Speech => openai::text_member(&body.bytes, "input")
                .map_or(0, |text| text.chars().count() as u64),
            _ => 0,
        },
        is_downgraded: false,
    };
    match charge::begin(&wanted, record) {
        Ok(charge) => {
            record.charge = charge;
            Ok(plan)
        }
        Err(Refused::Fault(fault)) => Err(fault),
        Err(Refused::Downgrade(name)) => {
            let other = snapshot.catalog.plan(&name);
            let other = other.ok_or_else(|| Fault::ModelUnknown(name.clone()))?;
            wanted.model = Some(&name);
            wanted.plan = Some(&other);
            wanted.is_downgraded = true;
            match charge::begin(&wanted, record) {
                Ok(charge) => record.charge = charge,
                Err(Refused::Fault(fault)) => return Err(fault),
                Err(Refused::Downgrade(_)) => return Err(Fault::Internal),
            }
            record.fallback = Some(name);
            Ok(other)
        }
    }
}

fn address(client: &Client<'_>) -> Option<IpAddr> {
    Some(client.session.client_addr()?.as_inet()?.ip())
}

/// Google's clients get a JSON array where they do not ask for server-sent events.
fn wants_array(client: &Client<'_>, endpoint: &Endpoint) -> bool {
    let query = client.session.req_header().uri.query().unwrap_or_default();
    let asks_events = query.split('&').any(|parameter| parameter == "alt=sse");
    endpoint.dialect == Dialect::Gemini && !asks_events
}

/// Where to try when no model is named.
fn unnamed(catalog: &Catalog, endpoint: &Endpoint) -> Result<Plan, Fault> {
    let default = catalog.default_plan().filter(|_| endpoint.model_optional);
    default.ok_or(Fault::ModelMissing {
        place: place(endpoint.model_in),
    })
}

fn place(model_in: ModelIn) -> &'static str {
    match model_in {
        ModelIn::Json => "the body's member",
        ModelIn::Form => "the form's field",
        ModelIn::Query => "the query's parameter",
        ModelIn::Path | ModelIn::Nowhere => "the path's",
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
    let (budget, deadline) = (&plan.route.retries, plan.route.deadline);
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
        // A limit of the other model's, or what is left of the money, may not bear it.
        if let Some(charge) = &mut record.charge
            && charge
                .turn_to(&exchange.snapshot, &record.calling, &fallback)
                .is_err()
        {
            continue;
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
        let stream = exchange.envelope.stream;
        let candidates = plan::candidates(plan, sticky, stream, client).await?;
        let candidates = order(exchange, plan, candidates).await?;
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
        let prepared = match prepare::prepare(exchange, candidate) {
            Ok(prepared) => prepared,
            Err(Unprepared::Unfit(why)) => {
                course.note_unfit(why);
                continue;
            }
            Err(Unprepared::Answered(body)) => {
                let type_of = if exchange.envelope.stream {
                    "application/x-ndjson"
                } else {
                    "application/json"
                };
                let version = client.session.req_header().version;
                let answer = Whole {
                    head: headers::own(type_of, body.len(), version),
                    body,
                };
                relay::whole(exchange, answer, client, record).await?;
                return Ok(Round::Ended(Box::new(Tried::Answered)));
            }
        };
        let round = try_keys(
            exchange, candidate, &prepared, trial, course, client, record,
        )
        .await?;
        if let Some(round) = round {
            return Ok(round);
        }
    }
    Ok(Round::Through)
}

/// Tries one endpoint with one key after another; `None`: on to the next candidate.
async fn try_keys(
    exchange: &Exchange,
    candidate: &Candidate,
    prepared: &Prepared,
    mut trial: Option<Trial>,
    course: &mut Course<'_>,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Option<Round>, Fault> {
    let model = candidate.model.as_deref().unwrap_or(exchange.model());
    let asked = &client.session.req_header().headers;
    let is_own = Account::of_client(&candidate.endpoint.upstream, asked).is_some();
    loop {
        let lease = match lease(
            &exchange.gateway,
            &candidate.endpoint,
            model,
            is_own,
            course,
            record,
        ) {
            Leasing::Go(lease) => lease,
            Leasing::Elsewhere => return Ok(None),
            Leasing::Stop => return Ok(Some(Round::Stopped)),
        };
        let run = attempt::run(
            exchange,
            candidate,
            prepared,
            lease,
            trial.take(),
            client,
            record,
        );
        match run.await {
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

/// Whole seconds since 1970.
fn since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
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
