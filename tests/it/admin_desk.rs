//! The operator's desk: keys, accounts, limits and usage by the command line and the admin API, and what outlives the process.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::*;

const TOKEN: &str = "open-sesame-0123";
const KEEPING: &str = "store: { path: books }\naccess: { required: true }\nadmin: { address: \"127.0.0.1:0\", token: { env: WEIR_ADMIN_TOKEN } }\nprices: { models: { \"*\": { input: 1000000, output: 0 } } }";

async fn weir_with_books(host: &Sim) -> Weir {
    let setup = Weir::in_front_of([host]).with(KEEPING);
    setup.environment("WEIR_ADMIN_TOKEN", TOKEN).await
}

/// Asks the admin API with the token, or with a key.
async fn ask(weir: &Weir, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(weir.admin_address(), method, path);
    let request = request.header("authorization", &format!("Bearer {token}"));
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}

async fn chat(weir: &Weir, key: &str) -> Answer {
    let request = weir
        .chat("hi")
        .header("authorization", &format!("Bearer {key}"));
    request.send().await
}

/// The id in a key: `weir_<id>_…`.
fn id_of(key: &str) -> &str {
    key.split('_').nth(1).expect("a key has an id")
}

fn new_key(weir: &Weir, more: &[&str]) -> String {
    let arguments = [&["keys", "create", "--quiet", "--tenant", "acme"], more].concat();
    weir.command(&arguments).trim().to_owned()
}

#[tokio::test]
async fn a_key_made_by_command_works_at_once_and_is_refused_once_revoked() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    chat(&weir, "weir_nobody").await.assert_status(401);
    let key = new_key(&weir, &["--label", "ci", "--rpm", "60"]);
    chat(&weir, &key).await.assert_status(200);
    let listed = weir.command(&["keys", "list"]);
    assert!(listed.contains("ci") && !listed.contains(&key), "{listed}");
    weir.command(&["keys", "disable", id_of(&key)]);
    chat(&weir, &key).await.assert_status(401);
    weir.command(&["keys", "enable", id_of(&key)]);
    chat(&weir, &key).await.assert_status(200);
    let next = weir.command(&["keys", "rotate", id_of(&key), "--quiet"]);
    chat(&weir, &key).await.assert_status(401);
    chat(&weir, next.trim()).await.assert_status(200);
    weir.command(&["keys", "revoke", id_of(&key)]);
    chat(&weir, next.trim()).await.assert_status(401);
    let written = weir.everything_written();
    assert!(
        !written.contains(&key) && !written.contains(next.trim()),
        "{written}"
    );
    assert!(written.contains("revoke"), "{written}");
}

#[tokio::test]
async fn an_allow_list_names_what_it_refuses_and_hides_it_from_lists() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    let key = new_key(&weir, &["--models", "other-*"]);
    let refused = chat(&weir, &key).await;
    refused.assert_status(403);
    assert!(refused.text().contains(MODEL), "{}", refused.text());
    let all = new_key(&weir, &["--models", "llama-*"]);
    for (key, count) in [(&key, 0), (&all, 1)] {
        let list = weir
            .get("/v1/models")
            .header("authorization", &format!("Bearer {key}"));
        let list = list.send().await.json();
        assert_eq!(list["data"].as_array().map(Vec::len), Some(count), "{list}");
    }
}

