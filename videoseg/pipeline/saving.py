"""What a run gives can be saved: looked at before the work, and made so after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from videoseg.types import Grounding, Thought, Trace, to_dict
from videoseg.types.serial import to_dict_with_problems

__all__ = ["check_saveable", "saveable"]

# Above how deep they stand in a result: its trace, the turns, a turn, its selection.
_DEPTH_OF_DETAILS = 10


def check_saveable(*values: object) -> None:
    """Make sure that what the caller gives can be saved, before any stage works.

    Raises:
        ConfigError: If something in it cannot be written as JSON.
    """
    for value in values:
        to_dict(value)


def saveable(grounding: Grounding, trace: Trace) -> tuple[Grounding, Trace, list[str]]:
    """Return what the stages said so that it can be saved, and a warning for all that was lost.

    Only ``details`` may hold what JSON cannot; such a value is replaced by a text: the beginning
    of its ``repr``.
    """
    warnings: list[str] = []

    def details_of(details: Mapping[str, Any], whose: str) -> Mapping[str, Any]:
        plain, problems = to_dict_with_problems(details, depth=_DEPTH_OF_DETAILS)
        warnings.extend(f"{whose}: {problem}; only a text is kept" for problem in problems)
        return plain if problems else details

    def thought_of(thought: Thought, whose: str) -> Thought:
        return replace(thought, details=details_of(thought.details, f"details of {whose}"))

    turns = []
    for number, turn in enumerate(trace.turns, start=1):
        chosen = turn.selection
        details = details_of(chosen.details, f"details of the selection in turn {number}")
        turns.append(
            replace(
                turn,
                selection=replace(chosen, details=details),
                thought=thought_of(turn.thought, f"the thought in turn {number}"),
            )
        )
    answer = replace(grounding, thought=thought_of(grounding.thought, "the answer's thought"))
    return answer, replace(trace, turns=tuple(turns)), warnings
