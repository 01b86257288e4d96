"""The Responses API, to hosts that have it."""

import pytest


def test_a_response_has_text(client, place):
    answer = client.responses.create(model=place.chat_model, input="What does a weir do?", max_output_tokens=16)
    assert answer.object == "response"
    assert answer.output_text
    assert answer.usage.output_tokens > 0


def test_a_streamed_response_has_every_event(client, place):
    stream = client.responses.create(
        model=place.chat_model, input="What does a weir do?", max_output_tokens=16, stream=True
    )
    events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens > 0


@pytest.mark.on("sim")  # llama.cpp's server leaves the numbers out
def test_the_events_of_a_response_are_numbered_without_a_gap(client, place):
    stream = client.responses.create(model=place.chat_model, input="What does a weir do?", stream=True)
    numbers = [event.sequence_number for event in stream]
    assert numbers == list(range(len(numbers)))
