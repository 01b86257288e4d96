"""Errors: each arrives as the exception that the SDK has for it."""

import openai
import pytest

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.mark.through_weir
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_unknown_model_is_not_found(client, stream):
    with pytest.raises(openai.NotFoundError) as refusal:
        client.chat.completions.create(model="no-such-model", messages=MESSAGES, stream=stream)
    assert refusal.value.code == "model_not_found"
    assert refusal.value.type == "invalid_request_error"
    assert "no-such-model" in refusal.value.message


@pytest.mark.through_weir
def test_an_unknown_model_is_not_found_in_a_form(client):
    with pytest.raises(openai.NotFoundError) as refusal:
        client.audio.transcriptions.create(model="no-such-model", file=("a.wav", b"RIFF", "audio/wav"))
    assert refusal.value.code == "model_not_found"


@pytest.mark.through_weir
def test_a_missing_model_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError) as refusal:
        client.post("/chat/completions", cast_to=object, body={"messages": MESSAGES})
    assert refusal.value.type == "invalid_request_error"
    assert "model" in refusal.value.message


@pytest.mark.through_weir
def test_a_body_that_is_not_json_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError) as refusal:
        client.post(
            "/chat/completions",
            cast_to=object,
            content=b'{"model": "tiny", ',
            options={"headers": {"content-type": "application/json"}},
        )
    assert refusal.value.type == "invalid_request_error"


@pytest.mark.through_weir
def test_a_wrong_path_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as refusal:
        client.post("/chat/completionz", cast_to=object, body={"model": "tiny", "messages": MESSAGES})
    assert refusal.value.type == "invalid_request_error"
    assert refusal.value.message


@pytest.mark.through_weir
def test_a_wrong_method_is_said_with_the_right_one(client):
    with pytest.raises(openai.APIStatusError) as refusal:
        client.get("/chat/completions", cast_to=object)
    assert refusal.value.status_code == 405
    assert refusal.value.response.headers["allow"] == "POST"


@pytest.mark.on("engine")
def test_the_engines_own_error_passes_through(client, place):
    """A prompt above the engine's context: its status, its type, and the fields that only it has."""
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(
            model=place.chat_model, messages=[{"role": "user", "content": "river " * 9000}], max_tokens=4
        )
    assert refusal.value.type == "exceed_context_size_error"
    assert refusal.value.body["n_ctx"] > 0
