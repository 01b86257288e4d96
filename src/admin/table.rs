//! What there is on the admin listener, from top to bottom: the one table that requests are routed by, that rights are checked
//! against, and that the OpenAPI document is made of. It must not do anything.

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::access::{AdminGroup, Deed, KeyDraft, KeyShown, Project, Tenant, User};
use crate::ledger::plans::Plan;
use crate::price::PriceEntry;
use crate::proxy::percent_decoded;

use super::shapes::{
    AccountDraft, AccountShown, EntryDraft, EntryShown, KeyEdit, KeyMade, LedgerShown,
    LimitsChange, LimitsShown, PriceShown, Reconciled, Resealed, Rotation, RowsShown, Source,
    UpstreamKeyShown, UpstreamSecret, UsageShown,
};

/// One path and method.
pub struct Entry {
    pub method: Verb,
    /// Members in braces are parameters, in the order in which handlers get them.
    pub path: &'static str,
    pub act: Act,
    pub access: Access,
    /// For people, and as the operation's id once its spaces are underscores.
    pub summary: &'static str,
    pub query: &'static [Parameter],
    pub takes: Takes,
    pub gives: Gives,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub fn method(self) -> Method {
        match self {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        }
    }
}

/// Who is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Load balancers and orchestrators, which have no token.
    Open,
    Needs(AdminGroup, Deed),
}

/// A parameter of the query.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub says: &'static str,
    pub is_needed: bool,
}

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What a body is.
#[derive(Clone, Copy)]
pub enum Takes {
    Nothing,
    Json(Shape),
    /// A JSON merge patch (RFC 7396) of this.
    Patch(Shape),
    /// A JSON body that may be left out.
    Maybe(Shape),
    Csv,
}

/// What the answer is when all goes well.
#[derive(Clone, Copy)]
pub enum Gives {
    Json(Shape),
    Made(Shape),
    /// JSON, or another type where `format` asks for it.
    Table(Shape),
    Text,
    Done,
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Health,
    Readiness,
    Metrics,
    Status,
    OpenApi,
    Plugins,
    Reload,
    RotateUpstreamKeys,
    RestUpstreamKey,
    ReviveUpstreamKey,
    EnableUpstream,
    DisableUpstream,
    MaintainUpstream,
    Eject,
    Restore,
    Desk(Task),
}

/// What the desk does: all that works without a running server too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    ListTenants,
    CreateTenant,
    GetTenant,
    PatchTenant,
    RemoveTenant,
    ListProjects,
    CreateProject,
    GetProject,
    PatchProject,
    RemoveProject,
    ListUsers,
    CreateUser,
    GetUser,
    PatchUser,
    RemoveUser,
    ListKeys,
    CreateKey,
    GetKey,
    PatchKey,
    RemoveKey,
    RotateKey,
    RevokeKey,
    ListAccounts,
    OpenAccount,
    GetAccount,
    EnterInAccount,
    Statement,
    ListPlans,
    GetPlan,
    PutPlan,
    RemovePlan,
    ListPrices,
    PutPrice,
    RemovePrice,
    GetLimits,
    PutLimits,
    GetMemberLimits,
    PutMemberLimits,
    ResetGlobalLimits,
    ResetLimits,
    ResetMemberLimits,
    GetGlobalLimits,
    Usage,
    UsageRows,
    Reconcile,
    ListUpstreamKeys,
    PutUpstreamKey,
    RemoveUpstreamKey,
    ResealUpstreamKeys,
    Ledger,
    FlushLedger,
}

