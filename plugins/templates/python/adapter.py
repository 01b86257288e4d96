"""An adapter, for servers that take a prompt as plain text and answer with plain text, piece by piece.

Configuration: {"path": "/generate"}. plugins/cohere in weir's repository is one for a real provider.
"""

import codecs
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.adapter import Failure, Info, WireRequest
from wit_world.imports import exchange
from wit_world.imports.types import (
    Api,
    Finish,
    Header,
    PluginError_Permanent,
    Role,
    StreamEvent_Finish,
    StreamEvent_Text,
    TextDelta,
)

path = "/generate"


class Lifecycle(exports.Lifecycle):
    def configure(self, config_json):
        global path
        path = (json.loads(config_json) or {}).get("path", "/generate")


class Adapter(exports.Adapter):
    def describe(self):
        return Info("plugin-name", [Api.CHAT_COMPLETIONS])

    def encode(self, target):
        """The last word of the user is the prompt."""
        prompts = [segment.text for segment in exchange.request_segments() if segment.role == Role.USER]
        if not prompts:
            raise Err(PluginError_Permanent("there is no message of the user to make a prompt of"))
        headers = [Header("content-type", b"text/plain"), Header("x-model", target.model.encode())]
        return WireRequest("POST", path, headers, prompts[-1].encode())

    def classify(self, status, headers, body):
        retryable = status == 429 or status >= 500
        return Failure(retryable, "upstream_refused", body.decode(errors="replace"), None)


class Decoder:
    """Text as it comes; a character may be cut between two pieces."""

    def __init__(self, status, headers):
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def push(self, chunk):
        text = self.decode(chunk, False)
        return [StreamEvent_Text(TextDelta(0, text))] if text else []

    def finish(self):
        self.decode(b"", True)
        return [StreamEvent_Finish(Finish(0, "stop"))]

    def decode(self, chunk, final):
        try:
            return self.decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise Err(PluginError_Permanent(f"the answer is no UTF-8: {error}")) from None
