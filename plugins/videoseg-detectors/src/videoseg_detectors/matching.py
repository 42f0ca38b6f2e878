"""Which classes of a closed vocabulary a noun stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from videoseg.errors import UnknownNameError
from videoseg.text import shorten_text
from videoseg_detectors.coco import COCO_CLASSES
from videoseg_detectors.words import (
    GROUPS,
    KINDS_OF,
    LIKENESSES,
    NOT_PERSONS,
    PERSON_HEADS,
    PLAYED,
    SYNONYMS,
)

__all__ = ["NameMatch", "NameMatcher", "Relation"]

Relation: TypeAlias = Literal["same", "narrower", "wider"]

_ARTICLES = frozenset({"a", "an", "the", "some", "any", "all", "both", "each", "every"})
_IRREGULAR = {
    "feet": "foot", "geese": "goose", "lice": "louse", "mice": "mouse", "oxen": "ox",
    "people": "person", "persons": "person", "teeth": "tooth", "children": "child",
    "calves": "calf", "knives": "knife", "wolves": "wolf", "thieves": "thief",
    "wives": "wife", "scarves": "scarf", "leaves": "leaf", "loaves": "loaf", "buses": "bus",
    "busses": "bus",
}  # fmt: skip
# Whole names that end in s and are another thing in singular; wine glasses are glasses.
_NO_SINGULAR = frozenset({"glasses"})
# What takes -es for a plural; after other letters the e is part of the word (vanes, cares).
_BEFORE_ES = ("s", "x", "z", "ch", "sh", "o")


@dataclass(frozen=True, slots=True)
class NameMatch:
    """What a name stands for in a vocabulary.

    Args:
        name: The name, as it was given.
        classes: The classes of the vocabulary that it may be found as, in the vocabulary's order.
        relation: ``same`` if the name is a class or another word for one, ``narrower`` if it
            is a kind of one (a swan is a bird, but not every bird that is found is a swan),
            ``wider`` if it takes in several, or things that no class has (animals).
    """

    name: str
    classes: tuple[str, ...]
    relation: Relation


class NameMatcher:
    """Matches nouns to the classes of a detector.

    Words are those of ``videoseg_detectors.words``; for a vocabulary other than COCO's they serve
    as far as its classes are words in it. A word of the vocabulary itself comes first. Nothing is
    matched by its spelling, apart from plurals.

    Args:
        vocabulary: The classes.

    Example:
        >>> matcher = NameMatcher(COCO_CLASSES)
        >>> matcher.match("bikes").classes
        ('bicycle', 'motorcycle')
        >>> matcher.match("swan").relation
        'narrower'
        >>> matcher.match("camel") is None
        True
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._own: dict[str, list[str]] = {}
        self._same: dict[str, list[str]] = {}  # COCO's class: the classes here that are the same
        self._kinds: dict[str, list[str]] = {}  # COCO's class: the classes here that are kinds
        for name in self.vocabulary:
            for form in _forms(_plain(name)):
                self._own.setdefault(form, []).append(name)
            meaning = _meaning(_plain(name))
            if meaning is not None and meaning.relation != "wider":
                table = self._same if meaning.relation == "same" else self._kinds
                table.setdefault(meaning.classes[0], []).append(name)

    def match(self, name: str) -> NameMatch | None:
        """Return what a name stands for; None if it is not known.

        Args:
            name: A noun or a compound, in singular or plural; an article before it is ignored.
        """
        for form in _forms(_plain(name)):
            found = self._match(form)
            if found is not None:
                classes, relation = found
                chosen = set(classes)
                ordered = tuple(one for one in self.vocabulary if one in chosen)
                return NameMatch(name, ordered, relation)
        return None

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the names that are not known, in their order."""
        return tuple(name for name in names if self.match(name) is None)

    def require(self, names: Iterable[str]) -> dict[str, NameMatch]:
        """Return the match of each name.

        Raises:
            UnknownNameError: If one of them is not known; the error has all of these.
        """
        matches = {name: self.match(name) for name in names}
        unknown = [name for name, match in matches.items() if match is None]
        if unknown:
            shown = ", ".join(repr(shorten_text(name, 40)) for name in unknown[:5])
            raise UnknownNameError(
                f"the detector does not know {shown}; it finds {len(self.vocabulary)} classes "
                f"({', '.join(self.vocabulary[:6])}, ...); ask for one of them, or use a detector "
                "with an open vocabulary such as zero-shot",
                names=unknown,
            )
        return {name: match for name, match in matches.items() if match is not None}

    def _match(self, word: str) -> tuple[list[str], Relation] | None:
        own = self._own.get(word, [])
        meaning = _meaning(word)
        if meaning is None:
            return (own, "same") if own else None
        if meaning.relation == "narrower":
            # The class itself beats the wider one; both would find it twice.
            wider = self._same.get(meaning.classes[0], [])
            if own:
                return own, "same"
            return (wider, "narrower") if wider else None
        found = list(own)
        for one in meaning.classes:
            found += [*self._same.get(one, ()), *self._kinds.get(one, ())]
        if not found:
            return None
        is_synonym = meaning.relation == "same" and meaning.classes[0] in self._same
        return found, "same" if own or is_synonym else "wider"


def _plain(name: str) -> str:
    """Return a name in lower case, with single spaces and without an article."""
    words = re.sub(r"[\s_-]+", " ", name.lower().replace("\u2019", "'")).strip(" .,").split()
    while len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return " ".join(words)


def _forms(name: str) -> Iterator[str]:
    """Yield a name as it is, then what may be its singular."""
    yield name
    if name in _NO_SINGULAR:
        return
    before, space, last = name.rpartition(" ")
    for singular in _singulars(last):
        yield f"{before}{space}{singular}"


def _singulars(word: str) -> Iterator[str]:
    if word in _IRREGULAR:
        yield _IRREGULAR[word]
        return
    if word.endswith("men"):
        yield f"{word[:-3]}man"
    if not word.endswith("s") or word.endswith("ss"):
        return
    yield word[:-1]
    if word.endswith("ies"):
        yield f"{word[:-3]}y"
    if word.endswith("es") and word[:-2].endswith(_BEFORE_ES):
        yield word[:-2]


@dataclass(frozen=True, slots=True)
class _Meaning:
    classes: tuple[str, ...]  # of COCO
    relation: Relation


@lru_cache(maxsize=1)
def _lexicon() -> Mapping[str, _Meaning]:
    table = {word: _Meaning(classes, "wider") for word, classes in GROUPS.items()}
    for relation, words_of in (("narrower", KINDS_OF), ("same", SYNONYMS)):
        for name, words in words_of.items():
            for word in words:
                table[word] = _Meaning((name,), "narrower" if relation == "narrower" else "same")
    return {**table, **{name: _Meaning((name,), "same") for name in COCO_CLASSES}}


def _meaning(word: str) -> _Meaning | None:
    """Return the classes of COCO that a word in singular stands for."""
    known = _lexicon().get(word)
    if known is not None:
        return known
    before, _, head = word.rpartition(" ")
    if not before or _is_no_person(before, head):
        return None
    if head in PERSON_HEADS or (head == "player" and before in PLAYED):
        return _Meaning(("person",), "narrower")
    return None


def _is_no_person(before: str, head: str) -> bool:
    words = before.split()
    return f"{words[-1]} {head}" in NOT_PERSONS or not LIKENESSES.isdisjoint(words)
