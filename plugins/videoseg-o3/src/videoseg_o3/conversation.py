"""The conversation of an episode: what the model was shown and asked, and what it said.

One function for every caller (grounder, rollouts, training data), so that the same episode
always gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from videoseg.types import (
    Episode,
    Frame,
    FrameGroup,
    FrameRole,
    FrameSelection,
    ImagePart,
    Message,
    MessagePart,
    Move,
    TextPart,
)
from videoseg_o3.prompts import PromptSet

__all__ = ["Behavior", "build_conversation", "format_indices", "list_images", "raw_text"]

Behavior: TypeAlias = Literal["extended", "released"]
"""``released`` for what the released evaluation does, ``extended`` for what this project does."""

_END_OF_MESSAGE = "<|im_end|>"

_DEFAULT_PIXELS: Mapping[FrameRole, int] = {
    "context": 128 * 28 * 28,
    "detail": 256 * 28 * 28,
    "keyframe": 512 * 28 * 28,
}
"""Bounds for samplers that set none: those of the released evaluation, but for context frames,
which may be all there is."""


def build_conversation(
    episode: Episode, prompts: PromptSet, *, behavior: Behavior = "extended"
) -> list[Message]:
    """Return the messages that ask for the episode's next move.

    A system message; then for each turn the frames that were shown, group by group, each group
    followed by a sentence that gives the indices of its frames in the whole video; the question;
    and what the model said to it, unchanged. The conversation of a turn begins with that of the
    turn before, so that a model can keep what it has computed. Selections of any sampler are
    shown: groups of every role, in their order, in every turn.

    Args:
        episode: The episode; its current turn has a selection and no move.
        prompts: The sentences.
        behavior: ``released`` removes ``<image>`` and ``<video>`` from the query, as the
            released evaluation does.
    """
    images = _read_frames(episode)
    query = episode.query
    values: dict[str, str | int] = {
        "query": query,
        "num_frames": len(episode.video),
        "last_frame": len(episode.video) - 1,
    }
    question = prompts.fill("question", **values)
    if behavior == "released":
        question = question.replace("<image>", "").replace("<video>", "")
    messages = [Message("system", (TextPart(prompts.fill("system", **values)),))]
    for turn, selection in enumerate(episode.selections):
        parts = [
            part
            for group in selection.groups
            for part in _group_parts(episode, group, prompts, images, is_first=turn == 0)
        ]
        asked = (
            question
            if turn == 0
            else prompts.fill("question again", query=query, question=question)
        )
        parts.append(TextPart(asked + _remind_of_turns(episode, turn, prompts)))
        messages.append(Message("user", tuple(parts)))
        if turn < len(episode.moves):
            messages.append(Message("assistant", (TextPart(raw_text(episode.moves[turn])),)))
    return messages


def raw_text(move: Move) -> str:
    """Return what the model said for a move, without the token that ends a message."""
    raw = move.thought.details.get("raw", move.thought.text)
    return str(raw).replace(_END_OF_MESSAGE, "")


def list_images(messages: Iterable[Message]) -> list[ImagePart]:
    """Return all images of a conversation, in order."""
    return [part for message in messages for part in message.parts if isinstance(part, ImagePart)]


def format_indices(indices: Iterable[int]) -> str:
    """Return a list of frame indices as plain text, whatever type its numbers have.

    Example:
        >>> import numpy as np
        >>> format_indices(np.arange(0, 9, 4))
        '[0, 4, 8]'
    """
    return str([int(index) for index in indices])


def _remind_of_turns(episode: Episode, turn: int, prompts: PromptSet) -> str:
    turns_left = episode.max_turns - turn - 1
    if turns_left == 0:
        return prompts.fill("last turn")
    return prompts.fill("turns", turns_left=turns_left)


def _group_parts(
    episode: Episode,
    group: FrameGroup,
    prompts: PromptSet,
    images: Mapping[int, Frame],
    *,
    is_first: bool,
) -> list[MessagePart]:
    """Return the images of a group, and the sentence about them."""
    parts: list[MessagePart] = []
    max_pixels = group.max_pixels or _DEFAULT_PIXELS[group.role]
    for frame in group.indices:
        if label := prompts.fill("frame", frame=frame):
            parts.append(TextPart(label))
        time = episode.video.time_of(frame)
        parts.append(ImagePart(images[frame], max_pixels=max_pixels, frame=frame, time=time))
    section: str = group.role
    if section == "context" and not is_first and "context again" in prompts.texts:
        section = "context again"
    sentence = prompts.fill(
        section,
        count=len(group.indices),
        indices=format_indices(group.indices),
        frame=group.indices[0],
    )
    return [*parts, TextPart(sentence)]


def _read_frames(episode: Episode) -> dict[int, Frame]:
    """Return the images of all frames that were shown, each read once, in ascending order."""
    shown = _frames_of(episode.selections)
    return dict(zip(shown, episode.video.read(shown), strict=True))


def _frames_of(selections: Iterable[FrameSelection]) -> list[int]:
    return sorted({index for selection in selections for index in selection.indices})
