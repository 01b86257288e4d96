//! Answers that weir gives itself, out of its snapshot.

use crate::fault::Fault;
use crate::gateway::Snapshot;
use crate::wire::{Operation, openai};

use super::client::Client;
use super::refuse::{answer_json, refuse};
use super::settle::Record;

/// `GET /v1/models`: everything that can be asked for.
pub async fn models(snapshot: &Snapshot, client: &mut Client<'_>, record: &mut Record) {
    record.operation = Some(Operation::Models);
    let list = openai::model_list(snapshot.catalog.models());
    answer_json(client, record, 200, list.to_string().into_bytes()).await;
}

/// `GET /v1/models/{id}`.
pub async fn model(snapshot: &Snapshot, id: &str, client: &mut Client<'_>, record: &mut Record) {
    record.operation = Some(Operation::Model);
    match snapshot.catalog.model(id) {
        Some((id, owner)) => {
            let object = openai::model_object(id, owner);
            answer_json(client, record, 200, object.to_string().into_bytes()).await;
        }
        None => refuse(client, record, Fault::ModelUnknown(id.to_owned())).await,
    }
}