/// What a request has led to.
pub enum Found {
    Entry(&'static Entry, Vec<String>),
    /// There is the path, but not for this method.
    OtherMethods(Vec<Method>, bool),
    Nothing,
}

/// Looks a request up. `HEAD` is `GET` without the body.
pub fn find(method: &Method, path: &str) -> Found {
    let segments: Vec<String> = path.split('/').skip(1).map(percent_decoded).collect();
    let here = ENTRIES
        .iter()
        .filter_map(|entry| Some((entry, parameters(entry.path, &segments)?)));
    let here: Vec<(&'static Entry, Vec<String>)> = here.collect();
    let is_open = here.iter().any(|(entry, _)| entry.access == Access::Open);
    let mut methods: Vec<Method> = here
        .iter()
        .map(|(entry, _)| entry.method.method())
        .collect();
    if methods.contains(&Method::GET) {
        methods.push(Method::HEAD);
    }
    let asked = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let found = here
        .into_iter()
        .find(|(entry, _)| entry.method.method() == *asked);
    match found {
        Some((entry, parameters)) => Found::Entry(entry, parameters),
        None if methods.is_empty() => Found::Nothing,
        None => Found::OtherMethods(methods, is_open),
    }
}

/// The values of the parameters of a path, if it is of this form.
fn parameters(form: &str, segments: &[String]) -> Option<Vec<String>> {
    let parts: Vec<&str> = form.split('/').skip(1).collect();
    if parts.len() != segments.len() {
        return None;
    }
    let mut values = Vec::new();
    for (part, segment) in parts.iter().zip(segments) {
        if part.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            values.push(segment.clone());
        } else if part != segment {
            return None;
        }
    }
    Some(values)
}

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Pages of something: `items`, and `next` for the parameter `after`.
fn page<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    page_of(shape::<T>(generator))
}

fn page_of(item: Schema) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "items": { "type": "array", "items": item },
            "next": { "type": ["string", "null"], "description": "For `after`; null at the end." }
        },
        "required": ["items", "next"]
    })
}

/// A record, and where it stands.
fn sourced<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    let source = shape::<Source>(generator);
    schema.remove("additionalProperties");
    let properties = schema.ensure_object().get_mut("properties");
    if let Some(properties) = properties.and_then(|properties| properties.as_object_mut()) {
        properties.insert("source".to_owned(), source.to_value());
    }
    schema
}

fn page_of_sourced<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    page_of(sourced::<T>(generator))
}

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

const fn needed(name: &'static str, says: &'static str) -> Parameter {
    Parameter {
        name,
        says,
        is_needed: true,
    }
}

const fn may(name: &'static str, says: &'static str) -> Parameter {
    Parameter {
        name,
        says,
        is_needed: false,
    }
}

const LIMIT: Parameter = may("limit", "How many at most, 1 to 1000. Default: 100.");
const AFTER: Parameter = may("after", "`next` of the page before.");
const PAGED: &[Parameter] = &[LIMIT, AFTER];
const FROM: Parameter = may(
    "from",
    "RFC 3339, or a date for its midnight (UTC); inclusive.",
);
const TO: Parameter = may(
    "to",
    "RFC 3339, or a date for its midnight (UTC); exclusive.",
);
const FORMAT: Parameter = may(
    "format",
    "`json` (default), `csv`, or `ndjson` for one object a line.",
);
const OF_TENANT: Parameter = may("tenant", "The tenant's id.");
const OF_PROJECT: Parameter = may("project", "The project's id.");
const OF_USER: Parameter = may("user", "The user's id.");
const OF_KEY: Parameter = may("key", "The key's id.");
const OF_MODEL: Parameter = may(
    "model",
    "A name, a glob or a /regular expression/ for the public model.",
);
const OF_UPSTREAM: Parameter = may("upstream", "The upstream's name.");
const OF_UPSTREAM_MODEL: Parameter = may("upstream_model", "The upstream's name for the model.");
const OF_OPERATION: Parameter = may("operation", "`chat`, `embeddings`, …");
const OF_STATUS: Parameter = may("status", "`429`, `5xx`.");
const OF_END: Parameter = may(
    "end",
    "How the exchange ended: `complete`, `client_gone`, …",
);
const OF_TAG: Parameter = may("tag", "`name:value`; may stand several times.");

