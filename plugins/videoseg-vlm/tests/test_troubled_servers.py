"""Servers that are busy, slow, broken, confused or gone."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import Answer, completion, scripted_server
from videoseg_vlm import OpenAIChat, ServerError
from videoseg_vlm.server.transport import _retry_after

from videoseg.errors import ContextLengthError
from videoseg.types import Message, TextPart


def made(url, **options):
    quick = {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "timeout": 5.0, "deadline": 10.0}
    return OpenAIChat(base_url=url, **{**quick, **options})


BUSY = Answer(429, {"error": {"message": "slow down"}})
BROKEN = Answer(500, b"<html>Internal Server Error</html>")
HALF = Answer(body=b'{"choices": [{"message": {"content": "ye')


@pytest.mark.parametrize("trouble", [BUSY, BROKEN, HALF, Answer(503), Answer(hang_up=True)])
def test_trouble_that_passes_is_outlasted(trouble, ask):
    with scripted_server(trouble, trouble, completion("yes")) as server:
        assert made(server.url).chat(ask())[0].text == "yes"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (BUSY, r"429: slow down.*asked 3 times.*concurrency"),
        (BROKEN, r"500: <html>Internal Server Error.*server's own log"),
        (HALF, r"no whole JSON \(\{\"choices\""),
        (Answer(hang_up=True), r"broke off"),
    ],
)
def test_trouble_that_stays_ends_in_an_error_that_says_what_to_do(trouble, words, ask):
    with scripted_server(trouble) as server, pytest.raises(ServerError, match=words) as caught:
        made(server.url, max_retries=2).chat(ask())
    assert len(server.requests) == 3
    assert caught.value.stage == "chat"


def test_a_web_page_is_no_answer_and_not_asked_for_again(ask):
    page = Answer(body=b"<!doctype html><title>Welcome</title>")
    with scripted_server(page) as server, pytest.raises(ServerError, match=r"web page.*base_url"):
        made(server.url).chat(ask())
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{}]}, {"choices": ["yes"]}])
def test_json_of_another_kind_is_told(body, ask):
    with (
        scripted_server(Answer(body=body)) as server,
        pytest.raises(ServerError, match="does not speak the OpenAI protocol"),
    ):
        made(server.url).chat(ask())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens", "text"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(body=st.dictionaries(st.sampled_from(["choices", "usage", "error"]), JSON))
def test_whatever_json_a_server_sends_the_error_is_a_typed_one(body):
    chat = made("http://127.0.0.1:9/v1")
    chat._server.post = lambda *_: body
    with contextlib.suppress(ServerError):
        for reply in chat.chat([Message("user", (TextPart("?"),))]):
            assert isinstance(reply.text, str)


def test_a_slow_server_is_not_waited_for(ask):
    begin = time.monotonic()
    with (
        scripted_server(Answer(seconds=3.0)) as server,
        pytest.raises(ServerError, match=r"did not answer in time.*timeout"),
    ):
        made(server.url, timeout=0.2, max_retries=1).chat(ask())
    assert time.monotonic() - begin < 6


def test_a_server_that_drips_is_not_waited_for(ask):
    dripping = completion("yes")
    dripping.drip = 0.05
    begin = time.monotonic()
    with scripted_server(dripping) as server, pytest.raises(ServerError, match="in time"):
        made(server.url, timeout=0.3, max_retries=0).chat(ask())
    assert time.monotonic() - begin < 3


def test_no_attempt_begins_after_the_deadline(ask):
    begin = time.monotonic()
    with scripted_server(BUSY) as server, pytest.raises(ServerError, match="429"):
        made(server.url, deadline=0.4, max_retries=1000).chat(ask())
    assert time.monotonic() - begin < 3
    assert len(server.requests) < 100


def test_a_server_that_says_when_to_come_back_is_believed(ask):
    later = Answer(429, b"", {"Retry-After": "0.3"})
    begin = time.monotonic()
    with scripted_server(later, completion("yes")) as server:
        made(server.url).chat(ask())
    assert time.monotonic() - begin >= 0.3
    much_later = Answer(429, b"", {"Retry-After": "3600"})
    with scripted_server(much_later) as server, pytest.raises(ServerError, match="429"):
        made(server.url).chat(ask())
    assert len(server.requests) == 1


def test_retry_after_may_be_a_date():
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert _retry_after(headers, now=lambda: 1445412470.0) == pytest.approx(10)
    assert _retry_after({"retry-after": "soon"}) is None


def test_a_server_that_is_down_is_told(ask):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerError, match=rf"127.0.0.1:{port}.*cannot be reached.*check that it"):
        made(f"http://127.0.0.1:{port}/v1", max_retries=1).chat(ask())


def test_a_model_the_server_does_not_have_comes_with_those_it_has(ask):
    unknown = Answer(404, {"error": {"message": "model not found"}})
    with (
        scripted_server(unknown) as server,
        pytest.raises(ServerError, match=r"404: model not found; it serves served-model"),
    ):
        made(server.url).chat(ask())
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 9000.",
        "The decoder prompt (length 9000) is longer than the maximum model length of 4096",
        "request (9000 tokens) exceeds the available context size (4096 tokens)",
        "The input token count (9000) exceeds the maximum number of tokens allowed (4096).",
        "prompt is too long: 9000 tokens > 4096 maximum",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9000",
    ],
)
def test_a_conversation_that_is_too_long_is_told_as_such(message, ask):
    with (
        scripted_server(Answer(400, {"error": {"message": message}})) as server,
        pytest.raises(ContextLengthError, match=r"4096.*max_pixels"),
    ):
        made(server.url).chat(ask(), num_samples=2, temperature=1.0)


def test_a_request_that_is_too_large_says_how_to_send_less(ask):
    page = b"<html><h1>413 Request Entity Too Large</h1></html>"
    with (
        scripted_server(Answer(413, page)) as server,
        pytest.raises(ServerError, match=r"413.*max_pixels.*image_format='jpeg'"),
    ):
        made(server.url).chat(ask())
