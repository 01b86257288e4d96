"""A guard: hides words, in requests, answers and streams, and refuses others.

Configuration: {"hide": ["teapot"], "with": "[hidden]", "refuse": ["forbidden"]}.
A hook that cannot do its work raises Err(PluginError_Permanent("why")).
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.response_filter import Wanted
from wit_world.imports import exchange, kv, log, metrics
from wit_world.imports.types import (
    Edit_SetSegment,
    Edit_SetTag,
    EventsVerdict_Abort,
    EventsVerdict_Drop,
    EventsVerdict_Replace,
    Header,
    Pair,
    Rejection,
    Reply,
    StreamEvent_Finish,
    StreamEvent_Text,
    TextDelta,
    Verdict_Edit,
    Verdict_Pass,
    Verdict_Reject,
    Verdict_Reply,
)

hide = []
replacement = "[hidden]"
refuse = []


class Lifecycle(exports.Lifecycle):
    def configure(self, config_json):
        global hide, replacement, refuse
        config = json.loads(config_json) or {}
        hide = words(config, "hide")
        refuse = words(config, "refuse")
        replacement = config.get("with", "[hidden]")


class RequestFilter(exports.RequestFilter):
    def on_request(self):
        segments = exchange.request_segments()
        if segments and segments[-1].text == "/about":
            return Verdict_Reply(about())
        return verdict(segments)

    def on_upstream_request(self, target):
        return []


class ResponseFilter(exports.ResponseFilter):
    def wants(self):
        return Wanted(requests=True, answers=True, streams=True, whole_answers=False)

    def on_response(self):
        return verdict(exchange.response_segments())


class Stream:
    """A stream of an answer. Words may be cut anywhere between its events."""

    def __init__(self, head):
        self.held = {}  # for each choice, text that may become a word

    def on_events(self, events):
        out = []
        for event in events:
            if isinstance(event, StreamEvent_Text):
                choice = event.value.choice
                text = self.held.get(choice, "") + event.value.text
                refusal = refusal_of(text)
                if refusal:
                    return EventsVerdict_Abort(refusal)
                self.held[choice] = say(out, choice, text, False)
            else:
                if isinstance(event, StreamEvent_Finish):
                    say(out, event.value.choice, self.held.pop(event.value.choice, ""), True)
                out.append(event)
        return EventsVerdict_Replace(out) if out else EventsVerdict_Drop()

    def on_end(self):
        out = []
        for choice, text in self.held.items():
            say(out, choice, text, True)
        self.held = {}
        return out


def words(config, name):
    found = config.get(name, [])
    if isinstance(found, list) and all(isinstance(word, str) and word for word in found):
        return found
    raise Err(f"`{name}` must be a list of words")


def verdict(segments):
    edits = []
    hidden = 0
    for segment in segments:
        refusal = refusal_of(segment.text)
        if refusal:
            return Verdict_Reject(refusal)
        text, count, _ = without_words(segment.text, True)
        if count:
            edits.append(Edit_SetSegment((segment.index, text)))
            hidden += count
    if not hidden:
        return Verdict_Pass()
    tell(hidden)
    edits.append(Edit_SetTag(Pair("hidden", str(hidden))))
    return Verdict_Edit(edits)


def refusal_of(text):
    for word in refuse:
        if word in text:
            return Rejection(403, "refused_word", f"the word `{word}` is not allowed here", [])
    return None


def without_words(text, is_whole):
    """The text without the words, how many they were, and an end of it that may be the beginning of a word: it waits for what
    follows, unless the text is whole."""
    out = []
    count = place = 0
    while place < len(text):
        rest = text[place:]
        if not is_whole and any(len(word) > len(rest) and word.startswith(rest) for word in hide + refuse):
            break
        word = next((word for word in hide if rest.startswith(word)), None)
        out.append(replacement if word else rest[0])
        count += 1 if word else 0
        place += len(word) if word else 1
    return "".join(out), count, text[place:]


def say(out, choice, given, is_whole):
    """Says what is sure of a text, and gives back what is not."""
    text, count, held = without_words(given, is_whole)
    if count:
        tell(count)
    if text:
        out.append(StreamEvent_Text(TextDelta(choice, text)))
    return held


def tell(hidden):
    """A metric, a line in the log, and a sum that all instances share (with the grant `kv`)."""
    metrics.count("hidden_words", [], float(hidden))
    log.write(log.Level.INFO, f"hid {hidden} words")
    try:
        kv.add("hidden", hidden, None)
    except Err:
        pass  # not granted: nothing is summed up


def about():
    try:
        hidden = int(kv.get("hidden") or b"0")
    except Err:
        hidden = 0  # not granted
    body = json.dumps({"plugin": "plugin-name", "hidden": hidden}, separators=(",", ":"))
    return Reply(200, [Header("content-type", b"application/json")], body.encode())
