"""An authenticator: knows callers by a token in the header `x-demo-token`.

Configuration: {"tokens": {"open-sesame": "ali"}}.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.auth import Decision_Abstain, Decision_Allow, Decision_Deny
from wit_world.imports import exchange
from wit_world.imports.types import Principal, Rejection

tokens = {}


class Lifecycle(exports.Lifecycle):
    def configure(self, config_json):
        global tokens
        tokens = (json.loads(config_json) or {}).get("tokens")
        if not isinstance(tokens, dict):
            raise Err("`tokens` must say who has which token")


class Auth(exports.Auth):
    def authenticate(self):
        token = exchange.request_header("x-demo-token")
        if token is None:
            return Decision_Abstain()
        name = tokens.get(token.decode(errors="replace"))
        if name is None:
            return Decision_Deny(Rejection(401, "unknown_token", "nobody has this token", []))
        return Decision_Allow(Principal(name, None, None, None, [], [], []))
