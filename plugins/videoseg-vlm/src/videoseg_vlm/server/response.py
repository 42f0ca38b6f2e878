"""Answers of servers: bodies, event streams, choices, error messages."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from videoseg.text import parse_json, printable, shorten, well_formed
from videoseg.types import ChatReply

__all__ = [
    "MAX_BYTES",
    "Complaint",
    "UnreadableBodyError",
    "clean_strings",
    "decode_body",
    "find_complaint",
    "is_transient",
    "join_body",
    "parse_body",
    "read_choices",
    "read_complaint",
    "read_events",
]

MAX_BYTES = 16 * 2**20
"""Longest body that is read, before and after decompression; answers are far shorter."""

_MOST_PARTS = 1_000_000
"""Most values in a body: each takes far more memory than its characters."""

_EVENTS = re.compile(r"\s*(data|event|id|retry)?:")
_LAYERS = 3
_MOST_MEMBERS = 32


class UnreadableBodyError(ValueError):
    """A body that another attempt would not improve."""


def join_body(chunks: Iterable[bytes]) -> bytes:
    """Join the chunks of a body.

    Raises:
        UnreadableBodyError: If it is longer than ``MAX_BYTES``.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES:
            raise _too_long()
    return bytes(body)


def decode_body(body: bytes, encoding: str) -> str:
    """Return a body as text.

    Args:
        body: The bytes received.
        encoding: The header ``Content-Encoding``. Only ``identity`` is requested, but some
            servers compress nevertheless.

    Raises:
        UnreadableBodyError: If it is compressed in an unknown way, or longer than
            ``MAX_BYTES`` after decompression, or has so many values that it would fill the memory.
        ValueError: If it is damaged.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    layers = [] if _is_text(body) else [name for name in names if name not in ("", "identity")]
    if len(layers) > _LAYERS or not set(layers) <= {"gzip", "x-gzip", "deflate"}:
        raise UnreadableBodyError(f"compressed in a way that was not asked for ({encoding})")
    for name in reversed(layers):
        body = _unpack(body, name)
    # JSON is UTF-8; a damaged character does not make an answer unusable.
    is_utf_16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = body.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace")
    if sum(text.count(sign) for sign in ",[{") > _MOST_PARTS:
        raise UnreadableBodyError("made of more parts than any answer may have")
    return text


def _is_text(body: bytes) -> bool:
    """Return whether a body is uncompressed, even if the header says otherwise.

    Gateways may leave the header in place, or put other words there, such as ``utf-8``.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unpack(body: bytes, name: str) -> bytes:
    # With a gzip or zlib header; some servers send raw deflate data.
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        unpacked, rest = bytearray(), body
        try:
            # gzip data may have several members, each with its own header.
            for _ in range(_MOST_MEMBERS):
                decompressor = zlib.decompressobj(window)
                unpacked += decompressor.decompress(rest, MAX_BYTES + 1 - len(unpacked))
                if len(unpacked) > MAX_BYTES:
                    raise _too_long()
                rest = decompressor.unused_data
                if decompressor.eof and not rest:
                    return bytes(unpacked)
        except zlib.error:
            continue
    raise ValueError(f"damaged {name} data")


def _too_long() -> UnreadableBodyError:
    return UnreadableBodyError(f"longer than any answer may be ({MAX_BYTES // 2**20} MB)")


def parse_body(text: str) -> Any:
    """Return the JSON value of a body, or the answer in a stream of events.

    Raises:
        ValueError: If it is neither, or incomplete.
    """
    return read_events(text) if _EVENTS.match(text) else parse_json(text)


