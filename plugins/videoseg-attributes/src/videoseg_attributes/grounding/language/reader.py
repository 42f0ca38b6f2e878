"""Readers of words that open no description of their own: colors, places, numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, cast

from videoseg_attributes.grounding.language.builder import PhraseBuilder
from videoseg_attributes.grounding.language.descriptions import may_be_noun
from videoseg_attributes.grounding.language.lexicon import Entry, Kind
from videoseg_attributes.grounding.language.plan import (
    ColorIs,
    ColorWord,
    Direction,
    Event,
    EventIs,
    IgnoredWords,
    Number,
    Place,
    PositionIs,
    Ranking,
    RankKey,
)
from videoseg_attributes.grounding.language.tokens import Token
from videoseg_attributes.vision.color import Shade

__all__ = ["Cursor", "WordReader"]


class Cursor:
    """A position in the tokens of a query, and the words that are not understood."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.ignored: list[IgnoredWords] = []

    def kind(self, ahead: int = 0) -> Kind | Literal["end"] | None:
        """Return the kind of the token that many ahead; None if unknown, ``end`` past the last."""
        index = self.position + ahead
        return self.tokens[index].kind if 0 <= index < len(self.tokens) else "end"

    def unknown_word(self) -> str:
        """Return the next word if it is one the lexicon does not know, else nothing."""
        if self.position >= len(self.tokens) or self.kind() is not None:
            return ""
        return self.tokens[self.position].words

    def noun_follows(self) -> bool:
        """Whether the adjectives here are followed by a noun: a new description."""
        ahead = 0
        while self.kind(ahead) in ("color", "superlative", "shade", "size"):
            ahead += 1
        return self.kind(ahead) in ("generic", None)

    def list_goes_on(self) -> bool:
        """Whether a comma stands in a list such as "the red car, the blue car and the van"."""
        if self.kind() != "det" or self.kind(1) == "superlative":
            return False
        kinds = [token.kind for token in self.tokens[self.position :]]
        return any(
            kind == "and" and following == "det" for kind, following in itertools.pairwise(kinds)
        )

    def skip_clause(self, token: Token, *, why: str) -> None:
        """Pass over the rest of a clause, and note it with the word that opened it."""
        first = self.position
        while self.kind() not in ("comma", "end"):
            if self.kind() == "and" and self.kind(1) in ("who", "det"):
                break
            self.position += 1
        skipped = [item.words for item in self.tokens[first : self.position]]
        self.ignore(" ".join([token.words, *skipped]).strip(), why)

    def ignore(self, words: str, why: str) -> None:
        """Note words that are not understood, and why."""
        if words and len(self.ignored) < 40:
            self.ignored.append(IgnoredWords(words[:200], why))


_PART_WORDS = frozenset(
    {"haired", "headed", "dressed", "clad", "shirted", "striped", "spotted", "tailed", "faced"}
)
_OPPOSITE: dict[str, Direction] = {"left": "right", "right": "left", "top": "down", "bottom": "up"}
_PLACE_NOUNS = frozenset(
    {"edge", "border", "side", "corner", "half", "part", "quarter", "third", "hand", "end"}
)