const USAGE: &[Parameter] = &[
    FROM,
    TO,
    may(
        "by",
        "What to group by, with commas: `hour`, `day`, `week`, `month`, `tenant`, `project`, `user`, `key`, `model`, `upstream`, `upstream_model`, `operation`, `tag:<name>`.",
    ),
    OF_TENANT,
    OF_PROJECT,
    OF_USER,
    OF_KEY,
    OF_MODEL,
    OF_UPSTREAM,
    OF_UPSTREAM_MODEL,
    OF_OPERATION,
    OF_STATUS,
    OF_END,
    OF_TAG,
    FORMAT,
];
const ROWS: &[Parameter] = &[
    FROM,
    TO,
    OF_TENANT,
    OF_PROJECT,
    OF_USER,
    OF_KEY,
    OF_MODEL,
    OF_UPSTREAM,
    OF_UPSTREAM_MODEL,
    OF_OPERATION,
    OF_STATUS,
    OF_END,
    OF_TAG,
    FORMAT,
    LIMIT,
    AFTER,
];

const fn get(
    path: &'static str,
    act: Act,
    access: Access,
    summary: &'static str,
    query: &'static [Parameter],
    gives: Gives,
) -> Entry {
    Entry {
        method: Verb::Get,
        path,
        act,
        access,
        summary,
        query,
        takes: Takes::Nothing,
        gives,
    }
}

const fn change(
    method: Verb,
    path: &'static str,
    act: Act,
    group: AdminGroup,
    summary: &'static str,
    takes: Takes,
    gives: Gives,
) -> Entry {
    Entry {
        method,
        path,
        act,
        access: Access::Needs(group, Deed::Write),
        summary,
        query: &[],
        takes,
        gives,
    }
}

const fn asking(entry: Entry, query: &'static [Parameter]) -> Entry {
    Entry { query, ..entry }
}

const fn read(group: AdminGroup) -> Access {
    Access::Needs(group, Deed::Read)
}

use Act::Desk;
use AdminGroup as Of;
use Gives::{Done, Made, Table, Text};
use Takes::{Csv, Maybe, Nothing, Patch};
use Verb::{Delete, Post, Put};

