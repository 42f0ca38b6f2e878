"""The parts of a turn's reasoning: when, where, what the words mean, and what to do next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Thinking", "parse_thinking"]

_Part: TypeAlias = Literal["temporal", "spatial", "linguistic", "action"]


@dataclass(frozen=True, slots=True)
class Thinking:
    """The reasoning of a turn and its parts; a part that is missing is empty.

    Args:
        text: The whole reasoning.
        temporal: Step 1: what happens when.
        spatial: Step 2: where things are and what they look like.
        linguistic: Step 3: what the words mean.
        action: What is to be done next.
    """

    text: str = ""
    temporal: str = ""
    spatial: str = ""
    linguistic: str = ""
    action: str = ""


_NUMBERED: dict[str, _Part] = {"1": "temporal", "2": "spatial", "3": "linguistic"}
_TEMPORAL = r"temporal|timeline|when\b"
_SPATIAL = r"spatial|visual|appearance|where\b"
_LINGUISTIC = r"linguistic|language|expression|semantic|words\b"
_TITLES: tuple[tuple[_Part, re.Pattern[str]], ...] = (
    ("temporal", re.compile(_TEMPORAL, re.I)),
    ("spatial", re.compile(_SPATIAL, re.I)),
    ("linguistic", re.compile(_LINGUISTIC, re.I)),
)

# A heading stands at the start of a line or of a sentence: "**Step 1 (Temporal dynamics):**",
# "### STEP 1 - when", "Step 1. It ...", "Temporal analysis:", "Action:". A colon, the end of bold
# type, a dash or a line break ends it. With a colon, "Step 2:" may also stand elsewhere.
_HEADING = re.compile(
    rf"""
    (?:^|[.!?;>)\n])[\s\#*_>-]{{0,12}}
    (?:step[ _-]?(?P<number>[123])\b
      |(?P<action>(?:next[ ])?action)\b
      |(?P<title>{_TEMPORAL}|{_SPATIAL}|{_LINGUISTIC})
    )
    (?P<rest>[^:\uff1a.\n*]{{0,60}}?)
    (?:[*_)\]]{{0,4}}\s?[:\uff1a][*_]{{0,3}}
      | [*_]{{2,3}}
      | [ ][\u2013\u2014-][ ]
      | [ \t]{{0,8}}(?:\n|$)
      | (?<=[123])\.(?=\s)
    )
    |(?<=\s)step[ _-]?(?P<inline>[123])\s?[:\uff1a]
    """,
    re.IGNORECASE | re.VERBOSE,
)
# "Step 1: Temporal dynamics: the cat ..."
_SUBTITLE = re.compile(
    rf"[\s*_]{{0,8}}(?P<title>{_TEMPORAL}|{_SPATIAL}|{_LINGUISTIC})[^:\uff1a.\n*]{{0,40}}"
    r"[*_)]{0,4}\s?(?:[:\uff1a][*_]{0,3}|\n)",
    re.IGNORECASE,
)


def parse_thinking(text: str) -> Thinking:
    """Return a reasoning text with its parts.

    Headings may be numbered (``Step 2``) or named (``Spatial details:``), in any case, order and
    markup; where name and number disagree, the name counts. What stands before the first heading
    belongs to no part.

    Args:
        text: What stands between ``<think>`` and ``</think>``.

    Example:
        >>> parse_thinking("**Step 1:** it starts late. **Action:** look again").action
        'look again'
    """
    headings = list(_HEADING.finditer(text))
    parts: dict[_Part, list[str]] = {}
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=False):
        start = heading.end()
        part, start = _identify(heading, text, start)
        # The mark that ends the sentence before a heading belongs to that sentence.
        mark = text[end] if text[end : end + 1] in tuple(".!?;)") else ""
        parts.setdefault(part, []).append((text[start:end] + mark).strip(" \t\n*_#>"))
    joined = {name: "\n".join(filter(None, texts)) for name, texts in parts.items()}
    return Thinking(text.strip(), **joined)


def _identify(heading: re.Match[str], text: str, start: int) -> tuple[_Part, int]:
    """Return the part that a heading opens, and where its text starts."""
    if heading["action"]:
        return "action", start
    title = heading["title"] or heading["rest"] or ""
    if (subtitle := _SUBTITLE.match(text, start)) is not None:
        title, start = f"{title} {subtitle['title']}", subtitle.end()
    for part, words in _TITLES:
        if words.search(title):
            return part, start
    return _NUMBERED[heading["number"] or heading["inline"]], start
