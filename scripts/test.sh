#!/usr/bin/env bash
# Runs every check that weir has, and installs what they need and the machine lacks. Works from a clean clone, without
# a terminal, and again. What takes long to make is kept in ${WEIR_CACHE:-~/.cache/weir}: a real inference engine, the
# client packages, cargo-nextest, cargo-deny and cargo-fuzz.
#
# usage: scripts/test.sh                     every stage, in this order; ends at the first that fails
#        scripts/test.sh STAGE …             only these (and tools, which they need)
set -euo pipefail
exec </dev/null
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/needs.sh
. "$repository/scripts/needs.sh"
cd "$repository"

stages=(tools format shell clippy build tests fuzz documentation dependencies
    plugins clients-sim real-engine clients-engine quickstart bench)

nextest_version=0.9.151
deny_version=0.20.2
fuzz_version=0.13.1
tools="$weir_cache/tools"
export PATH="$tools/bin:$PATH"
export CARGO_TERM_PROGRESS_WHEN=never
export WEIR_BINARY="${CARGO_TARGET_DIR:-$repository/target}/debug/weir"

main() {
    local stage asked=("$@")
    for stage in "${asked[@]}"; do
        [[ " ${stages[*]} " == *" $stage "* ]] || wrong_stage "$stage"
    done
    [ ${#asked[@]} -eq 0 ] || asked=(tools "${asked[@]}")
    trap 'report $?' EXIT
    for stage in "${stages[@]}"; do
        if [ ${#asked[@]} -eq 0 ] || [[ " ${asked[*]} " == *" $stage "* ]]; then run "$stage"; fi
    done
}

# Called as a plain command, so that errexit ends it at its first failure.
run() {
    begin_stage "$1"
    case "$1" in
    tools) get_tools ;;
    format) each_package cargo fmt --check ;;
    shell) check_shell_scripts ;;
    clippy) each_package cargo clippy --all-targets --locked -- -D warnings ;;
    build) cargo build --locked ;;
    tests) each_package cargo nextest run --locked --no-fail-fast ;;
    fuzz) fuzz_briefly ;;
    documentation) RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked ;;
    dependencies) check_dependencies ;;
    plugins) scripts/plugins.sh ;;
    clients-sim) tests/clients/run.sh sim ;;
    real-engine) scripts/real-engine.sh ;;
    clients-engine) tests/clients/run.sh engine ;;
    quickstart) tests/clients/run.sh quickstart ;;
    bench) smoke_bench ;;
    esac
}

wrong_stage() {
    say "scripts/test.sh: there is no stage \`$1\`; there are: ${stages[*]}"
    exit 64
}

# ---- stages and their times ------------------------------------------------------------------------------------------

stage_name=""
stage_started=0
stage_times=()
not_checked=()

begin_stage() {
    end_stage ok
    stage_name="$1"
    stage_started=$SECONDS
    printf '\n==== %s %s\n' "$stage_name" "$(printf '=%.0s' $(seq $((110 - ${#stage_name}))))"
}

end_stage() {
    [ -z "$stage_name" ] || stage_times+=("$(printf '%5d s  %-28s %s' $((SECONDS - stage_started)) "$stage_name" "$1")")
}

report() {
    local code="$1" line
    trap - EXIT
    if [ "$code" -eq 0 ]; then end_stage ok; else end_stage "FAILED ($code)"; fi
    printf '\n==== summary %s\n' "$(printf '=%.0s' {1..103})"
    for line in "${stage_times[@]}"; do printf '%s\n' "$line"; done
    printf '%5d s  together\n' "$SECONDS"
    for line in "${not_checked[@]}"; do printf 'NOT CHECKED: %s\n' "$line"; done
    if [ "$code" -eq 0 ]; then
        printf 'passed: %s stages\n' "${#stage_times[@]}"
    else
        printf 'FAILED: %s\n' "$stage_name"
    fi
    exit "$code"
}

skip() {
    not_checked+=("$1")
    printf 'NOT CHECKED: %s\n' "$1"
}