class WordReader(Cursor):
    """Reads words that open no description of their own into the phrase being built."""

    def read_color(self, builder: PhraseBuilder, token: Token, entry: Entry) -> None:
        """Read one or several colors ("red and white", "blue or green")."""
        shade_before = builder.take_shade()
        colors = [ColorWord(entry.value, shade_before)]
        words = [token.words]
        if shade_before is not None:
            words.insert(0, self.tokens[self.position - 2].words)
        any_of = False
        while self.kind() in ("and", "or", "color", "comma"):
            ahead = 0 if self.kind() == "color" else 1
            shade: Shade | None = None
            if self.kind(ahead) == "shade" and self.kind(ahead + 1) == "color":
                shade_entry = self.tokens[self.position + ahead].entry
                shade = cast(Shade, shade_entry.value) if shade_entry is not None else None
                ahead += 1
            if self.kind(ahead) != "color":
                break
            if self.kind() in ("and", "comma") and self._separate_description(ahead):
                break
            any_of = any_of or self.kind() == "or"
            joined = self.tokens[self.position : self.position + ahead + 1]
            words += [item.words for item in joined]
            joined_entry = joined[-1].entry
            if joined_entry is not None:
                colors.append(ColorWord(joined_entry.value, shade))
            self.position += ahead + 1
        following = self.unknown_word()
        part = following in _PART_WORDS
        if part:
            words.append(following)
            self.position += 1
        builder.add(ColorIs(" ".join(words), tuple(colors), part=part, any_of=any_of))

    def _separate_description(self, ahead: int) -> bool:
        """Whether "and red ..." begins a new noun rather than a second color of this one."""
        previous = self.tokens[self.position - 2] if self.position >= 2 else None
        return previous is not None and previous.kind == "generic" and self.kind(ahead + 1) is None

    def read_shade(self, builder: PhraseBuilder, token: Token, entry: Entry) -> None:
        """Read "dark" or "bright", by itself or before a color."""
        shade = cast(Shade, entry.value)
        if self.kind() == "color":
            builder.shade = shade
        elif token.words not in ("deep",):
            builder.add(ColorIs(token.words, (ColorWord("any", shade),)))

    def read_place(self, builder: PhraseBuilder, token: Token, entry: Entry) -> None:
        """Read a place in the picture, a direction, or the past tense of "leave"."""
        if token.words == "left" and builder.past_tense_possible(self.kind()):
            builder.add_event(EventIs("left", "leaves"))
            return
        if token.words in ("left", "right", "top", "bottom") and builder.takes_direction:
            directions: dict[str, Direction] = {"top": "up", "bottom": "down"}
            builder.add_direction(
                token.words, directions.get(token.words, cast(Direction, token.words))
            )
            return
        places = tuple(cast(Place, place) for place in (entry.value, entry.extra) if place)
        words = token.words
        while (
            self.position < len(self.tokens) and self.tokens[self.position].words in _PLACE_NOUNS
        ):
            words += f" {self.tokens[self.position].words}"
            self.position += 1
        builder.add_place(PositionIs(words, places))

    def read_direction(self, builder: PhraseBuilder, token: Token, direction: Direction) -> None:
        """Read a direction; "the second object, left to right" counts from there."""
        if builder.has_ordinal and not builder.takes_direction and " to " in token.words:
            side = next((one for one, way in _OPPOSITE.items() if way == direction), None)
            if side is not None and not token.words.startswith("to "):
                builder.add_ranking(Ranking(token.words, cast(RankKey, side), True))
                return
        builder.add_direction(token.words, direction)

    def read_ranked_place(self, builder: PhraseBuilder, token: Token, entry: Entry) -> None:
        """Read "from the left" and the like: a ranking, a direction or a side."""
        if builder.has_ordinal:
            builder.add_ranking(Ranking(token.words, cast(RankKey, entry.value), True))
        elif builder.takes_direction:
            builder.add_direction(token.words, _OPPOSITE[entry.value])
        else:
            builder.set_side(token.words, cast(Place, entry.value))

    def read_number(self, builder: PhraseBuilder, token: Token, count: int) -> None:
        """Read a count; times given in numbers are noted as not supported."""
        if self.kind() is None and self.position < len(self.tokens):
            unit = self.tokens[self.position].words
            if unit in ("second", "seconds", "frames", "minutes"):
                self.position += 1
                self.ignore(f"{token.words} {unit}", "times in numbers are not supported")
                return
        builder.number = Number(count)
        builder.started = True

    def is_noun(self, builder: PhraseBuilder, token: Token) -> bool:
        """Whether a verb's form stands where only a noun can ("a ride", "on inline skates")."""
        form = token.entry.form if token.entry is not None else None
        if form not in ("finite", "infinitive") or builder.in_clause or " " in token.words:
            return False
        before = self.tokens[self.position - 2] if self.position > 1 else None
        if form == "infinitive" and not builder.complete and self.position < len(self.tokens):
            opens = before is None or before.kind in ("filler", "comma")
            if opens and may_be_noun(self.tokens[self.position]):
                return True  # "stop sign"
        if token.kind == "event":
            # "the exit sign"; but "the second to leave", "these leave", "do not stop".
            named = before is not None and (
                before.words in ("the", "a", "an") or before.kind in ("color", "shade", "size")
            )
            if form != "infinitive" or not named:
                return False
        ends = form == "infinitive" or token.words.endswith("s")
        return ends and builder.started and not builder.has_head and builder.number is None

    def read_event(self) -> Event | None:
        """Read the event of the object in a time clause."""
        event: Event | None = None
        negated = False
        while self.kind() in ("be", "filler", "not", "fold"):
            negated = negated or self.kind() == "not"
            self.position += 1
        if self.position < len(self.tokens):
            token = self.tokens[self.position]
            if token.entry is not None and token.kind == "event":
                event = cast(Event, token.entry.value)
                if event == "present":
                    event = "leaves" if negated else "appears"
                elif event == "hidden":
                    event = "leaves"
                self.position += 1
            elif token.entry is not None and token.kind == "motion":
                event = "stops" if (token.entry.value == "still") != negated else "starts"
                self.position += 1
            elif token.words == "left":
                event = "leaves"
                self.position += 1
            while self.kind() in ("direction", "ranked place", "filler", "fold", "ordinal"):
                self.position += 1
        return event
