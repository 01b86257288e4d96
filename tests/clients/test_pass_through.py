"""Pass-through, byte by byte: what the engine sent is what the client gets, and what the client sent is what the engine
gets. A recorder between weir and the engine keeps the very bytes, so nothing has to be masked."""

import json
import uuid

import pytest

from harness.processes import until
from harness.weir import Weir, upstream
from harness.wire import Recorder, ask

pytestmark = [pytest.mark.on("engine"), pytest.mark.through_weir]

CHAT = "/v1/chat/completions"


class Path:
    """weir → recorder → one engine."""

    def __init__(self, weir, recorder, engine, model):
        self.weir, self.recorder, self.engine, self.model = weir, recorder, engine, model

    def exchange(self, path, body, headers=()):
        """What the client got, and what the recorder saw of the same exchange."""
        request_id = uuid.uuid4().hex
        answer = ask(self.weir.url, path, body, headers=[("x-request-id", request_id), *headers])
        return answer, self.recorder.exchange(request_id)

    def chat(self, **more):
        question = [{"role": "user", "content": "Что это? 這是 🌊"}]
        return {"model": self.model, "messages": question, "max_tokens": 48, "temperature": 0, **more}


@pytest.fixture(scope="module")
def path(place, weir_binary, folder):
    engine = place.hosts[0]
    recorder = Recorder(engine.port)
    models = {"public-name": {"targets": [{"upstream": engine.name, "model": place.chat_model}]}}
    # `models: auto` said aloud: an upstream that the file names as a target is not asked for its models otherwise
    upstreams = [upstream(engine, url=recorder.url, models="auto")]
    weir = Weir(weir_binary, upstreams, folder, models=models, name="weir-recorded").start()
    until(lambda: place.chat_model in served_models(weir), 10, "weir has learnt the engine's model")
    yield Path(weir, recorder, engine, place.chat_model)
    weir.stop()
    recorder.close()


def served_models(weir):
    return [model["id"] for model in ask(weir.url, "/v1/models").json()["data"]]


def test_a_whole_answer_is_the_engines_own(path):
    answer, seen = path.exchange(CHAT, path.chat())
    assert answer.status == seen.response.status == 200
    assert answer.json()["usage"]["completion_tokens"] == 48
    assert answer.body == seen.response.body
    assert answer.header("content-type") == seen.response.header("content-type")


def test_a_stream_is_the_engines_own(path):
    answer, seen = path.exchange(CHAT, path.chat(stream=True, stream_options={"include_usage": True}))
    assert answer.complete and seen.response.complete
    assert len(answer.events()) > 20
    assert answer.events()[-1] == b"data: [DONE]\n\n"
    assert answer.body == seen.response.body
    assert answer.header("content-type").startswith("text/event-stream")


def test_a_stream_without_usage_lacks_nothing_but_the_usage(path):
    """weir asks the engine for usage and hides it from a client that did not ask: that event goes, nothing else."""
    answer, seen = path.exchange(CHAT, path.chat(stream=True))
    usage = [event for event in seen.response.events() if is_usage(event)]
    assert len(usage) == 1
    assert answer.body == b"".join(event for event in seen.response.events() if event not in usage)


def is_usage(event):
    data = event.removeprefix(b"data: ").strip()
    return data != b"[DONE]" and json.loads(data).get("choices") == []


def test_legacy_completions_pass_through(path):
    body = {"model": path.model, "prompt": [9906, 1917], "max_tokens": 16, "temperature": 0, "logprobs": 2}
    answer, seen = path.exchange("/v1/completions", body)
    assert (answer.status, answer.body) == (200, seen.response.body)


def test_responses_pass_through(path):
    body = {"model": path.model, "input": "river", "max_output_tokens": 24, "temperature": 0, "stream": True}
    answer, seen = path.exchange("/v1/responses", body)
    assert answer.body == seen.response.body
    assert b"event: response.completed" in answer.body or b"event: response.incomplete" in answer.body


def test_tokenize_passes_through(path):
    answer, seen = path.exchange("/tokenize", {"model": path.model, "content": "a river 🌊", "with_pieces": True})
    assert (answer.status, answer.body) == (200, seen.response.body)
    assert answer.json()["tokens"]


def test_an_error_is_the_engines_own(path):
    question = [{"role": "user", "content": "river " * 9000}]
    answer, seen = path.exchange(CHAT, path.chat(messages=question))
    assert answer.status == seen.response.status == 400
    assert answer.body == seen.response.body


# Spaces, number text, key order, escapes and fields that nobody knows: all of it is the engine's to judge.
ODD_BODY = """{ "zzz" : {"b":1,"a":[1.0, 1e0, 100000000000000000000]},
  "temperature": 0.0e-1, "max_tokens":4,"model" : "%s" , "stream":true,
\t"messages":[{"role":"user","content":"\\u00e9 \\ud83c\\udf0a / \\/ \\u0000 \\"model\\": \\"x\\""}], "stream_options" : { "include_usage":true }, "seed": 7 }\n"""


def test_the_engine_gets_the_clients_own_bytes(path):
    sent = (ODD_BODY % path.model).encode()
    answer, seen = path.exchange(CHAT, sent)
    assert answer.status == 200
    assert seen.request.body == sent


def test_only_the_models_name_is_rewritten(path):
    sent = (ODD_BODY % "public-name").encode()
    answer, seen = path.exchange(CHAT, sent)
    assert answer.status == 200
    assert seen.request.body == (ODD_BODY % path.model).encode()


def test_credentials_stay_with_weir(path):
    answer, seen = path.exchange(
        CHAT, path.chat(), headers=[("authorization", "Bearer client-secret"), ("x-api-key", "client-secret")]
    )
    assert answer.status == 200
    assert "client-secret" not in repr(seen.request.headers)


def test_a_direct_call_has_the_same_answer(path):
    """Two calls of the engine differ in ids and timings; at temperature 0, on an idle engine, in nothing else."""
    asked = path.chat(cache_prompt=False, seed=7)
    direct, through = ask(path.engine.url, CHAT, asked), ask(path.weir.url, CHAT, asked)
    assert without_volatile(direct.json()) == without_volatile(through.json())


def test_a_direct_stream_has_the_same_answer(path):
    asked = path.chat(cache_prompt=False, seed=7, stream=True, stream_options={"include_usage": True})
    direct, through = (ask(url, CHAT, asked).events() for url in (path.engine.url, path.weir.url))
    assert direct[-1] == through[-1] == b"data: [DONE]\n\n"
    assert [volatile_free_event(event) for event in direct[:-1]] == [
        volatile_free_event(event) for event in through[:-1]
    ]


def volatile_free_event(event):
    return without_volatile(json.loads(event.removeprefix(b"data: ")))


def without_volatile(answer):
    return {name: value for name, value in answer.items() if name not in ("id", "created", "timings")}
