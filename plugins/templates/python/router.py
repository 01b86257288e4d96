"""A router: candidates of one region first, and of those the one with the least to do.

Configuration: {"prefer": "eu", "only": false}; with `only`, nothing outside of the region is used.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import Choice_Ranked, Choice_Reject, Choice_UseDefault, Ranked, Rejection

prefer = ""
only = False


class Lifecycle(exports.Lifecycle):
    def configure(self, config_json):
        global prefer, only
        config = json.loads(config_json) or {}
        if not isinstance(config.get("prefer"), str):
            raise Err("`prefer` must be the name of a region")
        prefer = config["prefer"]
        only = config.get("only", False)


class Router(exports.Router):
    def pick(self, candidates):
        ranked = []
        for index, candidate in enumerate(candidates):
            preferred = candidate.region == prefer
            if candidate.healthy and (preferred or not only):
                score = (1000.0 if preferred else 0.0) - candidate.in_flight
                ranked.append(Ranked(index, score))
        log.write(log.Level.DEBUG, f"{len(ranked)} of {len(candidates)} will do")
        if ranked:
            return Choice_Ranked(ranked)
        if only:
            return Choice_Reject(Rejection(503, "no_region", f"no server in `{prefer}` is healthy", []))
        return Choice_UseDefault()
