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
_NUMBER = re.compile(r"\d{1,6}")
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


def _verdicts_in(value: Any) -> Iterator[tuple[int, Verdict]]:
    """Yield (number, verdict) of a value.

    Raises:
        _UnreadError: If it has none, and does not say so with empty lists either.
    """
    if isinstance(value, list):
        pairs = [_verdict_of_entry(one) for one in value if isinstance(one, Mapping)]
        if not pairs:
            raise _UnreadError
        yield from pairs
        return
    by_verdict = {
        verdict: numbers
        for key, numbers in value.items()
        if (verdict := _WORDS.get(_plain(key))) is not None
    }
    if by_verdict:
        for key, listed in value.items():
            if (verdict := _WORDS.get(_plain(key))) is not None:
                for number in _numbers_in(listed):
                    yield number, verdict
        return
    pairs = []
    for key, said in value.items():
        numbers = list(_numbers_in(key))
        verdict_said = _WORDS.get(_plain(said))
        if len(numbers) == 1 and verdict_said is not None:
            pairs.append((numbers[0], verdict_said))
    if pairs:
        yield from pairs
        return
    inner = [one for one in value.values() if isinstance(one, Mapping | list)]
    if len(inner) != 1 or (isinstance(inner[0], list) and not inner[0]):
        raise _UnreadError
    yield from _verdicts_in(inner[0])


def _verdict_of_entry(entry: Mapping[str, Any]) -> tuple[int, Verdict]:
    numbers = [
        number
        for key in ("id", "number", "object", "object_id", "track")
        if key in entry
        for number in _numbers_in(entry[key])
    ]
    said = next(
        (
            _WORDS.get(_plain(entry[key]))
            for key in ("verdict", "label", "answer", "decision", "status", "match")
            if key in entry
        ),
        None,
    )
    if len(numbers) != 1 or said is None:
        raise _UnreadError
    return numbers[0], said


def _plain(word: Any) -> str:
    return str(word).strip().lower()


def _numbers_in(listed: Any) -> Iterator[int]:
    """Yield the numbers of a list, a number, or a text such as ``object 3``."""
    if isinstance(listed, bool) or listed is None:
        return
    if isinstance(listed, int):
        yield listed
    elif isinstance(listed, float) and listed.is_integer():
        yield int(listed)
    elif isinstance(listed, str):
        yield from map(int, _NUMBER.findall(listed))
    elif isinstance(listed, Sequence):
        for one in listed:
            yield from _numbers_in(one)
    elif isinstance(listed, Mapping):
        # {"true": {"1": "the reason", "3": "another"}}
        for key in listed:
            yield from _numbers_in(key)


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