/// Everything.
#[rustfmt::skip]
pub static ENTRIES: &[Entry] = &[
    get("/healthz", Act::Health, Access::Open, "whether the process runs", &[], Text),
    get("/readyz", Act::Readiness, Access::Open, "whether it serves", &[], Text),
    get("/metrics", Act::Metrics, read(Of::Process), "metrics for Prometheus", &[], Text),
    get("/admin/v1/status", Act::Status, read(Of::Process), "where everything stands", &[], Gives::Json(object)),
    get("/admin/v1/plugins", Act::Plugins, read(Of::Process), "how the plugins of the configuration in force do", &[], Gives::Json(object)),
    get("/admin/v1/openapi.json", Act::OpenApi, read(Of::Process), "this document", &[], Gives::Json(object)),
    asking(change(Post, "/admin/v1/reload", Act::Reload, Of::Process, "read the configuration again", Nothing, Gives::Json(object)), &[may("dry_run", "`true` only says what that would do.")]),
    change(Post, "/admin/v1/upstreams/{upstream}/keys/rotate", Act::RotateUpstreamKeys, Of::Process, "pass over the upstream key in turn", Nothing, Gives::Json(object)),
    asking(change(Post, "/admin/v1/upstreams/{upstream}/keys/{label}/rest", Act::RestUpstreamKey, Of::Process, "let an upstream key rest", Nothing, Gives::Json(object)), &[needed("for", "How long: `60s`, `5m`.")]),
    change(Post, "/admin/v1/upstreams/{upstream}/keys/{label}/revive", Act::ReviveUpstreamKey, Of::Process, "take an upstream key back", Nothing, Gives::Json(object)),
    change(Post, "/admin/v1/upstreams/{upstream}/enable", Act::EnableUpstream, Of::Process, "let an upstream take requests", Nothing, Gives::Json(object)),
    change(Post, "/admin/v1/upstreams/{upstream}/disable", Act::DisableUpstream, Of::Process, "take an upstream out", Nothing, Gives::Json(object)),
    change(Post, "/admin/v1/upstreams/{upstream}/maintenance", Act::MaintainUpstream, Of::Process, "take an upstream out but probe it", Nothing, Gives::Json(object)),
    change(Post, "/admin/v1/endpoints/{upstream}/{address}/eject", Act::Eject, Of::Process, "take an endpoint out", Nothing, Gives::Json(object)),
    change(Post, "/admin/v1/endpoints/{upstream}/{address}/restore", Act::Restore, Of::Process, "take an endpoint back", Nothing, Gives::Json(object)),

    get("/admin/v1/tenants", Desk(Task::ListTenants), read(Of::Tenants), "list tenants", PAGED, Gives::Json(page_of_sourced::<Tenant>)),
    change(Post, "/admin/v1/tenants", Desk(Task::CreateTenant), Of::Tenants, "make a tenant", Takes::Json(shape::<Tenant>), Made(sourced::<Tenant>)),
    get("/admin/v1/tenants/{tenant}", Desk(Task::GetTenant), read(Of::Tenants), "show a tenant", &[], Gives::Json(sourced::<Tenant>)),
    change(Verb::Patch, "/admin/v1/tenants/{tenant}", Desk(Task::PatchTenant), Of::Tenants, "change a tenant", Patch(shape::<Tenant>), Gives::Json(sourced::<Tenant>)),
    change(Delete, "/admin/v1/tenants/{tenant}", Desk(Task::RemoveTenant), Of::Tenants, "remove a tenant", Nothing, Done),

    get("/admin/v1/tenants/{tenant}/projects", Desk(Task::ListProjects), read(Of::Tenants), "list projects", PAGED, Gives::Json(page_of_sourced::<Project>)),
    change(Post, "/admin/v1/tenants/{tenant}/projects", Desk(Task::CreateProject), Of::Tenants, "make a project", Takes::Json(shape::<Project>), Made(sourced::<Project>)),
    get("/admin/v1/tenants/{tenant}/projects/{project}", Desk(Task::GetProject), read(Of::Tenants), "show a project", &[], Gives::Json(sourced::<Project>)),
    change(Verb::Patch, "/admin/v1/tenants/{tenant}/projects/{project}", Desk(Task::PatchProject), Of::Tenants, "change a project", Patch(shape::<Project>), Gives::Json(sourced::<Project>)),
    change(Delete, "/admin/v1/tenants/{tenant}/projects/{project}", Desk(Task::RemoveProject), Of::Tenants, "remove a project", Nothing, Done),

    get("/admin/v1/tenants/{tenant}/users", Desk(Task::ListUsers), read(Of::Tenants), "list users", PAGED, Gives::Json(page_of_sourced::<User>)),
    change(Post, "/admin/v1/tenants/{tenant}/users", Desk(Task::CreateUser), Of::Tenants, "make a user", Takes::Json(shape::<User>), Made(sourced::<User>)),
    get("/admin/v1/tenants/{tenant}/users/{user}", Desk(Task::GetUser), read(Of::Tenants), "show a user", &[], Gives::Json(sourced::<User>)),
    change(Verb::Patch, "/admin/v1/tenants/{tenant}/users/{user}", Desk(Task::PatchUser), Of::Tenants, "change a user", Patch(shape::<User>), Gives::Json(sourced::<User>)),
    change(Delete, "/admin/v1/tenants/{tenant}/users/{user}", Desk(Task::RemoveUser), Of::Tenants, "remove a user", Nothing, Done),

    get("/admin/v1/keys", Desk(Task::ListKeys), read(Of::Keys), "list keys", &[OF_TENANT, OF_PROJECT, OF_USER, may("state", "`active`, `disabled` or `revoked`."), LIMIT, AFTER], Gives::Json(page_of_sourced::<KeyShown>)),
    change(Post, "/admin/v1/keys", Desk(Task::CreateKey), Of::Keys, "make a key", Takes::Json(shape::<KeyDraft>), Made(shape::<KeyMade>)),
    get("/admin/v1/keys/{key}", Desk(Task::GetKey), read(Of::Keys), "show a key", &[], Gives::Json(sourced::<KeyShown>)),
    change(Verb::Patch, "/admin/v1/keys/{key}", Desk(Task::PatchKey), Of::Keys, "change a key", Patch(shape::<KeyEdit>), Gives::Json(sourced::<KeyShown>)),
    change(Delete, "/admin/v1/keys/{key}", Desk(Task::RemoveKey), Of::Keys, "remove a key", Nothing, Done),
    change(Post, "/admin/v1/keys/{key}/rotate", Desk(Task::RotateKey), Of::Keys, "give a key another secret", Maybe(shape::<Rotation>), Gives::Json(shape::<KeyMade>)),
    change(Post, "/admin/v1/keys/{key}/revoke", Desk(Task::RevokeKey), Of::Keys, "end a key for ever", Nothing, Gives::Json(sourced::<KeyShown>)),

    get("/admin/v1/accounts", Desk(Task::ListAccounts), read(Of::Accounts), "list accounts", PAGED, Gives::Json(page::<AccountShown>)),
    change(Post, "/admin/v1/accounts", Desk(Task::OpenAccount), Of::Accounts, "open the account of a tenant", Takes::Json(shape::<AccountDraft>), Made(shape::<AccountShown>)),
    get("/admin/v1/accounts/{tenant}", Desk(Task::GetAccount), read(Of::Accounts), "show how an account stands", &[], Gives::Json(shape::<AccountShown>)),
    change(Post, "/admin/v1/accounts/{tenant}/entries", Desk(Task::EnterInAccount), Of::Accounts, "make an entry in an account", Takes::Json(shape::<EntryDraft>), Made(shape::<EntryShown>)),
    get("/admin/v1/accounts/{tenant}/statement", Desk(Task::Statement), read(Of::Accounts), "show the statement of an account", &[FROM, TO, LIMIT, AFTER], Gives::Json(page::<EntryShown>)),

    get("/admin/v1/plans", Desk(Task::ListPlans), read(Of::Prices), "list plans", &[], Gives::Json(page_of_sourced::<Plan>)),
    get("/admin/v1/plans/{plan}", Desk(Task::GetPlan), read(Of::Prices), "show a plan", &[], Gives::Json(sourced::<Plan>)),
    change(Put, "/admin/v1/plans/{plan}", Desk(Task::PutPlan), Of::Prices, "make or replace a plan", Takes::Json(shape::<Plan>), Gives::Json(sourced::<Plan>)),
    change(Delete, "/admin/v1/plans/{plan}", Desk(Task::RemovePlan), Of::Prices, "remove a plan", Nothing, Done),

    get("/admin/v1/prices", Desk(Task::ListPrices), read(Of::Prices), "list prices", &[may("upstream", "With `model`: the price in force there."), may("model", "With `upstream`: the upstream's or the public name of the model.")], Gives::Json(page::<PriceShown>)),
    change(Put, "/admin/v1/prices", Desk(Task::PutPrice), Of::Prices, "set a price", Takes::Json(shape::<PriceEntry>), Gives::Json(shape::<PriceShown>)),
    asking(change(Delete, "/admin/v1/prices", Desk(Task::RemovePrice), Of::Prices, "remove a price that was set here", Nothing, Done), &[may("upstream", "The upstream that it was set for."), may("model", "The model that it was set for.")]),

    get("/admin/v1/limits/global", Desk(Task::GetGlobalLimits), read(Of::Limits), "show the limits of everything together", &[], Gives::Json(shape::<LimitsShown>)),
    get("/admin/v1/limits/{scope}/{name}", Desk(Task::GetLimits), read(Of::Limits), "show the limits of a tenant, key, model, upstream or endpoint", &[], Gives::Json(shape::<LimitsShown>)),
    change(Put, "/admin/v1/limits/{scope}/{name}", Desk(Task::PutLimits), Of::Limits, "change the limits of a tenant or key", Takes::Json(shape::<LimitsChange>), Gives::Json(shape::<LimitsShown>)),
    get("/admin/v1/limits/{scope}/{tenant}/{name}", Desk(Task::GetMemberLimits), read(Of::Limits), "show the limits of a user or project", &[], Gives::Json(shape::<LimitsShown>)),
    change(Put, "/admin/v1/limits/{scope}/{tenant}/{name}", Desk(Task::PutMemberLimits), Of::Limits, "change the limits of a user or project", Takes::Json(shape::<LimitsChange>), Gives::Json(shape::<LimitsShown>)),
    change(Post, "/admin/v1/limits/global/reset", Desk(Task::ResetGlobalLimits), Of::Limits, "forget what everything together has used of its limits", Nothing, Gives::Json(shape::<LimitsShown>)),
    change(Post, "/admin/v1/limits/{scope}/{name}/reset", Desk(Task::ResetLimits), Of::Limits, "forget what a tenant, key, model, upstream or endpoint has used of its limits", Nothing, Gives::Json(shape::<LimitsShown>)),
    change(Post, "/admin/v1/limits/{scope}/{tenant}/{name}/reset", Desk(Task::ResetMemberLimits), Of::Limits, "forget what a user or project has used of its limits", Nothing, Gives::Json(shape::<LimitsShown>)),

    get("/admin/v1/usage", Desk(Task::Usage), read(Of::Usage), "sum up usage", USAGE, Table(shape::<UsageShown>)),
    get("/admin/v1/usage/rows", Desk(Task::UsageRows), read(Of::Usage), "list settled exchanges", ROWS, Table(shape::<RowsShown>)),
    asking(change(Post, "/admin/v1/usage/reconcile", Desk(Task::Reconcile), Of::Usage, "compare an invoice with the ledger", Csv, Gives::Json(shape::<Reconciled>)), &[needed("upstream", "The upstream that the invoice is of."), may("tolerance", "Percent by which numbers may differ: `0.5%`. Default: 0."), may("columns", "What the invoice's columns are called, where its header does not tell."), may("public_names", "`true` where the invoice has the public names of models.")]),

    get("/admin/v1/upstream-keys", Desk(Task::ListUpstreamKeys), read(Of::UpstreamKeys), "list the sealed credentials for upstreams", &[], Gives::Json(page::<UpstreamKeyShown>)),
    change(Put, "/admin/v1/upstream-keys/{name}", Desk(Task::PutUpstreamKey), Of::UpstreamKeys, "seal a credential for an upstream", Takes::Json(shape::<UpstreamSecret>), Gives::Json(shape::<UpstreamKeyShown>)),
    change(Delete, "/admin/v1/upstream-keys/{name}", Desk(Task::RemoveUpstreamKey), Of::UpstreamKeys, "remove a credential for an upstream", Nothing, Done),
    change(Post, "/admin/v1/upstream-keys/reseal", Desk(Task::ResealUpstreamKeys), Of::UpstreamKeys, "seal all credentials with the current master key", Nothing, Gives::Json(shape::<Resealed>)),

    get("/admin/v1/ledger", Desk(Task::Ledger), read(Of::Process), "show how the ledger does", &[], Gives::Json(shape::<LedgerShown>)),
    change(Post, "/admin/v1/ledger/flush", Desk(Task::FlushLedger), Of::Process, "wait until all that is settled is durable", Nothing, Gives::Json(shape::<LedgerShown>)),
];
