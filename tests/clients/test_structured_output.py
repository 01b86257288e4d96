"""Structured output: a JSON schema in the request, an instance of it in the answer."""

import json
from typing import Literal

import pytest
from pydantic import BaseModel

QUESTION = [{"role": "user", "content": "Describe the river."}]


class Flood(BaseModel):
    month: Literal["March", "April", "May"]
    dangerous: bool


class River(BaseModel):
    """Closed sets, so that a model with random weights ends under the grammar."""

    size: Literal["small", "large"]
    flood: Flood


SCHEMA = {
    "type": "object",
    "properties": {"size": {"type": "string", "enum": ["small", "large"]}, "navigable": {"type": "boolean"}},
    "required": ["size", "navigable"],
    "additionalProperties": False,
}


def test_the_answer_is_an_instance_of_the_schema(client, place):
    answer = client.chat.completions.create(
        model=place.chat_model,
        messages=QUESTION,
        max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "river", "strict": True, "schema": SCHEMA}},
    )
    river = json.loads(answer.choices[0].message.content)
    assert set(river) == {"size", "navigable"}
    assert river["size"] in ("small", "large")
    assert isinstance(river["navigable"], bool)


def test_a_streamed_instance_joins_to_json(client, place):
    stream = client.chat.completions.create(
        model=place.chat_model,
        messages=QUESTION,
        max_tokens=200,
        stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "river", "strict": True, "schema": SCHEMA}},
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert set(json.loads(text)) == {"size", "navigable"}


def test_the_parse_helper_gives_an_object(client, place):
    answer = client.chat.completions.parse(
        model=place.chat_model, messages=QUESTION, response_format=River, max_tokens=400, temperature=0
    )
    river = answer.choices[0].message.parsed
    assert isinstance(river, River)
    assert river.flood.month in ("March", "April", "May")


def test_the_stream_helper_collects_the_whole_answer(client, place):
    with client.chat.completions.stream(
        model=place.chat_model, messages=QUESTION, response_format=River, max_tokens=400
    ) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        message = stream.get_final_completion().choices[0].message
    assert len(pieces) > 1
    assert "".join(pieces) == message.content
    assert message.parsed.flood.month in ("March", "April", "May")


@pytest.mark.on("sim")  # a random model under the grammar of all JSON need never end
def test_json_mode_gives_json(client, place):
    answer = client.chat.completions.create(
        model=place.chat_model, messages=QUESTION, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
