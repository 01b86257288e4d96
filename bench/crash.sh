#!/bin/sh
# weir under load, killed with SIGKILL at random moments and started again, and its ledger held against what the simulated host says
# that it has served. Usage: bench/crash.sh [KILLS], by default 200; about half a second each. Everything is on the loopback. The store is in
# memory (/dev/shm), or below $WEIR_CRASH_STORE: on a disk, what may be missing grows by the time that the disk takes to confirm a write.
set -eu
cd "$(dirname "$0")/.."
export WEIR_CRASH_KILLS="${1:-200}"
exec cargo test --test it -- --exact --nocapture \
  accounts_crash::a_kill_at_any_moment_loses_and_doubles_nothing_that_is_older_than_a_commit
