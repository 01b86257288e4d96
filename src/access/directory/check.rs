//! What every record must be, wherever it comes from. What it names is checked where it is changed.

use std::fmt::Display;

use serde::Serialize;

use super::super::allow::Allowance;
use super::super::ids::check_id;
use super::super::records::{Allow, Key, Project, Tags, Tenant, User};

const NAME_CHARACTERS_MAX: usize = 256;
const LABEL_CHARACTERS_MAX: usize = 128;
const TAGS_MAX: usize = 32;
const TAG_NAME_CHARACTERS_MAX: usize = 64;
const TAG_CHARACTERS_MAX: usize = 256;
/// Bytes of a record as JSON, so that every store takes it as one value.
const RECORD_BYTES_MAX: usize = 32 * 1024;

pub(super) fn tenant(tenant: &Tenant) -> Result<Allowance, String> {
    let whose = format!("tenant `{}`", tenant.id);
    let ids = [
        ("its id", Some(&tenant.id)),
        ("`plan`", tenant.plan.as_ref()),
        ("`profile`", tenant.profile.as_ref()),
    ];
    check(
        &whose,
        &ids,
        &tenant.name,
        &tenant.tags,
        &tenant.allow,
        tenant,
    )
}

pub(super) fn project(project: &Project) -> Result<Allowance, String> {
    let whose = format!("project `{}` of tenant `{}`", project.id, project.tenant);
    let ids = [
        ("its id", Some(&project.id)),
        ("`tenant`", Some(&project.tenant)),
    ];
    check(
        &whose,
        &ids,
        &project.name,
        &project.tags,
        &project.allow,
        project,
    )
}

pub(super) fn user(user: &User) -> Result<Allowance, String> {
    let whose = format!("user `{}` of tenant `{}`", user.id, user.tenant);
    let ids = [
        ("its id", Some(&user.id)),
        ("`tenant`", Some(&user.tenant)),
        ("`project`", user.project.as_ref()),
    ];
    check(&whose, &ids, &user.name, &user.tags, &user.allow, user)
}

pub(super) fn key(key: &Key) -> Result<Allowance, String> {
    let whose = format!("key `{}` of tenant `{}`", key.label, key.tenant);
    let ids = [
        ("`tenant`", Some(&key.tenant)),
        ("`project`", key.project.as_ref()),
        ("`user`", key.user.as_ref()),
        ("`profile`", key.profile.as_ref()),
    ];
    if key.label.is_empty() || !is_line(&key.label, LABEL_CHARACTERS_MAX) {
        return Err(format!(
            "{whose}: `label` must be one line of up to {LABEL_CHARACTERS_MAX} characters"
        ));
    }
    check(&whose, &ids, "", &key.tags, &key.allow, key)
}

fn check(
    whose: &str,
    ids: &[(&str, Option<&String>)],
    name: &str,
    tags: &Tags,
    allow: &Allow,
    record: &impl Serialize,
) -> Result<Allowance, String> {
    let problem = |what: &dyn Display| format!("{whose}: {what}");
    for (place, id) in ids {
        if let Some(id) = id {
            check_id(id).map_err(|what| problem(&format!("{place} `{id}` {what}")))?;
        }
    }
    if !is_line(name, NAME_CHARACTERS_MAX) {
        return Err(problem(&format!(
            "`name` must be one line of up to {NAME_CHARACTERS_MAX} characters"
        )));
    }
    check_tags(tags).map_err(|what| problem(&what))?;
    let allowance = Allowance::read(allow).map_err(|problems| problem(&problems.join("; ")))?;
    let bytes = serde_json::to_vec(record).map_or(usize::MAX, |json| json.len());
    match bytes <= RECORD_BYTES_MAX {
        true => Ok(allowance),
        false => Err(problem(&format!(
            "is longer than {RECORD_BYTES_MAX} bytes of JSON; shorten its lists"
        ))),
    }
}

fn check_tags(tags: &Tags) -> Result<(), String> {
    if tags.len() > TAGS_MAX {
        return Err(format!(
            "has {} tags; at most {TAGS_MAX} are kept",
            tags.len()
        ));
    }
    for (tag, value) in tags {
        if tag.is_empty()
            || !is_line(tag, TAG_NAME_CHARACTERS_MAX)
            || !is_line(value, TAG_CHARACTERS_MAX)
        {
            return Err(format!(
                "tag `{tag}` must be one line of up to {TAG_NAME_CHARACTERS_MAX} characters, its value of {TAG_CHARACTERS_MAX}"
            ));
        }
    }
    Ok(())
}

/// What stands in logs and tables must not begin a new line there.
fn is_line(text: &str, characters_max: usize) -> bool {
    text.chars().count() <= characters_max && !text.chars().any(char::is_control)
}
