"""weir itself in front of hosts: writes its configuration, starts it, and knows where it listens."""

import json
import os

from .processes import Process, answers, free_port

WEIR_START_SECONDS = 30


class Weir:
    """`weir serve` on free ports. `url` has no path; OpenAI clients use `f"{url}/v1"`."""

    def __init__(self, weir_binary, upstreams, folder, models=None, settings=None, name="weir"):
        self.port, self.admin_port = free_port(), free_port()
        config_path = os.path.join(folder, f"{name}.yaml")
        with open(config_path, "w", encoding="utf-8") as config:
            json.dump(self.config(upstreams, models, settings or {}), config, indent=2)  # JSON is YAML
        self.process = Process(name, [weir_binary, "serve", "--config", config_path], folder)

    def config(self, upstreams, models, settings):
        config = {
            "listen": f"127.0.0.1:{self.port}",
            "admin": f"127.0.0.1:{self.admin_port}",
            "upstreams": upstreams,
            **settings,
        }
        if models:
            config["models"] = models
        return config

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self):
        return f"http://127.0.0.1:{self.admin_port}"

    def start(self):
        self.process.start().ready_when(lambda: answers(f"{self.admin_url}/readyz"), WEIR_START_SECONDS)
        return self

    def stop(self):
        self.process.stop()


def upstream(host, url=None, **more):
    """The `upstreams:` entry for a host; `url` when something stands between, such as a recorder."""
    return {"name": host.name, "kind": host.kind, "url": url or host.url, **more}
