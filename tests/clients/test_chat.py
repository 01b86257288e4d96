"""Chat, whole and streamed: what every client of the OpenAI API does first."""

import pytest

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does a weir do?"}]


def test_chat_answers_with_text_and_usage(client, place):
    answer = client.chat.completions.create(model=place.chat_model, messages=QUESTION, max_tokens=12)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.prompt_tokens > 0
    assert 0 < answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_same_question_has_the_same_answer_at_temperature_0(client, place):
    def text():
        answer = client.chat.completions.create(
            model=place.chat_model, messages=QUESTION, max_tokens=12, temperature=0, seed=7
        )
        return answer.choices[0].message.content

    assert text() == text()


def test_a_streamed_chat_arrives_in_pieces_and_ends(client, place):
    stream = client.chat.completions.create(model=place.chat_model, messages=QUESTION, max_tokens=20, stream=True)
    chunks = [chunk for chunk in stream if chunk.choices]
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(pieces) > 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_bears_usage_when_it_was_asked_for(client, place):
    stream = client.chat.completions.create(
        model=place.chat_model,
        messages=QUESTION,
        max_tokens=8,
        stream=True,
        stream_options={"include_usage": True},
    )
    *_, last = stream
    assert last.choices == []
    assert last.usage.prompt_tokens > 0
    assert 0 < last.usage.completion_tokens <= 8


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": False}}], ids=["unsaid", "refused"])
def test_a_stream_bears_no_usage_when_it_was_not_asked_for(client, place, options):
    stream = client.chat.completions.create(
        model=place.chat_model, messages=QUESTION, max_tokens=8, stream=True, **options
    )
    chunks = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_text_survives_in_every_script(client, place):
    """The engine's random tokens cross UTF-8 characters; the question crosses them too."""
    question = [{"role": "user", "content": "Что это? 這是什麼？ 🌊\u2028line\u0085next \\u0000 \" \\ \t"}]
    stream = client.chat.completions.create(model=place.chat_model, messages=question, max_tokens=40, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text
    text.encode("utf-8")


def test_legacy_completions_answer(client, place):
    answer = client.completions.create(model=place.chat_model, prompt="Water flows", max_tokens=6)
    assert answer.object == "text_completion"
    assert answer.choices[0].text
    assert answer.usage.completion_tokens > 0


def test_legacy_completions_stream(client, place):
    stream = client.completions.create(model=place.chat_model, prompt="Water flows", max_tokens=6, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


@pytest.mark.on("sim")  # llama.cpp's server puts usage into the last piece, asked or not; that is its own affair
def test_a_legacy_stream_bears_no_usage_when_it_was_not_asked_for(client, place):
    stream = client.completions.create(model=place.chat_model, prompt="Water flows", max_tokens=6, stream=True)
    assert all(chunk.usage is None and chunk.choices for chunk in stream)


def test_legacy_completions_take_token_ids(client, place):
    answer = client.completions.create(model=place.chat_model, prompt=[9906, 1917, 0], max_tokens=4)
    assert answer.choices[0].text
    assert answer.usage.prompt_tokens > 0
