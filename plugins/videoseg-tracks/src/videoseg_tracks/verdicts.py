"""Verdicts: what a chat model says of each numbered track, and the reader of its answers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from videoseg_r1.parsing import split_answer
from videoseg_r1.parsing.json_text import read_values

from videoseg.errors import GroundingParseError
from videoseg.text import shorten_text

__all__ = ["Verdict", "Verdicts", "parse_verdicts"]

Verdict: TypeAlias = Literal["true", "false", "unknown"]

_WORDS: Mapping[str, Verdict] = {
    "true": "true",
    "yes": "true",
    "match": "true",
    "matches": "true",
    "false": "false",
    "no": "false",
    "unknown": "unknown",
    "unsure": "unknown",
    "uncertain": "unknown",
    "undecided": "unknown",
    "maybe": "unknown",
}
_NUMBER = re.compile(r"(?<![\d.])(?<!(?<!\w)-)\d{1,6}(?![\d.]*\d)")
# What a text of several numbers may hold beside them; in any other text the first one counts:
# "1 (the dog at 2.5 s)" names one object.
_BETWEEN_NUMBERS = re.compile(
    r"(?:[\s,;:&#/()\[\]]|\b(?:objects?|tracks?|numbers?|things?|ids?|nos?\.?|and|or)\b)*", re.I
)
_DEEPEST = 8  # lists in lists; deeper ones are not read
_SHOWN = 200  # characters of an unreadable answer in its error


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one answer says of the tracks that were shown.

    Args:
        of: The verdict on each track that was shown.
        thought: The reasoning before the answer.
        warnings: What was odd: a number in two lists, in none, or of no track.
    """

    of: Mapping[int, Verdict]
    thought: str = ""
    warnings: tuple[str, ...] = ()

    def ids(self, verdict: Verdict) -> tuple[int, ...]:
        """Return the ids of the tracks with a verdict, ascending."""
        return tuple(sorted(one for one, given in self.of.items() if given == verdict))


def parse_verdicts(text: str, shown: Collection[int]) -> Verdicts:
    """Return the verdicts of an answer.

    Read are lists for each verdict (``{"true": [1], "false": [2]}``), verdicts for each number
    (``{"1": true, "2": "unknown"}``, a list of ``{"id": 1, "verdict": "true"}``), and numbers
    written as ``"object 3"``. A number that stands in several lists, or in none, is unknown.

    Args:
        text: The answer.
        shown: The ids of the tracks that were shown.

    Raises:
        GroundingParseError: If no verdict can be read of it.

    Example:
        >>> parse_verdicts('{"true": [2], "false": [1]}', [1, 2, 3]).of
        {1: 'false', 2: 'true', 3: 'unknown'}
    """
    thought, answer = split_answer(text)
    given: list[tuple[int, Verdict]] = []
    for value in reversed(read_values(answer)):
        try:
            given = list(_verdicts_in(value))
        except _UnreadError:
            continue
        break
    else:
        raise GroundingParseError(
            "the model's answer puts no number into true, false or unknown: "
            f"{shorten_text(' '.join(text.split()), _SHOWN)!r}",
            raw_text=text,
        )
    return _settle(given, shown, thought)


class _UnreadError(Exception):
    """A value that holds no verdicts."""


