#!/usr/bin/env bash
# Plugins in every language, from nothing: what `weir plugin new` begins is built with the language's own tool, and must decide as
# tests/plugins/*.json say, whatever it is written in. Then the plugins that come with weir, built as components. Gets what the
# machine lacks, or fails: nothing is left out.
#
# usage: scripts/plugins.sh                    all
#        scripts/plugins.sh rust js shipped    only these: rust, js, python, c, shipped
#        WEIR_BINARY=/path/to/weir             another binary than target/debug/weir
set -euo pipefail
exec </dev/null
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/needs.sh
. "$repository/scripts/needs.sh"
tests="$repository/tests/plugins"
weir="${WEIR_BINARY:-${CARGO_TARGET_DIR:-$repository/target}/debug/weir}"
export PYTHONDONTWRITEBYTECODE=1

main() {
    local asked=("$@") one
    [ ${#asked[@]} -gt 0 ] || asked=(rust c js python shipped)
    [ -x "$weir" ] || lacks "there is no $weir" "cargo build"
    mkdir -p "$weir_cache"
    work="$(mktemp -d "${TMPDIR:-/tmp}/weir-plugins.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    # All guests share one folder: the standard library is built once.
    export CARGO_TARGET_DIR="$weir_cache/guests-target"
    for one in "${asked[@]}"; do
        local began=$SECONDS
        case "$one" in
        rust)
            need_rust_guests
            try_language rust guard router auth observer adapter
            ;;
        c)
            need_c_guests
            try_language c guard router auth observer adapter
            ;;
        js)
            need_interpreters
            try_language js guard router
            ;;
        # Each takes as long to compile as all others together.
        python)
            need_interpreters
            try_language python guard router
            ;;
        shipped)
            need_rust_guests
            try_shipped
            ;;
        *) lacks "there is no \`$one\`; there are rust, c, js, python, shipped" ;;
        esac
        printf '%5d s  %s\n' $((SECONDS - began)) "$one"
    done
}

# ---- languages -------------------------------------------------------------------------------------------------------

try_language() {
    local language="$1" kind folder="$work/$1"
    shift
    mkdir "$folder"
    for kind in "$@"; do
        printf -- '---- %s in %s\n' "$kind" "$language"
        "$weir" plugin new --lang "$language" --kind "$kind" --in "$folder" "$kind" >/dev/null
        [ "$language" != rust ] || (cd "$folder/$kind" && cargo test --quiet)
        "$weir" plugin build "$folder/$kind"
        "$weir" plugin test "$folder/$kind/$kind.wasm" "$tests/$kind.json"
    done
}

need_rust_guests() {
    need_rust_build
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ] && return
    [ -f "$(rustc --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ] && return
    [ -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ] && [ -x /usr/bin/cargo ] && return
    if command -v rustup >/dev/null && rustup target add wasm32-unknown-unknown >/dev/null 2>&1; then return; fi
    need_packages rustc-web cargo-web rust-web-src rust-web-llvm lld-22
}

need_c_guests() {
    command -v zig >/dev/null && return
    need_commands clang-22:clang-22 wasm-ld-22:lld-22
    [ -f /usr/include/wasm32-wasi/stdlib.h ] || need_packages wasi-libc
    [ -n "$(find /usr/lib/llvm-22/lib/clang -name 'libclang_rt.builtins*wasm32*' -print -quit)" ] ||
        need_packages libclang-rt-22-dev-wasm32
}

# Node, the compiler of Python and that of JavaScript.
need_interpreters() {
    need_python
    local environment
    environment="$weir_cache/plugins-$(cat "$tests/requirements.txt" "$tests/node/package-lock.json" | sha256sum | cut -c1-12)"
    (
        flock 9
        fresh_venv "$environment" "$tests/requirements.txt"
        if [ ! -x "$environment/node/node_modules/.bin/componentize-qjs" ]; then
            mkdir -p "$environment/node"
            cp "$tests/node/package.json" "$tests/node/package-lock.json" "$environment/node/"
            # Not `npm ci`: that wants the addons of every platform in the lock file, and registries lack those of some.
            PATH="$environment/bin:$PATH" npm install --prefix "$environment/node" --no-save --no-audit --no-fund \
                --loglevel=error >&2
        fi
    ) 9>"$weir_cache/plugins.lock"
    PATH="$environment/node/node_modules/.bin:$environment/bin:$PATH"
}

# ---- the plugins that come with weir ---------------------------------------------------------------------------------

# As components, which must decide as they do as parts of weir, and by the recordings that their native builds are held to.
try_shipped() {
    local manifest folder name
    mkdir -p "$work/shipped"
    # Cargo tells packages by their place in the workspace: another clone's, in the folder that all share, would pass for these.
    rm -rf "$CARGO_TARGET_DIR"/wasm32-unknown-unknown/release/.fingerprint/weir-*
    for manifest in "$repository"/plugins/*/Cargo.toml; do
        folder="$(dirname "$manifest")"
        name="$(basename "$folder")"
        grep -q '"cdylib"' "$manifest" || continue
        printf -- '---- %s\n' "$name"
        "$weir" plugin build "$folder" --output "$work/shipped/$name.wasm"
        if [ -f "$tests/shipped/$name.json" ]; then
            "$weir" plugin test "$work/shipped/$name.wasm" "$tests/shipped/$name.json" --same-as "builtin:$name"
        fi
        if [ -d "$folder/tests/recordings" ]; then
            "$weir" plugin test "$work/shipped/$name.wasm" "$folder/tests/recordings" >"$work/recordings.txt" || {
                cat "$work/recordings.txt"
                exit 1
            }
            printf '%s recordings\n' "$(wc -l <"$work/recordings.txt")"
        fi
    done
}

main "$@"
