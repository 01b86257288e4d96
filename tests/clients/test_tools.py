"""Tools: a forced call, several at once, streamed fragments, and the loop in which a client answers them."""

import json

import pytest

# Closed sets, so that a model with random weights ends its arguments under the grammar.
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": ["Paris", "Oslo", "Kyoto"]},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Oslo"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
QUESTION = [{"role": "user", "content": "What is the weather in Oslo?"}]


def check_weather_arguments(text):
    arguments = json.loads(text)
    assert arguments["city"] in ("Paris", "Oslo", "Kyoto")
    assert arguments["unit"] in ("celsius", "fahrenheit")


def test_a_required_tool_is_called(client, place):
    answer = client.chat.completions.create(
        model=place.chat_model,
        messages=QUESTION,
        tools=[WEATHER],
        tool_choice="required",
        max_tokens=200,
        **place.one_tool_call,
    )
    (call,) = answer.choices[0].message.tool_calls
    assert call.type == "function"
    assert call.id
    assert call.function.name == "get_weather"
    check_weather_arguments(call.function.arguments)


@pytest.mark.on("sim")  # llama.cpp's server refuses a tool_choice that is an object
def test_the_named_tool_is_called(client, place):
    answer = client.chat.completions.create(
        model=place.chat_model,
        messages=QUESTION,
        tools=[WEATHER, CLOCK],
        tool_choice={"type": "function", "function": {"name": "get_time"}},
    )
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "get_time"


def test_a_streamed_call_arrives_in_fragments_that_join(client, place):
    stream = client.chat.completions.create(
        model=place.chat_model,
        messages=QUESTION,
        tools=[WEATHER],
        tool_choice="required",
        max_tokens=200,
        stream=True,
        **place.one_tool_call,
    )
    names, fragments = [], []
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.index == 0
            names += [call.function.name] if call.function.name else []
            fragments += [call.function.arguments] if call.function.arguments else []
    assert names == ["get_weather"]
    assert len(fragments) > 1
    check_weather_arguments("".join(fragments))


def test_parallel_calls_have_indexes_of_their_own(client, place):
    stream = client.chat.completions.create(
        model=place.chat_model,
        messages=[{"role": "user", "content": "Use get_weather and get_time for Oslo."}],
        tools=[WEATHER, CLOCK],
        tool_choice="required",
        max_tokens=400,
        stream=True,
        **place.many_tool_calls,
    )
    calls = {}
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            calls.setdefault(call.index, []).append(call)
    assert sorted(calls) == list(range(len(calls)))
    assert len(calls) >= 2
    assert len({fragments[0].id for fragments in calls.values()}) == len(calls)
    # max_tokens may cut the last one of a model that never stops calling
    for fragments in list(calls.values())[:2]:
        assert json.loads("".join(fragment.function.arguments or "" for fragment in fragments))["city"]


def test_the_tool_loop_ends_with_an_answer(client, place):
    messages = list(QUESTION)
    first = client.chat.completions.create(
        model=place.chat_model,
        messages=messages,
        tools=[WEATHER],
        tool_choice="required",
        max_tokens=200,
        **place.one_tool_call,
    )
    messages.append(first.choices[0].message)
    for call in first.choices[0].message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 4}'})
    last = client.chat.completions.create(
        model=place.chat_model, messages=messages, tools=[WEATHER], tool_choice="none", max_tokens=12
    )
    assert last.choices[0].message.content
    assert not last.choices[0].message.tool_calls
