"""Recordings of conversations that somebody else made, or changed."""

from __future__ import annotations

import copy
import json
import os

import pytest

import videoseg as vs
from videoseg.chat_log import RecordingChat, Request, read_exchanges
from videoseg.errors import OutputError
from videoseg.types import ChatReply, Message, TextPart

QUESTION = [Message("user", (TextPart("x"),))]
EXCHANGE = {
    "exchange": 1,
    "request": {
        "messages": [{"role": "user", "parts": [{"text": "x"}]}],
        "num_samples": 1,
        "temperature": 0.0,
        "max_tokens": 5,
        "seed": 0,
    },
    "replies": [{"text": "none"}],
    "seconds": 1,
}


def changed(*path_and_value):
    *path, last, value = path_and_value
    exchange = copy.deepcopy(EXCHANGE)
    place = exchange
    for step in path:
        place = place[step]
    place[last] = value
    return json.dumps(exchange)


class Silent:
    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        return [ChatReply("none", details={"odd": self.details})]

    details: object = None


def image(**fields):
    return changed("request", "messages", 0, "parts", [{"image": "ab", "size": [4, 6], **fields}])


def test_an_exchange_that_is_right_is_read(tmp_path):
    path = tmp_path / "said.jsonl"
    lines = [json.dumps(EXCHANGE), image(), changed("seconds", 0.5), changed("replies", [])]
    path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    assert [exchange.seconds for exchange in read_exchanges(path)] == [1.0, 1.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (changed("seconds", "x"), "seconds must be a number, got 'x'"),
        (changed("seconds", []), r"seconds must be a number, got \[\]"),
        (changed("seconds", 10**400), "seconds must be a number"),
        (changed("request", "temperature", float("nan")), "NaN is not a JSON number"),
        (changed("request", "temperature", "hot"), "temperature must be a number, got 'hot'"),
        (changed("request", "temperature", 7).replace("7", "1e999"), "not an exchange"),
        (changed("request", "seed", True), "seed must be a whole number, got True"),
        (changed("request", "max_tokens", 1.5), "max_tokens must be a whole number"),
        (changed("request", "num_samples", None), "num_samples must be a whole number"),
        (changed("request", "messages", 5), "messages must each have"),
        (changed("request", "messages", 0, 5), "messages must each have"),
        (changed("request", "messages", 0, "role", []), "messages must each have"),
        (changed("request", "messages", 0, "parts", 5), "messages must each have"),
        (changed("request", "messages", 0, "parts", [5]), "messages must each have"),
        (changed("request", "messages", 0, "parts", [{"text": 5}]), "messages must each have"),
        (image(size=5), "an image and its size"),
        (image(size=[4]), "an image and its size"),
        (image(size=["4", "6"]), "an image and its size"),
        (image(image=1), "digest of an image"),
        (changed("request", []), "has no messages"),
        (changed("request", 5), "not an exchange"),
        (changed("replies", 5), "not an exchange"),
        (changed("replies", [{"text": 5}]), "text"),
        (changed("replies", [{"text": "", "details": 5}]), "details"),
        (changed("exchange", "\x1b[2J" + "x" * 9999), "is not one this release reads"),
        ("[" * 100_000, "nested too deeply"),
        ('{"exchange": 1, "request": ' + "[" * 100_000, "nested too deeply"),
        (
            changed("replies", [{"text": "", "details": {"a": 7}}]).replace("7", "1e999"),
            "not an excha",
        ),
    ],
)
def test_what_is_no_exchange_is_told_by_its_line(line, words, tmp_path):
    path = tmp_path / "said.jsonl"
    path.write_text(f"{json.dumps(EXCHANGE)}\n{line}\n{json.dumps(EXCHANGE)}\n")
    with pytest.raises(vs.ConfigError, match=f"said.jsonl, line 2: .*{words}") as caught:
        read_exchanges(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_only_a_line_that_is_cut_off_is_left_out(tmp_path):
    path = tmp_path / "said.jsonl"
    whole, wrong = json.dumps(EXCHANGE), changed("seconds", "x")
    for end, is_read in [(whole[:5], True), (whole[:-9], True), (wrong, False), ("notes", False)]:
        path.write_text(f"{whole}\n{end}")
        if is_read:
            assert len(read_exchanges(path)) == 1
        else:
            with pytest.raises(vs.ConfigError, match="line 2"):
                read_exchanges(path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "long", "null"])
def test_a_recording_that_is_no_regular_file_is_told_at_once(kind, tmp_path):
    if kind in ("pipe", "device") and not hasattr(os, "mkfifo"):
        pytest.skip("there are no such files here")
    path = tmp_path / "said.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path = tmp_path / {"long": "x" * 5000, "null": "a\0b"}[kind]
    with pytest.raises(vs.ConfigError, match="cannot read the recording") as caught:
        read_exchanges(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_temperature_that_is_no_number_is_refused_before_the_model_is_asked(tmp_path):
    with pytest.raises(vs.ConfigError, match="temperature"):
        RecordingChat(Silent(), tmp_path / "said.jsonl").chat(QUESTION, temperature=float("nan"))
    with pytest.raises(vs.ConfigError, match="temperature"):
        Request.of(QUESTION, num_samples=1, temperature=float("inf"), max_tokens=1, seed=0)


def test_details_that_are_no_json_are_told(tmp_path):
    chat = Silent()
    chat.details = object()
    with pytest.raises(OutputError, match=r"reply of Silent .*not JSON .*details"):
        RecordingChat(chat, tmp_path / "said.jsonl").chat(QUESTION)
