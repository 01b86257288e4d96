//! The life of an exchange, top to bottom: receive the request, plan where to try, attempt one target after another.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::fault::Fault;
use crate::gateway::{Gateway, Snapshot};
use crate::route::{Catalog, Plan};
use crate::wire::endpoint::{Endpoint, ModelIn};
use crate::wire::openai::Envelope;

use super::attempt::{self, Failure, Refusal};
use super::client::Client;
use super::receive::{Body, Received, receive};
use super::relay;
use super::settle::{ModelName, Record};

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
}

/// Runs an exchange to its answer.
///
/// # Errors
/// The fault that ended it; as far as it can still be told, the client is to be told.
pub async fn run(
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    endpoint: &'static Endpoint,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    record.operation = Some(endpoint.operation);
    let received = receive(client.session, endpoint, &gateway, &snapshot.config.limits).await?;
    let Received { body, envelope } = received;
    record.note_received(envelope.stream);
    let plan = plan(&snapshot.catalog, endpoint, &envelope, record)?;
    let exchange = Exchange {
        gateway,
        snapshot,
        endpoint,
        envelope,
        body: Mutex::new(Some(body)),
    };
    try_targets(&exchange, plan, client, record).await
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

fn place(model_in: ModelIn) -> &'static str {
    match model_in {
        ModelIn::Json => "the body's member",
        ModelIn::Form => "the form's field",
        ModelIn::Query => "the query's parameter",
        ModelIn::Nowhere => "the path's",
    }
}

async fn try_targets(
    exchange: &Exchange,
    plan: Plan,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let mut refusal = None;
    for candidate in &plan.candidates {
        match attempt::run(exchange, candidate, client, record).await {
            Ok(()) => return Ok(()),
            Err(Failure::Final(fault)) => return Err(fault),
            Err(Failure::Stands(last)) => {
                return pass_refusal(exchange, last, client, record).await;
            }
            Err(Failure::Next(next)) => refusal = Some(next),
        }
    }
    let last = refusal.expect("a plan has at least one candidate");
    pass_refusal(exchange, last, client, record).await
}

/// Passes an upstream's own words of refusal, where there are any. Always `Err`: there is a fault to note.
async fn pass_refusal(
    exchange: &Exchange,
    refusal: Refusal,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    if let Some(whole) = refusal.said {
        relay::whole(exchange, whole, client, record).await?;
    }
    Err(refusal.fault)
}