#[tokio::test]
async fn usage_is_told_by_exchange_and_in_sums() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    let key = new_key(&weir, &["--label", "ci"]);
    for _ in 0..3 {
        chat(&weir, &key).await.assert_status(200);
    }
    let lines = weir.command(&["usage", "--format", "json"]);
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!(rows.len(), 3, "{lines}");
    for row in &rows {
        assert_eq!(
            (&row["tenant"], &row["key"], &row["model"]),
            (&json!("acme"), &json!("ci"), &json!(MODEL))
        );
        assert_eq!(
            (&row["status"], &row["attempts"], &row["estimated"]),
            (&json!(200), &json!(1), &json!(false))
        );
        for member in [
            "exchange",
            "time",
            "upstream",
            "input",
            "cached",
            "output",
            "reasoning",
            "cost",
        ] {
            assert!(!row[member].is_null(), "{member}: {row}");
        }
        // A million for a million tokens of input: one each.
        assert_eq!(row["cost"], row["input"], "{row}");
    }
    let sums = weir.command(&["usage", "--by", "model,day", "--format", "json"]);
    let sums: Value = serde_json::from_str(&sums).expect("one group");
    assert_eq!(
        (&sums["model"], &sums["exchanges"]),
        (&json!(MODEL), &json!(3))
    );
    let csv = weir.command(&["usage", "--by", "tenant", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let nobody = weir.command(&["usage", "--tenant", "nobody", "--format", "json"]);
    assert_eq!(nobody, "");
}

#[tokio::test]
async fn a_deposit_with_the_same_key_is_made_once_and_can_be_spent() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    let key = new_key(&weir, &[]);
    let deposit = |amount: &'static str| {
        weir.try_command(&[
            "accounts",
            "deposit",
            "--tenant",
            "acme",
            amount,
            "--idempotency-key",
            "a-1",
        ])
    };
    for _ in 0..2 {
        let made = deposit("1000");
        assert!(made.status.success(), "{made:?}");
    }
    assert_eq!(deposit("5").status.code(), Some(65));
    let shown = |weir: &Weir| -> Value {
        serde_json::from_str(&weir.command(&["accounts", "show", "--tenant", "acme"]))
            .expect("an account")
    };
    assert_eq!(shown(&weir)["balance"], json!(1000));
    chat(&weir, &key).await.assert_status(200);
    let spent = shown(&weir);
    assert!(spent["balance"].as_f64() < Some(1000.0), "{spent}");
    let withdrawn = weir.try_command(&["accounts", "withdraw", "--tenant", "acme", "2000"]);
    assert_eq!(withdrawn.status.code(), Some(65));
    let weir = weir.killed_and_started_again().await;
    assert_eq!(shown(&weir)["balance"], spent["balance"]);
    let statement = weir.command(&[
        "accounts",
        "statement",
        "--tenant",
        "acme",
        "--format",
        "json",
    ]);
    let statement: Value = serde_json::from_str(&statement).expect("lines");
    let kinds: Vec<&str> = statement
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|line| line["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["opened", "deposit", "charges"]);
}

#[tokio::test]
async fn limits_set_while_it_runs_hold_for_the_next_request() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    let key = new_key(&weir, &["--rpm", "100"]);
    chat(&weir, &key).await.assert_status(200);
    let subject = format!("key/{}", id_of(&key));
    weir.command(&["limits", "set", &subject, "--rpm", "1"]);
    chat(&weir, &key).await.assert_status(429);
    let shown: Value =
        serde_json::from_str(&weir.command(&["limits", "show", &subject, "--format", "json"]))
            .expect("limits");
    assert_eq!(
        (
            &shown["rates"][0]["amount"],
            &shown["rates"][0]["remaining"]
        ),
        (&json!(1), &json!(0)),
        "{shown}"
    );
    weir.command(&["limits", "set", &subject, "--rpm", "1000"]);
    chat(&weir, &key).await.assert_status(200);
}

#[tokio::test]
async fn what_was_used_of_limits_can_be_forgotten() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    let key = new_key(&weir, &["--rpm", "1"]);
    let subject = format!("key/{}", id_of(&key));
    for _ in 0..2 {
        chat(&weir, &key).await.assert_status(200);
        chat(&weir, &key).await.assert_status(429);
        let shown: Value =
            serde_json::from_str(&weir.command(&["limits", "reset", &subject])).expect("limits");
        assert_eq!(shown["rates"][0]["remaining"], json!(1), "{shown}");
    }
    chat(&weir, &key).await.assert_status(200);
    let unknown = weir.try_command(&["limits", "reset", "key/000000000000"]);
    let told = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && told.contains("key"), "{told}");
}

#[tokio::test]
async fn what_was_changed_is_there_after_a_kill_and_offline_commands_see_it() {
    let host = Sim::start().await;
    let mut weir = weir_with_books(&host).await;
    let (kept, ended) = (
        new_key(&weir, &["--label", "kept"]),
        new_key(&weir, &["--label", "ended"]),
    );
    weir.command(&["keys", "revoke", id_of(&ended)]);
    weir.command(&[
        "prices", "set", "--model", MODEL, "--input", "0.5", "--output", "1",
    ]);
    weir = weir.killed_and_started_again().await;
    chat(&weir, &kept).await.assert_status(200);
    chat(&weir, &ended).await.assert_status(401);
    let prices = weir.command(&["prices", "list", "--format", "json"]);
    assert!(prices.contains("0.5"), "{prices}");
    weir.signal(nix::sys::signal::Signal::SIGTERM);
    weir.exited().await;
    let listed = weir.command(&["keys", "list", "--format", "json"]);
    assert!(
        listed.contains("kept") && listed.contains("revoked"),
        "{listed}"
    );
    let offline = new_key(&weir, &["--label", "offline"]);
    let usage = weir.command(&["usage", "--format", "json"]);
    assert_eq!(usage.lines().count(), 1, "{usage}");
    weir = weir.killed_and_started_again().await;
    chat(&weir, &offline).await.assert_status(200);
}

#[tokio::test]
async fn without_a_store_nothing_is_kept_and_the_way_out_is_named() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let made = Request::new(weir.admin_address(), Method::POST, "/admin/v1/tenants");
    let refused = made.json(json!({"id": "acme"})).send().await;
    refused.assert_status(409);
    assert_eq!(refused.error()["code"], "no_store");
    assert!(
        refused.text().contains("store: { path"),
        "{}",
        refused.text()
    );
}

