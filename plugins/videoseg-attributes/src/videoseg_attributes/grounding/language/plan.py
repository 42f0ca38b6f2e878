"""The plan of a query: descriptions, constraints and rankings that can be scored one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from videoseg.text import shorten_text
from videoseg_attributes.vision.color import Shade

__all__ = [
    "ColorIs",
    "ColorWord",
    "Constraint",
    "Dimension",
    "Direction",
    "Event",
    "EventIs",
    "IgnoredWords",
    "Manner",
    "MotionIs",
    "NameIs",
    "NounPhrase",
    "Number",
    "Phases",
    "Place",
    "PositionIs",
    "QueryPlan",
    "RankKey",
    "Ranking",
    "RelationIs",
    "RelationKind",
    "SizeIs",
    "VideoPart",
    "When",
]

_RELATIONS_OF_MOTION = frozenset(
    {"approaches", "recedes from", "follows", "faster than", "slower than"}
)
_OPPOSITES = (("left", "right"), ("up", "down"), ("top", "bottom"), ("towards", "away"),
              ("front", "back"))  # fmt: skip
_LONGEST_QUOTE = 200  # characters of a query that stand for its words

VideoPart: TypeAlias = Literal["start", "middle", "end"]
Dimension: TypeAlias = Literal["area", "width", "height"]
Direction: TypeAlias = Literal["left", "right", "up", "down", "towards", "away", "across"]
Manner: TypeAlias = Literal[
    "moving", "still", "fast", "slow", "in place", "turning back", "growing", "shrinking"
]
Event: TypeAlias = Literal["appears", "leaves", "returns", "starts", "stops", "present", "hidden"]
Place: TypeAlias = Literal[
    "left", "right", "top", "bottom", "center", "corner", "edge", "front", "back"
]
RelationKind: TypeAlias = Literal[
    "left of", "right of", "above", "below", "near", "far from", "behind", "in front of",
    "between", "larger than", "smaller than", "taller than", "shorter than", "wider than",
    "faster than",
    "slower than", "further left than", "further right than", "higher than", "lower than",
    "nearer than", "approaches", "recedes from", "follows", "meets", "inside", "hides",
    "hidden by", "on", "with",
]  # fmt: skip
RankKey: TypeAlias = Literal[
    "area", "width", "height", "speed", "left", "right", "top", "bottom", "center", "edge",
    "front", "appears", "leaves", "returns", "starts", "stops", "distance", "duration",
    "lightness", "travel", "growing", "activity",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class IgnoredWords:
    """Words that are not understood, and why."""

    words: str
    why: str


@dataclass(frozen=True, slots=True)
class When:
    """When a constraint is meant to hold.

    Args:
        words: The words that say so.
        part: A part of the video; or
        order: the order relative to an event of another object.
        reference: The other object.
        event: Its event; None for its appearance, or the same event as the constraint's.
    """

    words: str
    part: VideoPart | None = None
    order: Literal["after", "before", "while"] | None = None
    reference: NounPhrase | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class ColorWord:
    """One color name, light, dark or either."""

    name: str
    shade: Shade | None = None

    def __str__(self) -> str:
        return f"{self.shade} {self.name}" if self.shade else self.name


@dataclass(frozen=True, slots=True)
class ColorIs:
    """It has these colors, all (or any) of them; ``part`` where only a part of it has to."""

    words: str
    colors: tuple[ColorWord, ...]
    part: bool = False
    any_of: bool = False
    negated: bool = False
    when: When | None = None


@dataclass(frozen=True, slots=True)
class NameIs:
    """It was found as a thing of this name, by a detector."""

    words: str
    negated: bool = False
    when: When | None = None


@dataclass(frozen=True, slots=True)
class SizeIs:
    """It is large (or small) compared with the others."""

    words: str
    dimension: Dimension
    large: bool
    negated: bool = False
    when: When | None = None


@dataclass(frozen=True, slots=True)
class PositionIs:
    """It is in all of these parts of the frame ("top left")."""

    words: str
    places: tuple[Place, ...]
    negated: bool = False
    when: When | None = None


@dataclass(frozen=True, slots=True)
class MotionIs:
    """It moves like this, in this direction if one is named."""

    words: str
    manner: Manner
    direction: Direction | None = None
    negated: bool = False
    when: When | None = None


@dataclass(frozen=True, slots=True)
class EventIs:
    """This happens to it."""

    words: str
    event: Event
    side: Place | None = None
    negated: bool = False
    when: When | None = None


@dataclass(frozen=True, slots=True)
class RelationIs:
    """It is in this relation to other objects."""

    words: str
    relation: RelationKind
    references: tuple[NounPhrase, ...]
    negated: bool = False
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Phases:
    """It does these, one after the other."""

    words: str
    steps: tuple[MotionIs | PositionIs, ...]
    negated: bool = False
    when: When | None = None


Constraint: TypeAlias = (
    NameIs | ColorIs | SizeIs | PositionIs | MotionIs | EventIs | RelationIs | Phases
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """It comes first (second, ...) among those that satisfy the rest.

    Args:
        words: The words that say so.
        key: What they are sorted by.
        descending: Whether the most comes first; for events, whether the last does.
        rank: 1 for the first.
        negated: Whether the one that comes first is meant to be left out.
        reference: What the distance is measured to, for the key ``distance``.
        when: When it is measured.
    """

    words: str
    key: RankKey
    descending: bool = True
    rank: int = 1
    negated: bool = False
    reference: NounPhrase | None = None
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """How many are wanted: exactly ``count``, or all that fit if it is None."""

    count: int | None = 1


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A description of one or more objects.

    Args:
        words: The words.
        head: The noun; recognized only if there is a ``NameIs`` for it, else kept for labels.
        constraints: What they satisfy.
        rankings: Superlatives and ordinals, applied in order to what satisfies the rest.
        number: How many are wanted.
        within: The larger group they are picked from ("of the ones that ...").
        excluded: What they are not ("except the red one").
        alternatives: Further descriptions joined by "and" at the top ("the red ball and the
            blue one"): the answer is the union.
        rest: Whether "the others" are meant.
    """

    words: str
    head: str | None = None
    constraints: tuple[Constraint, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    number: Number = Number()
    within: NounPhrase | None = None
    excluded: tuple[NounPhrase, ...] = ()
    alternatives: tuple[NounPhrase, ...] = ()
    rest: bool = False

    @property
    def name(self) -> str | None:
        """The noun, if a detector judges it."""
        return next((item.words for item in self.constraints if isinstance(item, NameIs)), None)

    @property
    def is_named(self) -> bool:
        """Whether a noun that a detector judges says what kind of thing is meant."""
        return self.name is not None or (self.within is not None and self.within.is_named)

    @property
    def understood(self) -> bool:
        """Whether any part of it can be scored."""
        return bool(
            self.constraints
            or self.rankings
            or self.excluded
            or self.rest
            or (self.within is not None and self.within.understood)
            or any(other.understood for other in self.alternatives)
        )


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A parsed query.

    Args:
        text: The query.
        target: What it asks for.
        ignored: The words that are not understood, each with the reason.
        truncated: Whether the query was longer than what is read of it.
        objection: Why the query does not say which object is meant, as the rest of "the query
            ..."; empty if it does.
        asks_for_main: Whether it asks for the main object, whatever that is.
    """

    text: str
    target: NounPhrase
    ignored: tuple[IgnoredWords, ...] = ()
    truncated: bool = False
    objection: str = ""
    asks_for_main: bool = False

    @property
    def meant(self) -> NounPhrase:
        """The target without what is joined to it but not understood.

        Of "the tower and the dog" it is the dog, if towers are not known.
        """
        joined = (replace(self.target, alternatives=()), *self.target.alternatives)
        understood = [phrase for phrase in joined if phrase.understood]
        if not understood or len(understood) == len(joined):
            return self.target
        return replace(understood[0], alternatives=tuple(understood[1:]))

    @property
    def judged_wholly(self) -> bool:
        """Whether it is a description of which every word can be judged."""
        says_which = self.target.understood or self.asks_for_main
        return says_which and not (self.ignored or self.truncated or self.objection)

    @property
    def can_be_contradicted(self) -> bool:
        """Whether it can be known that nothing fits, however the words not judged are meant."""
        has_choice = bool(self.ignored) and "or" in self.text.casefold().split()
        # Of "the dog and the tower" the tower may be there.
        has_more = self.meant is not self.target
        is_open = self.objection or has_choice or has_more or self.contradicts_itself
        return self.target.understood and not is_open

    @property
    def contradicts_itself(self) -> bool:
        """Whether two parts of it, as they were read, can hardly be true of one object.

        Then it may have been misread, and that nothing fits shows nothing.
        """
        return _contradicts_itself(self.target)

    @property
    def unjudged_words(self) -> tuple[str, ...]:
        """The words that cannot be judged; the whole query if it describes no object."""
        if self.ignored or self.judged_wholly:
            return tuple(item.words for item in self.ignored)
        return (shorten_text(" ".join(self.text.split()), _LONGEST_QUOTE),)

    @property
    def used_words(self) -> tuple[str, ...]:
        """The words the plan uses, in the order they are scored."""
        return _words_of(self.target)

    @property
    def names(self) -> tuple[str, ...]:
        """The nouns that a detector judges, here and in the descriptions within, each once."""
        return tuple(dict.fromkeys(_names_in(self.target)))

    @property
    def constraints(self) -> tuple[Constraint | Ranking, ...]:
        """All constraints and rankings, with those of the descriptions within."""
        return tuple(_items_in(self.target))

    @property
    def needs_whole_video(self) -> bool:
        """Whether a part of the video that was not seen could change which objects are meant.

        It could where objects are compared, counted or told apart by when something happens.
        """
        return self.speaks_of_time or _compares(self.target)

    @property
    def asks_for_what_moves(self) -> bool:
        """Whether it asks for one thing, and says no more of it than that it moves or is main.

        Then it means all that moves together, not a part that a color or a place picks out.
        """
        target = self.target
        is_plain = not (target.within or target.excluded or target.alternatives or target.rest)
        moves = all(
            isinstance(item, MotionIs) and item == MotionIs(item.words, manner="moving")
            for item in target.constraints
        )
        moves_most = all(
            item.key == "activity" and item.rank == 1 and item.when is None and not item.negated
            for item in target.rankings
        )
        return is_plain and moves and moves_most and target.number.count == 1

    @property
    def speaks_of_motion(self) -> bool:
        """Whether the query depends on how something moves, which takes several frames."""
        return any(map(_is_of_motion, self.constraints))

    @property
    def speaks_of_time(self) -> bool:
        """Whether the query depends on when something happens."""
        return _speaks_of_time(self.target)


def _contradicts_itself(phrase: NounPhrase) -> bool:
    """Whether any two constraints of a description exclude each other."""
    pairs = itertools.combinations(phrase.constraints, 2)
    return any(_exclude_each_other(one, other) for one, other in pairs) or any(
        map(_contradicts_itself, _nested_in(phrase))
    )


def _exclude_each_other(one: Constraint, other: Constraint) -> bool:
    if one.when != other.when or type(one) is not type(other):
        return False
    if replace(one, words="", negated=False) == replace(other, words="", negated=False):
        return one.negated != other.negated
    if one.negated or other.negated:
        return False
    if isinstance(one, SizeIs) and isinstance(other, SizeIs):
        return one.dimension == other.dimension and one.large != other.large
    if isinstance(one, PositionIs) and isinstance(other, PositionIs):
        return any(_are_opposite(a, b) for a in one.places for b in other.places)
    if isinstance(one, MotionIs) and isinstance(other, MotionIs):
        stands = (one.manner == "still") != (other.manner == "still")
        manners = {one.manner, other.manner}
        return (
            stands
            or manners in ({"fast", "slow"}, {"growing", "shrinking"})
            or _are_opposite(one.direction, other.direction)
        )
    return False


def _are_opposite(one: str | None, other: str | None) -> bool:
    return (one, other) in _OPPOSITES or (other, one) in _OPPOSITES


def _nested_in(phrase: NounPhrase) -> Iterator[NounPhrase]:
    """Yield the descriptions that a description is made of, not those within them."""
    for item in (*phrase.constraints, *phrase.rankings):
        if isinstance(item, RelationIs):
            yield from item.references
        elif isinstance(item, Ranking) and item.reference is not None:
            yield item.reference
        if item.when is not None and item.when.reference is not None:
            yield item.when.reference
    for nested in (phrase.within, *phrase.excluded, *phrase.alternatives):
        if nested is not None:
            yield nested


def _names_in(phrase: NounPhrase) -> Iterator[str]:
    if phrase.name is not None:
        yield phrase.name
    for nested in _nested_in(phrase):
        yield from _names_in(nested)


def _items_in(phrase: NounPhrase) -> Iterator[Constraint | Ranking]:
    yield from (*phrase.constraints, *phrase.rankings)
    for nested in _nested_in(phrase):
        yield from _items_in(nested)


def _is_of_motion(item: Constraint | Ranking) -> bool:
    if isinstance(item, RelationIs):
        return item.relation in _RELATIONS_OF_MOTION
    if isinstance(item, Ranking):
        return item.key in ("speed", "activity", "travel", "growing", "starts", "stops")
    return isinstance(item, (MotionIs, Phases, EventIs))


def _compares(phrase: NounPhrase) -> bool:
    counts = phrase.number.count != 1
    return counts or bool(phrase.rankings) or any(map(_compares, _nested_in(phrase)))


def _words_of(phrase: NounPhrase) -> tuple[str, ...]:
    words: list[str] = []
    for item in (*phrase.constraints, *phrase.rankings):
        words.append(item.words)
        if isinstance(item, RelationIs):
            # "a dog" of "holding a dog" says "dog" already.
            said = item.words.split()
            told = [word for other in item.references for word in _words_of(other)]
            words += [word for word in told if word not in said]
        elif isinstance(item, Ranking) and item.reference is not None:
            words += _words_of(item.reference)
        if item.when is not None and item.when.words != item.words:
            words.append(item.when.words)
    for nested in (phrase.within, *phrase.excluded, *phrase.alternatives):
        if nested is not None:
            words += _words_of(nested)
    return tuple(words)


def _speaks_of_time(phrase: NounPhrase) -> bool:
    for item in (*phrase.constraints, *phrase.rankings):
        if item.when is not None or isinstance(item, (EventIs, Phases)):
            return True
        if isinstance(item, Ranking):
            if item.key in ("appears", "leaves", "returns", "starts", "stops", "duration"):
                return True
            if item.reference is not None and _speaks_of_time(item.reference):
                return True
        if isinstance(item, RelationIs) and any(map(_speaks_of_time, item.references)):
            return True
    nested = (phrase.within, *phrase.excluded, *phrase.alternatives)
    return any(other is not None and _speaks_of_time(other) for other in nested)
