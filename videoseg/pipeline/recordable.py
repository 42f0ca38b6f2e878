"""Whether a result can record what a stage returned, told before more work is done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

from videoseg.interruption import describe_error
from videoseg.text import shorten
from videoseg.types import FrameSelection, Grounding, Look, to_jsonable

__all__ = ["why_not_recordable"]

_DEEPEST = 50
_MOST_VALUES = 1_000_000
_MOST_CHARACTERS = 2**26


def why_not_recordable(value: FrameSelection | Look | Grounding) -> str:
    """Return what of a stage's answer no result could record; empty if all can be."""
    texts, details = _parts(value)
    if not isinstance(value, Look) and not _is_share(value.confidence):
        return f"its confidence must be a number or None, got {shorten(value.confidence)}"
    for name, text in texts.items():
        if not isinstance(text, str):
            return f"its {name} must be text, got {shorten(text)}"
        if len(text) > _MOST_CHARACTERS:
            return (
                f"its {name} has {len(text):,} characters; at most {_MOST_CHARACTERS:,} are kept"
            )
    if not isinstance(details, Mapping):
        return f"its details must be a mapping, got {shorten(details)}"
    if problem := _too_large(details):
        return f"its details {problem}"
    try:
        to_jsonable(value)
    except Exception as error:
        return f"it holds what JSON has no form for ({describe_error(error)})"
    return ""


def _parts(value: FrameSelection | Look | Grounding) -> tuple[dict[str, object], object]:
    """Return the texts of an answer by what they are called, and its details."""
    if isinstance(value, FrameSelection):
        return {"reason": value.reason}, value.details
    thought = value.thought
    names = ("text", "temporal", "spatial", "linguistic")
    texts: dict[str, object] = {f"thought's {name}": getattr(thought, name) for name in names}
    if isinstance(value, Grounding):
        texts |= {f"label of object {p.object_id}": p.label for p in value.prompts}
        texts |= {f"warning {number}": text for number, text in enumerate(value.warnings, 1)}
    return texts, thought.details


def _is_share(confidence: object) -> bool:
    return confidence is None or (isinstance(confidence, Real) and math.isfinite(confidence))


def _too_large(details: object) -> str:
    """Return how details are beyond all bounds; parts that are shared count each time."""
    num_values, num_characters = 0, 0
    waiting = [(details, 0)]
    while waiting:
        value, depth = waiting.pop()
        num_values += 1
        if depth > _DEEPEST:
            return f"are nested more than {_DEEPEST} levels deep, or hold themselves"
        if isinstance(value, str | bytes):
            num_characters += len(value)
        elif isinstance(value, Mapping):
            waiting += ((part, depth + 1) for pair in value.items() for part in pair)
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += ((part, depth + 1) for part in value)
        if num_values + len(waiting) > _MOST_VALUES or num_characters > _MOST_CHARACTERS:
            return (
                f"hold more than {_MOST_VALUES:,} values or {_MOST_CHARACTERS:,} characters, "
                "shared parts counted each time"
            )
    return ""
