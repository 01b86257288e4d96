"""A real engine dies under load and comes back: only what it was working on may fail, and it fails as an error."""

import asyncio
import threading
import time
from dataclasses import dataclass

import openai
import pytest

from harness.hosts import engine_host
from harness.processes import until
from harness.weir import Weir, upstream

pytestmark = [pytest.mark.on("engine"), pytest.mark.through_weir]

WORKERS = 8
TOKENS = 150


@dataclass
class Outcome:
    """One request of the load, as its client saw it."""

    started: float
    answered_by: str | None = None
    pieces: int = 0
    finish_reason: str | None = None
    usage: object = None
    error: Exception | None = None
    over: bool = False

    def read(self, model, choices, usage):
        self.answered_by = model
        self.usage = usage or self.usage
        for choice in choices:
            self.pieces += 1
            self.finish_reason = choice.finish_reason or self.finish_reason

    @property
    def complete(self):
        return self.over and self.error is None


class Load:
    """Clients that ask one question after the other, streamed and whole by turns, until they are told to stop."""

    def __init__(self, url, model):
        self.url, self.model = url, model
        self.outcomes = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "a client still waits for an answer"

    async def _work(self):
        async with openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key="client-secret", max_retries=0, timeout=50
        ) as client:
            await asyncio.gather(*(self._ask_on(client, stream=number % 2 == 0) for number in range(WORKERS)))

    async def _ask_on(self, client, stream):
        while not self.stopping.is_set():
            outcome = Outcome(started=time.monotonic())
            self.outcomes.append(outcome)
            try:
                await (self._stream if stream else self._whole)(client, outcome)
            except Exception as error:  # judged by the test: every kind must be one of the SDK's
                outcome.error = error
            outcome.over = True

    def _question(self, outcome):
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": f"River {id(outcome)}?"}],
            "max_tokens": TOKENS,
            "extra_body": {"ignore_eos": True},
        }

    async def _stream(self, client, outcome):
        stream = await client.chat.completions.create(
            **self._question(outcome), stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            outcome.read(chunk.model, chunk.choices, chunk.usage)

    async def _whole(self, client, outcome):
        answer = await client.chat.completions.create(**self._question(outcome))
        outcome.read(answer.model, answer.choices, answer.usage)

    def completed_since(self, moment, model=None):
        return [o for o in list(self.outcomes) if o.complete and o.started > moment and model in (None, o.answered_by)]


@pytest.fixture
def engines(folder):
    """Two engines that call the model by different names, so that an answer tells who gave it."""
    engines = [engine_host(f"mortal-{letter}", folder, f"tiny-{letter}") for letter in "ab"]
    try:
        for engine in engines:
            engine.start(wait=False)
        for engine in engines:
            engine.wait_until_ready()
        yield engines
    finally:
        for engine in engines:
            engine.kill()


@pytest.fixture
def weir(weir_binary, folder, engines):
    targets = [{"upstream": engine.name, "model": f"tiny-{engine.name[-1]}"} for engine in engines]
    weir = Weir(
        weir_binary,
        [upstream(engine) for engine in engines],
        folder,
        models={"tiny": {"targets": targets}},
        name="weir-before-mortals",
    )
    yield weir.start()
    weir.stop()


@pytest.mark.timeout(240)
def test_only_what_was_in_flight_on_a_killed_engine_fails(weir, engines):
    doomed = engines[0]
    with Load(weir.url, "tiny") as load:
        for model in ("tiny-a", "tiny-b"):
            until(lambda: load.completed_since(0, model), 30, f"{model} has answered")

        victim = until(lambda: streaming_from(load, "tiny-a"), 30, "tiny-a streams an answer")
        doomed.kill()
        killed = time.monotonic()
        until(lambda: len(load.completed_since(killed)) >= 3 * WORKERS, 60, "the other engine carries on")

        doomed.start()
        restarted = time.monotonic()
        for model in ("tiny-a", "tiny-b"):
            until(lambda: len(load.completed_since(restarted, model)) >= 3, 60, f"{model} serves after the restart")

    assert victim.error, "the answer that was being streamed did not fail"
    for outcome in (o for o in load.outcomes if o.error):
        assert isinstance(outcome.error, openai.APIError), repr(outcome.error)
        assert outcome.started < killed, f"asked after the kill, and failed: {outcome}"
        assert outcome.answered_by in (None, "tiny-a"), f"another engine's answer failed: {outcome}"
        assert outcome.finish_reason is None, f"a broken answer looked complete: {outcome}"
    for outcome in (o for o in load.outcomes if o.complete):
        assert outcome.finish_reason == "length", f"an answer without its end: {outcome}"
        assert outcome.usage.completion_tokens == TOKENS, f"an answer without its usage: {outcome}"


def streaming_from(load, model):
    """A stream of `model` that has begun and is far from its end."""
    running = (o for o in list(load.outcomes) if not o.over and o.answered_by == model)
    return next((o for o in running if 2 <= o.pieces < TOKENS / 3), None)
