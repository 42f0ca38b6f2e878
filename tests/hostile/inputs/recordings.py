"""Recordings of what a chat model said."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from inputs.common import Inputs, changed, deep_json, spoiled
from videoseg.chat_log import RecordingChat, read_exchanges
from videoseg.types import ChatReply, Message, TextPart

_LINE = {
    "exchange": 1,
    "request": {
        "messages": [
            {
                "role": "user",
                "parts": [
                    {"text": "x"},
                    {
                        "image": "0" * 32,
                        "size": [4, 4],
                        "max_pixels": None,
                        "frame": 0,
                        "time": 0.5,
                    },
                ],
            }
        ],
        "num_samples": 1,
        "temperature": 0.0,
        "max_tokens": 5,
        "seed": 0,
    },
    "replies": [{"text": "none"}],
    "seconds": 1.0,
}


class _Echo:
    def chat(self, messages: object, *, num_samples: int = 1, **_: object) -> list[ChatReply]:
        return [ChatReply("none")] * num_samples


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    whole = json.dumps(_LINE)
    lines = {
        "good": whole,
        "deep": deep_json(),
        "number": "9" * 6000,
        "list": "[]",
        "null": "null",
    }
    lines |= {f"changed-{n}": json.dumps(changed(_LINE, rng)) for n in range(60)}
    lines |= {f"spoiled-{n}": spoiled(whole.encode(), rng).decode("latin-1") for n in range(15)}
    for name, line in lines.items():
        yield name, lambda place, line=line: _use(place, line)
    makers: dict[str, Callable[[str], object]] = {
        "pipe": os.mkfifo,
        "zero": lambda path: Path(path).symlink_to("/dev/zero"),
        "folder": os.mkdir,
        "latin": lambda path: Path(path).write_bytes(b"\xff\n"),
    }
    for name, make in makers.items():
        yield name, lambda place, make=make: _special(place, make)


def _use(place: Path, line: str) -> None:
    path = place / "said.jsonl"
    text = f"{line}\n{json.dumps(_LINE)}\n"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    _read(path)


def _special(place: Path, make: Callable[[str], object]) -> None:
    make(str(place / "said.jsonl"))
    _read(place / "said.jsonl")


def _read(path: Path) -> None:
    for exchange in read_exchanges(path):
        for match in ("exact", "messages", "text"):
            exchange.request.key(match)  # type: ignore[arg-type]
        exchange.to_line()
    chat = RecordingChat(_Echo(), path, resume=True)  # type: ignore[arg-type]
    chat.chat([Message("user", (TextPart("x"),))])
