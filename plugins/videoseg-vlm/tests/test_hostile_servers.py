"""Servers that would hold a call for ever, fill the memory, or say what must not be repeated."""

from __future__ import annotations

import base64
import contextlib
import gzip
import itertools
import json
import logging
import time
import tracemalloc
import urllib.parse
import zlib

import pytest
from scripted_server import Answer, completion, raw_server, scripted_server
from videoseg_vlm import OpenAIChat, ReplayChat, ServerError
from videoseg_vlm.server.response import MAX_BYTES

from videoseg.chat_log import RecordingChat
from videoseg.types import ChatReply, Message, TextPart

KEY = "sk-this-must-never-be-seen"
QUESTION = [Message("user", (TextPart("Where is it?"),))]


def made(url, **options):
    quick = {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "timeout": 5.0, "max_retries": 0}
    return OpenAIChat(base_url=url, **{**quick, **options})


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("VIDEOSEG_TEST_KEY", KEY)
    return "VIDEOSEG_TEST_KEY"


# -- time ----------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        lambda: itertools.chain([b"HTTP/1.1 200 "], itertools.repeat(b"O")),
        lambda: itertools.chain([OK], itertools.repeat(b"X-A: b\r\n")),
        lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
        lambda: itertools.repeat(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        lambda: itertools.chain([OK, b"Content-Length: 9999\r\n\r\n"], itertools.repeat(b" ")),
        lambda: itertools.chain([CHUNKED], itertools.repeat(b"1\r\n \r\n")),
        lambda: itertools.chain([CHUNKED, b"1;x="], itertools.repeat(b"y")),
        lambda: itertools.chain([CHUNKED, b"0\r\n"], itertools.repeat(b"X-A: b\r\n")),
    ],
    ids=["status", "headers", "100", "103", "body", "chunks", "chunk extension", "trailers"],
)
def test_no_drip_outlasts_the_deadline(pieces):
    begin = time.monotonic()
    with (
        scripted_server(Answer(raw=pieces(), drip=0.02)) as server,
        pytest.raises(ServerError, match=r"did not answer in time.*timeout and deadline"),
    ):
        made(server.url, timeout=60.0, deadline=0.25).chat(QUESTION)
    assert time.monotonic() - begin < 5


def test_a_tls_handshake_that_drips_does_not_outlast_the_deadline():
    def drip(connection):
        connection.recv(4096)
        for piece in itertools.chain([b"\x16\x03\x03\x3f\xff"], itertools.repeat(b"\0")):
            connection.sendall(piece)
            time.sleep(0.03)

    begin = time.monotonic()
    with raw_server(drip) as port, pytest.raises(ServerError, match="did not answer in time"):
        made(f"https://127.0.0.1:{port}/v1", deadline=0.25).chat(QUESTION)
    assert time.monotonic() - begin < 5


def test_a_server_that_reads_nothing_does_not_outlast_the_deadline(ask):
    begin = time.monotonic()
    with (
        raw_server(lambda connection: time.sleep(3)) as port,
        pytest.raises(ServerError, match="did not answer in time"),
    ):
        # More than what systems keep for a reader that is late.
        chat = made(f"http://127.0.0.1:{port}/v1", deadline=0.25, extra_body={"x": "y" * 10**7})
        chat.chat(QUESTION)
    assert time.monotonic() - begin < 5


def test_waiting_for_other_requests_does_not_outlast_the_deadline():
    with scripted_server(Answer(seconds=2)) as server:
        chat = made(server.url, deadline=0.3)
        chat._server._slots.acquire(timeout=1)
        for _ in range(3):
            chat._server._slots.acquire(timeout=1)
        with pytest.raises(ServerError, match="busy with other requests"):
            chat.chat(QUESTION)
    assert not server.requests


def test_a_connection_serves_several_requests():
    with scripted_server(completion("yes")) as server:
        chat = made(server.url, deadline=2.0)
        assert [chat.chat(QUESTION)[0].text for _ in range(3)] == ["yes"] * 3


# -- memory --------------------------------------------------------------------------------


def packed(encoding, data):
    for name in encoding.split(", "):
        data = gzip.compress(data) if name == "gzip" else zlib.compress(data)
    return Answer(body=data, headers={"Content-Encoding": encoding})


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, deflate"])
def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(encoding):
    bomb = packed(encoding, b" " * (4 * MAX_BYTES))
    with scripted_server(bomb) as server:
        chat = made(server.url)
        chat._server._open_pool()
        tracemalloc.start()
        try:
            with pytest.raises(ServerError, match="longer than any answer may be"):
                chat.chat(QUESTION)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 3 * MAX_BYTES
    assert len(server.requests) == 1


