"""What lies below the API: base URLs, HTTP/2, big bodies, many streams, going away, ids and compression."""

import asyncio
import re
import urllib.request

import httpx
import httpx2
import openai
import pytest

from harness.processes import until

STREAMS = 50
QUESTION = [{"role": "user", "content": "Count the rivers."}]


def test_the_base_url_works_without_v1(place):
    with openai.OpenAI(base_url=place.url, api_key="client-secret", max_retries=0) as client:
        answer = client.chat.completions.create(model=place.chat_model, messages=QUESTION, max_tokens=4)
        assert answer.choices[0].message.content
        assert place.chat_model in [model.id for model in client.models.list()]


@pytest.mark.through_weir
def test_the_sdk_speaks_http2(place):
    """Cleartext HTTP/2 by prior knowledge, on the port that serves HTTP/1.1."""
    with openai.OpenAI(
        base_url=place.base_url,
        api_key="client-secret",
        max_retries=0,
        http_client=httpx2.Client(http1=False, http2=True),
    ) as client:
        answer = client.chat.completions.with_raw_response.create(
            model=place.chat_model, messages=QUESTION, max_tokens=4
        )
        assert answer.http_response.http_version == "HTTP/2"
        assert answer.parse().choices[0].message.content
        stream = client.chat.completions.create(
            model=place.chat_model, messages=QUESTION, max_tokens=8, stream=True
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


@pytest.mark.through_weir
def test_many_http2_streams_share_one_connection(place):
    async def ask_all():
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(http1=False, http2=True, limits=limits, timeout=60) as client:
            body = {"model": place.chat_model, "messages": QUESTION, "max_tokens": 8, "stream": True}
            asked = (client.post(f"{place.base_url}/chat/completions", json=body) for _ in range(20))
            return await asyncio.gather(*asked)

    for answer in asyncio.run(ask_all()):
        assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
        assert answer.text.endswith("data: [DONE]\n\n")


def test_fifty_streams_at_once_all_end(place):
    async def one(client, number):
        question = [{"role": "user", "content": f"Count to {number}."}]
        stream = await client.chat.completions.create(
            model=place.chat_model, messages=question, max_tokens=8, stream=True
        )
        return [choice.finish_reason async for chunk in stream for choice in chunk.choices][-1]

    async def all_of_them():
        async with openai.AsyncOpenAI(
            base_url=place.base_url, api_key="client-secret", max_retries=0, timeout=100
        ) as client:
            return await asyncio.gather(*(one(client, number) for number in range(STREAMS)))

    finished = asyncio.run(all_of_them())
    assert len(finished) == STREAMS
    assert set(finished) <= {"stop", "length"}


@pytest.mark.on("sim")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_big_prompt_arrives_whole(client, place, stream):
    """Far above the 64 KiB that the framework itself would keep. The host counts what it received: a token every four
    letters, and 131,072 of them at most."""
    answer = client.chat.completions.create(
        model=place.chat_model,
        messages=[{"role": "user", "content": "wave" * 120_000}],
        max_tokens=4,
        stream=stream,
        **({"stream_options": {"include_usage": True}} if stream else {}),
    )
    usage = [chunk.usage for chunk in answer][-1] if stream else answer.usage
    assert usage.prompt_tokens >= 120_000


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_body_of_megabytes_is_answered(client, place, stream):
    """In a field that the host reads and does not count."""
    answer = client.chat.completions.create(
        model=place.chat_model, messages=QUESTION, max_tokens=4, stream=stream, extra_body={"padding": "x" * 3_000_000}
    )
    assert list(answer) if stream else answer.choices[0].message.content


def test_going_away_in_mid_stream_frees_the_host(client, place):
    """More tokens are asked for than can have been made when we look again."""
    stream = client.chat.completions.create(
        model=place.chat_model, messages=QUESTION, max_tokens=6000, stream=True, extra_body={"ignore_eos": True}
    )
    for _ in range(3):
        next(stream)
    assert running_requests(place) == 1
    stream.close()
    until(lambda: running_requests(place) == 0, seconds=2, what="no host works on the abandoned request")


def running_requests(place):
    return sum(running_requests_of(host) for host in place.hosts)


def running_requests_of(host):
    name = {"vllm": "vllm:num_requests_running", "llamacpp": "llamacpp:requests_processing"}[host.kind]
    with urllib.request.urlopen(f"{host.url}/metrics", timeout=10) as answer:
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", answer.read().decode(), re.MULTILINE)
    assert values, f"{host.name} has no metric {name}"
    return sum(float(value) for value in values)


@pytest.mark.through_weir
def test_a_request_id_is_made_and_returned(client, place):
    answer = client.chat.completions.create(model=place.chat_model, messages=QUESTION, max_tokens=4)
    assert answer._request_id


@pytest.mark.through_weir
def test_a_request_id_is_taken_and_returned(client, place):
    answer = client.chat.completions.with_raw_response.create(
        model=place.chat_model, messages=QUESTION, max_tokens=4, extra_headers={"x-request-id": "mine-42"}
    )
    assert answer.headers["x-request-id"] == "mine-42"
    assert answer.request_id == "mine-42"


@pytest.mark.through_weir
def test_an_error_bears_a_request_id_too(client):
    with pytest.raises(openai.NotFoundError) as refusal:
        client.chat.completions.create(model="no-such-model", messages=QUESTION)
    assert refusal.value.request_id


def test_a_stream_can_be_read_beside_a_whole_answer_on_one_client(client, place):
    """Connections go back to the client's pool only when their stream has really ended."""
    for _ in range(5):
        stream = client.chat.completions.create(
            model=place.chat_model, messages=QUESTION, max_tokens=4, stream=True
        )
        client.chat.completions.create(model=place.chat_model, messages=QUESTION, max_tokens=4)
        assert list(stream)