def clean_strings(data: Any, redact: Callable[[str], str]) -> Any:
    """Return a JSON value with strings that are safe to print and write.

    Args:
        data: The value; its lists and dicts are changed in place.
        redact: Removes secrets from a string.
    """

    def clean(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.isprintable():
            value = printable(well_formed(value), keep="\n\t")
        return redact(value)

    # A loop, since a value may be nested deeper than the recursion limit.
    remaining = [data]
    while remaining:
        value = remaining.pop()
        if isinstance(value, list):
            value[:] = [clean(item) for item in value]
            remaining += value
        elif isinstance(value, dict):
            cleaned = {clean(name): clean(item) for name, item in value.items()}
            value.clear()
            value.update(cleaned)
            remaining += cleaned.values()
    return clean(data)


_DONE = object()
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


def read_events(text: str) -> Any:
    """Return the answer in the events of a body.

    Args:
        text: Server-sent events. The data of each is a whole answer, an error, or a chunk of an
            answer, whose choices hold a ``delta`` instead of a ``message``.

    Raises:
        ValueError: If an event is not JSON, or the stream ends before the answer does.
    """
    answer: dict[str, Any] = {}
    choices: dict[int, _Choice] = {}
    is_over = False
    for event in _events(text):
        if event is _DONE:
            is_over = True
            break
        if not isinstance(event, dict):
            continue
        if event.get("error"):
            return event
        answer.update({name: value for name, value in event.items() if value is not None})
        listed = event.get("choices")
        for chunk in listed if isinstance(listed, list) else ():
            if isinstance(chunk, dict):
                index = chunk.get("index")
                choices.setdefault(index if isinstance(index, int) else 0, _Choice()).add(chunk)
    is_over = is_over or all(choice.is_over for choice in choices.values())
    if not answer or not is_over:
        raise ValueError("the stream of events ends before the answer does")
    if choices:
        answer["choices"] = [choices[index].whole() for index in sorted(choices)]
    return answer


def _events(text: str) -> Iterator[Any]:
    """Yield the values of the events; ``_DONE`` for the one that ends the stream."""
    lines: list[str] = []
    # Not splitlines(), which also splits at separators that JSON leaves unescaped in text.
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            lines.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and lines:
            yield from _values(lines)
            lines = []


def _values(lines: list[str]) -> Iterator[Any]:
    try:
        yield _value("\n".join(lines))
    except ValueError:
        if len(lines) == 1:
            raise
        # Some servers omit the empty line that should end each event.
        for line in lines:
            yield _value(line)


def _value(data: str) -> Any:
    return _DONE if data.strip() == "[DONE]" else parse_json(data)


class _Choice:
    """One choice, as far as it has arrived."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._pieces: dict[str, list[Any]] = {}

    @property
    def is_over(self) -> bool:
        return bool(self._fields.get("finish_reason"))

    def add(self, chunk: Mapping[str, Any]) -> None:
        self._fields.update({name: value for name, value in chunk.items() if value is not None})
        delta = chunk.get("delta")
        if not isinstance(delta, dict):
            return
        for name in _TEXTS:
            piece = delta.get(name)
            if isinstance(piece, str):
                self._pieces.setdefault(name, []).append(piece)
            elif isinstance(piece, list):
                self._pieces.setdefault(name, []).extend(piece)

    def whole(self) -> dict[str, Any]:
        if not self._pieces:
            return self._fields
        message = {name: _join(pieces) for name, pieces in self._pieces.items()}
        return {**self._fields, "message": message}


def _join(pieces: list[Any]) -> Any:
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    # Some servers send content as a list of parts.
    return [{"text": piece} if isinstance(piece, str) else piece for piece in pieces]


_FINISHES = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "safety": "content_filter",
    "content-filter": "content_filter",
}
"""Reasons that servers use instead of those of the protocol, in lower case."""

_LARGEST_COUNT = 2**53


def read_choices(answer: Mapping[str, Any], most: int) -> list[ChatReply]:
    """Return a reply for each choice of an answer.

    Args:
        answer: The JSON of a chat completion.
        most: How many choices were requested; further ones are ignored.

    Raises:
        ValueError: If it is not a chat completion; says what is missing.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ValueError(f"gave no answer in its answer (no 'choices' in {shorten(answer, 200)})")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    # Servers count all samples of a request together.
    tokens = _count(usage.get("completion_tokens")) if len(choices) == 1 else None
    return [
        _reply(choice, _count(usage.get("prompt_tokens")), tokens) for choice in choices[:most]
    ]


def _reply(choice: Any, num_prompt_tokens: int | None, num_tokens: int | None) -> ChatReply:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise ValueError("gave a choice without a message")
    finish = choice.get("finish_reason")
    finish = finish if isinstance(finish, str) and finish else None
    return ChatReply(
        _text(message),
        num_prompt_tokens=num_prompt_tokens,
        num_tokens=num_tokens,
        details={"finish": finish},
        finish_reason=None if finish is None else _FINISHES.get(finish.lower(), finish),
        refusal=_refusal(message),
    )


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_strings(content, "text"))
    text = content if isinstance(content, str) else ""
    if not text.strip():
        # Servers that parse tool calls may leave no text.
        text = "\n".join(_called_with(message))
    # Servers with a reasoning parser split off the text in these tags.
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought.strip():
        return f"<think>{thought.strip()}</think>\n{text}".strip()
    return text.strip()