# ---- tools -----------------------------------------------------------------------------------------------------------

get_tools() {
    need_rust_build
    need_commands curl:curl git:git
    need_python
    need_rustup_component rustfmt
    need_rustup_component clippy
    need_cargo_tool cargo-nextest "$nextest_version" --no-default-features --features default-no-update
    need_cargo_tool cargo-deny "$deny_version"
}

need_rustup_component() {
    cargo "${1/rustfmt/fmt}" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null ||
        lacks "cargo has no $1, and rustup is not there to get it" "install your distribution's $1, or use https://rustup.rs"
    rustup component add "$1"
}

# Built without optimisation: that takes a minute or two on 2 cores, a fifth of a release build, and they run for seconds.
need_cargo_tool() {
    local name="$1" version="$2" log
    shift 2
    if command -v "$name" >/dev/null; then
        "$name" "${name#cargo-}" --version | head -n 1
        return
    fi
    log="$weir_cache/$name.log"
    mkdir -p "$weir_cache"
    say "installing $name $version into $tools (log: $log)"
    if ! CARGO_TARGET_DIR="$weir_cache/$name-build" cargo install --locked --debug --root "$tools" "$@" \
        "$name@$version" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        lacks "cargo could not install $name $version" "its last lines are above; try by hand:" \
            "cargo install --locked $name@$version"
    fi
    rm -rf "$weir_cache/$name-build"
}

# ---- the longer checks -----------------------------------------------------------------------------------------------

# weir, and the packages beside it that stand alone, such as the benchmark's.
each_package() {
    local manifest manifests
    mapfile -t manifests < <(git ls-files --cached --others --exclude-standard -- 'Cargo.toml' '*/Cargo.toml')
    for manifest in "${manifests[@]}"; do
        # Members of a workspace are looked at with it.
        ! grep -q '\.workspace = true' "$manifest" || continue
        printf -- '---- %s\n' "$manifest"
        (cd "$(dirname "$manifest")" && "$@")
    done
}

# Every target for some seconds, with the same inputs each time: longer runs with other inputs are for fuzz/run.sh by hand.
fuzz_briefly() {
    need_cargo_tool cargo-fuzz "$fuzz_version"
    fuzz/run.sh --seconds 5 --seed 1
}

check_shell_scripts() {
    if ! command -v shellcheck >/dev/null && ! install_packages shellcheck; then
        skip "shell scripts: shellcheck is not installed, and could not be"
        return
    fi
    git ls-files -z --cached --others --exclude-standard -- '*.sh' .ci/run |
        xargs -0 shellcheck --external-sources --source-path=SCRIPTDIR/..
    git ls-files -z --cached --others --exclude-standard -- '*.sh' .ci/run | tr '\0' '\n'
}

# The list of advisories is not in the registry but on GitHub, which a closed network may not reach.
check_dependencies() {
    each_package cargo deny --locked --all-features --config "$repository/deny.toml" check bans licenses sources
    if GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote --quiet --heads https://github.com/RustSec/advisory-db main \
        >/dev/null 2>&1; then
        each_package cargo deny --locked --all-features --config "$repository/deny.toml" check advisories
    else
        skip "advisories: https://github.com/RustSec/advisory-db cannot be reached from here"
    fi
}

# With the development build: whether it runs is the question here, not how fast.
smoke_bench() {
    if [ ! -x bench/run.sh ]; then
        skip "bench: there is no bench/run.sh"
        return
    fi
    bench/run.sh --smoke --weir "$WEIR_BINARY"
    bench/translation.sh --smoke --weir "$WEIR_BINARY"
    bench/accounts.sh --smoke --weir "$WEIR_BINARY"
    bench/soak.sh --seconds 12 --rate 20 --weir "$WEIR_BINARY"
    bench/reload-storm.sh --smoke --seconds 5 --reloads 50 --rate 15 --upstreams 50 --models 500 --weir "$WEIR_BINARY"
}

main "$@"
