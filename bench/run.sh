#!/usr/bin/env bash
# Measures weir beside nginx and beside a direct connection, and prints one table. bench/README.md says how to read it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<'TEXT'
usage: bench/run.sh [option …]

  --weir PATH      a weir binary; without it, this tree's is built first
  --smoke          a short run that shows that everything works; its figures mean nothing
  --seconds N      length of one measurement (default 1)
  --rounds N       measurements of each side in each scenario (default 11)
  --threads N      worker threads of weir, worker processes of nginx (default 1)
  --only LIST      of requests,saturated,paced,latency,memory
  --host KIND      fixed (default), or sim: weir's own simulated host
  --no-pin         every process on every core, in place of proxies on the first, host and load on the last
  --noise-floor    a second nginx in weir's place: shows how far from 1 noise alone carries the ratios
  --enforce        exit code 1 when a bar is missed
  --save           write the table to bench/results/
TEXT
}

weir=
noise_floor=
arguments=()
command="bench/run.sh $*"
while [ $# -gt 0 ]; do
    case $1 in
        --weir)
            [ $# -ge 2 ] || { echo "bench/run.sh: --weir needs a path" >&2; exit 64; }
            weir=$2
            shift
            ;;
        --save) arguments+=(--save "$root/bench/results") ;;
        --noise-floor) noise_floor=1; arguments+=("$1") ;;
        --help | -h) usage; exit 0 ;;
        *) arguments+=("$1") ;;
    esac
    shift
done

# The package starts nginx on port 80; the benchmark needs the program and no service.
install_nginx() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nginx-light
)

if ! PATH=$PATH:/usr/sbin command -v nginx >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "nginx is missing; installing it" >&2
        install_nginx >&2
    else
        echo "bench/run.sh: nginx is missing: install it (Debian: apt-get install nginx-light, as root) and run this again" >&2
        exit 69
    fi
fi
if ! command -v cargo >/dev/null; then
    echo "bench/run.sh: cargo is missing: install Rust (https://rustup.rs) and run this again" >&2
    exit 69
fi

if [ -z "$weir" ] && [ -z "$noise_floor" ]; then
    cargo build --release --locked --manifest-path "$root/Cargo.toml" --bin weir
    weir=${CARGO_TARGET_DIR:-$root/target}/release/weir
fi
cargo build --release --locked --quiet --manifest-path "$root/bench/load/Cargo.toml" --target-dir "$root/bench/load/target"

commit=$(git -C "$root" describe --always --dirty --abbrev=10 2>/dev/null || echo unknown)
export PATH=$PATH:/usr/sbin BENCH_COMMAND=$command
# Replaces this shell, so that a signal reaches the one program that ends all others.
exec "$root/bench/load/target/release/load" compare ${weir:+--weir "$weir"} --commit "$commit" "${arguments[@]}"
