"""The realtime WebSocket: by the SDK, and by a plain WebSocket client."""

import asyncio

import openai
import pytest
import websockets

pytestmark = pytest.mark.on("sim")

ANSWER_SECONDS = 10


def test_the_sdk_talks_over_a_websocket(place):
    """The simulated host sends every message back."""

    async def talk():
        client = openai.AsyncOpenAI(base_url=place.base_url, api_key="client-secret")
        async with client.realtime.connect(model=place.chat_model) as connection:
            await connection.send({"type": "response.create"})
            return await connection.recv()

    assert asyncio.run(asyncio.wait_for(talk(), ANSWER_SECONDS)).type == "response.create"


@pytest.mark.parametrize("message", ["{}", "🌊" * 50_000, bytes(200_000)], ids=["short", "long", "binary"])
def test_messages_pass_whole_both_ways(place, message):
    async def talk():
        url = f"ws{place.url.removeprefix('http')}/v1/realtime?model={place.chat_model}"
        async with websockets.connect(url, additional_headers={"authorization": "Bearer client-secret"}) as socket:
            await socket.send(message)
            echo = await socket.recv()
            await (await socket.ping())
            await socket.close()
            return echo, socket.close_code

    echo, close_code = asyncio.run(asyncio.wait_for(talk(), ANSWER_SECONDS))
    assert echo == message
    assert close_code == 1000
