# shellcheck shell=bash
# What weir's scripts share: saying where they are, and getting what the machine lacks.
# Sourced by the others; it runs nothing by itself.

# shellcheck disable=SC2034 # for the scripts that source this one
weir_cache="${WEIR_CACHE:-$HOME/.cache/weir}"

say() { printf '%s\n' "$*" >&2; }

# Ends the script with exit code 69 (EX_UNAVAILABLE): the machine lacks something.
lacks() {
    say ""
    say "$(basename "$0"): $1"
    shift
    for line in "$@"; do say "    $line"; done
    exit 69
}

# need_commands command:debian-package …
# Installs with apt-get what is missing when we are root; otherwise says the one command that does.
need_commands() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    need_packages "${missing[@]}"
}

need_packages() {
    [ $# -eq 0 ] && return
    install_packages "$@" && return
    if ! command -v apt-get >/dev/null; then
        lacks "this machine lacks: $*" "install them with your system's package manager (the names are Debian's)"
    elif [ "$(id -u)" -eq 0 ]; then
        lacks "apt-get could not install: $*" "its last lines are above"
    else
        lacks "this machine lacks: $*" "install them with:" "sudo apt-get update && sudo apt-get install -y $*"
    fi
}

# Fails where we are not root, there is no apt-get, or it fails itself; then its last lines are shown.
install_packages() {
    command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || return 1
    say "installing $*"
    local log
    log="$(mktemp)"
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Building weir needs Rust, a C compiler and cmake (Pingora's zlib-ng is C and is built by cmake).
need_rust_build() {
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    command -v cargo >/dev/null ||
        lacks "Rust is not installed (no cargo on the PATH)" "get it from https://rustup.rs:" \
            "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    need_commands cmake:cmake cc:gcc c++:g++ make:make
}

# A Python that can make virtual environments.
need_python() {
    need_commands python3:python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3-venv
}

# fresh_venv FOLDER REQUIREMENTS: a virtual environment with exactly what the file lists.
# Kept when it was made from the same file by the same Python.
fresh_venv() {
    local folder="$1" requirements="$2" made_from
    made_from="$(python3 -c 'import sys; print(sys.version, sys.base_prefix)' && cat "$requirements")"
    if [ "$(cat "$folder/made-from" 2>/dev/null)" = "$made_from" ]; then
        return
    fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r "$requirements" </dev/null
    printf '%s\n' "$made_from" >"$folder/made-from"
}
