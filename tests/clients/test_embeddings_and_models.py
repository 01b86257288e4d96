"""Embeddings, in both encodings that the SDKs ask for, and the list of models."""

import base64
import math
import struct

import openai
import pytest


def test_embeddings_come_as_floats(embedding_client, place):
    """The SDK asks for base64 when nothing else is said, and decodes it by itself."""
    answer = embedding_client.embeddings.create(model=place.embedding_model, input=["a river", "a lake"])
    assert [item.index for item in answer.data] == [0, 1]
    first, second = (item.embedding for item in answer.data)
    assert len(first) == len(second) > 8
    assert all(isinstance(value, float) and math.isfinite(value) for value in first)
    assert first != second
    assert answer.usage.prompt_tokens > 0


def test_both_encodings_hold_the_same_numbers(embedding_client, place):
    def ask(encoding):
        answer = embedding_client.embeddings.create(
            model=place.embedding_model, input="a river", encoding_format=encoding
        )
        return answer.data[0].embedding

    floats, encoded = ask("float"), ask("base64")
    assert isinstance(encoded, str)
    raw = base64.b64decode(encoded)
    decoded = struct.unpack(f"<{len(raw) // 4}f", raw)
    assert floats == pytest.approx(decoded, abs=1e-6)


def test_the_model_list_names_the_models(client, place):
    models = {model.id: model for model in client.models.list()}
    assert place.chat_model in models
    assert models[place.chat_model].object == "model"


@pytest.mark.through_weir
def test_the_model_list_joins_what_the_hosts_serve(client, place):
    """Each model once, however many hosts serve it."""
    names = [model.id for model in client.models.list()]
    assert sorted(names) == sorted({place.chat_model, place.embedding_model})


@pytest.mark.through_weir
def test_one_model_can_be_retrieved(client, place):
    model = client.models.retrieve(place.chat_model)
    assert (model.id, model.object) == (place.chat_model, "model")


@pytest.mark.through_weir
def test_a_model_that_is_not_there_cannot_be_retrieved(client):
    with pytest.raises(openai.NotFoundError) as refusal:
        client.models.retrieve("no-such-model")
    assert refusal.value.code == "model_not_found"
