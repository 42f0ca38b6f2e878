"""A chat model that passes questions on to another one and keeps every exchange."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videoseg.chat_log.exchange import (
    Exchange,
    Request,
    read_exchanges,
    well_formed_reply,
    write_line,
)
from videoseg.errors import ConfigError, OutputError
from videoseg.files import expand_path
from videoseg.stages import ChatModel, Closable, HasDevice
from videoseg.text import printable, shorten_text
from videoseg.types import ChatReply, Message

__all__ = ["RecordingChat"]


class RecordingChat:
    """Passes questions on to another chat model and keeps each exchange as a line of JSON.

    A line holds the conversation (images as digests), how answers were drawn, and the
    replies. It is written before the reply is passed on, so what was answered is kept
    whatever happens afterwards. No options of the other model are written. Whatever else the
    other model has is reached through this one.

    Args:
        model: The other chat model.
        path: The file; exchanges are added at its end. It is made with the first of them.
        resume: Answer from the file what has been asked before with the same pixels, text
            and sampling, and ask the other model only what is new. With it an interrupted
            run goes on where it stopped.

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
                f"what is not JSON ({reason}); only its details can: make them plain values"
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
