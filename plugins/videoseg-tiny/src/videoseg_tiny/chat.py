"""The chat model ``tiny``: the shipped weights behind the chat model ``transformers``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from videoseg_vlm import TransformersChat

from videoseg.plugins import checked_options
from videoseg.types import ChatReply, Message, TextPart
from videoseg_tiny.vocabulary import find_unknown_words, is_query

__all__ = ["COORDINATE_SPACE", "FewWords", "TinyChat"]

COORDINATE_SPACE = "square(96)"
"""Images on which objects are located are stretched to 96 x 96 pixels, which it counts in."""

# The words around the query in the prompts of this package.
_BEFORE_QUERY = re.compile(r"\b(?:find|which|when|look for)\b")
_AFTER_QUERY = re.compile(r"\b(?:more|last|answer|target|small|larger)\b|\d")
_KNOWN = "colors, sizes and places, as in 'the blue one', 'the largest one' and 'the leftmost one'"


class FewWords:
    """The refusal of unknown words, a base of the tiny chat models before the one that answers."""

    def chat(
        self, messages: Sequence[Message], *, num_samples: int = 1, **options: Any
    ) -> Sequence[ChatReply]:
        """Answer a conversation; see ``videoseg.ChatModel.chat``."""
        if refusal := _refuse_unknown_words(messages):
            return [ChatReply("", refusal=refusal, finish_reason="stop")] * num_samples
        # The next base's.
        answers: Sequence[ChatReply] = super().chat(  # type: ignore[misc]
            messages, num_samples=num_samples, **options
        )
        return answers


class TinyChat(FewWords, TransformersChat):
    """A model of a million parameters, trained on drawn clips alone; comes with its weights.

    It answers the questions of the strategies in the pipelines ``videoseg-r1-tiny`` and
    ``videoseg-o3-tiny``, whose prompts it was trained on. It knows queries that one frame
    answers: color, largest and smallest, place in the picture, and that nothing fits. To words
    that it does not know it says so, as a refusal that names them, and to what is no such query.

    Args:
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        model: Another folder with a model of this kind, such as one that was trained further.

    Raises:
        ConfigError: If an option is invalid.
        MissingWeightsError: If there is no such folder.
    """

    @checked_options("chat 'tiny'")
    def __init__(self, *, device: str = "auto", model: str | None = None) -> None:
        super().__init__(
            model=model or str(files("videoseg_tiny") / "model"),
            # The weights are kept in half of the precision that they are used in.
            dtype="float32",
            device=device,
            coordinate_space=COORDINATE_SPACE,
        )


def _refuse_unknown_words(messages: Sequence[Message]) -> str:
    """Return what the tiny models say to queries that they do not know; empty if they know all.

    They answer anything, so words without a token, and rows of words, are told by rules.
    """
    said = " ".join(
        part.text
        for message in messages
        if message.role != "assistant"
        for part in message.parts
        if isinstance(part, TextPart)
    )
    unknown = list(find_unknown_words(said))
    if unknown:
        words = ", ".join(repr(word) for word in unknown[:8])
        return f"the tiny model does not know {words}; it knows {_KNOWN}"
    query = _query_in(said)
    if query and not is_query(query):
        return f"the tiny model finds no object that {query!r} describes; it knows {_KNOWN}"
    return ""


def _query_in(said: str) -> str:
    """Return the query of a conversation with the prompts of the tiny models."""
    last = _BEFORE_QUERY.split(said)[-1]
    return _AFTER_QUERY.split(last.strip())[0].strip()
