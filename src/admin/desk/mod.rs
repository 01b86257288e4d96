//! The operator's desk: tenants, keys, accounts, prices, limits and usage, from a method and a path to an answer. The admin
//! listener asks it in a server, the command line in its own process; so it must not know Pingora, nor wait for anything but the
//! store.

mod accounts;
mod bounds;
mod keys;
mod ledger;
mod limits;
mod plans;
mod prices;
mod read;
mod reconcile;
mod records;
mod upstream_keys;
mod usage;

use std::time::SystemTime;

use http::Method;

use crate::access::directory::ChangeError;
use crate::access::stored;
use crate::config::Config;
use crate::gateway::{Accounting, Books};
use crate::ledger::query::scope::Scope;
use crate::store::StoreError;

use super::pass::Pass;
use super::reply::{self, Refusal, Reply};
use super::table::{self, Access, Act, Entry, Found, Task};
use read::Query;

/// A request, as far as it counts here.
pub struct Call<'c> {
    pub method: &'c Method,
    pub path: &'c str,
    pub query: &'c str,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<&'c [u8]>,
    pub body: &'c [u8],
}

/// What the desk works on.
pub struct Desk<'d> {
    pub accounting: &'d Accounting,
    pub config: &'d Config,
    /// Told after every change.
    pub changed: &'d (dyn Fn() + 'd),
    /// Told after credentials for upstreams have changed; in a server it puts them in force, or says why it cannot.
    pub upstream_keys_changed: &'d (dyn Fn() -> Result<(), String> + 'd),
    pub now: SystemTime,
}

/// One call that was let in: what handlers see of it.
struct Asked<'a> {
    pass: &'a Pass,
    /// What may be seen and changed.
    scope: Scope,
    parameters: Vec<String>,
    query: Query,
    call: &'a Call<'a>,
}

impl Asked<'_> {
    /// A parameter of the path, by its place.
    fn at(&self, place: usize) -> &str {
        self.parameters.get(place).map_or("", String::as_str)
    }

    /// Whether what belongs to a tenant may be shown.
    fn reaches(&self, tenant: &str) -> bool {
        match &self.scope {
            Scope::Everything => true,
            Scope::Tenant(own) => own == tenant,
        }
    }

    /// The tenant whose things alone may be shown.
    fn own_tenant(&self) -> Option<&str> {
        match &self.scope {
            Scope::Everything => None,
            Scope::Tenant(own) => Some(own),
        }
    }
}

