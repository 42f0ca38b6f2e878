"""The chat model ``record``: another chat model, with every exchange kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import videoseg.chat_log
from videoseg import ChatModel, ConfigError, OutputError, Use, default_registry
from videoseg.files import expand_path
from videoseg.text import printable, shorten_text

__all__ = ["RecordingChat"]


class RecordingChat(videoseg.chat_log.RecordingChat):
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
        # A wrong path is told before a model of many gigabytes is loaded.
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
        built = _built(model) if self._is_own else cast(ChatModel, model)
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
        used = _use(model)
        if problems := default_registry().check("chat", used.name, used.options):
            raise ConfigError(problems)

    def close(self) -> None:
        """Free the other model, unless it was given as an instance."""
        if self._is_own:
            super().close()


def _built(model: object) -> ChatModel:
    used = _use(model)
    return cast(ChatModel, default_registry().build("chat", used.name, used.options))


def _use(model: object) -> Use:
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
