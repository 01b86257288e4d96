//! Stage 3: a request past the guards that it has to pass, before anything is reserved for it. It must not know where it is sent.

use std::sync::Arc;

use http::header;
use weir_plugin::Reply;

use crate::config::{Model, Rules};
use crate::fault::{Fault, Rejected};
use crate::gateway::{Gateway, Snapshot};
use crate::plugin::Guard;
use crate::route::Plan;
use crate::tokens::request_tokens;
use crate::wire::endpoint::Endpoint;
use crate::wire::openai::{Rewrite, rewrite};

use super::client::Client;
use super::facts::RequestFacts;
use super::filters::{Changes, Filtered, Filters};
use super::plan;
use super::receive::{Received, envelope_of};
use super::settle::Record;
use super::sticky;
use super::view::{ExchangeView, Facts};

/// What has become of a request.
pub enum Screened {
    Passed(Box<Passed>),
    /// A guard answers in the model's place.
    Replied(Reply),
}

/// A request that goes on.
pub struct Passed {
    pub received: Received,
    pub plan: Plan,
    pub filters: Option<Filters>,
    /// What plugins see, where there are any.
    pub view: Option<Arc<ExchangeView>>,
}

/// Shows a request to the guards of all exchanges, then to those of its model. One that changes the model leads to that model's.
///
/// # Errors
/// What a guard has against it; what is wrong with what a guard has made of it.
pub async fn screen(
    gateway: &Gateway,
    snapshot: &mut Arc<Snapshot>,
    endpoint: &'static Endpoint,
    mut received: Received,
    mut plan: Plan,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<Screened, Fault> {
    if snapshot.guards.is_empty() && !snapshot.has_rules {
        return Ok(Screened::Passed(Box::new(Passed {
            received,
            plan,
            filters: None,
            view: None,
        })));
    }
    let mut view = Arc::new(view(snapshot, endpoint, &received, client, record));
    let body_bytes_max = snapshot.config.limits.body_bytes;
    let mut filters: Option<Filters> = None;
    for step in [Step::General, Step::OfModel] {
        if matches!(step, Step::OfModel)
            && let Some(other) = routed(snapshot, &plan, &view, record)
        {
            record.calling.permit_model(view.model(), Some(&other))?;
            plan = plan::named(gateway, snapshot, &other, client, record).await?;
        }
        let rules = rules_of(snapshot, &plan, &step);
        view = ruled(rules, view, record)?;
        let guards = guards_of(snapshot, &plan, &step, &view, record);
        if guards.is_empty() {
            continue;
        }
        let from = filters.as_ref().map_or(0, Filters::count);
        let all = match filters.take() {
            Some(before) => before.with(guards, view.clone()),
            None => Filters::new(guards, view.clone(), body_bytes_max),
        };
        let outcome = all.on_request(from).await?;
        view = all.view();
        filters = Some(all);
        let changes = match outcome {
            Filtered::Replied(reply) => return Ok(Screened::Replied(reply)),
            Filtered::Passed(changes) => changes,
        };
        received = changed(received, endpoint, changes, record)?;
        let named = received.envelope.model.clone();
        if let Some(name) = named.filter(|_| received.is_of_another_model) {
            record.calling.permit_model(&name, None)?;
            plan = plan::named(gateway, snapshot, &name, client, record).await?;
        }
    }
    Ok(Screened::Passed(Box::new(Passed {
        received,
        plan,
        filters,
        view: Some(view),
    })))
}

/// Guards and rules of all exchanges come before those of the model.
enum Step {
    General,
    OfModel,
}

fn rules_of<'s>(snapshot: &'s Snapshot, plan: &Plan, step: &Step) -> Option<&'s Rules> {
    match step {
        Step::General => Some(&snapshot.config.plugins.rules),
        Step::OfModel => of_model(snapshot, plan).map(|model| &model.rules),
    }
}

fn of_model<'s>(snapshot: &'s Snapshot, plan: &Plan) -> Option<&'s Model> {
    snapshot.config.models.get(plan.model.as_deref()?)
}