def _verdicts_in(value: Any, depth: int = 0) -> Iterator[tuple[int, Verdict]]:
    """Yield (number, verdict) of a value.

    Raises:
        _UnreadError: If it has none, and does not say so with empty lists either.
    """
    if depth > _DEEPEST:
        raise _UnreadError
    if isinstance(value, list):
        entries = [one for one in value if isinstance(one, Mapping)]
        if not entries:
            raise _UnreadError
        for entry in entries:
            if _verdict_of(entry) is not None:
                yield _verdict_of_entry(entry)
            else:
                # A list for each verdict, each in a mapping of its own.
                yield from _verdicts_in(entry, depth + 1)
        return
    by_verdict = [(verdict, listed) for key, listed in value.items() if (verdict := _word(key))]
    pairs = [(number, verdict) for verdict, listed in by_verdict for number in _numbers_in(listed)]
    if not by_verdict:
        for key, said in value.items():
            numbers = list(_numbers_in(key))
            verdict_said = _verdict_of(said) if isinstance(said, Mapping) else _word(said)
            if len(numbers) == 1 and verdict_said is not None:
                pairs.append((numbers[0], verdict_said))
    if pairs:
        yield from pairs
        return
    inner = [
        one for key, one in value.items() if not _word(key) and isinstance(one, Mapping | list)
    ]
    if len(inner) == 1 and inner[0]:
        try:
            pairs = list(_verdicts_in(inner[0], depth + 1))
        except _UnreadError:
            pairs = []
    if not pairs and not by_verdict:
        raise _UnreadError
    yield from pairs


def _verdict_of_entry(entry: Mapping[str, Any]) -> tuple[int, Verdict]:
    keys = ("id", "number", "object", "object_id", "track")
    numbers = [n for key in keys if key in entry for n in _numbers_in(entry[key])]
    said = _verdict_of(entry)
    if len(numbers) != 1 or said is None:
        raise _UnreadError
    return numbers[0], said


def _verdict_of(entry: Mapping[str, Any]) -> Verdict | None:
    keys = ("verdict", "label", "answer", "decision", "status", "match")
    return next((_word(entry[key]) for key in keys if key in entry), None)


def _word(said: Any) -> Verdict | None:
    """Return the verdict that a word or a truth value stands for."""
    if not isinstance(said, str | bool):
        return None
    return _WORDS.get(str(said).strip(" \t\r\n.!\"'*").lower())


def _numbers_in(listed: Any, depth: int = 0) -> Iterator[int]:
    """Yield the numbers of a list, a number, or a text such as ``object 3``."""
    if isinstance(listed, bool) or listed is None or depth > _DEEPEST:
        return
    if isinstance(listed, int):
        yield listed
    elif isinstance(listed, float) and listed.is_integer():
        yield int(listed)
    elif isinstance(listed, str):
        numbers = list(map(int, _NUMBER.findall(listed)))
        is_listing = _BETWEEN_NUMBERS.fullmatch(_NUMBER.sub("", listed)) is not None
        yield from numbers if is_listing else numbers[:1]
    elif isinstance(listed, Sequence | Mapping):
        # A mapping: {"true": {"1": "the reason", "3": "another"}}
        for one in listed:
            yield from _numbers_in(one, depth + 1)


def _settle(
    given: Iterable[tuple[int, Verdict]], shown: Collection[int], thought: str
) -> Verdicts:
    said: dict[int, set[Verdict]] = {}
    for number, verdict in given:
        said.setdefault(number, set()).add(verdict)
    warnings = []
    strange = sorted(set(said) - set(shown))
    several = sorted(number for number in said if len(said[number]) > 1 and number in shown)
    missing = sorted(set(shown) - set(said))
    if strange:
        warnings.append(f"the model named {_listed(strange)}, which it was not shown")
    if several:
        warnings.append(
            f"the model put {_listed(several)} into several lists, which counts as unknown"
        )
    if missing:
        warnings.append(f"the model said nothing of {_listed(missing)}, which counts as unknown")
    verdicts: dict[int, Verdict] = {}
    for number in sorted(shown):
        one = said.get(number, set())
        verdicts[number] = next(iter(one)) if len(one) == 1 else "unknown"
    return Verdicts(verdicts, thought, tuple(warnings))


def _listed(numbers: Sequence[int]) -> str:
    noun = "number" if len(numbers) == 1 else "numbers"
    shown = ", ".join(map(str, numbers[:8]))
    return f"{noun} {shown}{' and more' if len(numbers) > 8 else ''}"
