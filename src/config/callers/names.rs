//! The names that callers' entries refer to: tenants with their projects and users, plans, models.
//! It must not know what stands under them.

use std::collections::{BTreeMap, BTreeSet};

use super::DEFAULT_TENANT;
use crate::config::check::Context;
use crate::config::known::KnownModels;
use crate::config::path::FieldPath;
use crate::config::problem::did_you_mean;
use crate::config::raw::{RawPlan, RawTenant};

/// All names of the file, also those whose entries have problems.
pub(in crate::config) struct Names<'m> {
    pub models: &'m KnownModels,
    tenants: BTreeMap<String, Members>,
    plans: BTreeSet<String>,
    /// Whether there may be others in the store.
    open: bool,
}

/// What belongs to one tenant.
#[derive(Default)]
struct Members {
    projects: BTreeSet<String>,
    users: BTreeSet<String>,
}

impl<'m> Names<'m> {
    pub fn of(
        models: &'m KnownModels,
        tenants: Option<&BTreeMap<String, Option<RawTenant>>>,
        plans: Option<&BTreeMap<String, Option<RawPlan>>>,
        has_store: bool,
    ) -> Self {
        let tenants = tenants.into_iter().flatten();
        let tenants = tenants.map(|(id, raw)| (id.clone(), Members::of(raw.as_ref())));
        Self {
            models,
            tenants: tenants.collect(),
            plans: plans
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect(),
            open: has_store,
        }
    }

    /// Reports a tenant that cannot be meant.
    pub fn check_tenant(&self, context: &mut Context<'_, '_>, path: &FieldPath, id: &str) {
        let is_known = self.tenants.contains_key(id) || id == DEFAULT_TENANT;
        let known = self.tenants.keys().map(String::as_str);
        self.check(
            context,
            path,
            id,
            is_known,
            known,
            "tenant",
            "add it under `tenants`",
        );
    }

    pub fn check_plan(&self, context: &mut Context<'_, '_>, path: &FieldPath, name: &str) {
        let is_known = self.plans.contains(name);
        let known = self.plans.iter().map(String::as_str);
        self.check(
            context,
            path,
            name,
            is_known,
            known,
            "plan",
            "add it under `plans`",
        );
    }

    /// A tenant that is not known has been reported, or may have any project.
    pub fn check_project(
        &self,
        context: &mut Context<'_, '_>,
        path: &FieldPath,
        tenant: &str,
        id: &str,
    ) {
        if let Some(projects) = self.members(tenant).map(|members| &members.projects) {
            let known = projects.iter().map(String::as_str);
            let way_out = format!("add it under `projects` of the tenant {tenant}");
            self.check(
                context,
                path,
                id,
                projects.contains(id),
                known,
                "project",
                &way_out,
            );
        }
    }

    pub fn check_user(
        &self,
        context: &mut Context<'_, '_>,
        path: &FieldPath,
        tenant: &str,
        id: &str,
    ) {
        if let Some(users) = self.members(tenant).map(|members| &members.users) {
            let known = users.iter().map(String::as_str);
            let way_out = format!("add it under `users` of the tenant {tenant}");
            self.check(
                context,
                path,
                id,
                users.contains(id),
                known,
                "user",
                &way_out,
            );
        }
    }

    fn members(&self, tenant: &str) -> Option<&Members> {
        const NONE: &Members = &Members {
            projects: BTreeSet::new(),
            users: BTreeSet::new(),
        };
        let known = self.tenants.get(tenant);
        known.or_else(|| (tenant == DEFAULT_TENANT).then_some(NONE))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one sentence, and what it is made of"
    )]
    fn check<'k>(
        &self,
        context: &mut Context<'_, '_>,
        path: &FieldPath,
        name: &str,
        is_known: bool,
        known: impl Iterator<Item = &'k str>,
        what: &str,
        way_out: &str,
    ) {
        if is_known || self.open {
            return;
        }
        let shown = context.report.shown(path);
        let way_out = match did_you_mean(name, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => way_out.to_owned(),
        };
        let message = format!("there is no {what} {shown}; {way_out}");
        context.report.value(path, message);
    }
}

impl Members {
    fn of(raw: Option<&RawTenant>) -> Members {
        fn ids<T>(entries: Option<&BTreeMap<String, T>>) -> BTreeSet<String> {
            entries
                .into_iter()
                .flatten()
                .map(|(id, _)| id.clone())
                .collect()
        }
        Members {
            projects: ids(raw.and_then(|raw| raw.projects.as_ref())),
            users: ids(raw.and_then(|raw| raw.users.as_ref())),
        }
    }
}
