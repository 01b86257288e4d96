//! What is true, and what values come out.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{condition, exchange, failure, value};
use crate::expr::{Expression, Field, Kind, RequestField, Scope};

#[test]
fn conditions() {
    let cases = [
        ("req.model == 'gpt-5'", true),
        ("req.model in ['gpt-4', 'gpt-5'] && !req.has_tools", true),
        ("req.model.startsWith('gpt-') || req.stream", true),
        ("req.model.matches('^gpt-[45]$')", true),
        ("matches(req.model, req.body.stop[0] + '.*')", false),
        ("req.client_ip.inCidr('10.0.0.0/8')", true),
        (
            "inCidr(req.client_ip, ['192.168.0.0/16', '10.1.2.3'])",
            true,
        ),
        ("inCidr(req.client_ip, '2001:db8::/32')", false),
        ("inCidr(req.client_ip, '10.' + '1.0.0/16')", true),
        ("inCidr('nonsense', '10.0.0.0/8')", false),
        ("req.headers['X-Team'] == 'core'", true),
        (
            "'x-team' in req.headers && !('x-none' in req.headers)",
            true,
        ),
        (
            "'author' + 'ization' in req.headers || 'COOK' + 'IE' in req.headers",
            false,
        ),
        ("req.headers.exists(name, name == 'authorization')", false),
        ("req.headers[?'x-none'].orValue('none') == 'none'", true),
        (
            "req.query.beta == 'true' && !('ke' + 'y' in req.query)",
            true,
        ),
        ("has(req.tags.plan) && !has(req.tags.other)", true),
        ("has(req.session)", false),
        ("req.session == ''", true),
        ("has(caller.tenant) && !has(caller.user)", true),
        (
            "req.max_output_tokens == 0 && !has(req.max_output_tokens)",
            true,
        ),
        ("caller.user == '' && caller.tenant == 'acme'", true),
        ("'admin' in caller.scopes && size(caller.scopes) == 2", true),
        (
            "'staff' in caller.claims.groups && caller.claims.level >= 3",
            true,
        ),
        (
            "caller.tags == {'plan': 'gold'} && {'plan': 'gold'} == caller.tags",
            true,
        ),
        (
            "now.getHours() == 22 && now.getHours('Europe/Berlin') == 23",
            true,
        ),
        (
            "now.getDayOfWeek() in [5, 6] && now > timestamp('2026-11-20T00:00:00Z')",
            true,
        ),
        ("req.body.temperature > 0.5 && req.body.n + 1 == 3", true),
        ("req.body.n == 2.0 && req.body.seed > 5", true),
        (
            "['a', 'b'] == req.body.stop && req.body.stop == ['a', 'b']",
            true,
        ),
        (
            "req.body.stop == ['a'] || req.body.stop != ['a', 'b']",
            false,
        ),
        (
            "req.body.metadata == {'team': 'core', 'nested': {'x': [1, 2.5, null]}}",
            true,
        ),
        ("req.body.?metadata.?team.orValue('') == 'core'", true),
        ("req.body.?nothing.?team.orValue('') == ''", true),
        (
            "has(req.body.metadata.team) && !has(req.body.metadata.none)",
            true,
        ),
        (
            "'team' in req.body.metadata && size(req.body.messages) == 3",
            true,
        ),
        (
            "req.body.messages.exists(m, m.role == 'user' && m.content.contains('grü'))",
            true,
        ),
        ("req.body.messages.all(m, size(m.content) < 100)", true),
        (
            "req.body.messages.filter(m, m.role == 'user').map(m, m.content) == ['hello', 'grüße']",
            true,
        ),
        ("req.body.messages.exists_one(m, m.role == 'system')", true),
        (
            "req.body.messages.exists(m, req.body.stop.exists(s, m.content == s))",
            false,
        ),
        ("req.model.lowerAscii().split('-')[0] == 'gpt'", true),
        ("req.prompt_tokens > 1000 ? req.stream : true", true),
        (
            "double(req.prompt_tokens) * target.input_price / 1000000.0 < 0.001",
            true,
        ),
        (
            "resp.status == 200 && resp.duration > duration('2s') && resp.cost < 1.0",
            true,
        ),
        (
            "resp.first_byte < duration('300ms') && !has(resp.fault)",
            true,
        ),
        (
            "target.kind == 'vllm' && target.labels.plan == 'gold' && target.region == ''",
            true,
        ),
        (
            "type(req.body.temperature) == double && type(req.model) == string",
            true,
        ),
        // What is false on one side does not matter where the other decides.
        ("req.body.nothing == 1 || true", true),
        ("false && req.body.nothing.more", false),
    ];
    for (text, expected) in cases {
        let holds = condition(text).holds(&exchange());
        assert_eq!(holds, Ok(expected), "{text}");
    }
}

