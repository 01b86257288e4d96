#!/usr/bin/env bash
# Measures what translating between dialects costs weir, beside a pass-through, and prints one table. bench/README.md says how to read it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<'TEXT'
usage: bench/translation.sh [option …]

  --weir PATH      a weir binary; without it, this tree's is built first
  --smoke          a short run that shows that everything works; its figures mean nothing
  --seconds N      length of one measurement (default 1)
  --rounds N       measurements of each pair in each scenario (default 9)
  --threads N      worker threads of weir (default 1)
  --no-pin         every process on every core, in place of weir on the first, host and load on the last
  --only SCENARIO  requests, saturated or paced: one of the three scenarios alone
  --enforce        exit code 1 when a bar is missed
  --save           write the table to bench/results/
TEXT
}

export BENCH_COMMAND="bench/translation.sh $*"
# shellcheck source=bench/prepare.sh
. "$root/bench/prepare.sh"
prepare "$@"
# Replaces this shell, so that a signal reaches the one program that ends all others.
exec "$load" translation --weir "$weir" --commit "$commit" "${arguments[@]}"
