"""What hosts do wrong, as the SDK sees it: each failure is an exception that it has, and nothing broken looks complete."""

import openai
import pytest

pytestmark = pytest.mark.on("sim")


def asking_for(fault):
    """A question that makes every simulated host which hears it commit the fault."""
    return [{"role": "user", "content": f"[[fault:{fault}]] hello"}]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("html_500", openai.InternalServerError),
        ("empty_502", openai.InternalServerError),
        ("status=503", openai.InternalServerError),
        ("status=429 retry_after=1", openai.RateLimitError),
        ("status=400", openai.BadRequestError),
        ("status=422", openai.UnprocessableEntityError),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_hosts_failure_is_an_error_that_the_sdk_knows(client, place, fault, error, stream):
    with pytest.raises(error):
        client.chat.completions.create(model=place.chat_model, messages=asking_for(fault), stream=stream)


@pytest.mark.through_weir
@pytest.mark.parametrize("fault", ["reset_before", "close_before", "garbage"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_host_that_does_not_answer_is_a_server_error(client, place, fault, stream):
    """Not a broken connection to the client: its request was fine, and it can be asked again."""
    with pytest.raises(openai.InternalServerError) as failure:
        client.chat.completions.create(model=place.chat_model, messages=asking_for(fault), stream=stream)
    assert failure.value.status_code in (502, 503)
    assert failure.value.request_id


@pytest.mark.through_weir
def test_an_error_as_the_first_event_becomes_a_status(client, place):
    with pytest.raises(openai.APIStatusError) as failure:
        client.chat.completions.create(model=place.chat_model, messages=asking_for("error_first"), stream=True)
    assert failure.value.status_code >= 500


@pytest.mark.through_weir
@pytest.mark.parametrize(
    "fault",
    ["truncate after=3", "truncate style=cut after=3", "reset after=3", "error_mid after=3"],
)
def test_a_broken_stream_never_looks_complete(client, place, fault):
    stream = client.chat.completions.create(model=place.chat_model, messages=asking_for(fault), stream=True)
    chunks = []
    with pytest.raises(openai.APIError):
        for chunk in stream:
            chunks.append(chunk)
    assert chunks, "what the host had said before is lost"
    assert not [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


@pytest.mark.through_weir
@pytest.mark.parametrize("fault", ["truncate style=cut", "reset"])
def test_half_an_answer_is_an_error(client, place, fault):
    with pytest.raises(openai.APIError):
        client.chat.completions.create(model=place.chat_model, messages=asking_for(fault))


@pytest.mark.parametrize(
    "fault", ["gzip", "split size=7", "crlf", "comments", "nospace", "multi", "usage_early", "informational"]
)
def test_odd_but_legal_answers_are_understood(client, place, fault):
    stream = client.chat.completions.create(model=place.chat_model, messages=asking_for(fault), stream=True)
    chunks = [chunk for chunk in stream if chunk.choices]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
