"""The chat model ``record``: another chat model, with every exchange kept in a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from videoseg import ChatModel, ChatReply, ConfigError, Message, OutputError, Use, default_registry
from videoseg_vlm.exchanges import Exchange, Request, read_exchanges, write_line

__all__ = ["RecordingChat"]


class RecordingChat:
    """Passes questions on to another chat model and keeps each exchange as a line of JSON.

    A line holds the conversation (images as digests), how answers were drawn, and the
    replies. It is written before the reply is passed on, so what was answered is kept
    whatever happens afterwards. No options of the other model are written.

    Args:
        model: The other chat model: the name of a component, a mapping with ``name`` and
            ``options``, ``videoseg.use(...)``, or an instance.
        path: The file; exchanges are added at its end.
        resume: Answer from the file what has been asked before with the same pixels, text
            and sampling, and ask the other model only what is new. With it an interrupted
            run goes on where it stopped.

    Raises:
        ConfigError: If the model is none, or the file holds something else.
        OutputError: If the file cannot be written.
    """

    def __init__(self, *, model: object, path: str, resume: bool = False) -> None:
        self._path = Path(path).expanduser()
        self._lock = threading.Lock()
        self._known: dict[str, tuple[ChatReply, ...]] = {}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
        except OSError as error:
            raise OutputError(
                f"cannot record to {path}: {error.strerror}; give another path"
            ) from error
        earlier = read_exchanges(self._path)
        if resume:
            for exchange in earlier:
                self._known.setdefault(exchange.request.key(), exchange.replies)
        self._is_own = not isinstance(model, ChatModel)
        self._model = cast(ChatModel, model) if not self._is_own else _built(model)

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
            OutputError: If the file can no longer be written.
        """
        sampling = {"num_samples": num_samples, "max_tokens": max_tokens, "seed": seed}
        request = Request.of(messages, temperature=temperature, **sampling)
        if (known := self._known.get(request.key())) is not None:
            return known
        begin = time.perf_counter()
        replies = tuple(self._model.chat(messages, temperature=temperature, **sampling))
        exchange = Exchange(request, replies, time.perf_counter() - begin)
        try:
            with self._lock:
                write_line(self._path, exchange)
        except OSError as error:
            raise OutputError(f"cannot record to {self._path}: {error.strerror}") from error
        return replies

    @property
    def device(self) -> str | None:
        """Where the other model runs, if it says so."""
        device = getattr(self._model, "device", None)
        return None if device is None else str(device)

    def close(self) -> None:
        """Free the other model, unless it was given as an instance."""
        close = getattr(self._model, "close", None)
        if self._is_own and callable(close):
            close()

    def __repr__(self) -> str:
        return f"RecordingChat({type(self._model).__name__}, path={str(self._path)!r})"


def _built(model: object) -> ChatModel:
    if isinstance(model, str):
        model = Use(model)
    elif isinstance(model, Mapping):
        options = model.get("options") or {}
        name = model.get("name")
        unknown = set(model) - {"name", "options"}
        if not isinstance(name, str) or not isinstance(options, Mapping) or unknown:
            raise ConfigError(
                "the recorded model must be given as {name: ..., options: {...}}, got "
                f"the keys {', '.join(map(str, model)) or 'none'}"
            )
        model = Use(name, options)
    if not isinstance(model, Use):
        raise ConfigError(
            "the recorded model must be the name of a chat model, name and options, or an "
            f"instance with a chat method; got {type(model).__name__}"
        )
    return cast(ChatModel, default_registry().build("chat", model.name, model.options))
