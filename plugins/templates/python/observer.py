"""An observer: counts tokens by model, and tells of exchanges that were slow.

Configuration: {"slow_ms": 5000}.
"""

import json

from wit_world import exports
from wit_world.imports import log, metrics
from wit_world.imports.types import Pair

slow_ms = 5000


class Lifecycle(exports.Lifecycle):
    def configure(self, config_json):
        global slow_ms
        slow_ms = (json.loads(config_json) or {}).get("slow_ms", 5000)


class Observer(exports.Observer):
    def on_log(self, batch):
        for outcome in batch:
            tokens = outcome.usage.input + outcome.usage.output
            metrics.count("tokens", [Pair("model", outcome.meta.model)], float(tokens))
            if outcome.total_ms > slow_ms:
                took = f"{outcome.meta.id} took {outcome.total_ms:.0f} ms at {outcome.upstream}"
                log.write(log.Level.WARN, took)
