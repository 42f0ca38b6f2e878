"""Servers of chat models."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inputs.common import Inputs, SkippedError, changed, deep_json
from videoseg.types import Message, TextPart

_REPLY = {
    "id": "x",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "yes", "reasoning_content": "because"},
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    bodies = {
        "good": json.dumps(_REPLY),
        "deep": deep_json(),
        "number": "9" * 6000,
        "empty": "",
        "list": "[]",
        "null": "null",
        "page": "<!doctype html><html>hello</html>",
        "surrogates": json.dumps(_REPLY).replace("because", "\\ud800"),
        "error": '{"error": {"message": "\\u001b[2J\\ud800"}}',
        "error-deep": '{"error": ' + deep_json() + "}",
        "cut": json.dumps(_REPLY)[:60],
    }
    bodies |= {f"changed-{n}": json.dumps(changed(_REPLY, rng)) for n in range(40)}
    for name, text in bodies.items():
        yield name, lambda place, text=text: _ask([_whole(text.encode())])
        if not name.startswith("changed"):
            yield (
                f"status-400-{name}",
                lambda place, text=text: _ask([_whole(text.encode(), b"400 No")]),
            )
    bomb = gzip.compress(gzip.compress(bytes(400_000_000), 1))
    packed = _JSON + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    odd: dict[str, list[bytes]] = {
        "nothing": [],
        "rubbish": [b"\x00\xff\x00\xff\r\n\r\n"],
        "status": [b"HTTP/1.1 999 \x1b[2J\r\n\r\n"],
        "long-header": [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500_000 + b"\r\n\r\n"],
        "length": [_JSON + b"Content-Length: 99999999999\r\n\r\n{"],
        "negative-length": [_JSON + b"Content-Length: -5\r\n\r\n{}"],
        "chunks": [_JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"],
        "huge-chunk": [_JSON + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}"],
        "bomb": [packed + bomb],
        "no-gzip": [_JSON + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"],
        "unknown-encoding": [_JSON + b"Content-Encoding: zzz\r\nContent-Length: 2\r\n\r\n{}"],
        "redirect": [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n"],
        "redirect-file": [b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"],
        "two-answers": [_whole(b"{}") + _whole(b"{}")],
    }
    for name, parts in odd.items():
        yield name, lambda place, parts=parts: _ask(parts)
    drips = {
        "drip-status": _drip(b"HTTP/1.1 200 OK" * 100),
        "drip-headers": _drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500),
        "drip-body": _drip(_JSON + b"Content-Length: 9999\r\n\r\n" + b" " * 9999),
        "continue": ([b"HTTP/1.1 100 Continue\r\n\r\n"] * 1000),
        "endless": ([_JSON + b"\r\n"] + [b" " * 2**20] * 4000),
    }
    for name, parts in drips.items():
        pause = 0.0 if name == "endless" else 0.1
        yield name, lambda place, parts=parts, pause=pause: _ask(parts, pause=pause)


def _whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _drip(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def _serve(listener: socket.socket, parts: Iterable[bytes], pause: float) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1_000_000)
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)


def _ask(parts: Iterable[bytes], *, pause: float = 0.0) -> None:
    try:
        from videoseg_vlm import OpenAIChat
    except ImportError as error:
        raise SkippedError(str(error)) from error
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener, list(parts), pause), daemon=True).start()
    chat: Any = OpenAIChat(
        model="Qwen/Qwen2.5-VL-7B-Instruct",
        base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
        timeout=2.0,
        deadline=4.0,
        max_retries=0,
    )
    for reply in chat.chat([Message("user", (TextPart("x"),))], max_tokens=8):
        reply.text.encode("utf-8")
