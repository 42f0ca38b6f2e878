"""Exchanges with a chat model as lines of JSON, and a chat model that writes them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from videoseg.errors import ConfigError, OutputError
from videoseg.files import expand_path, read_text
from videoseg.stages import ChatModel, Closable, HasDevice
from videoseg.text import parse_json, printable, shorten, shorten_text, well_formed
from videoseg.types import ChatReply, Frame, Message, TextPart, from_dict, to_dict

__all__ = [
    "Exchange",
    "Match",
    "RecordingChat",
    "Request",
    "pixels_digest",
    "read_exchanges",
    "well_formed_reply",
    "write_line",
]

Match: TypeAlias = Literal["exact", "messages", "text"]

_SCHEMA_VERSION = 1
_SAMPLING = ("num_samples", "temperature", "max_tokens", "seed")


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a chat model, with a digest in place of each image's pixels.

    Args:
        data: The request as JSON holds it: ``messages`` and the arguments of ``chat``.
    """

    data: Mapping[str, Any]

    @staticmethod
    def of(
        messages: Sequence[Message],
        *,
        num_samples: int,
        temperature: float,
        max_tokens: int,
        seed: int,
    ) -> Request:
        """Describe a call of ``ChatModel.chat``.

        Raises:
            ConfigError: If the temperature is not a finite number.
        """
        if not math.isfinite(temperature):
            raise ConfigError(f"temperature must be 0 or a number above, got {temperature}")
        return Request(
            {
                "messages": [
                    {"role": message.role, "parts": [_part_data(part) for part in message.parts]}
                    for message in messages
                ],
                "num_samples": int(num_samples),
                "temperature": float(temperature),
                "max_tokens": int(max_tokens),
                "seed": int(seed),
            }
        )

    def key(self, match: Match = "exact") -> str:
        """Return a digest that is the same for the same request, on every machine.

        Args:
            match: ``exact`` for everything; ``messages`` leaves out the sampling
                (number, temperature, seed, length); ``text`` also leaves out the pixels.
        """
        data = dict(self.data)
        if match != "exact":
            data = {"messages": data["messages"]}
        if match == "text":
            data = {"messages": [_without_pixels(message) for message in data["messages"]]}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def sampling(self) -> dict[str, Any]:
        """The arguments of sampling: number, temperature, length, seed."""
        return {name: self.data[name] for name in _SAMPLING}

    @property
    def text(self) -> str:
        """All text of the conversation, a line for each part."""
        return "\n".join(
            part["text"] if "text" in part else f"[image {part['size'][0]}x{part['size'][1]}]"
            for message in self.data["messages"]
            for part in message["parts"]
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to a chat model and its replies."""

    request: Request
    replies: tuple[ChatReply, ...]
    seconds: float = 0.0

    def to_line(self) -> str:
        """Return the exchange as one line of JSON."""
        data = {
            "exchange": _SCHEMA_VERSION,
            "request": self.request.data,
            "replies": [to_dict(reply) for reply in self.replies],
            "seconds": round(self.seconds, 3),
        }
        return json.dumps(data, allow_nan=False)

    @staticmethod
    def from_line(line: str) -> Exchange:
        """Read a line back.

        Raises:
            ConfigError: If it is not an exchange.
        """
        try:
            data = parse_json(line, allow_nan=False)
            version, request = data["exchange"], data["request"]
            missing = [name for name in ("messages", *_SAMPLING) if name not in request]
            replies = tuple(from_dict(ChatReply, reply) for reply in data["replies"])
            # A number such as 1e999 can be read but not written.
            json.dumps(data, allow_nan=False)
        except ValueError as error:
            raise ConfigError(f"it is not an exchange with a chat model: {error}") from error
        except (KeyError, TypeError, RecursionError) as error:
            raise ConfigError("it is not an exchange with a chat model") from error
        if version != _SCHEMA_VERSION:
            raise ConfigError(f"its format {shorten(version)} is not one this release reads (1)")
        if missing:
            raise ConfigError(f"its request has no {', '.join(missing)}")
        _check_request(request)
        seconds = data.get("seconds", 0.0)
        if not _is_number(seconds):
            raise ConfigError(f"its seconds must be a number, got {shorten(seconds)}")
        return Exchange(Request(request), replies, float(seconds))


def well_formed_reply(reply: ChatReply) -> ChatReply:
    """Return a reply that can be written as UTF-8: without halves of surrogate pairs."""
    text, refusal = well_formed(reply.text), well_formed(reply.refusal)
    if (text, refusal) == (reply.text, reply.refusal):
        return reply
    return replace(reply, text=text, refusal=refusal)


def read_exchanges(path: Path) -> list[Exchange]:
    """Read a recording. A last line that was cut off when a run was killed is left out.

    Raises:
        ConfigError: If the file cannot be read or holds something else.
    """
    try:
        text = read_text(path)
    except OSError as error:
        shown = shorten_text(printable(str(path)), 200)
        raise ConfigError(f"cannot read the recording {shown}: {error.strerror}") from error
    return list(_exchanges(path, text))


def _exchanges(path: Path, text: str) -> Iterator[Exchange]:
    # Not splitlines(), which also splits at separators that JSON leaves unescaped in text.
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Exchange.from_line(line)
        except ConfigError as error:
            if number == len(lines) and _is_cut_off(line):
                return
            reason = shorten_text(printable(str(error)), 300)
            raise ConfigError(f"{path}, line {number}: {reason}") from error


def _is_cut_off(line: str) -> bool:
    """Return whether a line is the beginning of an exchange."""
    beginning = '{"exchange"'
    if line[: len(beginning)] != beginning[: len(line)]:
        return False
    try:
        parse_json(line)
    except ValueError:
        return True
    return False


def write_line(path: Path, exchange: Exchange) -> None:
    """Append an exchange; a line that was cut off before it is removed."""
    with path.open("ab+") as file:
        if size := file.seek(0, os.SEEK_END):
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        # In this mode everything is written at the end.
        file.write(exchange.to_line().encode() + b"\n")


def _check_request(request: Mapping[str, Any]) -> None:
    for name in _SAMPLING:
        is_whole = isinstance(request[name], int) and not isinstance(request[name], bool)
        if not (is_whole or (name == "temperature" and _is_number(request[name]))):
            kind = "a number" if name == "temperature" else "a whole number"
            raise ConfigError(f"its {name} must be {kind}, got {shorten(request[name])}")
    messages = request["messages"]
    if not (isinstance(messages, list) and all(_is_message(message) for message in messages)):
        raise ConfigError(
            "its messages must each have a role and parts, which have a text or the digest of an "
            f"image and its size, got {shorten(messages)}"
        )


def _is_message(message: object) -> bool:
    if not (isinstance(message, dict) and isinstance(message.get("role"), str)):
        return False
    parts = message.get("parts")
    return isinstance(parts, list) and all(_is_part(part) for part in parts)


def _is_part(part: object) -> bool:
    if not isinstance(part, dict):
        return False
    if "text" in part:
        return isinstance(part["text"], str)
    size = part.get("size")
    return (
        isinstance(part.get("image"), str)
        and isinstance(size, list)
        and len(size) == 2
        and all(isinstance(side, int) for side in size)
    )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # neither infinite nor NaN


def _part_data(part: Any) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    height, width = part.image.shape[:2]
    return {
        "image": pixels_digest(part.image),
        "size": [height, width],
        "max_pixels": part.max_pixels,
        "frame": part.frame,
        # Decoders agree on times to the millisecond, but not to the last bit.
        "time": None if part.time is None else round(float(part.time), 3),
    }


def pixels_digest(image: Frame) -> str:
    """Return a short digest of an image's pixels, the same on every machine.

    Args:
        image: RGB pixels, [H, W, 3], uint8.
    """
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:32]


def _without_pixels(message: Mapping[str, Any]) -> dict[str, Any]:
    parts: Iterable[Mapping[str, Any]] = message["parts"]
    return {
        "role": message["role"],
        "parts": [{k: v for k, v in part.items() if k != "image"} for part in parts],
    }


class RecordingChat:
    """A chat model that forwards to another one and records each exchange as a line of JSON.

    A line holds the conversation (images as digests), the sampling, and the replies. It is
    written before the reply is returned, so that a later failure loses no reply. Options of the
    other model are not written. Other attributes of that model are reached through this one.

    Args:
        model: The other chat model.
        path: The file; exchanges are added at its end. It is made with the first of them.
        resume: Answer requests that the file holds (same pixels, text and sampling) from the
            file, and forward only new ones, so that an interrupted run can be continued.

    Raises:
        ConfigError: If the file holds something else.
    """

    def __init__(self, model: ChatModel, path: str | Path, *, resume: bool = False) -> None:
        self._model = model
        self._path = expand_path(path)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[ChatReply, ...]] = {}
        if os.path.exists(self._path):  # noqa: PTH110 -- also takes what Path refuses
            earlier = read_exchanges(self._path)
            if resume:
                for exchange in earlier:
                    key = exchange.request.key()
                    # Where fewer answers came than were asked for, more may have been got later.
                    if len(exchange.replies) > len(self._known.get(key, ())):
                        self._known[key] = exchange.replies

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> Sequence[ChatReply]:
        """Answer a conversation; see ``videoseg.ChatModel.chat``.

        Raises:
            OutputError: If the file cannot be written.
        """
        sampling = {"num_samples": num_samples, "max_tokens": max_tokens, "seed": seed}
        request = Request.of(messages, temperature=temperature, **sampling)
        known = self._known.get(request.key(), ())
        if len(known) >= num_samples:
            return tuple(well_formed_reply(reply) for reply in known)
        begin = time.perf_counter()
        answered = self._model.chat(messages, temperature=temperature, **sampling)
        replies = tuple(well_formed_reply(reply) for reply in answered)
        exchange = Exchange(request, replies, time.perf_counter() - begin)
        try:
            with self._lock:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_line(self._path, exchange)
        except OSError as error:
            raise OutputError(
                f"cannot record to {self._path}: {error.strerror}; give another path"
            ) from error
        except (ConfigError, ValueError) as error:
            reason = shorten_text(printable(str(error)), 200)
            raise OutputError(
                f"cannot record to {self._path}: a reply of {type(self._model).__name__} holds "
                f"a value that is not JSON ({reason}), probably in its details: use plain values"
            ) from error
        return replies

    def close(self) -> None:
        """Free the other model."""
        if isinstance(self._model, Closable):
            self._model.close()

    @property
    def device(self) -> object:
        """The device of the other model; None if it does not say."""
        return self._model.device if isinstance(self._model, HasDevice) else None

    def __getattr__(self, name: str) -> Any:
        # Only asked for what this class lacks; a copy being made has no model yet.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._model, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self._model).__name__}, path={str(self._path)!r})"
