#!/usr/bin/env bash
# Gets the real inference engine that weir's tests run against: llama.cpp's own server, and a tiny model with random
# weights. Both come out of PyPI packages with pinned hashes, are made once, and are kept in ${WEIR_CACHE:-~/.cache/weir}.
#
# Prints two lines on stdout, the rest on stderr:
#     WEIR_LLAMA_SERVER=/path/to/llama-server
#     WEIR_TINY_MODEL=/path/to/tiny.gguf
#
# WEIR_BUILD_JOBS: how many compilers run at once (default: one a core).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/needs.sh
. "$here/needs.sh"

version=0.3.36 # of llama-cpp-python, whose source package carries the whole of llama.cpp
sdist="llama_cpp_python-$version.tar.gz"
sdist_sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e

engine="$weir_cache/real-engine-$version"
server="$engine/llama-server"
vocabulary="$engine/vocabulary.gguf"
model="$engine/tiny-$(sha256sum "$here/real-engine/tiny_model.py" | cut -c1-12).gguf"
work="$engine/work"

main() {
    mkdir -p "$engine"
    exec 9>"$engine/lock" # two checkouts that start together build once
    flock 9
    if [ ! -x "$server" ] || [ ! -s "$vocabulary" ]; then build_server; fi
    [ -s "$model" ] || make_model
    printf 'WEIR_LLAMA_SERVER=%s\nWEIR_TINY_MODEL=%s\n' "$server" "$model"
}

build_server() {
    need_commands cmake:cmake c++:g++ make:make tar:tar
    need_python
    rm -rf "$work"
    mkdir -p "$work/source" "$work/build"
    python_packages
    say "real engine: downloading $sdist (77 MB) from PyPI"
    download_sdist
    tar -xzf "$work/$sdist" -C "$work/source" --strip-components=1
    compile
    cp "$work/source/vendor/llama.cpp/models/ggml-vocab-llama-bpe.gguf" "$vocabulary.part"
    mv "$vocabulary.part" "$vocabulary"
    mv "$work/build/bin/llama-server" "$server"
    rm -rf "$work" # 700 MB that nothing needs again
}

python_packages() {
    fresh_venv "$engine/venv" "$here/real-engine/requirements.txt"
}

# pip asks a source package for its name before it hands it over, so it needs scikit-build-core, and to find it
# in our environment (--no-build-isolation) rather than to download a second one.
download_sdist() {
    printf 'llama-cpp-python==%s --hash=sha256:%s\n' "$version" "$sdist_sha256" >"$work/sdist.txt"
    PATH="$engine/venv/bin:$PATH" "$engine/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
        --no-binary :all: --no-build-isolation --require-hashes -r "$work/sdist.txt" -d "$work" </dev/null
}

# One static binary, without TLS and curl, without its web page (which it would download), for any x86-64 or ARM
# machine (GGML_NATIVE would tie the cached binary to this very CPU).
compile() {
    local jobs="${WEIR_BUILD_JOBS:-$(nproc)}" log="$engine/build.log"
    say "real engine: compiling llama.cpp's server with $jobs jobs (about 5 minutes on 2 cores; log: $log)"
    cmake -S "$work/source/vendor/llama.cpp" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
        -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
        -DLLAMA_USE_PREBUILT_UI=OFF -DGGML_NATIVE=OFF >"$log" 2>&1 || show_and_fail "$log"
    make -C "$work/build" -j"$jobs" llama-server 2>&1 </dev/null |
        tee -a "$log" | show_tenths || show_and_fail "$log"
}

# make says "[ 37%] Building …" for every file; one line for every tenth is enough.
show_tenths() {
    awk 'match($0, /^\[ *[0-9]+%/) { tenth = int(substr($0, 2, RLENGTH - 2) / 10)
         if (tenth > shown) { shown = tenth; printf "real engine: %d%% compiled\n", tenth * 10 > "/dev/stderr" } }'
}

show_and_fail() {
    tail -n 30 "$1" >&2
    say "real engine: the build failed; its last lines are above, all of it is in $1"
    exit 1
}

make_model() {
    need_python
    python_packages
    say "real engine: writing the tiny model"
    "$engine/venv/bin/python" "$here/real-engine/tiny_model.py" "$vocabulary" "$model.part" >&2
    mv "$model.part" "$model"
}

main
