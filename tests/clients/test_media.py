"""Speech, transcription, images and moderation: uploads as forms, answers as bytes. No tiny engine serves these."""

import io
import wave

import pytest

pytestmark = pytest.mark.on("sim")


def second_of_silence():
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32_000))
    return file.getvalue()


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63000100000005000100"
    "0d0a2db40000000049454e44ae426082"
)


def test_a_transcription_is_uploaded_as_a_form(client, place):
    answer = client.audio.transcriptions.create(
        model=place.chat_model, file=("silence.wav", second_of_silence(), "audio/wav"), language="en"
    )
    assert answer.text


def test_the_model_is_found_behind_the_file(client, place):
    """A form whose big part comes before the field that names the model."""
    audio = second_of_silence() * 100  # 3 MB
    answer = client.post(
        "/audio/transcriptions",
        cast_to=object,
        files=[("file", ("long.wav", audio, "audio/wav")), ("model", (None, place.chat_model))],
        options={"headers": {"content-type": "multipart/form-data"}},
    )
    assert answer["text"]


def test_a_translation_is_uploaded_as_a_form(client, place):
    answer = client.audio.translations.create(
        model=place.chat_model, file=("silence.wav", second_of_silence(), "audio/wav")
    )
    assert answer.text


def test_speech_comes_as_bytes(client, place):
    with client.audio.speech.with_streaming_response.create(
        model=place.chat_model, voice="alloy", input="A weir holds a pool."
    ) as answer:
        assert answer.headers["content-type"].startswith("audio/")
        assert len(b"".join(answer.iter_bytes())) > 0


def test_an_image_is_generated(client, place):
    answer = client.images.generate(model=place.chat_model, prompt="a weir", n=1, response_format="b64_json")
    assert answer.data[0].b64_json


def test_an_image_is_edited(client, place):
    answer = client.images.edit(model=place.chat_model, image=("a.png", PIXEL, "image/png"), prompt="add a boat")
    assert answer.data


def test_an_image_is_varied(client, place):
    answer = client.images.create_variation(model=place.chat_model, image=("a.png", PIXEL, "image/png"))
    assert answer.data


def test_a_text_is_moderated(client, place):
    answer = client.moderations.create(model=place.chat_model, input="I like rivers.")
    assert answer.results[0].flagged in (True, False)