/// The model that answers in the place of this one, for what the request is.
fn routed(
    snapshot: &Snapshot,
    plan: &Plan,
    view: &ExchangeView,
    record: &Record,
) -> Option<String> {
    let model = of_model(snapshot, plan)?;
    if model.rules.route.is_empty() {
        return None;
    }
    let facts = RequestFacts::new(view, &record.calling);
    let mut routes = model.rules.route.iter();
    let found = routes.find(|(when, _)| facts.holds(when, false));
    found.map(|(_, model)| model.clone())
}

/// The exchange with its tags, if it may go on.
fn ruled(
    rules: Option<&Rules>,
    view: Arc<ExchangeView>,
    record: &mut Record,
) -> Result<Arc<ExchangeView>, Fault> {
    let Some(rules) = rules.filter(|rules| !rules.is_empty()) else {
        return Ok(view);
    };
    let facts = RequestFacts::new(&view, &record.calling);
    if let Some(authorize) = &rules.authorize
        && !facts.holds(authorize, false)
    {
        return Err(Fault::Rejected(Box::new(Rejected {
            status: 403,
            code: "not_authorized".to_owned(),
            message: "a rule of this gateway does not allow this request; ask whoever runs it"
                .to_owned(),
            headers: Vec::new(),
        })));
    }
    let tags = rules.tags.iter();
    let tags = tags.filter_map(|(name, rule)| Some((name.clone(), facts.text(rule)?)));
    let tags: Vec<_> = tags.collect();
    if tags.is_empty() {
        return Ok(view);
    }
    let kept = tags.iter();
    let kept = kept.map(|(name, value)| (name.as_str().into(), value.as_str().into()));
    record.tags.extend(kept);
    Ok(Arc::new(view.edited(None, None).tagged(&tags)))
}

/// The guards whose condition holds, or cannot be told.
fn guards_of(
    snapshot: &Snapshot,
    plan: &Plan,
    step: &Step,
    view: &ExchangeView,
    record: &Record,
) -> Vec<Arc<Guard>> {
    let placed = match step {
        Step::General => snapshot.guards.of_all(),
        Step::OfModel => match plan.model.as_deref() {
            Some(model) => snapshot.guards.of_model(model),
            None => &[],
        },
    };
    if placed.is_empty() {
        return Vec::new();
    }
    let facts = RequestFacts::new(view, &record.calling);
    let placed = placed.iter().filter(|placed| {
        let when = placed.when.as_ref();
        when.is_none_or(|when| facts.holds(when, true))
    });
    placed.map(|placed| placed.guard.clone()).collect()
}

fn view(
    snapshot: &Snapshot,
    endpoint: &Endpoint,
    received: &Received,
    client: &Client<'_>,
    record: &Record,
) -> ExchangeView {
    let head = client.session.req_header();
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let body = &received.body.bytes;
    let facts = Facts {
        dialect: endpoint.dialect,
        operation: endpoint.operation,
        deadline: snapshot.config.failover.deadline,
        size: request_tokens(body, content_type),
        session: sticky::session(head, body),
    };
    ExchangeView::of_request(facts, head, &received.envelope, body.clone(), record)
}

/// The request as guards have left it.
fn changed(
    received: Received,
    endpoint: &'static Endpoint,
    changes: Changes,
    record: &mut Record,
) -> Result<Received, Fault> {
    let Changes { body, model, tags } = changes;
    let tags = tags
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()));
    record.tags.extend(tags);
    let asked = received.envelope.model.clone();
    let Received {
        body: held,
        mut envelope,
        ..
    } = received;
    let mut bytes = held.bytes.clone();
    if let Some(body) = body {
        bytes = body;
        envelope = envelope_of(endpoint, &bytes, asked.clone())?;
    }
    if let Some(model) = &model {
        let change = Rewrite {
            model: Some(model),
            ask_usage: false,
        };
        bytes = rewrite(&bytes, &envelope, change);
        envelope = envelope_of(endpoint, &bytes, Some(model.clone()))?;
    }
    let is_of_another_model = envelope.model != asked;
    Ok(Received {
        body: held.replaced(bytes)?,
        envelope,
        is_of_another_model,
    })
}
