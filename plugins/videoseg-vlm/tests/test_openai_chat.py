from __future__ import annotations

import base64
import io
import json
import logging
import pickle
import time

import numpy as np
import pytest
from scripted_server import Answer, completion, scripted_server
from videoseg_vlm import OpenAIChat, RecordingChat, ServerError, fit_size

import videoseg as vs
from videoseg.testing import ChatContract

KEY = "sk-this-must-never-be-seen"


def made(url, **options):
    quick = {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "timeout": 5.0, "deadline": 10.0}
    return OpenAIChat(base_url=url, **{**quick, **options})


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("VIDEOSEG_TEST_KEY", KEY)
    return "VIDEOSEG_TEST_KEY"


def obliging(body):
    """Answer as a proper server does: the same seed gives the same text."""
    texts = [f"answer {body['seed'] + number}" for number in range(body.get("n", 1))]
    return completion(*texts, tokens=3 * len(texts))


class TestContract(ChatContract):
    @pytest.fixture(autouse=True)
    def _server(self):
        with scripted_server(respond=obliging) as server:
            self.url = server.url
            yield

    def make(self):
        return made(self.url)


# -- what is asked -------------------------------------------------------------------------


def test_the_request_speaks_the_protocol(ask):
    with scripted_server(completion("yes")) as server:
        [reply] = made(server.url, extra_body={"top_k": -1}).chat(
            ask((100, 150), text="What is it?"), temperature=0.5, max_tokens=9, seed=3
        )
    [body] = server.requests
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == (
        "Qwen/Qwen2.5-VL-7B-Instruct",
        9,
        0.5,
        3,
    )
    assert body["top_k"] == -1
    [image, text] = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert (reply.text, reply.num_tokens, reply.num_prompt_tokens) == ("yes", 7, 5000)
    assert reply.coordinate_space == "pixels_of_resized"


def pictures(body):
    from PIL import Image

    for part in body["messages"][0]["content"]:
        if part["type"] == "image_url":
            data = part["image_url"]["url"].partition(",")[2]
            yield np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_images_are_sent_at_the_size_that_is_reported(ask):
    with scripted_server(completion("yes")) as server:
        chat = made(server.url)
        [reply] = chat.chat(ask((100, 150), (720, 1280), (30, 40)))
        [small] = chat.chat(ask((720, 1280), max_pixels=50_000))
    sent = [picture.shape[:2] for picture in pictures(server.requests[0])]
    assert tuple(sent) == reply.image_sizes == ((112, 140), (728, 1288), (56, 84))
    height, width = small.image_sizes[0]
    assert height * width <= 50_000


def test_a_server_s_processor_takes_the_images_as_they_are_sent(ask, image_processors):
    processor = image_processors["qwen2.5-vl"]
    size = fit_size((123, 457), min_pixels=3136, max_pixels=200_000, factor=28)
    made_of = processor(images=[np.zeros((*size, 3), np.uint8)], return_tensors="pt")
    [[_, rows, columns]] = made_of.image_grid_thw.tolist()
    assert (rows * 14, columns * 14) == size


def test_png_keeps_every_pixel_and_jpeg_is_smaller(ask):
    with scripted_server(completion("yes")) as server:
        for image_format in ("png", "jpeg"):
            made(server.url, image_format=image_format).chat(ask((112, 140)))
    [exact], [close] = (list(pictures(body)) for body in server.requests)
    [original] = [part.image for part in ask((112, 140))[0].parts if hasattr(part, "image")]
    assert (exact == original).all()
    assert close.shape == original.shape
    lengths = [len(json.dumps(body)) for body in server.requests]
    assert lengths[1] < lengths[0]


def test_a_model_trained_on_squares_is_sent_squares(ask):
    with scripted_server(completion("yes")) as server:
        chat = made(server.url, model="reasoner", coordinate_space="square(840)")
        [reply] = chat.chat(ask((100, 150)))
    [picture] = pictures(server.requests[0])
    assert picture.shape == (840, 840, 3)
    assert reply.coordinate_space == "square(840)"


