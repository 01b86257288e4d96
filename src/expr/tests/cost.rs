//! What expressions cost. The figures in docs/expressions.md are this test's, of an optimized build; on any other, and on a
//! busy machine, only their relation can be held to.

use std::hint::black_box;
use std::time::Instant;

use super::{condition, exchange};

/// The fastest of many short runs: what else the machine does only makes a run slower, and spares some of them.
fn nanoseconds(rounds: u32, mut work: impl FnMut()) -> u128 {
    let mut run = || {
        let start = Instant::now();
        (0..rounds).for_each(|_| work());
        start.elapsed().as_nanos() / u128::from(rounds)
    };
    (0..RUNS).map(|_| run()).min().unwrap_or(0)
}

const RUNS: usize = 50;

const FIELD: &str = "req.model == 'gpt-5'";
const POLICY: &str = "req.model.startsWith('gpt-') && caller.tenant in ['acme', 'globex'] && req.prompt_tokens < 20000 \
    && req.headers[?'x-team'].orValue('') == 'core'";
const PATTERN: &str = "req.model.matches('^gpt-[45]')";
const BODY: &str = "req.body.messages.exists(m, m.role == 'tool')";

#[test]
fn evaluations_are_cheap() {
    let exchange = exchange();
    let mut report = Vec::new();
    for (name, text) in [
        ("a field", FIELD),
        ("a policy of four terms", POLICY),
        ("a pattern", PATTERN),
        ("a loop over three messages", BODY),
    ] {
        let expression = condition(text);
        let evaluated = nanoseconds(20, || {
            let _ = black_box(expression.holds(black_box(&exchange)));
        });
        let compiled = nanoseconds(1, || drop(black_box(condition(black_box(text)))));
        report.push(format!(
            "{name}: evaluated in {evaluated} ns, compiled in {} µs",
            compiled / 1000
        ));
        assert!(evaluated < compiled, "{name}: {report:?}");
    }
    println!("{}", report.join("\n"));
}
