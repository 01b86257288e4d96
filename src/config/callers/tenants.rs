//! Checks `tenants`: what each has agreed to, its projects and its users.
//! It must not know their keys.

use std::collections::BTreeMap;

use super::allow::{RawAllow, allow, budget, check_id, tags};
use super::{Access, Account, DEFAULT_TENANT, Names, Project, Tenant, User};
use crate::config::check::Context;
use crate::config::path::FieldPath;
use crate::config::rates;
use crate::config::raw::{RawProject, RawTenant, RawUser};

pub(in crate::config) fn tenants(
    context: &mut Context<'_, '_>,
    raw: Option<BTreeMap<String, Option<RawTenant>>>,
    names: &Names<'_>,
) -> Option<BTreeMap<String, Tenant>> {
    let path = FieldPath::root().key("tenants");
    let tenants: Vec<_> = raw
        .unwrap_or_default()
        .into_iter()
        .map(|(id, raw)| {
            let path = path.key(&id);
            check_id(context, &path, &id);
            let tenant = tenant(context, &path, &id, raw?, names)?;
            Some((id, tenant))
        })
        .collect();
    tenants.into_iter().collect()
}

/// With the tenant of keys and tokens that name none, where some do, the file has no entry for it and no store may have one.
pub(in crate::config) fn with_default(
    mut tenants: BTreeMap<String, Tenant>,
    access: &Access,
    has_store: bool,
) -> BTreeMap<String, Tenant> {
    let is_named = access.keys.iter().any(|key| key.tenant == DEFAULT_TENANT);
    let mut issuers = access.tokens.iter();
    let stands_in = issuers.any(|issuer| issuer.default_tenant.as_deref() == Some(DEFAULT_TENANT));
    if (is_named || stands_in) && !has_store {
        let plain = || Tenant::plain(DEFAULT_TENANT);
        tenants
            .entry(DEFAULT_TENANT.to_owned())
            .or_insert_with(plain);
    }
    tenants
}

fn tenant(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    id: &str,
    raw: RawTenant,
    names: &Names<'_>,
) -> Option<Tenant> {
    if let Some(plan) = &raw.plan {
        names.check_plan(context, &path.key("plan"), plan);
    }
    let lists = RawAllow {
        models: raw.models,
        operations: raw.operations,
        addresses: raw.addresses,
    };
    let allow = allow(context, path, lists, names);
    let projects = projects(context, &path.key("projects"), raw.projects, names);
    let users = users(context, path, id, raw.users, names);
    let account = raw
        .account
        .map(|raw| raw.credit.map(|credit| Account { credit }));
    let tags = tags(context, &path.key("tags"), raw.tags);
    Some(Tenant {
        name: raw.name.unwrap_or_else(|| id.to_owned()),
        active: raw.active?,
        limits: rates::limits(raw.limits),
        budget: budget(context, &path.key("budget"), raw.budget, names),
        account: match account {
            Some(account) => Some(account?),
            None => None,
        },
        plan: raw.plan,
        allow: allow?,
        profile: raw.profile,
        priority: raw.priority,
        tags: tags?,
        projects: projects?,
        users: users?,
    })
}

fn projects(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<BTreeMap<String, Option<RawProject>>>,
    names: &Names<'_>,
) -> Option<BTreeMap<String, Project>> {
    let projects: Vec<_> = raw
        .unwrap_or_default()
        .into_iter()
        .map(|(id, raw)| {
            let path = path.key(&id);
            check_id(context, &path, &id);
            let project = project(context, &path, &id, raw?, names)?;
            Some((id, project))
        })
        .collect();
    projects.into_iter().collect()
}

fn project(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    id: &str,
    raw: RawProject,
    names: &Names<'_>,
) -> Option<Project> {
    let lists = RawAllow {
        models: raw.models,
        operations: raw.operations,
        addresses: raw.addresses,
    };
    let allow = allow(context, path, lists, names);
    let tags = tags(context, &path.key("tags"), raw.tags);
    Some(Project {
        name: raw.name.unwrap_or_else(|| id.to_owned()),
        active: raw.active?,
        limits: rates::limits(raw.limits),
        budget: budget(context, &path.key("budget"), raw.budget, names),
        allow: allow?,
        tags: tags?,
    })
}

/// The users of the tenant at `path`.
fn users(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    tenant: &str,
    raw: Option<BTreeMap<String, Option<RawUser>>>,
    names: &Names<'_>,
) -> Option<BTreeMap<String, User>> {
    let path = path.key("users");
    let users: Vec<_> = raw
        .unwrap_or_default()
        .into_iter()
        .map(|(id, raw)| {
            let path = path.key(&id);
            check_id(context, &path, &id);
            let raw = raw?;
            if let Some(project) = &raw.project {
                names.check_project(context, &path.key("project"), tenant, project);
            }
            let user = user(context, &path, &id, raw, names)?;
            Some((id, user))
        })
        .collect();
    users.into_iter().collect()
}

fn user(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    id: &str,
    raw: RawUser,
    names: &Names<'_>,
) -> Option<User> {
    let lists = RawAllow {
        models: raw.models,
        operations: raw.operations,
        addresses: raw.addresses,
    };
    let allow = allow(context, path, lists, names);
    let tags = tags(context, &path.key("tags"), raw.tags);
    Some(User {
        name: raw.name.unwrap_or_else(|| id.to_owned()),
        kind: raw.kind?,
        project: raw.project,
        active: raw.active?,
        limits: rates::limits(raw.limits),
        budget: budget(context, &path.key("budget"), raw.budget, names),
        allow: allow?,
        tags: tags?,
    })
}
