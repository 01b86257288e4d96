//! What is found in texts, and what is not: each line is a text and what becomes of it.

use weir_plugin::testing::{TestHost, edited_segments};
use weir_plugin::{Guard, Host, Role, Verdict};
use weir_plugin_pii::Pii;

fn masked(config: &str, text: &str) -> String {
    let mut guard = Pii::configure(config).expect("the configuration is good");
    let host = TestHost::new().with_request_segments(&[(Role::User, text)]);
    let verdict = guard.on_request(&host).expect("the guard works");
    let texts = edited_segments(&host.request_segments(), &verdict);
    texts
        .unwrap_or_else(|| panic!("refused: {verdict:?}"))
        .remove(0)
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(text, wanted)| (text, masked("null", text), wanted))
        .filter(|(_, got, wanted)| got != *wanted)
        .map(|(text, got, wanted)| format!("{text}\n  became {got}\n  wanted {wanted}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Texts that stay as they are.
#[track_caller]
fn check_kept(texts: &[&str]) {
    let cases: Vec<(&str, &str)> = texts.iter().map(|text| (*text, *text)).collect();
    check(&cases);
}

#[test]
fn mail_addresses() {
    check(&[
        ("write to bob@example.com.", "write to [EMAIL]."),
        ("<Anna.Maria+news@mail.example.co.uk>", "<[EMAIL]>"),
        ("jürgen.müller@bücher.example", "[EMAIL]"),
        ("请联系zhang.san@example.cn谢谢", "请联系[EMAIL]谢谢"),
        ("почта: иван@пример.рф!", "почта: [EMAIL]!"),
        ("a@b.com,c@d.org;e_f@g-h.io", "[EMAIL],[EMAIL];[EMAIL]"),
        ("mailto:x@y.de?subject=hi", "mailto:[EMAIL]?subject=hi"),
        ("bob@xn--bcher-kva.xn--p1ai", "[EMAIL]"),
        ("9lives@example.com", "[EMAIL]"),
        ("john@example.com.au.", "[EMAIL]."),
        (
            "the address (me@example.com) is mine",
            "the address ([EMAIL]) is mine",
        ),
    ]);
    check_kept(&[
        "user@localhost and @mention and a@b",
        "npm i left-pad@1.3.0",
        "git@github.com:weir/weir.git",
        "logo@2x.png",
        "a @ b.com",
        "@media (max-width: 3px)",
    ]);
}

#[test]
fn phone_numbers() {
    check(&[
        ("call +49 30 1234567 now", "call [PHONE] now"),
        ("+1-202-555-0143", "[PHONE]"),
        ("+1 (202) 555-0143", "[PHONE]"),
        ("+49 (0)30 901820", "[PHONE]"),
        ("+442079460958", "[PHONE]"),
        ("0049 30 1234567", "[PHONE]"),
        ("(202) 555-0143", "[PHONE]"),
        ("202-555-0143, or 202.555.0143", "[PHONE], or [PHONE]"),
        ("1-800-555-0199", "[PHONE]"),
        ("030 1234567", "[PHONE]"),
        ("0171/1234567", "[PHONE]"),
        ("020 7946 0958", "[PHONE]"),
        ("07700 900123", "[PHONE]"),
        ("01 23 45 67 89", "[PHONE]"),
        ("01.23.45.67.89", "[PHONE]"),
        ("06-12345678", "[PHONE]"),
        ("03-1234-5678", "[PHONE]"),
        ("090-1234-5678", "[PHONE]"),
        ("我的手机号是13812345678。", "我的手机号是[PHONE]。"),
        ("138 1234 5678", "[PHONE]"),
        ("98765 43210", "[PHONE]"),
        ("(11) 98765-4321", "[PHONE]"),
        ("8 (912) 345-67-89", "[PHONE]"),
        ("0412 345 678", "[PHONE]"),
        ("612 34 56 78", "[PHONE]"),
        ("044 668 18 00", "[PHONE]"),
        ("Tel.: 5550143", "Tel.: [PHONE]"),
        ("phone=1712345678&x=1", "phone=[PHONE]&x=1"),
        ("+49\u{a0}30\u{a0}1234567", "[PHONE]"),
    ]);
    check_kept(&[
        "on 2024-01-02 at 12:30:45, 01/02/2024, 02.01.2024 12:30",
        "1700000000 and 1700000000123 are times",
        "10.000.000 or 1,234,567.89 or 912 345 678",
        "pi is 3.14159265358979",
        "ISBN 978-3-16-148410-0",
        "order 4711-0815, room 0815",
        "550e8400-e29b-41d4-a716-446655440000",
        "0x1234567890",
        "v1.22.333.4444",
        "scores 3-2, 4-1, 2-2",
        "x = a+12345678b",
        "from 1990 to 2000, 100 000 people",
        "lines 100-200, 300-400",
        "call 911",
    ]);
}

#[test]
fn bank_accounts_and_cards() {
    check(&[
        (
            "IBAN DE89 3704 0044 0532 0130 00 please",
            "IBAN [IBAN] please",
        ),
        ("DE89370400440532013000", "[IBAN]"),
        ("GB29 NWBK 6016 1331 9268 19.", "[IBAN]."),
        ("fr1420041010050500013m02606", "[IBAN]"),
        ("NO93 8601 1117 947", "[IBAN]"),
        ("card 4111 1111 1111 1111, thanks", "card [CARD], thanks"),
        ("4111-1111-1111-1111", "[CARD]"),
        ("5555555555554444", "[CARD]"),
        ("3782 822463 10005", "[CARD]"),
        ("4111111111111111 12/27 123", "[CARD] 12/27 123"),
        ("6011111111111117;2223003122003222", "[CARD];[CARD]"),
        ("{\"pan\":4111111111111111}", "{\"pan\":[CARD]}"),
        ("卡号4111111111111111。", "卡号[CARD]。"),
    ]);
    check_kept(&[
        "DE89 3704 1044 1532 1130 01",
        "DE8937040044053201300",
        "AB12 3456 7890 1234",
        "4111 1111 1111 1112",
        "1234567890123456",
        "4111111111111111a",
        "0000000000000000 4444444444444444",
    ]);
}

#[test]
fn addresses_of_machines() {
    check(&[
        ("from 192.168.0.17:8080", "from [IP]:8080"),
        ("http://10.1.2.3/x", "http://[IP]/x"),
        ("8.8.8.8.", "[IP]."),
        ("2001:db8::8a2e:370:7334", "[IP]"),
        ("[fe80::1ff:fe23:4567:890a]:80", "[[IP]]:80"),
        (
            "2001:0db8:85a3:0000:0000:8a2e:0370:7334 is it",
            "[IP] is it",
        ),
        ("::ffff:192.0.2.128", "[IP]"),
        ("the prefix 2001:db8::/32", "the prefix [IP]/32"),
    ]);
    check_kept(&[
        "127.0.0.1, 0.0.0.0, 255.255.255.0 and ::1",
        "256.1.1.1 or 1.2.3 or 1.2.3.4.5",
        "std::vec, a::b, dead::beef, Foo::new",
        "12:30:45 and aa:bb:cc:dd:ee:ff",
        "ratio 1:2, 3:4",
        "v1.2.3.4",
    ]);
}

#[test]
fn secrets() {
    check(&[
        ("sk-ant-api03-Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA", "[SECRET]"),
        ("sk-proj-abcdEFGH1234ijklMNOP5678", "[SECRET]"),
        ("key is AKIAIOSFODNN7EXAMPLE.", "key is [SECRET]."),
        ("ghp_0123456789abcdefghijklmnopqrstuvwxyz", "[SECRET]"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[SECRET]"),
        ("xoxb-123456789012-abcdefghijkl", "[SECRET]"),
        ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "[SECRET]"),
        ("hf_abcdefghijklmnopqrstuvwxyz01234567", "[SECRET]"),
        ("password: hunter2!", "password: [SECRET]"),
        ("DB_PASSWORD=\"s3cr3t-Value\"", "DB_PASSWORD=\"[SECRET]\""),
        (
            "my_api_key = '9f86d081884c7d659a2feaa0c55ad015'",
            "my_api_key = '[SECRET]'",
        ),
        (
            "Authorization: Bearer abcDEF123ghiJKL456mno",
            "Authorization: Bearer [SECRET]",
        ),
        (
            "curl -H 'Bearer abcDEF123ghiJKL456mno'",
            "curl -H 'Bearer [SECRET]'",
        ),
        (
            "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key=[SECRET]",
        ),
        (
            "{\"clientSecret\": \"Zk3v9Qw81LmXcT0p\"}",
            "{\"clientSecret\": \"[SECRET]\"}",
        ),
        (
            "postgres://admin:pa55word@db.example.com/x",
            "postgres://admin:[SECRET]@db.example.com/x",
        ),
        (
            "https://h.example/?token=abcDEF123ghiJKL456mno&x=1",
            "https://h.example/?token=[SECRET]&x=1",
        ),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
            "[JWT]",
        ),
        (
            "a -----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx\nabcdefgh\n-----END RSA PRIVATE KEY----- b",
            "a [PRIVATE_KEY] b",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\\nMIIEowIBAAKCAQEAx\\n-----END PRIVATE KEY-----",
            "[PRIVATE_KEY]",
        ),
    ]);
    check_kept(&[
        "sk-learn-is-a-library-for-python-people",
        "password: required, token: string, secret: none",
        "password = os.getenv(\"DB_PASSWORD\")",
        "password: ${DB_PASSWORD} or {{ password }} or <password>",
        "the key=value pairs, primary_key: customer_id",
        "max_tokens: 4096, token_type=bearer",
        "a file that begins with -----BEGIN PRIVATE KEY----- is a key",
        "-----BEGIN CERTIFICATE-----\nMIIEowIBAAKCAQEAxabcdefgh\n-----END CERTIFICATE-----",
        "https://user:$PASS@host/",
        "AKIA is a prefix, ghp_ too, and eyJ another",
        "pass: yes, auth: none, key: up",
        "the sha is 9f86d081884c7d659a2feaa0c55ad015",
    ]);
}

#[test]
fn actions() {
    let card = "4111 1111 1111 1111";
    assert_eq!(
        masked(r#"{"kinds": {"card": {"keep_last": 4}}}"#, card),
        "[CARD:1111]"
    );
    assert_eq!(
        masked(
            r#"{"kinds": {"card": {"keep_last": 2, "text": "**{last}"}}}"#,
            card
        ),
        "**11"
    );
    assert_eq!(
        masked(r#"{"kinds": {"card": {"text": "<x>"}}}"#, card),
        "<x>"
    );
    assert_eq!(
        masked(r#"{"kinds": {"card": "off", "phone": "off"}}"#, card),
        card
    );
    assert_eq!(
        masked(r#"{"requests": {"kinds": {"card": false}}}"#, card),
        card
    );
    assert_eq!(
        masked(
            r#"{"allow": ["*@example.com", "10.0.0.1"]}"#,
            "a@EXAMPLE.com 10.0.0.1 a@b.de"
        ),
        "a@EXAMPLE.com 10.0.0.1 [EMAIL]"
    );
}

#[test]
fn refusals_name_the_kind_and_never_the_value() {
    let mut guard = Pii::configure(r#"{"kinds": {"card": "refuse"}, "refusal": {"status": 422}}"#)
        .expect("good");
    let host = TestHost::asked("my card is 4111 1111 1111 1111");
    let Ok(Verdict::Reject(refusal)) = guard.on_request(&host) else {
        panic!("it is refused");
    };
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (422, "pii_refused")
    );
    assert_eq!(
        refusal.message,
        "the request contains a payment card number (card), which is not allowed here"
    );
    assert!(host.logs().is_empty());
    assert_eq!(host.counted("found"), 1.0);
}

#[test]
fn patterns_of_the_operator() {
    let config = r#"{"custom": [
        {"name": "ticket", "pattern": "EMP-\\d{4,6}", "text": "<ticket>"},
        {"name": "people", "literals": ["Ada Lovelace", "Ada", "Žofie"], "ignore_case": true},
        {"name": "anywhere", "pattern": "xx[0-9a-f]+", "word": false}
    ]}"#;
    let cases = [
        (
            "EMP-1234, EMP-123456 and EMP-1234567",
            "<ticket>, <ticket> and EMP-1234567",
        ),
        (
            "ADA LOVELACE and ada, not Adam",
            "[PEOPLE] and [PEOPLE], not Adam",
        ),
        ("Žofie je tu", "[PEOPLE] je tu"),
        ("qxx12fg", "q[ANYWHERE]g"),
        ("TEMP-1234", "TEMP-1234"),
    ];
    for (text, wanted) in cases {
        assert_eq!(masked(config, text), wanted);
    }
}

#[test]
fn wrong_configurations_name_the_member_and_the_value() {
    let cases = [
        ("7", "the configuration is 7, not an object"),
        (
            r#"{"kind": {}}"#,
            "kind: there is no such member; there are kinds",
        ),
        (
            r#"{"kinds": {"mail": "mask"}}"#,
            "kinds: `mail` is no kind; there are email, phone",
        ),
        (
            r#"{"kinds": {"email": "blur"}}"#,
            "kinds.email: `blur` is no action",
        ),
        (
            r#"{"kinds": {"email": {"keep_last": 40}}}"#,
            "kinds.email.keep_last: 40 is no whole number from 0 to 8",
        ),
        (
            r#"{"kinds": {"email": {"keep_last": 4, "text": "x"}}}"#,
            "kinds.email.text: `x` has no {last}",
        ),
        (
            r#"{"kinds": {"email": {"placeholder": "x{n}y"}}}"#,
            "kinds.email.placeholder: `x{n}y` is for values that are put back",
        ),
        (
            r#"{"restore": true, "kinds": {"email": {"placeholder": "EMAIL{n}"}}}"#,
            "kinds.email.placeholder: `EMAIL{n}` is not of the form",
        ),
        (
            r#"{"requests": {"roles": ["boss"]}}"#,
            "requests.roles: `boss` is none of system",
        ),
        (
            r#"{"answers": 3}"#,
            "answers: 3 is neither true, false nor an object",
        ),
        (
            r#"{"custom": [{"name": "x"}]}"#,
            "custom[0]: has to have either `literals` or `pattern`",
        ),
        (
            r#"{"custom": [{"name": "x", "pattern": "a|b"}]}"#,
            "custom[0].pattern: `a|b` has `|`",
        ),
        (
            r#"{"custom": [{"name": "x", "pattern": "a*"}]}"#,
            "custom[0].pattern: `a*` would match nothing at all",
        ),
        (
            r#"{"custom": [{"name": "x", "pattern": "a{300}"}]}"#,
            "custom[0].pattern: `a{300}` has `{300}`",
        ),
        (
            r#"{"custom": [{"name": "email", "pattern": "a"}]}"#,
            "custom[0].name: `email` is taken",
        ),
        (
            r#"{"custom": [{"name": "Ä", "pattern": "a"}]}"#,
            "custom[0].name: `Ä` is not made of",
        ),
        (
            r#"{"refusal": {"status": 200}}"#,
            "refusal.status: 200 is no whole number from 400 to 599",
        ),
        (
            r#"{"restore": "yes"}"#,
            "restore: \"yes\" is neither true nor false",
        ),
        (r#"{"allow": [7]}"#, "allow[0]: 7 is no text"),
    ];
    for (config, wanted) in cases {
        let error = Pii::configure(config)
            .err()
            .unwrap_or_else(|| panic!("{config} is taken"));
        assert!(
            error.starts_with(wanted),
            "{config}:\n  {error}\n  {wanted}"
        );
    }
}

#[test]
fn the_configuration_of_the_manual_is_taken() {
    let config = r#"{
        "kinds": {"ip": "off", "card": {"keep_last": 4}, "private_key": "refuse", "email": "mask"},
        "custom": [{"name": "employee", "pattern": "EMP-\\d{4,6}"},
                   {"name": "project", "literals": ["Bluebird", "Red Kite"], "ignore_case": true, "action": "hash"}],
        "allow": ["*@example.com"],
        "requests": {"roles": ["user", "tool"]},
        "answers": {"kinds": {"email": "off"}},
        "restore": true
    }"#;
    assert!(Pii::configure(config).is_ok());
}
