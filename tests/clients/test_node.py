"""Runs the Node tests of node/: the same questions, asked by the openai package of npm and Node's own test runner."""

import json
import os
import pathlib
import subprocess

import pytest

NODE = pathlib.Path(__file__).parent / "node"


def run(file, place):
    environment = dict(
        os.environ,
        WEIR_TEST_URL=place.url,
        WEIR_TEST_CHAT_MODEL=place.chat_model,
        WEIR_TEST_EMBEDDING_MODEL=place.embedding_model,
        WEIR_TEST_ONE_TOOL_CALL=json.dumps(place.one_tool_call),
    )
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=spec", str(NODE / file)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    print(ran.stdout)
    assert ran.returncode == 0, f"{file}: Node's test runner ended with {ran.returncode}"
    assert "\nℹ pass 0\n" not in ran.stdout, f"{file} has no tests"


@pytest.mark.parametrize("file", ["chat.test.mjs", "tools.test.mjs"])
def test_the_api(file, place):
    run(file, place)


@pytest.mark.on("sim")
def test_the_media(place):
    run("media.test.mjs", place)


@pytest.mark.through_weir
def test_what_weir_adds(place):
    run("weir.test.mjs", place)
