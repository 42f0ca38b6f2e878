"""Reads what refers to other objects: relations, exceptions, times, clothes and other parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, cast

from videoseg_attributes.grounding.language.builder import PhraseBuilder
from videoseg_attributes.grounding.language.lexicon import Entry
from videoseg_attributes.grounding.language.nouns import KnownNouns
from videoseg_attributes.grounding.language.plan import (
    ColorIs,
    Direction,
    EventIs,
    NounPhrase,
    Number,
    Place,
    PositionIs,
    RelationIs,
    RelationKind,
    When,
)
from videoseg_attributes.grounding.language.reader import WordReader
from videoseg_attributes.grounding.language.tokens import Token

__all__ = ["ANOTHER_OBJECT", "HANDLING", "MAX_DEPTH", "NOT_MEASURED", "Context", "ReferenceReader"]

Context: TypeAlias = Literal["top", "within", "reference", "clause"]

MAX_DEPTH = 5
"""Descriptions within descriptions that are read."""

# Why words are ignored.
NOT_MEASURED = "not a color, size, place, motion, time or number"
ANOTHER_OBJECT = "refers to something that is not recognized without a model"
_UNSEEN = "no {} was seen that it could be compared with"
_CONTACTS: dict[str, RelationKind] = {
    "on": "on", "onto": "on", "upon": "on", "against": "with"
}  # fmt: skip
HANDLING = (
    "hold", "held", "carry", "carri", "rid", "rode", "push", "pull", "kick", "lead", "hug",
    "drag", "throw", "hit", "driv", "swing", "catch", "feed", "pet", "lift", "grip", "grab",
    "touch", "lean", "play", "bounc", "dribbl", "groom", "wash", "us", "walk", "balanc",
)  # fmt: skip
"""How verbs begin whose object is at hand."""
_WEARABLE = frozenset(
    {
        *("dress", "shirt", "tshirt", "t-shirt", "jacket", "coat", "suit", "uniform", "hat"),
        *("cap", "helmet", "trousers", "pants", "jeans", "shorts", "skirt", "sweater"),
        *("hoodie", "vest", "scarf", "gloves", "shoes", "boots", "outfit", "clothes", "top"),
        *("belt", "jersey", "costume", "robe", "socks", "collar", "harness", "backpack"),
        *("bag", "glasses"),
    }
)
_TOWARDS: dict[str, Direction] = {"left": "left", "right": "right", "top": "up", "bottom": "down"}
_SIDES_OF_THE_FRAME: dict[RelationKind, Place] = {
    "left of": "left", "right of": "right", "near": "edge"
}  # fmt: skip
_PHRASE_START = frozenset({"det", "number", "all", "color", "shade", "size", "superlative",
                           "ordinal", "generic", "rest", None})  # fmt: skip


class ReferenceReader(WordReader, ABC):
    """Reads the descriptions within a description, and what they are to it.

    Args:
        tokens: The query.
        nouns: The nouns that a detector judges.
    """

    def __init__(self, tokens: Sequence[Token], nouns: KnownNouns) -> None:
        super().__init__(tokens)
        self.nouns = nouns

    @abstractmethod
    def read_phrase(self, context: Context, depth: int) -> NounPhrase:
        """Read one description; nested ones are read by the words that open them."""

    def read_nested(self, context: Context, depth: int) -> NounPhrase | None:
        """Read a nested description, or return None if none can begin here."""
        while self.kind() in ("filler", "fold"):
            self.position += 1
        if depth >= MAX_DEPTH or self.kind() not in _PHRASE_START | {"not", "motion", "place"}:
            return None
        phrase = self.read_phrase(context, depth + 1)
        return phrase if phrase.words else None

    def discard(self, words: str, depth: int, why: str) -> None:
        """Skip a description of something else that is not understood."""
        known = len(self.ignored)
        nested = self.read_nested("reference", depth)
        del self.ignored[known:]
        text = f"{words} {nested.words}" if nested is not None else words
        self.ignore(text.strip(), why)

    def read_relation(
        self, builder: PhraseBuilder, token: Token, relation: RelationKind, depth: int
    ) -> None:
        """Read "left of ..." and the like; beside the camera or the frame is a place."""
        if self.kind() == "camera" or (self.kind() == "det" and self.kind(1) == "camera"):
            self.position += 1 + (self.kind() == "det")
            builder.add_camera_relation(token.words, relation)
            return
        if relation in ("above", "below") and self.kind() in ("end", "comma", "and"):
            end: Place = "top" if relation == "above" else "bottom"
            builder.add(PositionIs(token.words, (end,)))
            return
        side = _SIDES_OF_THE_FRAME.get(relation)
        if side is not None and self.kind() == "fold" and "side" in token.words.split():
            self.position += 1  # "on the left side of the frame"
            builder.add(PositionIs(token.words, (side,)))
            return
        references = self.read_references(depth, pair=relation == "between")
        if references is None:
            if relation == "hidden by" and not token.words.startswith("partly"):
                # Behind what is not understood, but that it is hidden for a while is.
                builder.add_event(EventIs(token.words, "hidden"))
            builder.forget_negation()
            return
        place = _only_a_place(references)
        if place is not None and relation in ("near", "inside"):
            builder.add(replace(place, words=f"{token.words} {place.words}"))
        elif place is not None and relation == "approaches" and place.places[0] in _TOWARDS:
            builder.add_direction(f"{token.words} {place.words}", _TOWARDS[place.places[0]])
        else:
            builder.add(RelationIs(token.words, relation, references))

    def read_references(self, depth: int, *, pair: bool = False) -> tuple[NounPhrase, ...] | None:
        """Read the references of a relation; None (and noted) if they are not understood."""
        opening = self.tokens[self.position - 1].words
        known = len(self.ignored)
        first = self.read_nested("reference", depth)
        references = [first] if first is not None else []
        several = pair or (first is not None and first.understood)
        if several and self.kind() == "and" and self.kind(1) in ("det", "color", "generic"):
            after = self.position
            self.position += 1
            second = self.read_nested("reference", depth)
            if second is not None and second.understood:
                references.append(second)
            else:
                self.position = after
        unseen = self._find_unseen(references)
        if unseen or not references or not all(one.understood for one in references):
            del self.ignored[known:]
            words = " and ".join([opening, *(reference.words for reference in references[:1])])
            why = _UNSEEN.format(unseen) if unseen else ANOTHER_OBJECT
            self.ignore(words.replace(" and ", " ", 1), why)
            return None
        return tuple(references)

    def known_noun_follows(self) -> bool:
        """Whether the next word is a noun that a detector judges."""
        return self.unknown_word() in self.nouns.known

    def _find_unseen(self, phrases: Sequence[NounPhrase]) -> str:
        """Return a noun of references of which nothing was seen; empty if there is none."""
        names = [phrase.name for phrase in phrases]
        return next((name for name in names if name and name not in self.nouns.seen), "")

    def read_contact(
        self,
        builder: PhraseBuilder,
        words: str,
        relation: RelationKind,
        depth: int,
        *,
        negated: bool = False,
    ) -> bool:
        """Read what a thing touches ("on a horse", "with a dog"); whether a known noun follows."""
        before, known = self.position, len(self.ignored)
        nested = self.read_nested("reference", depth)
        if nested is None or nested.name is None:
            self.position = before
            del self.ignored[known:]
            return False
        told = f"{words} {nested.words}".strip()
        if unseen := self._find_unseen([nested]):
            del self.ignored[known:]
            self.ignore(told, _UNSEEN.format(unseen))
            return True
        builder.add(RelationIs(words or told, relation, (nested,), negated=negated))
        return True

    def read_contact_after(self, builder: PhraseBuilder, verb: Token, depth: int) -> bool:
        """Read "holding a dog": what is done is not judged, but the dog is at hand."""
        if not builder.has_head or not verb.words.startswith(HANDLING):
            return False
        before = self.position
        if self.kind() == "preposition" and self.tokens[before].words in _CONTACTS:
            self.position += 1
        if self.read_contact(builder, "", "with", depth):
            self.ignore(verb.words, NOT_MEASURED)
            return True
        self.position = before
        return False

    def read_order(self, builder: PhraseBuilder, token: Token, entry: Entry, depth: int) -> None:
        """Read "after ...", "before ..." and "while ..."."""
        order = cast(Literal["after", "before", "while"], entry.value)
        if token.words.startswith("right ") and builder.takes_direction:
            builder.add_direction("right", "right")  # "moving right after ..."
        following = self.tokens[self.position] if self.position < len(self.tokens) else None
        if following is not None and following.entry is not None:
            if following.kind == "motion" and following.entry.form == "participle":
                builder.next_phase(earlier=order == "after")
                return
            if following.kind in ("part", "direction"):
                return
        known = len(self.ignored)
        nested = self.read_nested("clause", depth)
        if nested is None or nested.rest or not nested.understood:
            del self.ignored[known:]
            text = f"{token.words} {nested.words}" if nested is not None else token.words
            if nested is not None:
                self.skip_clause(Token(text, None), why=ANOTHER_OBJECT)
            return
        before = self.position
        event = self.read_event()
        read = " ".join(item.words for item in self.tokens[before : self.position])
        words = f"{token.words} {nested.words} {read}".strip()
        builder.add_when(When(words, order=order, reference=nested, event=event))

    def read_exception(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        """Read "except ..." and "but not ..."."""
        if token.words in ("but not", "and not") and self.kind() not in ("det", "generic"):
            builder.negate()
            return
        if token.words in ("all but", "everything but"):
            builder.number = Number(None)
        references = self.read_references(depth)
        if references is not None:
            builder.exclude(references)

    def read_negation(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        """Read "not": it excludes a description, or negates what comes next."""
        kind = self.kind()
        if kind == "part" or token.words in ("hardly", "barely"):
            return
        # "not the cat", "the dog, not cat"
        names_other = builder.name is not None and self.known_noun_follows()
        if kind == "det" or names_other:
            references = self.read_references(depth)
            if references is not None:
                builder.exclude(references)
        else:
            builder.negate()

    def read_with(
        self, builder: PhraseBuilder, token: Token, depth: int, *, negated: bool
    ) -> None:
        """Read clothes and other parts, of which the colors count."""
        opening = token.words
        relation: RelationKind = "inside" if token.kind == "in" else "with"
        if not self._names_clothes() and self.read_contact(
            builder, opening, relation, depth, negated=negated
        ):
            return
        while True:
            known = len(self.ignored)
            nested = self.read_nested("reference", depth)
            del self.ignored[known:]
            if nested is None:
                return
            self._add_part(builder, nested, opening, anything=token.kind != "in", negated=negated)
            # "a red hat and blue jeans", but "in the red hat and the blue ball".
            listed = self.kind() == "and" and (
                self.kind(1) in ("color", "shade", None)
                or (self.kind(1) == "det" and self.tokens[self.position + 1].words in ("a", "an"))
            )
            if not listed:
                return
            self.position += 1

    def _names_clothes(self) -> bool:
        """Whether what follows, up to its noun, is something to wear of some color."""
        ahead = 0
        while self.kind(ahead) in ("det", "color", "shade", "size"):
            ahead += 1
        token = self.position + ahead
        colored = any(self.kind(one) == "color" for one in range(ahead))
        return colored and token < len(self.tokens) and self.tokens[token].words in _WEARABLE

    def _add_part(
        self,
        builder: PhraseBuilder,
        nested: NounPhrase,
        opening: str,
        *,
        anything: bool,
        negated: bool,
    ) -> None:
        colors = [item for item in nested.constraints if isinstance(item, ColorIs)]
        if not colors or not (anything or nested.head is None or nested.head in _WEARABLE):
            self.ignore(f"{opening} {nested.words}", ANOTHER_OBJECT)
            return
        for color in colors:
            part = replace(color, words=f"{opening} {color.words}", part=True)
            builder.add(replace(part, negated=color.negated != negated))
        if nested.head is not None:
            self.ignore(nested.head, self.nouns.why_unknown)

    def read_of(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        """Read "of ...": the group that is meant before the noun, after it something else."""
        if builder.has_noun:
            self.discard(token.words, depth, ANOTHER_OBJECT)
            return
        nested = self.read_nested("within", depth)
        if nested is not None:
            builder.within = nested
            builder.started = True

    def read_preposition(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        """Read what a thing is on or against; other places by things are not judged."""
        if self.kind() == "det" and self.kind(1) in ("superlative", "place", "ranked place"):
            return  # "to the far left"
        relation = _CONTACTS.get(token.words)
        if relation is not None and self.read_contact(builder, token.words, relation, depth):
            return
        if self.kind() is None and self.kind(1) == "motion":
            # "on inline skates": without an article, not a subject and its verb.
            words = " ".join(item.words for item in self.tokens[self.position : self.position + 2])
            self.position += 2
            self.ignore(f"{token.words} {words}", ANOTHER_OBJECT)
        elif self.kind() in ("det", None, "color", "number", "generic", "all"):
            self.discard(token.words, depth, ANOTHER_OBJECT)


def _only_a_place(references: tuple[NounPhrase, ...]) -> PositionIs | None:
    """Return the place if that is all a reference says ("near the bottom edge")."""
    phrase = references[0]
    bare = phrase.head is None and not phrase.rankings and phrase.within is None
    if len(references) == 1 and bare and len(phrase.constraints) == 1:
        (item,) = phrase.constraints
        return item if isinstance(item, PositionIs) else None
    return None