def _called_with(message: Mapping[str, Any]) -> list[str]:
    calls = message.get("tool_calls")
    listed = calls if isinstance(calls, list) else []
    functions = [call.get("function") for call in listed if isinstance(call, dict)]
    return _strings(functions, "arguments")


def _refusal(message: Mapping[str, Any]) -> str:
    refusal, content = message.get("refusal"), message.get("content")
    if isinstance(refusal, str) and refusal.strip():
        return refusal.strip()
    return "".join(_strings(content, "refusal")).strip() if isinstance(content, list) else ""


def _strings(parts: list[Any], name: str) -> list[str]:
    values = [part.get(name) for part in parts if isinstance(part, dict)]
    return [value for value in values if isinstance(value, str)]


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


_PASSING = frozenset({408, 409, 425, 429})
# Not implemented, HTTP version not supported, network authentication required.
_LASTING = frozenset({501, 505, 511})
_WORDS = ("error", "message", "msg", "detail", "details", "errors", "error_message")
_STATUSES = ("status", "code", "status_code", "http_status", "type")
# Names of statuses in the errors of hosted services.
_NAMED = (
    (re.compile(r"rate.?limit|too.?many.?requests|resource.?exhausted|throttl"), 429),
    (re.compile(r"overload|unavailable"), 503),
    (re.compile(r"time.?out"), 504),
    (re.compile(r"server.?error|internal|api.?error"), 500),
)
_MOST = 8


@dataclass(frozen=True, slots=True)
class Complaint:
    """The error message of a server.

    Args:
        words: The message, with the fields of the request it is about.
        status: The HTTP status it names, if any.
    """

    words: str
    status: int | None


def is_transient(status: int | None) -> bool:
    """Return whether a request with this status may succeed if it is repeated."""
    if status is None:
        return False
    return status in _PASSING or (500 <= status < 600 and status not in _LASTING)


def find_complaint(answer: Mapping[str, Any]) -> Complaint | None:
    """Return the error in an answer with a status of success, or None."""
    if answer.get("error"):
        return read_complaint(answer)
    choices = answer.get("choices")
    if isinstance(choices, list) and choices:
        # Routers report errors of the provider behind them like this.
        broken = (choice for choice in choices if isinstance(choice, dict) and choice.get("error"))
        first = next(broken, None)
        return None if first is None else read_complaint(first)
    if "data" in answer or next(_words(answer, 0), None) is None:
        return None
    return read_complaint(answer)


def read_complaint(answer: Any) -> Complaint:
    """Read the error message in an answer with a status of failure."""
    words = list(dict.fromkeys(_words(answer, 0)))
    return Complaint("; ".join(words) or shorten(answer, 300), _status(answer))


def _words(said: Any, depth: int) -> Iterator[str]:
    if isinstance(said, str):
        if said.strip():
            yield said.strip()
    elif depth > _MOST:
        return
    elif isinstance(said, list):
        for item in said[:_MOST]:
            yield from _words(item, depth + 1)
    elif isinstance(said, dict):
        inner = [text for name in _WORDS for text in _words(said.get(name), depth + 1)]
        metadata = said.get("metadata")
        if isinstance(metadata, dict):
            # A router's copy of the provider's message.
            inner += _words(metadata.get("raw"), depth + 1)
        place = _place(said)
        if place and not any(place in text for text in inner):
            inner = [f"{place}: {inner[0]}", *inner[1:]] if inner else [place]
        yield from inner


def _place(said: Mapping[str, Any]) -> str:
    """Return the field of the request that a message is about."""
    steps = said.get("loc")
    if isinstance(steps, list):
        named = [str(step) for step in steps[:_MOST] if isinstance(step, (str, int))]
        return ".".join(name for name in named if name != "body")
    param = said.get("param")
    return param if isinstance(param, str) else ""


def _status(said: Any) -> int | None:
    if isinstance(said, list):
        said = said[0] if said else None
    if not isinstance(said, dict):
        return None
    inner = said.get("error")
    if isinstance(inner, (dict, list)) and (status := _status(inner)) is not None:
        return status
    values = [said.get(name) for name in _STATUSES]
    words = [str(value)[:4] for value in values]
    numbers = [int(word) for word in words if re.fullmatch(r"[45]\d\d", word)]
    if numbers:
        return numbers[0]
    named = " ".join(value for value in values if isinstance(value, str)).lower()[:200]
    return next((status for pattern, status in _NAMED if pattern.search(named)), None)
