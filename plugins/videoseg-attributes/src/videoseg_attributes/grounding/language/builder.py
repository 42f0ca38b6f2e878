"""Builds one description from what the parser reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from videoseg_attributes.grounding.language.plan import (
    ColorIs,
    Constraint,
    Direction,
    Event,
    EventIs,
    MotionIs,
    NameIs,
    NounPhrase,
    Number,
    Phases,
    Place,
    PositionIs,
    Ranking,
    RankKey,
    RelationIs,
    RelationKind,
    VideoPart,
    When,
)
from videoseg_attributes.vision.color import Shade

__all__ = ["PhraseBuilder"]

_Judgeable: TypeAlias = Constraint | Ranking

_OPPOSITE_EVENT = {"present": "hidden", "hidden": "present"}
_PLURALS = frozenset(
    {"people", "men", "women", "children", "kids", "animals", "persons", "mice", "geese"}
)


class PhraseBuilder:
    """Collects the parts of one description while it is read."""

    def __init__(self) -> None:
        self.started = False
        self.in_clause = False
        self.expects_predicate = False
        self.noun_closed = False
        self.number: Number | None = None
        self.within: NounPhrase | None = None
        self.shade: Shade | None = None
        self._head: str | None = None
        self._name: NameIs | None = None
        self._generic = False
        self._plural = False
        self._rest = False
        self._items: list[_Judgeable] = []
        self._phases: list[int] = []
        self._phase = 0
        self._motion_after_noun = False
        self._negated = False
        self._last_negated = False
        self._ordinal: tuple[str, int] | None = None
        self._when: When | None = None
        self._excluded: list[NounPhrase] = []
        self._joined: list[NounPhrase] = []

    # -- what has been read ------------------------------------------------------------------

    @property
    def has_head(self) -> bool:
        """Whether the noun, or something that stands for it, has been read."""
        return self._head is not None or self._generic or self._rest

    @property
    def has_noun(self) -> bool:
        """Whether the noun names a kind of object ("dog")."""
        return self._head is not None and not self._generic

    @property
    def name(self) -> str | None:
        """The noun, if a detector judges it."""
        return self._name.words if self._name is not None else None

    @property
    def stands_for_anything(self) -> bool:
        """Whether the noun stands for any object ("object", "one")."""
        return self._generic

    @property
    def has_ordinal(self) -> bool:
        """Whether "second" or the like waits for what it counts."""
        return self._ordinal is not None

    @property
    def complete(self) -> bool:
        """Whether what has been read could stand alone."""
        return self.has_head or bool(self._items) or bool(self._excluded)

    @property
    def takes_direction(self) -> bool:
        """Whether a word such as "left" says where it goes, not where it is."""
        last = self._items[-1] if self._items else None
        if isinstance(last, EventIs):
            return self.in_clause and last.event in ("starts", "stops", "leaves")
        moves = isinstance(last, MotionIs) and last.manner not in ("still",)
        return moves and (self.in_clause or self.has_head)

    def past_tense_possible(self, following: str | None) -> bool:
        """Whether "left" here is the past of "leave": "the one that left"."""
        return (
            self.in_clause
            and not self.expects_predicate
            and following not in ("generic", "relation")
            and not self.takes_direction
        )

    # -- nouns and structure -----------------------------------------------------------------

    def set_head(self, *, plural: bool) -> None:
        """Note a noun that stands for anything ("object", "ones")."""
        self.started = True
        self._generic = True
        self._plural = self._plural or plural

    def expect_plural(self) -> None:
        """Note that several are meant ("those")."""
        self._plural = True

    def set_noun(self, word: str) -> None:
        """Set the noun; of several words the last one counts."""
        self.started = True
        self._head = word
        looks_plural = word.endswith("s") and not word.endswith(("ss", "us", "is"))
        self._plural = word in _PLURALS or (looks_plural and len(word) > 3)

    def set_name(self, word: str) -> None:
        """Set the noun to one that a detector judges; the last one counts ("horse rider")."""
        had_head = self.has_head
        plural = self._plural
        self.set_noun(word)
        # "which of the ones is a dog": one that is said of several.
        self._plural = plural if had_head and self.in_clause else self._plural
        self._name = NameIs(word)
        self._generic = False

    def set_rest(self, words: str) -> None:
        """Note "the others"."""
        self.started = True
        self._rest = True
        self._plural = not words.endswith(("one", "object", "shape"))

    def open_clause(self) -> None:
        """Begin a relative clause ("that", "which")."""
        if not self.has_head and not self._items:
            self._generic = True
        self.started = True
        self.in_clause = True
        self.noun_closed = True
        self.expects_predicate = False
        self._negated = False

    def open_predicate(self) -> None:
        """Begin a predicate, after a form of "be"."""
        self.started = True
        self.in_clause = True
        self.noun_closed = self.noun_closed or self.has_head
        self.expects_predicate = True

    def close_clause(self) -> None:
        """End a clause, at a comma."""
        self._negated = False
        self.expects_predicate = True

    def negate(self) -> None:
        """Negate the next constraint."""
        self.started = True
        self._negated = True

    def forget_negation(self) -> None:
        """Drop a negation whose constraint is not understood."""
        self._negated = False

    def repeat_negation(self) -> None:
        """Repeat the last negation, after "or" and "nor"."""
        self._negated = self._last_negated

    def exclude(self, phrases: tuple[NounPhrase, ...]) -> None:
        """Exclude other descriptions ("except the red one")."""
        self.started = True
        self._excluded += phrases

    def join(self, other: NounPhrase) -> None:
        """Add a further description: the answer is the union."""
        self._joined += [replace(other, alternatives=()), *other.alternatives]

    def take_shade(self) -> Shade | None:
        """Return "light" or "dark" if it stood before, once."""
        shade, self.shade = self.shade, None
        return shade

    # -- constraints -------------------------------------------------------------------------

    def add(self, constraint: Constraint) -> None:
        """Add a constraint, negated if a negation stands before it."""
        self.started = True
        self.expects_predicate = False
        if self.has_head:
            self.noun_closed = True
        if self._negated:
            constraint = replace(constraint, negated=not constraint.negated)
        self._last_negated = self._negated
        self._negated = False
        self._append(constraint)

    def add_place(self, place: PositionIs) -> None:
        """Add a place; "starts on the left" and "ends on the right" say when."""
        last = self._items[-1] if self._items else None
        if isinstance(last, EventIs) and last.event in ("starts", "stops") and last.when is None:
            self._items.pop()
            self._phases.pop()
            part: VideoPart = "start" if last.event == "starts" else "end"
            place = replace(place, when=When(last.words, part=part))
        self.add(place)

    def add_motion(self, motion: MotionIs, *, is_verb: bool) -> None:
        """Add a motion; a waiting ordinal counts who starts first ("moves first")."""
        last = self._items[-1] if self._items else None
        manner_only = motion.manner in ("fast", "slow") and motion.direction is None
        if manner_only and isinstance(last, MotionIs) and last.manner == "moving":
            self._items[-1] = replace(
                last, manner=motion.manner, words=f"{last.words} {motion.words}"
            )
            return
        if motion.manner == "in place" and not is_verb and isinstance(last, MotionIs):
            words = f"{last.words} {motion.words}"
            self._items[-1] = replace(last, manner="in place", words=words)
            return
        self._motion_after_noun = self._motion_after_noun or self.has_head
        self.add(motion)

    def add_direction(self, words: str, direction: Direction) -> None:
        """Add a direction to the motion before it, or a motion of its own."""
        last = self._items[-1] if self._items else None
        if isinstance(last, EventIs):
            if last.event in ("starts", "stops"):
                self._append(MotionIs(f"{last.words} {words}", "moving", direction))
                return
            side: dict[str, Place] = {
                "left": "left", "right": "right", "up": "top", "down": "bottom"
            }  # fmt: skip
            words = f"{last.words} {words}"
            self._items[-1] = replace(last, side=side.get(direction, last.side), words=words)
            return
        if not isinstance(last, MotionIs) or last.manner == "still":
            if isinstance(last, MotionIs) and direction in ("up", "down"):
                # "standing up", "lying down"
                self._items[-1] = replace(last, words=f"{last.words} {words}")
                return
            self.add(MotionIs(words, "moving", direction))
            return
        manner = "moving" if last.manner in ("in place", "turning back") else last.manner
        if last.direction is None and self._phases[-1] == self._phase:
            self._items[-1] = replace(
                last, manner=manner, direction=direction, words=f"{last.words} {words}"
            )
        else:
            self._append(replace(last, manner=manner, direction=direction, words=words))

    def add_event(self, event: EventIs) -> None:
        """Add an event; a waiting ordinal counts it ("the second to appear")."""
        last = self._items[-1] if self._items else None
        if (
            event.event in ("present", "hidden")
            and self._negated
            and event.event in _OPPOSITE_EVENT
        ):
            self._negated = False
            event = replace(event, event="hidden" if event.event == "present" else "present")
        if event.event == "returns" and isinstance(last, EventIs) and last.event == "leaves":
            event = replace(event, words=f"{last.words} {event.words}")
            self._items.pop()
            self._phases.pop()
        self.add(event)

    def set_side(self, words: str, side: Place) -> None:
        """Note where something enters or leaves ("from the left")."""
        last = self._items[-1] if self._items else None
        if isinstance(last, EventIs):
            self._items[-1] = replace(last, side=side, words=f"{last.words} {words}")
        elif side in ("left", "right", "top", "bottom"):
            self.add(PositionIs(words, (side,)))

    def add_camera_relation(self, words: str, relation: RelationKind) -> None:
        """Add a relation to the camera."""
        text = f"{words} the camera"
        if relation in ("approaches", "follows", "meets"):
            self.add_direction(text, "towards")
        elif relation == "recedes from":
            self.add_direction(text, "away")
        elif relation in ("near", "in front of", "inside"):
            self.add(PositionIs(text, ("front",)))
        elif relation == "far from":
            self.add(PositionIs(text, ("back",)))

    def note_ordinal(self, words: str, rank: int) -> None:
        """Keep "second" until it is known what it counts, or count the event before it."""
        last = self._items[-1] if self._items else None
        self.started = True
        self.expects_predicate = False
        if self.in_clause and isinstance(last, EventIs) and not last.negated:
            self._rank_event(words, last, rank)
        elif self.in_clause and isinstance(last, MotionIs) and last.when is None:
            self._append(_event_ranking(words, "starts", rank))
        else:
            self._ordinal = (words, rank)

    def add_ranking(self, ranking: Ranking) -> None:
        """Add a superlative; a waiting ordinal is its rank ("second largest")."""
        self.started = True
        self.expects_predicate = False
        if self._ordinal is not None:
            words, rank = self._ordinal
            self._ordinal = None
            if rank < 0:
                ranking = replace(ranking, descending=not ranking.descending, rank=-rank)
            else:
                ranking = replace(ranking, rank=rank)
            ranking = replace(ranking, words=f"{words} {ranking.words}")
        if self._negated:
            ranking = replace(ranking, negated=True)
            self._negated = False
        last = self._items[-1] if self._items else None
        if (
            isinstance(last, MotionIs)
            and ranking.key == "speed"
            and last.manner == "moving"
            and last.direction is None
            and not ranking.descending
            and not last.negated
        ):
            self._items.pop()  # "moves the slowest": no further constraint on its motion
            self._phases.pop()
            ranking = replace(ranking, words=f"{last.words} {ranking.words}")
        self._append(ranking)

    def add_when(self, when: When) -> None:
        """Attach a time to what was said last, or keep it for what comes next."""
        last = self._items[-1] if self._items else None
        timed = isinstance(last, (MotionIs, EventIs, PositionIs, Ranking, RelationIs))
        attachable = timed and last is not None and last.when is None
        if not self.started:
            self._when = when
        elif isinstance(last, Ranking) and last.key in ("appears", "leaves"):
            self._append(EventIs(when.words, "present", when=when))
        elif attachable and last is not None:
            self._items[-1] = replace(last, when=when)
        else:
            lasting = when.part is not None or when.order == "while"
            happening: Event = "present" if lasting else "appears"
            self._append(EventIs(when.words, happening, when=when))

    def next_phase(self, *, earlier: bool = False) -> None:
        """Begin a later phase ("then"), or an earlier one, after "after"."""
        self._phase += -1 if earlier else 1
        self._negated = False

    # -- the result --------------------------------------------------------------------------

    def finish(self, words: str) -> NounPhrase:
        """Return the description as read."""
        self._settle_ordinal()
        self._apply_leading_when()
        constraints, rankings = self._split_items()
        if self._name is not None:
            constraints = [self._name, *constraints]
        if self._plural and self.number is None:
            constraints = [
                replace(c, any_of=True) if isinstance(c, ColorIs) and not c.part else c
                for c in constraints
            ]
        number = self.number
        if number is None:
            number = Number(None) if self._plural and not rankings else Number(1)
        return NounPhrase(
            words,
            head=self._head,
            constraints=tuple(constraints),
            rankings=tuple(rankings),
            number=number,
            within=self.within,
            excluded=tuple(self._excluded),
            alternatives=tuple(self._joined),
            rest=self._rest,
        )

    def _append(self, item: _Judgeable) -> None:
        self._items.append(item)
        self._phases.append(self._phase)
        if isinstance(item, EventIs) and self._ordinal is not None and not item.negated:
            words, rank = self._ordinal
            self._ordinal = None
            self._rank_event(words, item, rank)

    def _rank_event(self, words: str, event: EventIs, rank: int) -> None:
        keys: dict[str, RankKey] = {
            "appears": "appears", "leaves": "leaves", "returns": "returns", "starts": "starts",
            "stops": "stops", "present": "appears", "hidden": "leaves",
        }  # fmt: skip
        self._append(_event_ranking(f"{event.words} {words}", keys[event.event], rank))

    def _settle_ordinal(self) -> None:
        if self._ordinal is None:
            return
        words, rank = self._ordinal
        self._ordinal = None
        if len(set(self._phases)) > 1:
            return  # "first moves left, then right"
        moves = any(isinstance(item, MotionIs) and item.manner == "moving" for item in self._items)
        key: RankKey = "starts" if moves and self._motion_after_noun else "appears"
        self._append(_event_ranking(words, key, rank))

    def _apply_leading_when(self) -> None:
        if self._when is None:
            return
        for index, item in enumerate(self._items):
            if isinstance(item, (MotionIs, EventIs, PositionIs)) and item.when is None:
                self._items[index] = replace(item, when=self._when)
                return
        self._append(EventIs(self._when.words, "present", when=self._when))

    def _split_items(self) -> tuple[list[Constraint], list[Ranking]]:
        rankings = [item for item in self._items if isinstance(item, Ranking)]
        constraints = [item for item in self._items if not isinstance(item, Ranking)]
        phases = [
            (phase, item)
            for phase, item in zip(self._phases, self._items, strict=True)
            if isinstance(item, (MotionIs, PositionIs))
        ]
        if len({phase for phase, _ in phases}) > 1:
            phases.sort(key=lambda pair: pair[0])
            steps = tuple(item for _, item in phases)
            kept: list[Constraint] = [c for c in constraints if c not in steps]
            words = ", then ".join(step.words for step in steps)
            constraints = [*kept, Phases(words, steps)]
        return constraints, rankings


def _event_ranking(words: str, key: RankKey, rank: int) -> Ranking:
    return Ranking(words, key, descending=rank < 0, rank=abs(rank))
