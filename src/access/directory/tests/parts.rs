//! The configuration's part beside the store's, and callers with tokens of other issuers.

use std::collections::BTreeMap;

use super::super::super::scope::Scopes;
use super::*;

fn listed(json: &str) -> Listed {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let list = |name: &str| {
        json.get(name)
            .cloned()
            .unwrap_or_else(|| serde_json::json!([]))
    };
    Listed {
        tenants: serde_json::from_value(list("tenants")).unwrap(),
        projects: serde_json::from_value(list("projects")).unwrap(),
        users: serde_json::from_value(list("users")).unwrap(),
        keys: Vec::new(),
    }
}

#[test]
fn the_configuration_is_swapped_whole_and_goes_before_the_store() {
    let directory = with_acme();
    let stored = create_key(&directory, r#"{"label":"s","tenant":"acme"}"#);
    let mut part =
        listed(r#"{"tenants":[{"id":"acme","allow":{"models":["only"]}},{"id":"yaml"}]}"#);
    part.keys = vec![
        configured(&directory, "first", r#"{"label":"one","tenant":"yaml"}"#),
        configured(
            &directory,
            "second",
            r#"{"label":"two","tenant":"acme","project":"ml"}"#,
        ),
    ];
    directory.set_configured(part.clone()).unwrap();
    let first = directory.find(b"first", at(NOW)).unwrap();
    assert_eq!(
        (first.tenant_id(), first.key_id()),
        ("yaml", Some(KeyId::of_label("yaml", "one")))
    );
    // The configuration's `acme` stands in place of the store's, for the store's keys too.
    assert!(find(&directory, &stored).unwrap().may_use_model("only"));
    assert!(!find(&directory, &stored).unwrap().may_use_model("gpt-5"));
    assert_eq!(
        directory.find(b"second", at(NOW)).unwrap().project_id(),
        Some("ml")
    );
    let id = KeyId::of_label("yaml", "one");
    assert_eq!(
        directory.revoke_key(id, &mut kept),
        Err(ChangeError::InConfiguration(Name::Key(id)))
    );
    let made = create_key(&directory, r#"{"label":"s2","tenant":"yaml"}"#);
    assert_eq!(find(&directory, &made).unwrap().tenant_id(), "yaml");
    let all = directory.tenants(None, 10);
    let all: Vec<_> = all
        .iter()
        .map(|entry| (entry.record.id.as_str(), entry.record.allow.models.len()))
        .collect();
    assert_eq!(all, [("acme", 1), ("yaml", 0)]);
    // What is wrong changes nothing.
    let mut twice = part.clone();
    twice.keys.push(configured(
        &directory,
        "third",
        r#"{"label":"one","tenant":"yaml"}"#,
    ));
    twice.keys.push(configured(
        &directory,
        "second",
        r#"{"label":"three","tenant":"yaml"}"#,
    ));
    twice.tenants.push(part.tenants[0].clone());
    let problems = directory.set_configured(twice).unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(directory.find(b"first", at(NOW)).is_ok());
    // A secret that is changed: the key is the same one.
    part.keys[0] = configured(&directory, "changed", r#"{"label":"one","tenant":"yaml"}"#);
    directory.set_configured(part).unwrap();
    assert_eq!(
        directory.find(b"first", at(NOW)).unwrap_err(),
        Denied::Unknown
    );
    assert_eq!(
        directory.find(b"changed", at(NOW)).unwrap().key_id(),
        Some(id)
    );
    directory.set_configured(Listed::default()).unwrap();
    assert_eq!(find(&directory, &made).unwrap_err(), Denied::TenantInactive);
    assert!(find(&directory, &stored).unwrap().may_use_model("gpt-5"));
}

#[test]
fn stored_records_that_are_wrong_are_left_out_and_told() {
    let directory = directory();
    let problems = directory.set_stored(listed(
        r#"{"tenants":[{"id":"good"},{"id":"bad","allow":{"models":["/(/"]}}],"users":[{"tenant":"good","id":"a b"}]}"#,
    ));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(directory.tenants(None, 10).len(), 1);
}

fn grant(json: serde_json::Value) -> Arc<Grant> {
    let text = |name: &str| {
        json.get(name)
            .and_then(|value| value.as_str())
            .map(str::to_owned)
    };
    Arc::new(Grant {
        issuer: "https://id.example".into(),
        tenant: text("tenant"),
        default_tenant: text("default_tenant"),
        project: text("project"),
        user: text("user").unwrap_or_else(|| "alice".into()),
        subject: "alice|1".into(),
        scopes: Scopes::default(),
        models: None,
        tags: BTreeMap::new(),
        ends: NOW + 600,
    })
}

#[test]
fn tokens_lead_to_tenants_users_and_projects() {
    use serde_json::json;
    let directory = with_acme();
    directory
        .create(
            tenant(r#"{"id":"guests","allow":{"models":["small"]}}"#),
            &mut kept,
        )
        .unwrap();
    directory
        .create(tenant(r#"{"id":"off","active":false}"#), &mut kept)
        .unwrap();
    let who = |json| {
        let caller = directory.by_grant(&grant(json))?;
        let ids = [
            Some(caller.tenant_id()),
            caller.project_id(),
            caller.user_id(),
        ];
        Ok(ids.map(|id| id.unwrap_or("-").to_owned()).join("/"))
    };
    let fault = |fault| Err(Denied::Token(fault));
    for (json, expected) in [
        (json!({"tenant": "acme"}), Ok("acme/-/alice".to_owned())),
        (
            json!({"tenant": "acme", "user": "bot"}),
            Ok("acme/ml/bot".into()),
        ),
        (
            json!({"tenant": "acme", "project": "ml"}),
            Ok("acme/ml/alice".into()),
        ),
        (
            json!({"tenant": "acme", "project": "x"}),
            fault(TokenFault::UnknownProject),
        ),
        (json!({"tenant": "other"}), fault(TokenFault::UnknownTenant)),
        (json!({"tenant": "a/b"}), fault(TokenFault::UnknownTenant)),
        (json!({}), fault(TokenFault::UnknownTenant)),
        (
            json!({"tenant": "other", "default_tenant": "guests", "project": "ml"}),
            Ok("guests/-/alice".into()),
        ),
        (
            json!({"default_tenant": "guests"}),
            Ok("guests/-/alice".into()),
        ),
        (
            json!({"tenant": "off", "default_tenant": "guests"}),
            Err(Denied::TenantInactive),
        ),
        (
            json!({"default_tenant": "gone"}),
            fault(TokenFault::UnknownTenant),
        ),
    ] {
        assert_eq!(who(json.clone()), expected, "{json}");
    }
    let caller = directory
        .by_grant(&grant(json!({"default_tenant": "guests"})))
        .unwrap();
    assert!(caller.may_use_model("small") && !caller.may_use_model("large"));
    assert_eq!((caller.key_id(), caller.key_label()), (None, None));
}
