//! Tenants, projects and users: made, shown, changed and removed. It must not know keys.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::directory::{Name, Record};
use crate::access::{Project, Tenant, User};
use crate::admin::reply::{self, Refusal, Reply};

use super::read::{self, patched};
use super::{Asked, Desk, bounds, not_changed};

pub(super) fn tenant(asked: &Asked<'_>) -> Name {
    Name::Tenant(asked.at(0).to_owned())
}

pub(super) fn project(asked: &Asked<'_>) -> Name {
    let (tenant, id) = (asked.at(0).to_owned(), asked.at(1).to_owned());
    Name::Project { tenant, id }
}

pub(super) fn user(asked: &Asked<'_>) -> Name {
    let (tenant, id) = (asked.at(0).to_owned(), asked.at(1).to_owned());
    Name::User { tenant, id }
}

/// The tenant that a record belongs to.
fn owner(name: &Name) -> &str {
    match name {
        Name::Tenant(tenant) | Name::Project { tenant, .. } | Name::User { tenant, .. } => tenant,
        Name::Key(_) => "",
    }
}

impl Desk<'_> {
    pub(super) fn list_tenants(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let limit = asked.query.limit()?;
        let after = asked.query.get("after");
        let listed = match asked.own_tenant() {
            None => self.accounting.directory.tenants(after, limit),
            // One alone, however many there are.
            Some(own) => {
                let name = Name::Tenant(own.to_owned());
                let found = self.accounting.directory.get(&name);
                let items = found
                    .map(|record| self.sourced(&name, &record))
                    .transpose()?;
                let items = items.filter(|_| after.is_none_or(|after| own > after));
                return reply::ok(
                    &json!({ "items": items.into_iter().collect::<Vec<_>>(), "next": null }),
                );
            }
        };
        let records = listed
            .iter()
            .map(|entry| Record::Tenant(Box::new(entry.record.clone())));
        self.page(records.collect(), limit)
    }

    pub(super) fn list_projects(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        self.existing(asked, &tenant(asked))?;
        let limit = asked.query.limit()?;
        let listed =
            self.accounting
                .directory
                .projects(asked.at(0), asked.query.get("after"), limit);
        let records = listed
            .iter()
            .map(|entry| Record::Project(Box::new(entry.record.clone())));
        self.page(records.collect(), limit)
    }

    pub(super) fn list_users(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        self.existing(asked, &tenant(asked))?;
        let limit = asked.query.limit()?;
        let listed = self
            .accounting
            .directory
            .users(asked.at(0), asked.query.get("after"), limit);
        let records = listed
            .iter()
            .map(|entry| Record::User(Box::new(entry.record.clone())));
        self.page(records.collect(), limit)
    }

    fn page(&self, records: Vec<Record>, limit: usize) -> Result<Reply, Refusal> {
        let next = records.last().filter(|_| records.len() == limit);
        let next = next.map(|record| match record.name() {
            Name::Tenant(id) | Name::Project { id, .. } | Name::User { id, .. } => id,
            Name::Key(id) => id.to_string(),
        });
        let items = records
            .iter()
            .map(|record| self.sourced(&record.name(), record));
        let items = items.collect::<Result<Vec<Value>, Refusal>>()?;
        reply::ok(&json!({ "items": items, "next": next }))
    }

    pub(super) fn create_tenant(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let record: Tenant = read::body(asked.call.body)?;
        self.create(asked, Record::Tenant(Box::new(record)))
    }

    pub(super) fn create_project(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let record: Project = of_tenant(asked)?;
        self.create(asked, Record::Project(Box::new(record)))
    }

    pub(super) fn create_user(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let record: User = of_tenant(asked)?;
        self.create(asked, Record::User(Box::new(record)))
    }

    fn create(&self, asked: &Asked<'_>, record: Record) -> Result<Reply, Refusal> {
        bounds::check_record(&record)?;
        let name = record.name();
        let created = self
            .accounting
            .directory
            .create(record.clone(), &mut self.keep()?);
        created.map_err(not_changed)?;
        self.retuned(&name)?;
        self.audit(asked, "create", &name.to_string());
        reply::created(&self.sourced(&name, &record)?)
    }

    pub(super) fn show(&self, asked: &Asked<'_>, name: &Name) -> Result<Reply, Refusal> {
        let record = self.existing(asked, name)?;
        reply::ok(&self.sourced(name, &record)?)
    }

    pub(super) fn patch(&self, asked: &Asked<'_>, name: &Name) -> Result<Reply, Refusal> {
        self.existing(asked, name)?;
        let patch = asked.call.body;
        let mut refused = None;
        let edited = self
            .accounting
            .directory
            .edit(name, &mut self.keep()?, &mut |record| {
                let changed = match record {
                    Record::Tenant(whole) => {
                        patched(value(whole)?, patch).map(|changed| **whole = changed)
                    }
                    Record::Project(whole) => {
                        patched(value(whole)?, patch).map(|changed| **whole = changed)
                    }
                    Record::User(whole) => {
                        patched(value(whole)?, patch).map(|changed| **whole = changed)
                    }
                    Record::Key(_) => Ok(()),
                };
                let changed = changed.and_then(|()| bounds::check_record(record));
                changed.map_err(|refusal| {
                    refused = Some(refusal);
                    String::new()
                })
            });
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        let record = edited.map_err(not_changed)?;
        self.retuned(name)?;
        self.audit(asked, "change", &name.to_string());
        reply::ok(&self.sourced(name, &record)?)
    }

    pub(super) fn remove(&self, asked: &Asked<'_>, name: &Name) -> Result<Reply, Refusal> {
        self.existing(asked, name)?;
        let removed = self.accounting.directory.remove(name, &mut self.keep()?);
        removed.map_err(not_changed)?;
        self.audit(asked, "remove", &name.to_string());
        Ok(reply::gone())
    }

    /// A record that may be seen. What may not is not there.
    fn existing(&self, asked: &Asked<'_>, name: &Name) -> Result<Record, Refusal> {
        let found = self.accounting.directory.get(name);
        let found = found.filter(|_| asked.reaches(owner(name)));
        found.ok_or_else(|| reply::unknown("unknown", format!("there is no {name}")))
    }

    /// Limits, budgets and balances hold at once.
    pub(super) fn retuned(&self, name: &Name) -> Result<(), Refusal> {
        let retuned = self.accounting.retune(self.config, name);
        retuned.map_err(reply::unavailable)
    }

    /// A record as it is shown: with where it stands.
    pub(super) fn sourced(&self, name: &Name, record: &Record) -> Result<Value, Refusal> {
        let mut shown = match record {
            Record::Tenant(record) => serde_json::to_value(record),
            Record::Project(record) => serde_json::to_value(record),
            Record::User(record) => serde_json::to_value(record),
            Record::Key(record) => serde_json::to_value(record.shown()),
        }
        .map_err(|_| reply::internal())?;
        let source = match self.accounting.directory.is_configured(name) {
            true => "configuration",
            false => "store",
        };
        shown["source"] = source.into();
        Ok(shown)
    }
}

fn value(record: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(record).map_err(|error| error.to_string())
}

/// A member of the tenant that the path names; its body need not name it again.
fn of_tenant<T: serde::de::DeserializeOwned>(asked: &Asked<'_>) -> Result<T, Refusal> {
    let mut whole: Value = read::body(asked.call.body)?;
    let tenant = asked.at(0);
    let Some(members) = whole.as_object_mut() else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Refusal::new(
            status,
            "invalid_value",
            "the body is not an object",
        ));
    };
    let said = members.entry("tenant").or_insert_with(|| tenant.into());
    if said.as_str() != Some(tenant) {
        let message = format!("`tenant` is {said}, but the path says `{tenant}`; leave it out");
        return Err(reply::invalid("tenant", message));
    }
    serde_json::from_value(whole).map_err(|error| read::unread(&error))
}