def test_an_answer_without_end_is_refused():
    endless = Answer(raw=itertools.chain([OK + b"\r\n"], itertools.repeat(b"x" * 2**20)))
    with (
        scripted_server(endless) as server,
        pytest.raises(ServerError, match="longer than any answer may be"),
    ):
        made(server.url).chat(QUESTION)


def test_headers_without_end_are_refused():
    endless = Answer(raw=itertools.chain([OK], itertools.repeat(b"X: " + b"y" * 60_000 + b"\r\n")))
    with scripted_server(endless) as server, pytest.raises(ServerError, match="broke off"):
        made(server.url).chat(QUESTION)


def test_an_answer_of_very_many_parts_is_refused():
    with (
        scripted_server(Answer(body=b"[" + b"[]," * 1_100_000 + b"[]]")) as server,
        pytest.raises(ServerError, match="more parts than any answer may have"),
    ):
        made(server.url).chat(QUESTION)


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"choices":' + b"[" * 10**5 + b"]" * 10**5])
def test_json_that_is_nested_very_deeply_is_a_typed_error(status, body):
    with scripted_server(Answer(status, body)) as server, pytest.raises(ServerError) as caught:
        made(server.url).chat(QUESTION)
    assert len(str(caught.value)) < 800


def test_only_plain_answers_are_asked_for():
    with scripted_server(completion("yes")) as server:
        made(server.url).chat(QUESTION)
    assert server.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, deflate", "identity"])
def test_an_answer_that_is_packed_unasked_is_read(encoding):
    content = json.dumps(completion("yes").body).encode()
    answer = Answer(body=content) if encoding == "identity" else packed(encoding, content)
    with scripted_server(answer) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


def test_packed_answers_may_come_in_several_parts():
    content = json.dumps(completion("yes").body).encode()
    parts = gzip.compress(content[:20]) + gzip.compress(content[20:])
    with scripted_server(Answer(body=parts, headers={"Content-Encoding": "gzip"})) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"
    many = gzip.compress(b" ") * 700_000
    with (
        scripted_server(Answer(body=many, headers={"Content-Encoding": "gzip"})) as server,
        pytest.raises(ServerError, match="damaged gzip data"),
    ):
        made(server.url, max_retries=0).chat(QUESTION)


@pytest.mark.parametrize("encoding", ["gzip", "br", "utf-8", "none", "aws-chunked"])
def test_an_answer_that_is_not_packed_is_read_whatever_its_header_says(encoding):
    answer = Answer(body=completion("yes").body, headers={"Content-Encoding": encoding})
    with scripted_server(answer) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


def test_an_error_without_a_body_keeps_its_status_whatever_its_header_says():
    answer = Answer(502, b"", headers={"Content-Encoding": "gzip"})
    with scripted_server(answer) as server, pytest.raises(ServerError, match="answered 502"):
        made(server.url, max_retries=0).chat(QUESTION)


@pytest.mark.parametrize(
    ("encoding", "words"), [("br", r"not asked for \(br\)"), ("gzip", "damaged gzip data")]
)
def test_an_answer_that_cannot_be_unpacked_is_told(encoding, words):
    answer = Answer(body=b"\x1b\x03\x80\xff", headers={"Content-Encoding": encoding})
    with scripted_server(answer) as server, pytest.raises(ServerError, match=words):
        made(server.url).chat(QUESTION)


# -- secrets -------------------------------------------------------------------------------

ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
BEARER = f"Bearer {KEY}".encode()


@pytest.mark.parametrize(
    "form",
    [
        ESCAPED,
        "\\u0073k-this-must-never-be-seen",
        ESCAPED.replace("\\u", "\\\\u"),
        urllib.parse.quote(KEY.replace("-", "%2D"), safe="%"),
        "".join(f"%{ord(letter):02X}" for letter in KEY),
        "".join(f"&#{ord(letter)};" for letter in KEY),
        *(base64.b64encode(b"x" * before + BEARER + b"yz").decode() for before in range(3)),
        base64.urlsafe_b64encode(BEARER).decode(),
    ],
)
@pytest.mark.parametrize("status", [200, 401])
def test_a_key_is_redacted_in_whatever_form_it_is_repeated(form, status, key):
    answers = f'{{"choices":[{{"message":{{"content":"{form}"}},"finish_reason":"{form}"}}]}}'
    complains = f'{{"error":{{"message":"wrong key {form}"}}}}'
    body = (answers if status == 200 else complains).encode()
    with scripted_server(Answer(status, body)) as server:
        chat = made(server.url, api_key_env=key)
        if status == 200:
            [reply] = chat.chat(QUESTION)
            said = [reply.text, reply.finish_reason, repr(reply.details)]
        else:
            with pytest.raises(ServerError) as caught:
                chat.chat(QUESTION)
            said = [str(caught.value), caught.value.reason]
    for text in said:
        assert "<key>" in text
        assert "never-be" not in text
        assert base64.b64encode(b"must-never")[:12].decode() not in text


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 " + KEY.encode() + b" no\r\n\r\n",
        OK + b"Bad Header " + BEARER + b"\r\n\r\n",
        b'HTTP/1.1 200 OK\r\n\r\n{"choices": ' + ESCAPED.encode(),
    ],
)
def test_a_key_in_an_answer_that_cannot_be_read_is_redacted(raw, key):
    with scripted_server(Answer(raw=[raw])) as server, pytest.raises(ServerError) as caught:
        made(server.url, api_key_env=key).chat(QUESTION)
    assert KEY not in str(caught.value)
    assert ESCAPED not in str(caught.value)