#[tokio::test]
async fn mistakes_name_the_member_and_the_object() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    let post = |path: &'static str, body: Value| ask(&weir, TOKEN, Method::POST, path, Some(body));
    post("/admin/v1/tenants", json!({"id": "acme"}))
        .await
        .assert_status(201);
    let cases = [
        ("/admin/v1/tenants", json!({"id": "acme"}), 409, Value::Null),
        (
            "/admin/v1/tenants",
            json!({"id": "b", "colour": 1}),
            422,
            json!("colour"),
        ),
        ("/admin/v1/tenants", json!({"name": "b"}), 422, json!("id")),
        (
            "/admin/v1/keys",
            json!({"label": "x", "tenant": "nobody"}),
            422,
            Value::Null,
        ),
        (
            "/admin/v1/accounts/acme/entries",
            json!({"kind": "deposit"}),
            422,
            json!("amount"),
        ),
        (
            "/admin/v1/accounts/nobody/entries",
            json!({"kind": "deposit", "amount": 1}),
            404,
            Value::Null,
        ),
    ];
    for (path, body, status, param) in cases {
        let refused = post(path, body).await;
        refused.assert_status(status);
        assert_eq!(refused.error()["param"], param, "{}", refused.text());
        assert!(
            refused.error()["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
    let odd = ask(&weir, TOKEN, Method::GET, "/admin/v1/usage?form=csv", None).await;
    odd.assert_status(400);
    assert_eq!(odd.error()["param"], "form");
}

/// Every route of the table, with keys of another tenant: nothing that is this tenant's is told or changed.
#[tokio::test]
async fn no_key_sees_or_changes_another_tenants_things_by_any_route() {
    let host = Sim::start().await;
    let weir = weir_with_books(&host).await;
    let secret = "only-acme-knows";
    let mine = new_key(&weir, &["--label", secret]);
    weir.command(&["users", "create", secret, "--tenant", "acme"]);
    weir.command(&[
        "accounts", "deposit", "--tenant", "acme", "1000", "--note", secret,
    ]);
    chat(&weir, &mine).await.assert_status(200);
    let others = [
        "inference",
        "usage_read",
        "keys_manage",
        "usage_read,keys_manage",
    ];
    let others = others.map(|scopes| {
        weir.command(&[
            "keys", "create", "--quiet", "--tenant", "other", "--scopes", scopes,
        ])
        .trim()
        .to_owned()
    });
    let document = ask(&weir, TOKEN, Method::GET, "/admin/v1/openapi.json", None)
        .await
        .json();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if operation["security"] == json!([]) {
                continue;
            }
            let path = filled(path, secret, id_of(&mine));
            let method: Method = method.to_uppercase().parse().expect("a method");
            for key in &others {
                for query in ["", "?tenant=acme"] {
                    let told = ask(
                        &weir,
                        key,
                        method.clone(),
                        &format!("{path}{query}"),
                        body_for(&method),
                    )
                    .await;
                    let text = told.text();
                    asked += 1;
                    assert!(
                        !text.contains(secret) && !text.contains(id_of(&mine))
                            || told.status >= 400,
                        "{method} {path}{query}: {text}"
                    );
                    let names_acme = path.contains("acme") || path.contains(id_of(&mine));
                    assert!(
                        !names_acme || told.status >= 400,
                        "{method} {path}: {} {text}",
                        told.status
                    );
                    assert!(told.status < 500, "{method} {path}: {text}");
                }
            }
        }
    }
    assert!(asked > 300, "{asked}");
    chat(&weir, &mine).await.assert_status(200);
    let own = ask(&weir, &others[1], Method::GET, "/admin/v1/usage", None).await;
    own.assert_status(200);
}

fn filled(path: &str, user: &str, key: &str) -> String {
    let parts = [
        ("{tenant}", "acme"),
        ("{user}", user),
        ("{project}", "p"),
        ("{key}", key),
        ("{plan}", "p"),
        ("{scope}", "tenant"),
        ("{upstream}", "gpu-a"),
        ("{label}", "l"),
        ("{address}", "a"),
    ];
    let path = parts
        .into_iter()
        .fold(path.to_owned(), |path, (name, value)| {
            path.replace(name, value)
        });
    path.replace(
        "limits/tenant/acme/{name}",
        &format!("limits/user/acme/{user}"),
    )
    .replace("{name}", "acme")
}

fn body_for(method: &Method) -> Option<Value> {
    let takes_one = *method == Method::POST || *method == Method::PUT || *method == Method::PATCH;
    takes_one.then(|| json!({"tenant": "acme", "label": "taken"}))
}
