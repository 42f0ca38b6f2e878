"""What wrappers write into the thought of a move: sentences, facts, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from videoseg import Thought
from videoseg_wrappers.budget import Cost

__all__ = ["annotate"]


def annotate(
    thought: Thought, name: str, sentence: str, facts: Mapping[str, Any], cost: Cost
) -> Thought:
    """Return a thought with what a wrapper adds to it.

    The sentence goes where readers look: to the action, if the thought is divided into parts,
    else to the end of the text. Two wrappers of one name have their facts in a list.

    Args:
        thought: The thought of the wrapped grounder.
        name: The wrapper.
        sentence: What it found, in words.
        facts: What it found, JSON-serializable.
        cost: What its own questions cost.
    """
    details = dict(thought.details)
    earlier = details.get(name)
    details[name] = [*_listed(earlier), dict(facts)] if earlier is not None else dict(facts)
    counts = [one for one in (thought.num_tokens, cost.num_tokens) if one is not None]
    text, action = thought.text, thought.action
    if thought.parts:
        action = "\n".join(filter(None, [action, sentence]))
    else:
        text = "\n\n".join(filter(None, [text, sentence]))
    return replace(
        thought,
        text=text,
        action=action,
        num_tokens=sum(counts) if counts else None,
        details=details,
    )


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
