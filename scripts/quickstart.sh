#!/usr/bin/env bash
# From a fresh machine to a first answer: builds weir, starts two simulated GPU hosts and weir in front of them
# (conf/quickstart.yaml), sends a first streamed chat, and serves until Ctrl-C. Leaves nothing behind.
#
# The ports can be moved: WEIR_PORT (8080), WEIR_ADMIN_PORT (9090), WEIR_GPU_A_PORT (18001), WEIR_GPU_B_PORT (18002).
set -euo pipefail
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/needs.sh
. "$repository/scripts/needs.sh"
cd "$repository"

export WEIR_PORT="${WEIR_PORT:-8080}" WEIR_ADMIN_PORT="${WEIR_ADMIN_PORT:-9090}"
export WEIR_GPU_A_PORT="${WEIR_GPU_A_PORT:-18001}" WEIR_GPU_B_PORT="${WEIR_GPU_B_PORT:-18002}"
model=llama-3.1-8b
address="http://127.0.0.1:$WEIR_PORT"
admin="http://127.0.0.1:$WEIR_ADMIN_PORT"
children=()

main() {
    check_port WEIR_PORT weir
    check_port WEIR_ADMIN_PORT "weir's admin listener"
    check_port WEIR_GPU_A_PORT "the first simulated host"
    check_port WEIR_GPU_B_PORT "the second simulated host"
    need_rust_build
    need_commands curl:curl
    build
    trap stop_everything EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    logs="$(mktemp -d "${TMPDIR:-/tmp}/weir-quickstart.XXXXXX")"
    serve
    first_chat
    show_what_next
    wait_for_the_end
}

# Before the build: nobody wants to wait for minutes only to hear this.
check_port() {
    local variable="$1" what="$2" port="${!1}"
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        lacks "port $port is taken, and $what needs it" \
            "stop the program that listens there (ss -ltnp 'sport = :$port' names it), or use another port:" \
            "$variable=$((port + 1)) scripts/quickstart.sh"
    fi
}

# The development build: it is ready in a third of the time of a release build, and fast enough to look at.
build() {
    say "building weir (some minutes the first time)"
    cargo build --locked --bin weir </dev/null
    weir="$(target_folder)/debug/weir"
}

target_folder() {
    printf '%s' "${CARGO_TARGET_DIR:-$repository/target}"
}

# All of them stay in this script's process group, so that whoever ends the group ends them too.
serve() {
    start gpu-a "$weir" sim --port "$WEIR_GPU_A_PORT" --models "$model" --ttft 40ms --itl 30ms --seed 1 --name gpu-a
    start gpu-b "$weir" sim --port "$WEIR_GPU_B_PORT" --models "$model" --ttft 40ms --itl 30ms --seed 2 --name gpu-b
    until_answers gpu-a "http://127.0.0.1:$WEIR_GPU_A_PORT/health"
    until_answers gpu-b "http://127.0.0.1:$WEIR_GPU_B_PORT/health"
    start weir "$weir" serve --config conf/quickstart.yaml
    until_answers weir "$admin/readyz"
}

start() {
    local name="$1"
    shift
    say "starting $name"
    "$@" >"$logs/$name.log" 2>&1 </dev/null &
    children+=("$!")
}

until_answers() {
    local name="$1" url="$2" deadline=$((SECONDS + 20))
    until curl --silent --fail --output /dev/null --max-time 2 "$url"; do
        if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "${children[-1]}" 2>/dev/null; then
            say "$name does not answer at $url; its log:"
            tail -n 30 "$logs/$name.log" >&2
            exit 1
        fi
        sleep 0.05
    done
}

first_chat() {
    say ""
    say "a first chat through weir, as it arrives (the simulated model's words mean nothing):"
    say ""
    curl --silent --show-error --fail-with-body --no-buffer "$address/v1/chat/completions" \
        -H 'content-type: application/json' -d "$(chat_body 60)" | show_text
    say ""
}

chat_body() {
    printf '{"model":"%s","stream":true,"max_tokens":%s,"messages":[{"role":"user","content":"What is a weir?"}]}' \
        "$model" "$1"
}

# The text of each event as it comes; fails on a stream that does not end as a stream must.
show_text() {
    local line ended=no text='"content":"(([^"\\]|\\.)*)"'
    while IFS= read -r line; do
        if [[ "$line" =~ $text ]]; then printf '%b' "${BASH_REMATCH[1]}"; fi
        if [ "$line" = "data: [DONE]" ]; then ended=yes; fi
    done
    echo
    if [ "$ended" = no ]; then
        say "the answer has no end; the last event was: $line"
        tail -n 5 "$logs/weir.log" >&2
        return 1
    fi
}

show_what_next() {
    cat <<TEXT
weir serves at $address/v1 (model $model). Paste into another terminal:

curl -N $address/v1/chat/completions -H 'content-type: application/json' \\
  -d '$(chat_body 100)'

python3 - <<'END' # after: pip install openai
from openai import OpenAI
client = OpenAI(base_url="$address/v1", api_key="none")
question = [{"role": "user", "content": "What is a weir?"}]
for chunk in client.chat.completions.create(model="$model", messages=question, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
END

node --input-type=module - <<'END' # after: npm install openai
import OpenAI from "openai";
const client = new OpenAI({ baseURL: "$address/v1", apiKey: "none" });
const messages = [{ role: "user", content: "What is a weir?" }];
const stream = await client.chat.completions.create({ model: "$model", messages, stream: true });
for await (const chunk of stream) process.stdout.write(chunk.choices[0].delta.content ?? "");
END

curl $address/v1/models
curl $admin/metrics

The configuration is conf/quickstart.yaml; the logs are in $logs.
Ctrl-C ends everything.
TEXT
}

# Ends when any of the three does: half a quickstart would only puzzle.
wait_for_the_end() {
    local ended=0
    wait -n "${children[@]}" || ended=$?
    say "a part of the quickstart ended by itself (exit code $ended); the logs:"
    tail -n 20 "$logs"/*.log >&2
    exit 1
}

# SIGINT ends weir at once; SIGTERM would let running exchanges finish first.
# shellcheck disable=SC2317 # called by the trap
stop_everything() {
    trap - EXIT
    trap '' INT TERM HUP # a second Ctrl-C must not leave half of it running
    local child
    for child in "${children[@]}"; do kill -INT "$child" 2>/dev/null || continue; done
    for child in "${children[@]}"; do end_of "$child"; done
    rm -rf "$logs"
    say ""
    say "stopped; nothing is left running"
}

# shellcheck disable=SC2317 # as above
end_of() {
    local child="$1" deadline=$((SECONDS + 5))
    while kill -0 "$child" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            kill -KILL "$child"
            break
        fi
        sleep 0.05
    done
    wait "$child" 2>/dev/null || return 0
}

main
