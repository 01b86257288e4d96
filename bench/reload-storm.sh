#!/usr/bin/env bash
# Reloads weir's configuration hundreds of times under traffic, then a large one beside single requests, and fails when
# anybody notices. bench/README.md says what is checked.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<'TEXT'
usage: bench/reload-storm.sh [option …]

  --weir PATH      a weir binary; without it, this tree's is built first
  --seconds N      within which the reloads are asked for (default 30)
  --reloads N      reloads under traffic (default 500)
  --rate N         exchanges a second meanwhile (default 50)
  --seed N         another seed, other configurations (default 1)
  --upstreams N    of the large configuration (default 1000)
  --models N       of the large configuration (default 10000)
  --smoke          no bounds on times, which mean nothing in a build for development
  --keep           keep the logs of weir and of the hosts, and say where
  --save           write the tables to bench/results/
TEXT
}

export BENCH_COMMAND="bench/reload-storm.sh $*"
# shellcheck source=bench/prepare.sh
. "$root/bench/prepare.sh"
prepare "$@"
# Replaces this shell, so that a signal reaches the one program that ends all others.
exec "$load" reloads --weir "$weir" --commit "$commit" "${arguments[@]}"