@pytest.mark.parametrize("status", [200, 401])
def test_a_key_in_a_header_is_not_logged(status, key, caplog):
    caplog.set_level(logging.DEBUG)
    answer = completion("yes")
    answer.status, answer.headers = status, {"X-Sent": BEARER.decode(), "Set-Cookie": KEY}
    with scripted_server(answer) as server, contextlib.suppress(ServerError):
        made(server.url, api_key_env=key).chat(QUESTION)
    assert "x-sent" in caplog.text.lower()
    assert KEY not in caplog.text


def test_a_search_for_the_key_takes_time_proportional_to_the_text(key):
    body = json.dumps({"choices": [{"message": {"content": "\\" * 2_000_000}}]}).encode()
    begin = time.monotonic()
    with scripted_server(Answer(body=body)) as server:
        made(server.url, api_key_env=key).chat(QUESTION)
    assert time.monotonic() - begin < 15


# -- what reaches a terminal or a file -----------------------------------------------------

CONTROLS = "\x1b[2J\x1b]0;title\x07\r\n\u202efake\x9b1m"


@pytest.mark.parametrize("status", [200, 400, 404, 429, 500])
@pytest.mark.parametrize("form", ["error", "text", "raw"])
def test_control_characters_of_a_server_reach_no_message(status, form):
    body = {"error": {"error": CONTROLS}, "text": CONTROLS, "raw": CONTROLS.encode()}[form]
    with scripted_server(Answer(status, body)) as server, pytest.raises(ServerError) as caught:
        made(server.url).chat(QUESTION)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_names_of_served_models_are_printable(monkeypatch):
    with scripted_server(Answer(404, {"error": "no"})) as server:
        chat = made(server.url)
        monkeypatch.setattr(
            chat._server, "get", lambda *_, **__: {"data": [{"id": CONTROLS}, {"id": "x" * 999}]}
        )
        with pytest.raises(ServerError, match="it serves") as caught:
            chat.chat(QUESTION)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_answers_can_be_shown_and_written(tmp_path):
    message = {
        "content": "\x1b[2Jnone\n\ud800",
        "reasoning_content": "\ud83d\ude00 \udc00 \x07hm",
        "refusal": "no\ud800\x1b",
    }
    body = {"choices": [{"message": message, "finish_reason": "\ud800\x1b"}]}
    with scripted_server(Answer(body=body)) as server:
        [reply] = made(server.url).chat(QUESTION)
    assert reply.text == "<think>\U0001f600 \ufffd \ufffdhm</think>\n\ufffd[2Jnone\n\ufffd"
    assert (reply.refusal, reply.finish_reason) == ("no\ufffd\ufffd", "\ufffd\ufffd")
    repr(reply).encode()


class Broken:
    """Answers with what cannot be written as UTF-8."""

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        return [ChatReply("\ud800 none", refusal="\udfff")]


def test_replies_that_cannot_be_written_are_mended_before_they_are_passed_on(tmp_path):
    path = tmp_path / "said.jsonl"
    [reply] = RecordingChat(Broken(), path).chat(QUESTION)
    assert (reply.text, reply.refusal) == ("\ufffd none", "\ufffd")
    # Older recordings hold such replies.
    path.write_text(path.read_text().replace("\\ufffd", "\\ud800"))
    for chat in (ReplayChat(path=str(path)), RecordingChat(Broken(), path, resume=True)):
        assert chat.chat(QUESTION)[0].text == "\ufffd none"


def test_counts_that_are_none_are_unknown():
    answer = completion("yes")
    answer.body["usage"] = {"prompt_tokens": 10**400, "completion_tokens": -1}
    with scripted_server(answer) as server:
        [reply] = made(server.url).chat(QUESTION)
    assert (reply.num_prompt_tokens, reply.num_tokens) == (None, None)
