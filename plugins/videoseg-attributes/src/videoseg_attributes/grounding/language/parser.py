"""The parser: from the tokens of a query to its plan."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, cast

from videoseg.errors import QueryError
from videoseg_attributes.grounding.language.builder import PhraseBuilder
from videoseg_attributes.grounding.language.descriptions import (
    asks_for_what_stands_out,
    why_not_a_description,
)
from videoseg_attributes.grounding.language.lexicon import Entry
from videoseg_attributes.grounding.language.nouns import KnownNouns
from videoseg_attributes.grounding.language.plan import (
    ColorIs,
    Dimension,
    Direction,
    Event,
    EventIs,
    IgnoredWords,
    Manner,
    MotionIs,
    NounPhrase,
    Number,
    Phases,
    Place,
    PositionIs,
    QueryPlan,
    Ranking,
    RankKey,
    RelationIs,
    RelationKind,
    SizeIs,
    VideoPart,
    When,
)
from videoseg_attributes.grounding.language.reader import WordReader
from videoseg_attributes.grounding.language.tokens import Token, tokenize

__all__ = ["parse_query", "spoken_span"]

_Context: TypeAlias = Literal["top", "within", "reference", "clause"]

_MAX_DEPTH = 5
_JUDGEABLE = frozenset(
    {
        *("color", "shade", "size", "superlative", "comparative", "place", "ranked place"),
        *("motion", "direction", "event", "relation", "part", "ordinal"),
    }
)
_ODD_SIGNS = re.compile(r"[^\w\s,;.!?:()&'\"\u2018-\u201f\u2026\u2010-\u2015\-/%]+")
_LONGEST_SIGN, _MOST_DROPPED = 20, 10
_DROPPED = "its place in the sentence is not understood"
_MODAL = "describes what could be, not what is visible"
_OTHER = "not a color, size, place, motion, time or number"
_OTHER_OBJECT = "refers to something that is not recognized without a model"
_UNSEEN = "no {} was seen that it could be compared with"
_CONTACTS: dict[str, RelationKind] = {
    "on": "on", "onto": "on", "upon": "on", "against": "with"
}  # fmt: skip
_HANDLING = (
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


def parse_query(text: str, nouns: KnownNouns | None = None) -> QueryPlan:
    """Parse a query into constraints and rankings, and the words that are not understood.

    Args:
        text: A description or question, such as ``"the largest object that moves left"``.
        nouns: The nouns that a detector judges; by default none.

    Raises:
        QueryError: If the query has no words.

    Example:
        >>> plan = parse_query("the red dog on the left")
        >>> [constraint.words for constraint in plan.target.constraints]
        ['red', 'on the left']
        >>> [item.words for item in plan.ignored]
        ['dog']
    """
    nouns = nouns or KnownNouns()
    tokens, truncated = tokenize(text, nouns.compounds)
    if not any(character.isalnum() for token in tokens for character in token.words):
        raise QueryError(
            "the query has no words; describe what to find, such as 'the red ball on the left'"
        )
    parser = _Parser(tokens, nouns)
    target = parser.read_phrase("top", 0)
    plan = QueryPlan(
        text,
        target,
        tuple(parser.ignored),
        truncated,
        objection=why_not_a_description(text, tokens),
        asks_for_main=asks_for_what_stands_out(tokens),
    )
    return replace(plan, ignored=(*plan.ignored, *_find_dropped(plan, tokens)))


def _find_dropped(plan: QueryPlan, tokens: Sequence[Token]) -> list[IgnoredWords]:
    """Return the words that could be judged but found no place in the plan, and odd signs."""
    listed = [*plan.used_words, *(item.words for item in plan.ignored)]
    told = f" {' '.join(' '.join(listed).replace(',', ' ').split())} "
    in_steps = any(isinstance(item, Phases) for item in plan.target.constraints)
    dropped: dict[str, IgnoredWords] = {}
    for token in tokens:
        # "first moves left, then right": the steps say it.
        judgeable = token.kind in _JUDGEABLE and not (in_steps and token.kind == "ordinal")
        if judgeable and f" {token.words} " not in told:
            dropped.setdefault(token.words, IgnoredWords(token.words, _DROPPED))
    kinds = {token.kind for token in tokens}
    if "or" in kinds and " or " not in told and not kinds & {"not", "without", "except"}:
        dropped["or"] = IgnoredWords("or", "alternatives are understood of colors only")
    group = plan.target.within
    if plan.target.rest or (group is not None and group.rest):
        others = next(token.words for token in tokens if token.kind == "rest")
        dropped[others] = IgnoredWords(others, "it is not said other than which")
    for sign in _ODD_SIGNS.findall(plan.text):
        dropped.setdefault(sign, IgnoredWords(sign[:_LONGEST_SIGN], _OTHER))
    return list(dropped.values())[:_MOST_DROPPED]


def spoken_span(text: str) -> VideoPart | None:
    """Return the part of the video that a query names, or None.

    Example:
        >>> spoken_span("the dog that enters at the end")
        'end'
    """
    tokens, _ = tokenize(text)
    for token in tokens:
        if token.entry is not None and token.entry.kind == "part":
            return cast(VideoPart, token.entry.value)
    if any(token.kind == "ordinal" for token in tokens):
        try:
            plan = parse_query(text)
        except QueryError:
            return None
        for ranking in plan.target.rankings:
            if ranking.key in ("appears", "leaves", "starts", "stops"):
                return "end" if ranking.descending else "start"
    return None


def _only_a_place(references: tuple[NounPhrase, ...]) -> PositionIs | None:
    """Return the place if that is all a reference says ("near the bottom edge")."""
    phrase = references[0]
    bare = phrase.head is None and not phrase.rankings and phrase.within is None
    if len(references) == 1 and bare and len(phrase.constraints) == 1:
        (item,) = phrase.constraints
        return item if isinstance(item, PositionIs) else None
    return None


def _looks_like_verb(word: str) -> bool:
    """Whether an unknown word after a noun says what it does ("a man holding a bike")."""
    return len(word) > 5 and word.endswith("ing")


class _Parser(WordReader):
    """Reads phrases left to right; every step takes at least one token."""

    def __init__(self, tokens: Sequence[Token], nouns: KnownNouns) -> None:
        super().__init__(tokens)
        self.nouns = nouns

    def read_phrase(self, context: _Context, depth: int) -> NounPhrase:
        """Read one description; nested ones are read by the words that open them."""
        builder = PhraseBuilder()
        first = self.position
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            if context != "top" and self._ends_phrase(builder, token):
                break
            self.position += 1
            if token.entry is None:
                self._read_unknown(builder, token, depth)
            else:
                self._read_known(builder, token, token.entry, context, depth)
        words = " ".join(token.words for token in self.tokens[first : self.position])
        return builder.finish(words)

    def _ends_phrase(self, builder: PhraseBuilder, token: Token) -> bool:
        """Whether a nested description ends before this token."""
        if not builder.started:
            return False
        kind = token.kind
        form = token.entry.form if token.entry is not None else None
        if kind in ("comma", "then", "except"):
            return True
        if builder.in_clause:
            return kind in ("and", "or") and self.kind(1) in ("who", "det", "number")
        if kind == "place" and token.words == "left" and builder.has_head:
            return self.kind(1) in ("end", "comma")  # "after the red one left"
        if kind in ("be", "modal", "order", "part", "not"):
            return True
        if kind is None:
            return builder.has_noun and _looks_like_verb(token.words)
        if kind in ("motion", "event"):
            return builder.has_head and form in ("finite", "infinitive")
        if kind == "relation" and builder.has_head:
            return token.words.split()[0].endswith("s") and token.words != "across"
        return kind in ("and", "or")

    def _read_known(
        self, builder: PhraseBuilder, token: Token, entry: Entry, context: _Context, depth: int
    ) -> None:
        words = token.words
        match entry.kind:
            case "det":
                self._read_determiner(builder, token, depth)
            case "all":
                builder.number = Number(None)
            case "number":
                self.read_number(builder, token, int(entry.value))
            case "ordinal":
                builder.note_ordinal(words, int(entry.value))
            case "color":
                self.read_color(builder, token, entry)
            case "shade":
                self.read_shade(builder, token, entry)
            case "size":
                builder.add(SizeIs(words, cast(Dimension, entry.value), entry.extra == "1"))
            case "superlative":
                self._read_superlative(builder, token, entry, depth)
            case "comparative":
                self._read_comparative(builder, token, entry, depth)
            case "place":
                self.read_place(builder, token, entry)
            case "ranked place":
                self.read_ranked_place(builder, token, entry)
            case "motion" | "event" if self.is_noun(builder, token):
                builder.set_noun(words)
                self.ignore(words, self.nouns.why_unknown)
            case "motion":
                direction = cast(Direction, entry.extra) if entry.extra else None
                builder.add_motion(
                    MotionIs(words, cast(Manner, entry.value), direction),
                    is_verb=entry.form is not None,
                )
            case "direction":
                self.read_direction(builder, token, cast(Direction, entry.value))
            case "event":
                builder.add_event(EventIs(words, cast(Event, entry.value)))
            case "relation":
                self._read_relation(builder, token, cast(RelationKind, entry.value), depth)
            case "order":
                self._read_order(builder, token, entry, depth)
            case "part":
                builder.add_when(When(words, part=cast(VideoPart, entry.value)))
            case "not":
                self._read_negation(builder, token, depth)
            case "without":
                self._read_with(builder, token, depth, negated=True)
            case "with" | "in":
                self._read_with(builder, token, depth, negated=False)
            case "except":
                self._read_exception(builder, token, depth)
            case "who":
                builder.open_clause()
            case "be":
                builder.open_predicate()
            case "and" | "or" | "comma":
                self._read_conjunction(builder, token, entry.kind, context, depth)
            case "then":
                builder.next_phase()
            case "of":
                self._read_of(builder, token, depth)
            case "preposition":
                self._read_preposition(builder, token, depth)
            case "generic":
                builder.set_head(plural=entry.value == "plural")
            case "rest":
                builder.set_rest(words)
            case "modal":
                self.skip_clause(token, why=_MODAL)
            case _:  # says nothing here
                pass

    def _read_nested(self, context: _Context, depth: int) -> NounPhrase | None:
        """Read a nested description, or return None if none can begin here."""
        while self.kind() in ("filler", "fold"):
            self.position += 1
        if depth >= _MAX_DEPTH or self.kind() not in _PHRASE_START | {"not", "motion", "place"}:
            return None
        phrase = self.read_phrase(context, depth + 1)
        return phrase if phrase.words else None

    def _discard(self, words: str, depth: int, why: str) -> None:
        """Skip a description of something else that is not understood."""
        known = len(self.ignored)
        nested = self._read_nested("reference", depth)
        del self.ignored[known:]
        text = f"{words} {nested.words}" if nested is not None else words
        self.ignore(text.strip(), why)

    def _read_relation(
        self, builder: PhraseBuilder, token: Token, relation: RelationKind, depth: int
    ) -> None:
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
        references = self._read_references(depth, pair=relation == "between")
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

    def _read_references(self, depth: int, *, pair: bool = False) -> tuple[NounPhrase, ...] | None:
        """Read the references of a relation; None (and noted) if they are not understood."""
        opening = self.tokens[self.position - 1].words
        known = len(self.ignored)
        first = self._read_nested("reference", depth)
        references = [first] if first is not None else []
        several = pair or (first is not None and first.understood)
        if several and self.kind() == "and" and self.kind(1) in ("det", "color", "generic"):
            after = self.position
            self.position += 1
            second = self._read_nested("reference", depth)
            if second is not None and second.understood:
                references.append(second)
            else:
                self.position = after
        unseen = self._find_unseen(references)
        if unseen or not references or not all(one.understood for one in references):
            del self.ignored[known:]
            words = " and ".join([opening, *(reference.words for reference in references[:1])])
            why = _UNSEEN.format(unseen) if unseen else _OTHER_OBJECT
            self.ignore(words.replace(" and ", " ", 1), why)
            return None
        return tuple(references)

    def _find_unseen(self, phrases: Sequence[NounPhrase]) -> str:
        """Return a noun of references of which nothing was seen; empty if there is none."""
        names = [phrase.name for phrase in phrases]
        return next((name for name in names if name and name not in self.nouns.seen), "")

    def _read_contact(
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
        nested = self._read_nested("reference", depth)
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

    def _read_order(self, builder: PhraseBuilder, token: Token, entry: Entry, depth: int) -> None:
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
        nested = self._read_nested("clause", depth)
        if nested is None or nested.rest or not nested.understood:
            del self.ignored[known:]
            text = f"{token.words} {nested.words}" if nested is not None else token.words
            if nested is not None:
                self.skip_clause(Token(text, None), why=_OTHER_OBJECT)
            return
        before = self.position
        event = self.read_event()
        read = " ".join(item.words for item in self.tokens[before : self.position])
        words = f"{token.words} {nested.words} {read}".strip()
        builder.add_when(When(words, order=order, reference=nested, event=event))

    def _read_exception(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        if token.words in ("but not", "and not") and self.kind() not in ("det", "generic"):
            builder.negate()
            return
        if token.words in ("all but", "everything but"):
            builder.number = Number(None)
        references = self._read_references(depth)
        if references is not None:
            builder.exclude(references)

    def _read_negation(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        kind = self.kind()
        if kind == "part" or token.words in ("hardly", "barely"):
            return
        if kind == "det":
            references = self._read_references(depth)
            if references is not None:
                builder.exclude(references)
        else:
            builder.negate()

    def _read_with(
        self, builder: PhraseBuilder, token: Token, depth: int, *, negated: bool
    ) -> None:
        """Read clothes and other parts, of which the colors count."""
        opening = token.words
        relation: RelationKind = "inside" if token.kind == "in" else "with"
        if not self._names_clothes() and self._read_contact(
            builder, opening, relation, depth, negated=negated
        ):
            return
        while True:
            known = len(self.ignored)
            nested = self._read_nested("reference", depth)
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
            self.ignore(f"{opening} {nested.words}", _OTHER_OBJECT)
            return
        for color in colors:
            part = replace(color, words=f"{opening} {color.words}", part=True)
            builder.add(replace(part, negated=color.negated != negated))
        if nested.head is not None:
            self.ignore(nested.head, self.nouns.why_unknown)

    def _read_of(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        if builder.has_noun:
            self._discard(token.words, depth, _OTHER_OBJECT)
            return
        nested = self._read_nested("within", depth)
        if nested is not None:
            builder.within = nested
            builder.started = True

    def _read_preposition(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        if self.kind() == "det" and self.kind(1) in ("superlative", "place", "ranked place"):
            return  # "to the far left"
        relation = _CONTACTS.get(token.words)
        if relation is not None and self._read_contact(builder, token.words, relation, depth):
            return
        if self.kind() is None and self.kind(1) == "motion":
            # "on inline skates": without an article, not a subject and its verb.
            words = " ".join(item.words for item in self.tokens[self.position : self.position + 2])
            self.position += 2
            self.ignore(f"{token.words} {words}", _OTHER_OBJECT)
        elif self.kind() in ("det", None, "color", "number", "generic", "all"):
            self._discard(token.words, depth, _OTHER_OBJECT)

    def _read_determiner(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        if token.words in ("those", "these") and not builder.has_head:
            builder.expect_plural()
        if not builder.has_head or builder.expects_predicate:
            builder.started = True
            builder.expects_predicate = False
            if token.words in ("which one", "which ones"):
                builder.set_head(plural=token.words.endswith("s"))
            return
        if depth >= _MAX_DEPTH or self.kind() == "superlative":
            return  # "moves the fastest"
        # "the one the audience is looking at": a second description right after the noun.
        self.position -= 1
        verb = self.tokens[self.position - 1]
        # "the woman riding a horse"
        handles = verb.kind == "motion" and verb.words.startswith(_HANDLING)
        if handles and self._read_contact(builder, "", "with", depth):
            return
        self._discard("", depth, _OTHER_OBJECT)
        if self.position < len(self.tokens) and self.kind() == "be":
            self.skip_clause(Token("", None), why=_OTHER)

    def _read_conjunction(
        self, builder: PhraseBuilder, token: Token, kind: str, context: _Context, depth: int
    ) -> None:
        if kind == "comma":
            if context != "top" or not builder.complete or not self.list_goes_on():
                builder.close_clause()
                return
            kind = "and"
        if kind == "or" or token.words in ("as well as",):
            builder.repeat_negation()
        if context != "top" or not builder.complete:
            return
        starts = self.kind() in ("det", "number") or (
            self.kind() in ("color", "superlative") and self.noun_follows()
        )
        if kind == "and" and starts:
            other = self._read_nested("top", depth)
            if other is not None:
                builder.join(other)

    def _read_superlative(
        self, builder: PhraseBuilder, token: Token, entry: Entry, depth: int
    ) -> None:
        key, descending = cast(RankKey, entry.value), entry.extra == "1"
        reference = None
        if key == "distance":
            if self.kind() == "preposition":
                self.position += 1
            if (
                token.words.endswith(("to", "from", "of"))
                or self.tokens[self.position - 1].kind == "preposition"
            ):
                references = self._read_references(depth)
                if references is None:
                    return
                reference = references[0]
            elif self.kind() == "det" and builder.has_head:
                references = self._read_references(depth)
                reference = references[0] if references is not None else None
            if reference is None:
                key, descending = "front", not descending
        builder.add_ranking(Ranking(token.words, key, descending, reference=reference))

    def _read_comparative(
        self, builder: PhraseBuilder, token: Token, entry: Entry, depth: int
    ) -> None:
        descending, _, relation = entry.extra.partition("|")
        if self.kind() == "than":
            self.position += 1
            references = self._read_references(depth)
            if references is None:
                return
            if not references[0].rest:
                builder.add(
                    RelationIs(f"{token.words} than", cast(RelationKind, relation), references)
                )
                return
        builder.add_ranking(Ranking(token.words, cast(RankKey, entry.value), descending == "1"))

    def _read_unknown(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        verb = builder.has_noun and _looks_like_verb(token.words)
        closed = builder.in_clause or builder.noun_closed or builder.stands_for_anything
        if token.words in self.nouns.known and self._take_name(
            builder, token, depth, closed=closed
        ):
            return
        if not closed and not verb and builder.name is None:
            builder.set_noun(token.words)
            self.ignore(token.words, self.nouns.why_unknown)
            return
        if verb:
            builder.noun_closed = True
        if self._read_contact_after(builder, token, depth):
            return
        if self.kind() in ("det", "color", "number", "preposition"):
            self._discard(token.words, depth, _OTHER)
        else:
            self.ignore(token.words, _OTHER)

    def _take_name(
        self, builder: PhraseBuilder, token: Token, depth: int, *, closed: bool
    ) -> bool:
        """Take a noun that a detector judges, where it can be the noun of this description."""
        before = self.tokens[self.position - 2] if self.position > 1 else None
        if not closed:
            if builder.name is not None:
                self.ignore(builder.name, _OTHER)  # "horse rider"
            builder.set_name(token.words)
            return True
        # "which dog", "the one that is a dog"
        says_what = before is not None and before.kind in ("who", "det", "be", "color", "size")
        if says_what and builder.name is None and not builder.has_noun:
            builder.set_name(token.words)
            return True
        if before is not None and before.words.startswith(_HANDLING):
            self.position -= 1  # "riding horses"
            if self._read_contact(builder, "", "with", depth):
                return True
            self.position += 1
        return False

    def _read_contact_after(self, builder: PhraseBuilder, verb: Token, depth: int) -> bool:
        """Read "holding a dog": what is done is not judged, but the dog is at hand."""
        if not builder.has_head or not verb.words.startswith(_HANDLING):
            return False
        before = self.position
        if self.kind() == "preposition" and self.tokens[before].words in _CONTACTS:
            self.position += 1
        if self._read_contact(builder, "", "with", depth):
            self.ignore(verb.words, _OTHER)
            return True
        self.position = before
        return False
