"""Names to look for: asked of a chat model, from the query alone or with frames of the video."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videoseg_r1.parsing import split_answer
from videoseg_r1.parsing.json_text import read_values
from videoseg_r1.questions import ask_about, frame_parts

from videoseg import ChatModel, Window
from videoseg.errors import ContextLengthError
from videoseg.samplers import evenly_spaced
from videoseg.text import printable
from videoseg.types import MessagePart, VideoSource, time_label
from videoseg_tracks.prompts import TrackPrompt

__all__ = ["Concepts", "NameAsker", "parse_names"]

_MOST_NAMES = 6
_LONGEST_NAME = 60  # characters
_SHOWN_VOCABULARY = 400  # classes; a longer list says little and costs much
_SEPARATOR = re.compile(r"[,;/、，]")  # noqa: RUF001 - commas of other languages
_ARTICLE = re.compile(r"^(?:the|a|an|some|any)\s+", re.I)


@dataclass(frozen=True, slots=True)
class Concepts:
    """The names that a model wants to be looked for.

    Args:
        names: Nouns; none if the model named none, or could not be read.
        exchanges: What was asked and answered, JSON-serializable.
    """

    names: tuple[str, ...]
    exchanges: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)


class NameAsker:
    """Asks a chat model which names a detector should look for.

    First from the query alone; if that names no concrete thing, or nothing of that name was
    found before, with frames of the video (AgentRVOS, arXiv 2603.23489, its first stage).

    Args:
        chat: A vision-language model.
        from_query: The prompt ``concepts``.
        from_frames: The prompt ``infer``.
        vocabulary: The classes of a detector with a closed vocabulary, which the model is told;
            None for an open one.
        num_frames: How many frames are shown.
        max_pixels: Upper bound on height x width of each.
        max_tokens: Upper bound on the tokens of an answer.
    """

    def __init__(
        self,
        chat: ChatModel,
        *,
        from_query: TrackPrompt,
        from_frames: TrackPrompt,
        vocabulary: Sequence[str] | None,
        num_frames: int,
        max_pixels: int,
        max_tokens: int,
    ) -> None:
        self._chat = chat
        self._from_query = from_query
        self._from_frames = from_frames
        self._vocabulary = vocabulary
        self._num_frames = num_frames
        self._max_pixels = max_pixels
        self._max_tokens = max_tokens

    def ask(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        failed: Sequence[str] = (),
        seed: int = 0,
    ) -> Concepts:
        """Return names to look for.

        Where the frames do not fit into the model's context, half of them are left out, as often
        as needed.

        Args:
            video: The video.
            query: The user's sentence.
            window: Where frames are taken from.
            failed: Names that were looked for without success, or are not known.
            seed: Seed of the answers.

        Raises:
            ContextLengthError: If not even one frame fits.
        """
        values = {
            "query": query,
            "vocabulary": self._describe_vocabulary(),
            "failed": _describe_failed(failed),
        }
        exchanges: list[Mapping[str, Any]] = []
        if not failed:
            names = self._put(self._from_query, [], values, (), exchanges, seed)
            if names:
                return Concepts(names, tuple(exchanges))
        num_frames = self._num_frames
        while True:
            frames = evenly_spaced(window, num_frames)
            parts = frame_parts(
                video, frames, lambda f: time_label(video.time_of(f)), max_pixels=self._max_pixels
            )
            try:
                names = self._put(self._from_frames, parts, values, frames, exchanges, seed)
            except ContextLengthError:
                if len(frames) < 2:
                    raise
                num_frames = len(frames) // 2
            else:
                return Concepts(names, tuple(exchanges))

    def _put(
        self,
        prompt: TrackPrompt,
        parts: Sequence[MessagePart],
        values: Mapping[str, str],
        frames: Sequence[int],
        exchanges: list[Mapping[str, Any]],
        seed: int,
    ) -> tuple[str, ...]:
        question = prompt.fill(**values)
        reply = self._chat.chat(
            ask_about(parts, question), max_tokens=self._max_tokens, seed=seed
        )[0]
        names = parse_names(reply.text)
        exchanges.append(
            {
                "prompt": prompt.name,
                "question": question,
                "frames": list(frames),
                "reply": reply.text,
                "names": list(names),
                "num_tokens": reply.num_tokens,
            }
        )
        return names

    def _describe_vocabulary(self) -> str:
        if self._vocabulary is None:
            return ""
        if len(self._vocabulary) > _SHOWN_VOCABULARY:
            return "The detector knows only common nouns."
        return (
            "The detector knows only these and words for them; choose the ones that the thing "
            f"would be taken for: {', '.join(self._vocabulary)}."
        )


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names of an answer, in lower case and without articles.

    Read are JSON with ``names``, and a list of texts.

    Args:
        text: The answer. Anything that cannot be read gives no names.

    Example:
        >>> parse_names('{"kind": "explicit", "names": ["The Dog", "animal"]}')
        ('dog', 'animal')
    """
    _, answer = split_answer(text)
    for value in reversed(read_values(answer)):
        listed = value
        if isinstance(value, Mapping):
            listed = next((value[key] for key in ("names", "name") if key in value), None)
        if isinstance(listed, str):
            listed = [listed]
        if isinstance(listed, list):
            texts = [one for one in listed if isinstance(one, str)]
            plain = (_plain_name(one) for text in texts for one in _SEPARATOR.split(text))
            return tuple(dict.fromkeys(filter(None, plain)))[:_MOST_NAMES]
    return ()


def _plain_name(name: str) -> str:
    words = " ".join(printable(name).lower().split())
    words = _ARTICLE.sub("", words).strip(" .,;:!?\"'")
    return words if len(words) <= _LONGEST_NAME else ""


def _describe_failed(failed: Sequence[str]) -> str:
    if not failed:
        return ""
    return f"These names were looked for without success, so name others: {', '.join(failed)}."
