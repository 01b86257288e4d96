"""The admin API against its own OpenAPI document: schemathesis makes requests of it, good ones and broken ones, and no answer
may be a mistake of the server, a status, a type or a shape that the document does not have.
"""

import json
import os
import subprocess

import pytest

from harness.hosts import simulated_host
from harness.weir import Weir, upstream

pytestmark = pytest.mark.on("sim")

TOKEN = "open-sesame-0123"
EXAMPLES = 25
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# What they do to the process would change the other requests' answers: the configuration is read again, upstreams, endpoints and
# their keys taken out. Their own tests are those of tests/it.
WITH_SIDE_EFFECTS = r"^/admin/v1/(reload|upstreams/|endpoints/)"


@pytest.fixture
def keeping_weir(weir_binary, folder, monkeypatch):
    monkeypatch.setenv("WEIR_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("WEIR_MASTER_KEY", "11" * 32)
    host = simulated_host(weir_binary, "sim-admin", folder, ("llama-3.1-8b",))
    settings = {
        "store": {"path": os.path.join(folder, "books"), "master_key": {"env": "WEIR_MASTER_KEY"}},
        "access": {"required": True},
    }
    weir = Weir(weir_binary, [upstream(host)], folder, settings=settings, name="weir-admin")
    give_token(weir, folder)
    host.start()
    weir.start()
    try:
        yield weir
    finally:
        weir.stop()
        host.kill()


def give_token(weir, folder):
    path = os.path.join(folder, "weir-admin.yaml")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["admin"] = {"address": f"127.0.0.1:{weir.admin_port}", "token": {"env": "WEIR_ADMIN_TOKEN"}}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)


@pytest.mark.through_weir
@pytest.mark.timeout(600)
def test_the_admin_api_is_as_its_document_says(keeping_weir, folder):
    command = [
        "schemathesis",
        "run",
        f"{keeping_weir.admin_url}/admin/v1/openapi.json",
        "--header", f"Authorization: Bearer {TOKEN}",
        "--checks", CHECKS,
        "--phases", "examples,coverage,fuzzing",
        "--exclude-path-regex", WITH_SIDE_EFFECTS,
        "--max-examples", str(EXAMPLES),
        "--mode", "all",
        "--seed", "1",
        "--suppress-health-check", "all",
        "--no-color",
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-20000:] + ran.stderr[-2000:]
