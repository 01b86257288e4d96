"""The two kinds of GPU host that weir is put in front of: `weir sim`, and llama.cpp's own server.

Both serve the same chat model on a pair of hosts, and an embedding model beside it. Nothing here knows of weir's
proxy: a test may as well talk to a host directly.
"""

import os

from .processes import Process, answers, free_port

ENGINE_START_SECONDS = 120


class Host:
    """One server of models. `url` has no path."""

    def __init__(self, name, kind, port, process):
        self.name, self.kind, self.port, self.process = name, kind, port, process

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait=True):
        self.process.start()
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self):
        self.process.ready_when(lambda: answers(f"{self.url}/health"), ENGINE_START_SECONDS)

    def kill(self):
        self.process.kill()


def simulated_host(weir_binary, name, log_folder, models, seed=1, ttft="20ms", itl="2ms"):
    port = free_port()
    command = [weir_binary, "sim", "--port", port, "--name", name, "--seed", seed, "--models", ",".join(models)]
    command += ["--ttft", ttft, "--itl", itl]
    return Host(name, "vllm", port, Process(name, command, log_folder))


def engine_host(name, log_folder, model, embeddings=False):
    """llama.cpp's server with the tiny random model under the name `model`."""
    port = free_port()
    command = [
        environment_or_fail("WEIR_LLAMA_SERVER"), "-m", environment_or_fail("WEIR_TINY_MODEL"),
        "--alias", model, "--host", "127.0.0.1", "--port", port,
        "--ctx-size", 8192, "--parallel", 4, "--threads", 1, "--metrics", "--jinja",
        "--no-warmup",  # it would only delay the start
    ]  # fmt: skip
    if embeddings:
        command += ["--embeddings", "--pooling", "mean"]
    return Host(name, "llamacpp", port, Process(name, command, log_folder))


def environment_or_fail(name):
    value = os.environ.get(name)
    assert value, f"{name} is not set; scripts/real-engine.sh prints it"
    return value