def test_an_unknown_model_s_coordinates_and_sizes_are_not_guessed(ask):
    with scripted_server(completion("yes")) as server:
        [reply] = made(server.url, model="something-else").chat(ask((100, 150)))
    assert reply.coordinate_space is None
    assert reply.image_sizes == ()


def test_a_family_can_be_given_for_a_model_of_any_name(ask):
    with scripted_server(completion("yes")) as server:
        [reply] = made(server.url, model="ours", family="Qwen3-VL").chat(ask((100, 150)))
        [none] = made(server.url, family="none").chat(ask((100, 150)))
    assert reply.coordinate_space == "per_mille"
    assert reply.image_sizes == ((96, 160),)
    assert none.coordinate_space is None


def test_pixels_without_a_family_are_refused():
    with pytest.raises(vs.ConfigError, match=r"family='Qwen2\.5-VL'"):
        made("http://localhost:1/v1", model="ours", coordinate_space="pixels_of_resized")


def test_a_server_that_shrinks_images_is_found_out(ask):
    with (
        scripted_server(completion("yes", prompt_tokens=100)) as server,
        pytest.raises(ServerError, match=r"100 tokens .* alone have 1196.*max_pixels"),
    ):
        made(server.url).chat(ask((720, 1280)))


# -- several samples -----------------------------------------------------------------------


def test_all_samples_are_asked_for_in_one_request(ask):
    with scripted_server(respond=obliging) as server:
        replies = made(server.url).chat(ask(), num_samples=10, temperature=1.0)
    assert len(server.requests) == 1
    assert len({reply.text for reply in replies}) == 10
    assert replies[0].num_tokens is None, "they are counted together"


def test_the_likeliest_answer_is_asked_for_once(ask):
    with scripted_server(respond=obliging) as server:
        assert len(made(server.url).chat(ask(), num_samples=4)) == 4
    assert "n" not in server.requests[0]
    assert len(server.requests) == 1


def test_a_server_that_does_not_read_n_is_asked_for_the_rest(ask):
    with scripted_server(respond=lambda body: obliging({**body, "n": 1})) as server:
        chat = made(server.url)
        replies = chat.chat(ask(), num_samples=4, temperature=1.0, seed=5)
        assert sorted(reply.text for reply in replies) == [f"answer {5 + i}" for i in range(4)]
        chat.chat(ask(), num_samples=2, temperature=1.0)
    assert ["n" in body for body in server.requests] == [True] + [False] * 5


def test_a_server_that_refuses_n_is_asked_one_by_one(ask):
    def respond(body):
        return (
            Answer(400, {"error": {"message": "n > 1 unsupported"}})
            if "n" in body
            else obliging(body)
        )

    with scripted_server(respond=respond) as server:
        replies = made(server.url).chat(ask(), num_samples=3, temperature=1.0)
    assert len({reply.text for reply in replies}) == 3


def test_no_more_requests_are_under_way_than_allowed(ask):
    def respond(body):
        time.sleep(0.05)
        return obliging({**body, "n": 1})

    with scripted_server(respond=respond) as server:
        made(server.url, concurrency=2).chat(ask(), num_samples=7, temperature=1.0)
    assert server.most_at_once == 2


def test_thoughts_a_server_split_off_are_put_back(ask):
    answer = completion("[1, 2]")
    answer.body["choices"][0]["message"]["reasoning_content"] = "It is red."
    with scripted_server(answer) as server:
        assert made(server.url).chat(ask())[0].text == "<think>It is red.</think>\n[1, 2]"


# -- the key -------------------------------------------------------------------------------


