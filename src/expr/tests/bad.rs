//! What is refused at load: the message, and the place.

use crate::expr::{Expression, Kind, Scope};

#[track_caller]
fn refused(kind: Kind, scope: Scope, text: &str) -> (usize, usize, String) {
    match Expression::compile(text, kind, scope) {
        Ok(_) => panic!("{text} is accepted"),
        Err(error) => (error.line, error.column, error.message),
    }
}

#[test]
fn refusals_name_the_thing_and_the_way_out() {
    let cases = [
        ("", 1, "is empty"),
        ("req.model ==", 13, "ends too early"),
        ("req.model = 'x'", 11, ""),
        ("req.model == 'x' &&& true", 20, "cannot read `&`"),
        ("request.model == 'x'", 1, "there is no variable `request`"),
        (
            "rec.model == 'x'",
            1,
            "there is no variable `rec`; did you mean `req`?",
        ),
        (
            "true && req.modle == 'x'",
            12,
            "`req` has no member `modle`; did you mean `model`?",
        ),
        (
            "caller.zzzzzz == 'x'",
            7,
            "`caller` has no member `zzzzzz`; it has known, tenant",
        ),
        ("has(req.sesion)", 4, "did you mean `session`?"),
        (
            "req == 'x'",
            1,
            "`req` is named as a whole; name a member of it, as in `req.id`",
        ),
        ("req.model.x == 'y'", 10, "string has no member `x`"),
        (
            "resp.status == 200",
            5,
            "`resp.status` is not known before it is decided where the request goes",
        ),
        (
            "target.tier == 0",
            7,
            "`target.tier` is not known before it is decided where",
        ),
        (
            "req.prompt_tokens",
            1,
            "gives int, where true or false is wanted; compare it with something",
        ),
        (
            "req.model && true",
            4,
            "`&&` is for bool, and this is string; compare it with something",
        ),
        ("!req.model", 5, "`!` is for bool, and this is string"),
        (
            "req.model == 5",
            14,
            "`==` compares string with int, which are never equal",
        ),
        ("req.model > 5", 13, "`>` cannot be used on string and int"),
        (
            "req.prompt_tokens * 1.5 > 3.0",
            21,
            "`*` cannot be used on int and double; write `double(…)` around the int, or `2.0` for `2`",
        ),
        ("req.model + 1 == 'x'", 13, "write `string(…)` around it"),
        (
            "-req.model == 'x'",
            5,
            "`-` is for numbers, and this is string",
        ),
        (
            "5 in caller.scopes",
            1,
            "int is never in this list of string",
        ),
        (
            "'a' in req.model",
            11,
            "`in` looks into a list or a map, and this is string",
        ),
        (
            "caller.scopes['a'] == 'x'",
            15,
            "items of a list are counted from 0, and this is string",
        ),
        (
            "req.headers[0] == 'x'",
            13,
            "members have names in quotes, and this is int",
        ),
        (
            "req.model.startWith('x')",
            20,
            "there is no function `startWith` that is called like this; did you mean `startsWith`?",
        ),
        (
            "startsWith(req.model, 'x')",
            11,
            "`startsWith` is called as `x.startsWith(…)`",
        ),
        (
            "req.model.size(1) == 2",
            15,
            "`size` takes 0 arguments, and here are 1",
        ),
        (
            "req.prompt_tokens.startsWith('x')",
            4,
            "`startsWith` is for string, and this is int",
        ),
        (
            "req.model.startsWith(5)",
            22,
            "`startsWith` takes string, and this is int",
        ),
        ("req.model.matches('(')", 19, "is not a regular expression"),
        (
            "req.model.matches('(\\\\w{100}){100}')",
            19,
            "is too large a pattern",
        ),
        (
            "req.client_ip.inCidr('10.0.0.0/33')",
            22,
            "`10.0.0.0/33` is no address and no network such as `10.0.0.0/8`",
        ),
        (
            "req.client_ip.inCidr(['10.0.0.0/8', req.model])",
            22,
            "a list of networks has to be written out",
        ),
        ("resp.duration > duration('5x')", 5, ""),
        (
            "now > timestamp('yesterday')",
            17,
            "cannot be read: `timestamp`",
        ),
        (
            "now.getHours('Europe/Berlln') == 1",
            14,
            "cannot be read: `timezone`: unknown time zone Europe/Berlln",
        ),
        (
            "req.body.messages.exists(req, true)",
            25,
            "`req` is a variable of weir's; name the loop's otherwise",
        ),
        (
            "req.model.exists(c, c == 'x')",
            4,
            "loops run over a list or a map, and this is string",
        ),
        (
            "caller.scopes.exists(s, s)",
            25,
            "`||` is for bool, and this is string",
        ),
        (
            "caller.scopes.exists(s, s == 5)",
            30,
            "`==` compares string with int",
        ),
        (
            "caller.scopes.exists(s, t == 'x')",
            25,
            "there is no variable `t`",
        ),
        (
            "Thing{a: 1}.a == 1",
            6,
            "there is no type `Thing` to make a value of",
        ),
        (
            "{1: 'a'}.size() == 1",
            2,
            "names in a map are text, and this is int",
        ),
        (
            "req.headers['Authorization'] == 'x'",
            13,
            "`Authorization` holds credentials, which no expression is shown",
        ),
        (
            "true || 'cookie' in req.headers",
            9,
            "`cookie` holds credentials",
        ),
        ("req.query.key == 'x'", 10, "`key` holds credentials"),
        (
            "req.headers[?'x-api-key'].hasValue()",
            14,
            "`x-api-key` holds credentials",
        ),
        ("has(req)", 5, "invalid argument to has() macro"),
    ];
    let mut wrong = Vec::new();
    for (text, column, message) in cases {
        let refused = refused(Kind::Condition, Scope::Request, text);
        if (refused.0, refused.1) != (1, column) || !refused.2.contains(message) {
            wrong.push(format!("{text}\n    {}: {}", refused.1, refused.2));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn places_count_lines_and_characters() {
    let text = "req.model == 'grüße' ||\n  req.modle == 'x'";
    let (line, column, _) = refused(Kind::Condition, Scope::Request, text);
    assert_eq!((line, column), (2, 6));
    let text = "req.model == 'grüße' || req.modle == 'x'";
    assert_eq!(refused(Kind::Condition, Scope::Request, text).1, 28);
    let text = "req.model == 'grüße' || req.model == == 'x'";
    assert_eq!(refused(Kind::Condition, Scope::Request, text).1, 38);
}

#[test]
fn each_kind_wants_its_own_and_each_scope_knows_its_own() {
    let accepted = |kind, scope, text| Expression::compile(text, kind, scope).is_ok();
    assert!(accepted(Kind::Text, Scope::Request, "req.model"));
    assert!(!accepted(Kind::Text, Scope::Request, "caller.scopes"));
    assert!(accepted(Kind::Value, Scope::Request, "caller.scopes"));
    assert!(!accepted(Kind::Value, Scope::Request, "b'x'"));
    assert!(accepted(Kind::Condition, Scope::Request, "req.body.stream"));
    let by_scope = [
        (Scope::Caller, "caller.tenant == 'a'"),
        (Scope::Request, "req.model == 'a'"),
        (Scope::Target, "target.kind == 'a'"),
        (Scope::Outcome, "resp.status == 200"),
    ];
    for (scope, _) in by_scope {
        for (first, text) in by_scope {
            assert_eq!(
                accepted(Kind::Condition, scope, text),
                scope >= first,
                "{scope:?} {text}"
            );
        }
    }
}
