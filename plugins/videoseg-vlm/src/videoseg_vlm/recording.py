"""Chat models that record the exchanges of another one, and replay them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import videoseg.chat_log
from videoseg import ChatModel, ConfigError, Use, default_registry
from videoseg.chat_log import Match, Request, read_exchanges, well_formed_reply
from videoseg.errors import OutputError
from videoseg.files import expand_path
from videoseg.text import printable, shorten, shorten_text
from videoseg.types import ChatReply, Message
from videoseg_vlm.errors import ReplayError

__all__ = ["RecordingChat", "ReplayChat"]


class RecordingChat(videoseg.chat_log.RecordingChat):
    """Passes questions on to another chat model and keeps each exchange as a line of JSON.

    A line holds the conversation (images as digests), how answers were drawn, and the
    replies. It is written before the reply is passed on, so what was answered is kept
    whatever happens afterwards. The other model's options are not written.

    Args:
        model: The other chat model: the name of a component, a mapping with ``name`` and
            ``options``, ``videoseg.use(...)``, or an instance.
        path: The file; exchanges are added at its end.
        resume: Answer from the file what has been asked before with the same pixels, text
            and sampling, and ask the other model only what is new, so that an
            interrupted run continues where it stopped.

    Raises:
        ConfigError: If ``model`` is not a chat model, or the file holds something else.
        OutputError: If the file cannot be written.
    """

    def __init__(self, *, model: object, path: str, resume: bool = False) -> None:
        # A wrong path is reported before a model of many gigabytes is loaded.
        place = expand_path(path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            shown = shorten_text(printable(path), 200)
            raise OutputError(f"cannot record to {shown}: {reason}; give another path") from error
        videoseg.chat_log.read_exchanges(place)
        self._is_own = not isinstance(model, ChatModel)
        built = _build(model) if self._is_own else cast(ChatModel, model)
        super().__init__(built, place, resume=resume)

    @staticmethod
    def check_options(*, model: object, path: str, resume: bool = False) -> None:
        """Check the options without making the file.

        Raises:
            ConfigError: As the constructor does, of the other model's options, too.
        """
        del path, resume
        if isinstance(model, ChatModel):
            return
        used = _parse_use(model)
        if problems := default_registry().check("chat", used.name, used.options):
            raise ConfigError(problems)

    def close(self) -> None:
        """Free the other model, unless it was given as an instance."""
        if self._is_own:
            super().close()


def _build(model: object) -> ChatModel:
    used = _parse_use(model)
    return cast(ChatModel, default_registry().build("chat", used.name, used.options))


def _parse_use(model: object) -> Use:
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
    return model


class ReplayChat:
    """Answers what was asked in a recorded run as it was answered then.

    It needs no model and no network, and the same question always gets the same answer.

    Args:
        path: A file written by the chat model ``record``.
        match: What must be the same as in the recording: ``exact`` for text, pixels and
            sampling (number of samples, temperature, seed, bound on tokens); ``messages`` for
            text and pixels; ``text`` for the text and the images' frames, times and sizes
            only, for a video that was decoded or drawn elsewhere. If several recorded
            exchanges match, the first is taken.

    Raises:
        ConfigError: If the file cannot be read or is not a recording.
    """

    def __init__(
        self, *, path: str, match: Literal["exact", "messages", "text"] = "exact"
    ) -> None:
        self._path = expand_path(path)
        self._match: Match = match
        self._exchanges = read_exchanges(self._path)
        self._replies: dict[str, tuple[ChatReply, ...]] = {}
        for exchange in self._exchanges:
            self._replies.setdefault(exchange.request.key(match), exchange.replies)

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
            ReplayError: If the recording has no answer; says what is nearest.
        """
        request = Request.of(
            messages,
            num_samples=num_samples,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
        )
        replies = self._replies.get(request.key(self._match))
        if replies is None:
            raise ReplayError(
                f"the recording {self._path} has no answer to this: {self._difference(request)}",
                component="replay",
            )
        if len(replies) < num_samples:
            raise ReplayError(
                f"the recording {self._path} has {len(replies)} answers to this, but "
                f"{num_samples} were asked for; record it anew",
                component="replay",
            )
        return tuple(well_formed_reply(reply) for reply in replies[:num_samples])

    def __repr__(self) -> str:
        return f"ReplayChat({str(self._path)!r}, {len(self._exchanges)} exchanges)"

    def _difference(self, request: Request) -> str:
        recorded = [exchange.request for exchange in self._exchanges]
        if not recorded:
            return "it is empty"
        for other in recorded:
            if other.key("messages") == request.key("messages"):
                return f"{_other_sampling(request, other)}; match='messages' overlooks that"
        if any(other.key("text") == request.key("text") for other in recorded):
            return (
                "the same text was asked about other pixels, those of another video or of "
                "another decoder; match='text' overlooks that"
            )
        nearest = max(recorded, key=lambda other: _similarity(other.text, request.text))
        return f"the nearest question recorded has {_first_difference(nearest, request)}"


def _other_sampling(request: Request, other: Request) -> str:
    asked, recorded = request.sampling, other.sampling
    different = [name for name in asked if asked[name] != recorded[name]]
    return "it was recorded with " + ", ".join(
        f"{name}={shorten(recorded[name])} instead of {asked[name]}" for name in different
    )


def _similarity(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first[:2000], second[:2000], autojunk=False).quick_ratio()


def _first_difference(recorded: Request, asked: Request) -> str:
    before, now = recorded.text.splitlines(), asked.text.splitlines()
    for old, new in zip(before, now, strict=False):
        if old != new:
            return f"{_shorten(old)!r} where {_shorten(new)!r} is asked"
    if len(before) != len(now):
        return f"{len(before)} lines and images instead of {len(now)}"
    return "other frames, times or sizes of images"


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