def test_the_key_is_sent_and_stands_nowhere_else(ask, key, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    echo = Answer(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with scripted_server(completion("yes"), echo) as server:
        chat = made(server.url, api_key_env=key)
        replies = chat.chat(ask())
        with pytest.raises(ServerError, match="another key") as caught:
            chat.chat(ask())
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    seen = [repr(chat), str(caught.value), repr(caught.value), caplog.text, repr(replies)]
    pipe = vs.Pipeline(
        "first",
        "attributes",
        "flow",
        segmenter="cut",
        chat=vs.use("openai", model="m", base_url=server.url, api_key_env=key),
    )
    seen += [repr(pipe), pipe.to_yaml(), repr(chat.__dict__)]
    assert not any(KEY in text for text in seen)


def test_a_key_that_a_model_repeats_is_not_recorded(ask, key, tmp_path):
    with scripted_server(completion(f"Your key is {KEY}.")) as server:
        recording = RecordingChat(
            model=made(server.url, api_key_env=key), path=str(tmp_path / "said.jsonl")
        )
        [reply] = recording.chat(ask())
    assert reply.text == "Your key is <key>."
    assert KEY not in (tmp_path / "said.jsonl").read_text()


@pytest.mark.parametrize("placeholder", ["text", "1", "EMPTY"])
def test_a_key_that_is_none_does_not_change_what_was_answered(ask, monkeypatch, placeholder):
    said = "EMPTY text at [11, 21]"
    monkeypatch.setenv("PLACEHOLDER", placeholder)
    with scripted_server(completion(said)) as server:
        [reply] = made(server.url, api_key_env="PLACEHOLDER").chat(ask())
    assert reply.text == said


def test_no_key_is_sent_unless_one_is_named(ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with scripted_server(completion("yes")) as server:
        made(server.url).chat(ask())
    assert "Authorization" not in server.headers[0]


def test_a_server_that_wants_a_key_is_told(ask):
    with (
        scripted_server(Answer(401, {"error": "no key"})) as server,
        pytest.raises(ServerError, match=r"requires a key.*api_key_env='OPENAI_API_KEY'"),
    ):
        made(server.url).chat(ask())


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(vs.ConfigError, match="NO_SUCH_KEY is not set"):
        made("http://localhost:1/v1", api_key_env="NO_SUCH_KEY")


def test_a_key_in_place_of_the_variable_s_name_is_not_repeated():
    with pytest.raises(vs.ConfigError, match="name of an environment variable") as caught:
        made("http://localhost:1/v1", api_key_env=KEY)
    assert KEY not in str(caught.value)


# -- options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:8000", "address of a server"),
        ("ftp://localhost/v1", "address of a server"),
        ("http://[::bad/v1", "address of a server"),
        ("http://host:abc/v1", "address of a server"),
        ("http://" + "a" * 70 + ".org/v1", "address of a server"),
        ("http://localhost/v1?key=1", "address of a server"),
        ("http://me:secret@localhost/v1", "no user name or password"),
    ],
)
def test_an_address_that_is_none_is_refused(url, words):
    with pytest.raises(vs.ConfigError, match=words) as caught:
        made(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "option",
    [
        {"timeout": 0},
        {"deadline": -1},
        {"max_retries": -1},
        {"concurrency": 0},
        {"max_pixels": 10},
        {"top_p": 2},
    ],
)
def test_options_that_make_no_sense_are_refused(option):
    with pytest.raises(vs.ConfigError, match=next(iter(option))):
        made("http://localhost:1/v1", **option)


def test_a_chat_model_can_be_sent_to_another_process_without_its_key(monkeypatch, key, ask):
    with scripted_server(completion("yes")) as server:
        sent = pickle.dumps(made(server.url, api_key_env=key))
        assert KEY.encode() not in sent
        assert pickle.loads(sent).chat(ask())[0].text == "yes"
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    monkeypatch.delenv(key)
    with pytest.raises(vs.ConfigError, match=f"{key} is not set"):
        pickle.loads(sent)
