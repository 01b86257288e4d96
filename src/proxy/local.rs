//! Answers that weir gives itself, out of its snapshot, in the dialect of whoever asks.

use crate::fault::Fault;
use crate::gateway::{Gateway, Snapshot};
use crate::wire::capability::{Capabilities, ListedModel};
use crate::wire::endpoint::Endpoint;
use crate::wire::{Dialect, Operation, anthropic, gemini, ollama, openai, responses};

use super::admit::Asking;
use super::caller::Calling;
use super::client::Client;
use super::receive::receive;
use super::refuse::{answer_json, answer_marked, answer_text};
use super::settle::Record;

/// Anthropic's lists come in pages of so many models, and no more than this.
const PAGE: usize = 20;
const PAGE_MAX: usize = 1000;

/// Answers what needs no upstream.
///
/// # Errors
/// What the client is to be told in place of an answer.
pub async fn answer(
    gateway: &Gateway,
    snapshot: &Snapshot,
    endpoint: &'static Endpoint,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    record.operation = Some(endpoint.operation);
    let body = match endpoint.operation {
        Operation::Models => {
            let list = models(snapshot, endpoint.dialect, client, &record.calling);
            answer_marked(client, record, list).await;
            return Ok(());
        }
        Operation::Running => with_models(snapshot, &record.calling, ollama::ps),
        Operation::Version => ollama::version(),
        Operation::Alive => {
            answer_text(client, record, 200, ollama::ALIVE).await;
            return Ok(());
        }
        Operation::Show => {
            let name = named_model(gateway, snapshot, endpoint, client).await?;
            record.calling.permit_model(&name, None)?;
            listed(snapshot, &name, ollama::show)?
        }
        _ => {
            let name = named_model(gateway, snapshot, endpoint, client).await?;
            return manage(snapshot, endpoint, &name, client, record).await;
        }
    };
    answer_json(client, record, 200, body).await;
    Ok(())
}

/// `GET /v1/models/{id}` and its like.
///
/// # Errors
/// [`Fault::ModelUnknown`].
pub async fn model(
    snapshot: &Snapshot,
    dialect: Dialect,
    id: &str,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    record.operation = Some(Operation::Model);
    record.calling.permit_model(id, None)?;
    let dialect = reader_of_lists(dialect, client);
    let body = listed(snapshot, id, |model| match dialect {
        Dialect::Anthropic => anthropic::model(model),
        Dialect::Gemini => gemini::model(model),
        Dialect::Chat | Dialect::Responses | Dialect::Completions | Dialect::Ollama => {
            openai::model_object(model.id, model.owner)
                .to_string()
                .into_bytes()
        }
    })?;
    answer_json(client, record, 200, body).await;
    Ok(())
}

/// Everything that can be asked for.
fn models(
    snapshot: &Snapshot,
    dialect: Dialect,
    client: &Client<'_>,
    calling: &Calling,
) -> Vec<u8> {
    let query = client.session.req_header().uri.query().unwrap_or_default();
    let parameter = |name: &str| {
        let mut parameters = url::form_urlencoded::parse(query.as_bytes());
        parameters.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    let number = |name| parameter(name).and_then(|text| text.parse::<usize>().ok());
    with_models(snapshot, calling, |models| {
        match reader_of_lists(dialect, client) {
            // Codex says which version of it asks, and wants a list of its own.
            Dialect::Chat if parameter("client_version").is_some() => {
                responses::codex_model_list(models)
            }
            Dialect::Chat | Dialect::Responses | Dialect::Completions => {
                let named = models.iter().map(|model| (model.id, model.owner));
                openai::model_list(named).to_string().into_bytes()
            }
            Dialect::Anthropic => {
                let limit = number("limit").unwrap_or(PAGE).clamp(1, PAGE_MAX);
                let (after, before) = (parameter("after_id"), parameter("before_id"));
                anthropic::model_list(models, limit, after.as_deref(), before.as_deref())
            }
            Dialect::Ollama => ollama::tags(models),
            Dialect::Gemini => {
                let size = number("pageSize").unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
                gemini::model_list(models, size, parameter("pageToken").as_deref())
            }
        }
    })
}

/// The shape in which a client wants lists: Anthropic's and Google's clients ask where OpenAI's do.
fn reader_of_lists(dialect: Dialect, client: &Client<'_>) -> Dialect {
    let head = client.session.req_header();
    let has = |name: &str| head.headers.contains_key(name);
    let is_anthropics = has("anthropic-version") || (has("x-api-key") && !has("authorization"));
    let query = head.uri.query().unwrap_or_default();
    let pages =
        |parameter: &str| parameter.starts_with("pageSize=") || parameter.starts_with("pageToken=");
    let is_googles =
        has("x-goog-api-key") || has("x-goog-api-client") || query.split('&').any(pages);
    match dialect {
        Dialect::Chat if is_anthropics => Dialect::Anthropic,
        Dialect::Chat if is_googles => Dialect::Gemini,
        dialect => dialect,
    }
}

/// The models that a caller may use.
fn with_models(
    snapshot: &Snapshot,
    calling: &Calling,
    write: impl FnOnce(&[ListedModel<'_>]) -> Vec<u8>,
) -> Vec<u8> {
    let listed = snapshot.catalog.listed();
    let models: Vec<_> = listed.filter(|(id, ..)| calling.may_use(id)).collect();
    let models: Vec<_> = models
        .iter()
        .map(|(id, owner, capabilities)| ListedModel {
            id,
            owner,
            capabilities,
        })
        .collect();
    write(&models)
}

fn listed(
    snapshot: &Snapshot,
    name: &str,
    write: impl FnOnce(&ListedModel<'_>) -> Vec<u8>,
) -> Result<Vec<u8>, Fault> {
    let known = snapshot.catalog.model(name);
    // Ollama's clients add the tag that is meant where none is said.
    let known = known.or_else(|| snapshot.catalog.model(name.strip_suffix(":latest")?));
    let (id, owner) = known.ok_or_else(|| Fault::ModelUnknown(name.to_owned()))?;
    let capabilities: std::sync::Arc<Capabilities> = snapshot.catalog.capabilities(id);
    Ok(write(&ListedModel {
        id,
        owner,
        capabilities: &capabilities,
    }))
}

/// The model that a request for weir itself names in its body.
async fn named_model(
    gateway: &Gateway,
    snapshot: &Snapshot,
    endpoint: &'static Endpoint,
    client: &mut Client<'_>,
) -> Result<String, Fault> {
    let asking = Asking {
        endpoint,
        model: None,
    };
    let received = receive(client.session, asking, gateway, &snapshot.config.limits).await?;
    // Older clients say `name`.
    let name = openai::text_member(&received.body.bytes, "name");
    let name = received
        .envelope
        .model
        .or(name)
        .filter(|name| !name.is_empty());
    name.ok_or(Fault::ModelMissing {
        place: "the body's member",
    })
}

/// Hosts' models are their operators' to manage. A client that makes sure of a model before it asks gets its way.
async fn manage(
    snapshot: &Snapshot,
    endpoint: &'static Endpoint,
    name: &str,
    client: &mut Client<'_>,
    record: &mut Record,
) -> Result<(), Fault> {
    let is_known = listed(snapshot, name, |_| Vec::new()).is_ok();
    match endpoint.path {
        "/api/pull" if is_known => answer_json(client, record, 200, ollama::pulled()).await,
        "/api/pull" => return Err(Fault::ModelUnknown(name.to_owned())),
        path => {
            let (status, body) = ollama::unsupported(path);
            answer_json(client, record, status, body).await;
        }
    }
    Ok(())
}
