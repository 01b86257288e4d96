#!/usr/bin/env bash
# Lets hosts die, stall, misbehave and come back under traffic through weir, and fails when a client sees what it must not.
# bench/README.md says what is checked.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<'TEXT'
usage: bench/soak.sh [option …]

  --weir PATH      a weir binary; without it, this tree's is built first
  --seconds N      length of the traffic (default 60)
  --rate N         exchanges a second (default 75)
  --hosts N        simulated hosts (default 5)
  --seed N         another seed, other faults at other times (default 1)
  --keep           keep the logs of weir and of the hosts, and say where
  --save           write the table to bench/results/
TEXT
}

export BENCH_COMMAND="bench/soak.sh $*"
# shellcheck source=bench/prepare.sh
. "$root/bench/prepare.sh"
prepare "$@"
# Replaces this shell, so that a signal reaches the one program that ends all others.
exec "$load" soak --weir "$weir" --commit "$commit" "${arguments[@]}"