#[test]
fn values() {
    let cases = [
        (
            "req.body.metadata",
            json!({"team": "core", "nested": {"x": [1, 2.5, null]}}),
        ),
        (
            "{'team': caller.tags.plan, 'tokens': req.prompt_tokens}",
            json!({"team": "gold", "tokens": 1200}),
        ),
        ("req.tags", json!({"plan": "gold"})),
        ("req.query", json!({"beta": "true"})),
        ("now", json!("2026-11-20T22:30:00Z")),
        ("resp.duration", json!(2.5)),
        ("req.body.?none", json!(null)),
        (
            "req.body.messages.map(m, m.role)",
            json!(["system", "user", "user"]),
        ),
        ("req.body.messages[2].content", json!("grüße")),
        ("1.0 / 0.0", json!(null)),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text, &exchange()), expected, "{text}");
    }
}

#[test]
fn texts() {
    let cases = [
        ("caller.tenant + '/' + caller.key", "acme/ci"),
        ("req.prompt_tokens", "1200"),
        ("req.stream", "true"),
        ("req.body.temperature", "0.7"),
        ("now", "2026-11-20T22:30:00Z"),
    ];
    for (text, expected) in cases {
        let expression = Expression::compile(text, Kind::Text, Scope::Request);
        let expression = expression.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            expression.evaluate_text(&exchange()).as_deref(),
            Ok(expected),
            "{text}"
        );
    }
}

#[test]
fn evaluations_that_fail_say_why_and_never_show_values() {
    let cases = [
        ("req.body.nothing", "there is no `nothing`"),
        ("req.headers['x-none']", "there is no `x-none`"),
        (
            "req.headers['author' + 'ization']",
            "there is no `authorization`",
        ),
        (
            "req.body.model.x",
            "`[…]` cannot be used on string and string",
        ),
        ("req.body.stop[5]", "the list has no such item"),
        (
            "req.body.messages[1].content + 1",
            "`add` cannot be used on these two",
        ),
        (
            "req.body.messages[1].content < 1",
            "`<` cannot be used on string and int",
        ),
        (
            "req.body.model && true",
            "`&&` cannot be used on string and bool",
        ),
        (
            "req.body.model.matches(req.body.messages[0].content + '(')",
            "`matches`: is not a regular expression",
        ),
        ("req.body.n / 0", "division by zero"),
        ("req.body.n + 9223372036854775807", "a number is too large"),
        ("int(req.model)", "`int`"),
    ];
    for (text, expected) in cases {
        let failed = failure(text, &exchange());
        assert!(failed.contains(expected), "{text}: {failed}");
        assert!(!failed.contains("hello"), "{text}: {failed}");
    }
    let no_flag = condition("req.body.model").holds(&exchange());
    let message = no_flag.expect_err("it is text").message;
    assert_eq!(message, "gives string, where true or false is wanted");
    let mut bare = exchange();
    bare.body = None;
    assert_eq!(condition("has(req.body)").holds(&bare), Ok(false));
    assert!(condition("req.body.n == 1").holds(&bare).is_err());
}

#[test]
fn what_an_expression_wants_is_known_and_nothing_else_is_asked_for() {
    let plain = condition("req.model == 'x' && caller.tenant != '' && 'x-team' in req.headers");
    let fields: Vec<String> = plain.references().fields().map(Field::path).collect();
    assert_eq!(fields, ["caller.tenant", "req.model", "req.headers"]);
    assert!(plain.references().needs_headers() && !plain.references().needs_body());
    assert!(!plain.references().needs_prompt_tokens());
    let asked = exchange();
    assert_eq!(
        condition("req.stream || req.body.n == 2").holds(&asked),
        Ok(true)
    );
    assert_eq!(asked.bodies.load(Ordering::Relaxed), 0);
    let lazy = condition("req.body.messages.exists(m, m.role == 'tool')");
    assert!(lazy.references().needs_body());
    assert_eq!(lazy.holds(&asked), Ok(false));
    assert_eq!(asked.bodies.load(Ordering::Relaxed), 1);
    let mut both = plain.references().clone();
    both.add(lazy.references());
    assert!(both.needs_body() && both.contains(Field::Request(RequestField::Model)));
}
