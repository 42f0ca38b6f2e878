"""Nouns that a detector may know: which words of a query to ask it about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from videoseg_attributes.grounding.language.lexicon import lexicon
from videoseg_attributes.grounding.language.tokens import is_sign, split_words

__all__ = ["KnownNouns", "is_wide", "list_names", "singular_of"]

_MOST_WORDS = 3  # of a noun: "double decker bus"
_ANY_WORD = "xqzv"  # no word: what is known with it is known with any word before it
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse",
    "geese": "goose", "calves": "calf", "knives": "knife", "buses": "bus", "oxen": "ox",
}  # fmt: skip
_SIBILANTS = ("s", "x", "z", "ch", "sh")


_WIDE = frozenset(
    {
        *("animal", "creature", "beast", "mammal", "pet", "living being", "vehicle", "cycle"),
        *("motor vehicle", "road vehicle", "transport", "food", "snack", "fruit", "vegetable"),
        *("furniture", "seat", "tool", "toy", "device", "machine", "appliance", "plant", "bag"),
        *("luggage", "baggage", "board", "glass", "screen", "display", "computer", "cutlery"),
    }
)
"""Words for more kinds of things than any detector has classes for."""


@dataclass(frozen=True, slots=True)
class KnownNouns:
    """What a detector can say about the nouns of a query.

    Args:
        known: The nouns that it knows, as the query writes them, in lower case.
        seen: Those of which it found something; a relation to something else that was not seen
            cannot be judged.
        why_unknown: Why other nouns are not judged.
    """

    known: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    why_unknown: str = "nouns are not recognized without a model"

    @property
    def compounds(self) -> frozenset[str]:
        """Those of several words."""
        return frozenset(noun for noun in self.known if " " in noun)


def singular_of(noun: str) -> str:
    """Return the singular of a noun as far as simple rules tell it; nouns are compared by it.

    Example:
        >>> singular_of("both dogs"), singular_of("women"), singular_of("bus")
        ('both dog', 'woman', 'bus')
    """
    before, space, last = noun.casefold().rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith("men"):
        last = f"{last[:-3]}man"
    elif last.endswith("ies") and len(last) > 4:
        last = f"{last[:-3]}y"
    elif last.endswith("es") and last[:-2].endswith(_SIBILANTS):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 3:
        last = last[:-1]
    return f"{before}{space}{last}"


def is_wide(noun: str) -> bool:
    """Return whether a noun names so many kinds that none being found proves nothing."""
    return singular_of(noun) in _WIDE


def list_names(
    text: str,
    find_unknown: Callable[[Sequence[str]], Sequence[str]],
    vocabulary: Sequence[str] | None,
) -> tuple[str, ...]:
    """Return the nouns of a query that a detector knows, in lower case, each once.

    Of several words that are one noun ("teddy bear"), all are taken together. A word before a
    noun that the detector knows with any word before it ("barefoot woman") is no part of it. In
    an open vocabulary any row of unknown words is taken for one noun.

    Args:
        text: The query.
        find_unknown: Returns those of several names that the detector does not know.
        vocabulary: Its classes; None if any noun is known.
    """
    words, _ = split_words(text)
    if vocabulary is None:
        return tuple(dict.fromkeys(_rows_of_unknown(words)))
    classes = {name.casefold() for name in vocabulary}
    spans = [
        (start, stop)
        for length in range(_MOST_WORDS, 0, -1)
        for start in range(len(words) - length + 1)
        if _may_be_name(words[start : (stop := start + length)], classes)
    ]
    phrases = [" ".join(words[start:stop]) for start, stop in spans]
    general = [f"{_ANY_WORD} {phrase.split()[-1]}" for phrase in phrases if " " in phrase]
    unknown = set(find_unknown(list(dict.fromkeys([*phrases, *general])))) if phrases else set()
    taken = [False] * len(words)
    found: dict[int, str] = {}
    for (start, stop), phrase in zip(spans, phrases, strict=True):
        is_general = stop - start > 1 and f"{_ANY_WORD} {words[stop - 1]}" not in unknown
        if phrase in unknown or is_general or any(taken[start:stop]):
            continue
        taken[start:stop] = [True] * (stop - start)
        found[start] = phrase
    return tuple(dict.fromkeys(found[start] for start in sorted(found)))


def _may_be_name(words: Sequence[str], classes: set[str]) -> bool:
    if any(is_sign(word) for word in words):
        return False
    phrase = " ".join(words)
    if len(words) > 1 and (phrase in classes or singular_of(phrase) in classes):
        return True  # "traffic light", though "light" is understood by itself
    return all(word not in lexicon() for word in words)


def _rows_of_unknown(words: Sequence[str]) -> Iterator[str]:
    row: list[str] = []
    for word in [*words, "."]:
        # What ends in -ing is a verb as a rule ("a man holding a bike").
        if is_sign(word) or word in lexicon() or word.endswith(("ing", "ly")):
            if row:
                yield " ".join(row)
            row = []
        else:
            row = [*row, word][-_MOST_WORDS:]
