//! Callers as the configuration has them → records of the directory. It must not decide about a request.

use ring::rand::SecureRandom;

use crate::access::directory::Listed;
use crate::access::jwt::{Algorithm, ClaimMap, IssuerSettings};
use crate::access::seal::Seal;
use crate::access::{self, KeyDraft, Moment, Pepper, Scopes};
use crate::config::{self, Config, TokenAlgorithm};

/// Everything that the configuration says of callers. Signing secrets of its keys are sealed under `seal`, as those of the store.
///
/// # Errors
/// What cannot be used, as sentences.
pub fn listed(
    config: &Config,
    pepper: &Pepper,
    seal: &Seal,
    random: &dyn SecureRandom,
) -> Result<Listed, Vec<String>> {
    let mut listed = Listed::default();
    for (id, tenant) in &config.tenants {
        listed.tenants.push(tenant_of(id, tenant));
        let projects = tenant.projects.iter();
        listed
            .projects
            .extend(projects.map(|(name, project)| project_of(id, name, project)));
        let users = tenant.users.iter();
        listed
            .users
            .extend(users.map(|(name, user)| user_of(id, name, user)));
    }
    let mut problems = Vec::new();
    for key in &config.access.keys {
        match key_of(key, pepper, seal, random) {
            Ok(key) => listed.keys.push(key),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(listed),
        false => Err(problems),
    }
}

fn tenant_of(id: &str, tenant: &config::Tenant) -> access::Tenant {
    access::Tenant {
        id: id.to_owned(),
        name: tenant.name.clone(),
        active: tenant.active,
        limits: tenant.limits.clone(),
        budget: tenant.budget.clone(),
        account: tenant.account.map(|account| access::AccountTerms {
            credit: account.credit,
        }),
        plan: tenant.plan.clone(),
        allow: allow_of(&tenant.allow),
        profile: tenant.profile.clone(),
        priority: tenant.priority,
        tags: tenant.tags.clone(),
    }
}

fn project_of(tenant: &str, id: &str, project: &config::Project) -> access::Project {
    access::Project {
        tenant: tenant.to_owned(),
        id: id.to_owned(),
        name: project.name.clone(),
        active: project.active,
        limits: project.limits.clone(),
        budget: project.budget.clone(),
        allow: allow_of(&project.allow),
        tags: project.tags.clone(),
    }
}

fn user_of(tenant: &str, id: &str, user: &config::User) -> access::User {
    access::User {
        tenant: tenant.to_owned(),
        id: id.to_owned(),
        name: user.name.clone(),
        kind: user.kind,
        project: user.project.clone(),
        active: user.active,
        limits: user.limits.clone(),
        budget: user.budget.clone(),
        allow: allow_of(&user.allow),
        tags: user.tags.clone(),
    }
}

fn key_of(
    key: &config::ClientKey,
    pepper: &Pepper,
    seal: &Seal,
    random: &dyn SecureRandom,
) -> Result<access::Key, String> {
    let draft = KeyDraft {
        label: key.label.clone(),
        tenant: key.tenant.clone(),
        project: key.project.clone(),
        user: key.user.clone(),
        expires: key.expires.map(Moment::from),
        allow: allow_of(&key.allow),
        limits: key.limits.clone(),
        budget: key.budget.clone(),
        priority: key.priority,
        profile: key.profile.clone(),
        tags: key.tags.clone(),
        scopes: Scopes::of(&key.scopes),
        signed: key.signing_secret.is_some(),
    };
    let mut record = draft.configured(pepper.digest(&key.sha256), None);
    record.state = key.state;
    if let Some(secret) = &key.signing_secret {
        let context = access::signing_context(record.id);
        let sealed = seal.seal(secret.expose().as_bytes(), &context, random);
        let sealed = sealed.map_err(|error| format!("key `{}`: {error}", key.label))?;
        record.signing = Some(sealed);
    }
    Ok(record)
}

fn allow_of(allow: &config::Allow) -> access::Allow {
    let texts = |patterns: &[crate::terms::ModelPattern]| {
        let texts = patterns.iter().map(|pattern| pattern.text().to_owned());
        texts.collect()
    };
    access::Allow {
        models: texts(&allow.models),
        operations: texts(&allow.operations),
        addresses: allow.addresses.iter().map(ToString::to_string).collect(),
    }
}

/// The issuer of tokens; `jwks_url` is where its keys are, once that is known.
pub fn issuer(issuer: &config::TokenIssuer, jwks_url: String) -> IssuerSettings {
    let algorithms = issuer.algorithms.iter().copied().map(algorithm_of);
    IssuerSettings {
        issuer: issuer.issuer.clone(),
        jwks_url,
        audiences: issuer.audiences.clone(),
        algorithms: algorithms.collect(),
        leeway_seconds: issuer.leeway.as_secs(),
        refresh_seconds: issuer.refresh.as_secs(),
        claims: ClaimMap {
            tenant: issuer.claims.tenant.clone(),
            project: issuer.claims.project.clone(),
            user: issuer.claims.user.clone(),
            scopes: issuer.claims.scopes.clone(),
            models: issuer.claims.models.clone(),
            tags: issuer.claims.tags.clone(),
        },
        default_tenant: issuer.default_tenant.clone(),
        scope_names: Default::default(),
    }
}

fn algorithm_of(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::RS256 => Algorithm::RS256,
        TokenAlgorithm::RS384 => Algorithm::RS384,
        TokenAlgorithm::RS512 => Algorithm::RS512,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::PS384 => Algorithm::PS384,
        TokenAlgorithm::PS512 => Algorithm::PS512,
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::ES384 => Algorithm::ES384,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
