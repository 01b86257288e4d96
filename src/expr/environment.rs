//! The one environment in which all expressions are read and evaluated: CEL's own functions, those of its strings extension, and
//! weir's. What expressions may call of it, `functions.rs` says.

use std::sync::{Arc, LazyLock};

use cel::{Env, extensions};

use super::pattern;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let declared = env
        .add_extension(extensions::strings)
        .and_then(|()| pattern::declare(&mut env));
    assert!(
        declared.is_ok(),
        "no function is declared twice: {declared:?}"
    );
    Arc::new(env)
});

/// Making one takes some twenty microseconds, so all share it.
pub(super) fn shared() -> Arc<Env> {
    Arc::clone(&ENVIRONMENT)
}
