#!/usr/bin/env bash
# Measures what callers, limits, money and the ledger cost weir, beside a weir without them, and prints one table. bench/README.md says how to read it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<'TEXT'
usage: bench/accounts.sh [option …]

  --weir PATH      a weir binary; without it, this tree's is built first
  --smoke          a short run with few keys that shows that everything works; its figures mean nothing
  --tenants N      in the store (default 10000)
  --keys N         in the store, each of which is used (default 100000)
  --seconds N      length of one measurement (default 1)
  --rounds N       measurements of each side (default 15)
  --threads N      worker threads of weir (default 1)
  --no-pin         every process on every core, in place of weir on the first, host and load on the last
  --exchanges N    so many in place of a time, and
  --under WORDS    before weir's command line: for an instrument, such as "valgrind --tool=callgrind --callgrind-out-file=/tmp/{side}"
  --enforce        exit code 1 when the bar is missed
  --save           write the table to bench/results/
TEXT
}

export BENCH_COMMAND="bench/accounts.sh $*"
# shellcheck source=bench/prepare.sh
. "$root/bench/prepare.sh"
prepare "$@"
# The program that fills the store, built as weir was, so that it is mostly there already.
profile=release
case $weir in */debug/*) profile=debug ;; esac
release=(--release)
[ "$profile" = release ] || release=()
cargo build "${release[@]}" --locked --quiet --manifest-path "$root/Cargo.toml" --example fill-store
fill_store=${CARGO_TARGET_DIR:-$root/target}/$profile/examples/fill-store
# Replaces this shell, so that a signal reaches the one program that ends all others.
exec "$load" accounting --weir "$weir" --fill-store "$fill_store" --commit "$commit" "${arguments[@]}"
