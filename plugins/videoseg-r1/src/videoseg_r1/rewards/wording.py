"""Rewards for how an answer is written."""

from __future__ import annotations

import re

__all__ = ["no_repetition", "think_format"]

_BETWEEN = re.compile(r"</think>\s*<answer>")
_OPENING, _CLOSING = "<think>", "</answer>"
_MOST_REPEATS = 1


def think_format(text: str) -> float:
    """Return 1 if a text is a think block, then an answer block and nothing else; else 0.

    Example:
        >>> think_format("<think>It jumps.</think> <answer>[]</answer>")
        1.0
    """
    inner = text[len(_OPENING) : -len(_CLOSING)]
    whole = text.startswith(_OPENING) and text.endswith(_CLOSING)
    return float(whole and _BETWEEN.search(inner) is not None)


def no_repetition(thought: str) -> float:
    """Return 0 if sentences are repeated at least twice, else 1.

    Sentences end at full stops. One sentence said three times counts, as do two said twice.
    VisionReasoner looks at the whole text, where decimals of the answer are sentences, too;
    give only the reasoning.
    """
    sentences = [sentence.strip() for sentence in thought.split(".")]
    said = [sentence for sentence in sentences if sentence]
    return float(len(said) - len(set(said)) <= _MOST_REPEATS)