impl Desk<'_> {
    /// Answers a call of somebody who was let in.
    ///
    /// # Errors
    /// Why not, as an answer.
    pub fn answer(&self, pass: &Pass, call: &Call<'_>) -> Result<Reply, Refusal> {
        match table::find(call.method, call.path) {
            Found::Entry(entry, parameters) => match entry.act {
                Act::Desk(task) => self.act(task, entry, parameters, pass, call),
                _ => Err(reply::conflict(
                    "no_server",
                    format!("`{}` needs a running server", call.path),
                )),
            },
            Found::OtherMethods(methods, _) => Err(reply::method_not_allowed(call.path, &methods)),
            Found::Nothing => Err(reply::not_found(call.path)),
        }
    }

    pub(super) fn act(
        &self,
        task: Task,
        entry: &Entry,
        parameters: Vec<String>,
        pass: &Pass,
        call: &Call<'_>,
    ) -> Result<Reply, Refusal> {
        let Access::Needs(group, deed) = entry.access else {
            return Err(reply::internal());
        };
        let scope = pass.scope(group, deed)?;
        let query = Query::read(call.query, entry.query)?;
        let asked = &Asked {
            pass,
            scope,
            parameters,
            query,
            call,
        };
        match task {
            Task::ListTenants => self.list_tenants(asked),
            Task::CreateTenant => self.create_tenant(asked),
            Task::GetTenant => self.show(asked, &records::tenant(asked)),
            Task::PatchTenant => self.patch(asked, &records::tenant(asked)),
            Task::RemoveTenant => self.remove(asked, &records::tenant(asked)),
            Task::ListProjects => self.list_projects(asked),
            Task::CreateProject => self.create_project(asked),
            Task::GetProject => self.show(asked, &records::project(asked)),
            Task::PatchProject => self.patch(asked, &records::project(asked)),
            Task::RemoveProject => self.remove(asked, &records::project(asked)),
            Task::ListUsers => self.list_users(asked),
            Task::CreateUser => self.create_user(asked),
            Task::GetUser => self.show(asked, &records::user(asked)),
            Task::PatchUser => self.patch(asked, &records::user(asked)),
            Task::RemoveUser => self.remove(asked, &records::user(asked)),
            Task::ListKeys => self.list_keys(asked),
            Task::CreateKey => self.create_key(asked),
            Task::GetKey => self.show_key(asked),
            Task::PatchKey => self.patch_key(asked),
            Task::RemoveKey => self.remove_key(asked),
            Task::RotateKey => self.rotate_key(asked),
            Task::RevokeKey => self.revoke_key(asked),
            Task::ListAccounts => self.list_accounts(asked),
            Task::OpenAccount => self.open_account(asked),
            Task::GetAccount => self.show_account(asked),
            Task::EnterInAccount => self.enter(asked),
            Task::Statement => self.statement(asked),
            Task::ListPlans => self.list_plans(),
            Task::GetPlan => self.show_plan(asked),
            Task::PutPlan => self.put_plan(asked),
            Task::RemovePlan => self.remove_plan(asked),
            Task::ListPrices => self.list_prices(asked),
            Task::PutPrice => self.put_price(asked),
            Task::RemovePrice => self.remove_price(asked),
            Task::GetGlobalLimits => self.show_global_limits(asked),
            Task::GetLimits | Task::GetMemberLimits => self.show_limits(asked),
            Task::PutLimits | Task::PutMemberLimits => self.put_limits(asked),
            Task::ResetGlobalLimits => self.reset_global_limits(asked),
            Task::ResetLimits | Task::ResetMemberLimits => self.reset_limits(asked),
            Task::Usage => self.usage(asked),
            Task::UsageRows => self.usage_rows(asked),
            Task::Reconcile => self.reconcile(asked),
            Task::ListUpstreamKeys => self.list_upstream_keys(),
            Task::PutUpstreamKey => self.put_upstream_key(asked),
            Task::RemoveUpstreamKey => self.remove_upstream_key(asked),
            Task::ResealUpstreamKeys => self.reseal_upstream_keys(asked),
            Task::Ledger => self.ledger(),
            Task::FlushLedger => self.flush_ledger(),
        }
    }

    /// What is written down.
    fn books(&self) -> Result<&Books, Refusal> {
        self.accounting.books.as_ref().ok_or_else(|| {
            let message = "nothing outlives this process, since no store is configured; add `store: { path: weir-data }` to the configuration and start weir again";
            reply::conflict("no_store", message)
        })
    }

    /// Keeps changes of records in the store.
    fn keep(
        &self,
    ) -> Result<impl FnMut(&[crate::access::directory::Change]) -> Result<(), String> + '_, Refusal>
    {
        Ok(stored::keep(&*self.books()?.store))
    }

    /// One line for each change: who has done what to which object. Never a secret.
    fn audit(&self, asked: &Asked<'_>, what: &'static str, object: &str) {
        tracing::info!(target: "weir::audit", who = asked.pass.who, what, object, "audit");
        (self.changed)();
    }
}

fn store_failed(error: StoreError) -> Refusal {
    reply::unavailable(error.to_string())
}

fn not_changed(error: ChangeError) -> Refusal {
    let message = error.to_string();
    match error {
        ChangeError::Unknown(_) => reply::unknown("unknown", message),
        ChangeError::Exists(_) => reply::conflict("exists", message),
        ChangeError::InConfiguration(_) => reply::conflict("in_configuration", message),
        ChangeError::InUse { .. } => reply::conflict("in_use", message),
        ChangeError::Full { .. } => reply::conflict("full", message),
        ChangeError::Sealing(_) => reply::conflict("not_sealed", message),
        ChangeError::Invalid(_) => {
            let status = http::StatusCode::UNPROCESSABLE_ENTITY;
            Refusal::new(status, "invalid_value", message)
        }
        ChangeError::NoRandomness | ChangeError::NotKept { .. } => reply::unavailable(message),
    }
}
