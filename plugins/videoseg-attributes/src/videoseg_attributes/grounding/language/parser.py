"""The parser: from the tokens of a query to its plan."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from videoseg.errors import QueryError
from videoseg_attributes.grounding.language.builder import PhraseBuilder
from videoseg_attributes.grounding.language.descriptions import (
    ASKS_HOW_MANY,
    asks_for_what_stands_out,
    why_not_a_description,
)
from videoseg_attributes.grounding.language.dropped_words import find_dropped
from videoseg_attributes.grounding.language.lexicon import Entry
from videoseg_attributes.grounding.language.nouns import KnownNouns
from videoseg_attributes.grounding.language.plan import (
    Dimension,
    Direction,
    Event,
    EventIs,
    Manner,
    MotionIs,
    NounPhrase,
    Number,
    QueryPlan,
    Ranking,
    RankKey,
    RelationIs,
    RelationKind,
    SizeIs,
    VideoPart,
    When,
)
from videoseg_attributes.grounding.language.references import (
    ANOTHER_OBJECT,
    HANDLING,
    MAX_DEPTH,
    NOT_MEASURED,
    Context,
    ReferenceReader,
)
from videoseg_attributes.grounding.language.tokens import Token, tokenize

__all__ = ["parse_query", "spoken_span"]

_MODAL = "describes what could be, not what is visible"


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
    objection = why_not_a_description(text, tokens)
    if objection == ASKS_HOW_MANY:
        # "How many are there" says nothing of the objects.
        target = replace(
            target, constraints=tuple(one for one in target.constraints if one.words != "there")
        )
    plan = QueryPlan(
        text,
        target,
        tuple(parser.ignored),
        truncated,
        objection=objection,
        asks_for_main=asks_for_what_stands_out(tokens),
    )
    return replace(plan, ignored=(*plan.ignored, *find_dropped(plan, tokens)))


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


def _looks_like_verb(word: str) -> bool:
    """Whether an unknown word after a noun says what it does ("a man holding a bike")."""
    return len(word) > 5 and word.endswith("ing")


class _Parser(ReferenceReader):
    """Reads phrases left to right; every step takes at least one token."""

    def read_phrase(self, context: Context, depth: int) -> NounPhrase:
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
        self, builder: PhraseBuilder, token: Token, entry: Entry, context: Context, depth: int
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
                self.read_relation(builder, token, cast(RelationKind, entry.value), depth)
            case "order":
                self.read_order(builder, token, entry, depth)
            case "part":
                builder.add_when(When(words, part=cast(VideoPart, entry.value)))
            case "not":
                self.read_negation(builder, token, depth)
            case "without":
                self.read_with(builder, token, depth, negated=True)
            case "with" | "in":
                self.read_with(builder, token, depth, negated=False)
            case "except":
                self.read_exception(builder, token, depth)
            case "who":
                builder.open_clause()
            case "be":
                builder.open_predicate()
            case "and" | "or" | "comma":
                self._read_conjunction(builder, token, entry.kind, context, depth)
            case "then":
                builder.next_phase()
            case "of":
                self.read_of(builder, token, depth)
            case "preposition":
                self.read_preposition(builder, token, depth)
            case "generic":
                builder.set_head(plural=entry.value == "plural")
            case "rest":
                builder.set_rest(words)
            case "modal":
                self.skip_clause(token, why=_MODAL)
            case _:  # says nothing here
                pass

    def _read_determiner(self, builder: PhraseBuilder, token: Token, depth: int) -> None:
        if token.words in ("those", "these") and not builder.has_head:
            builder.expect_plural()
        if not builder.has_head or builder.expects_predicate:
            builder.started = True
            builder.expects_predicate = False
            if token.words in ("which one", "which ones"):
                builder.set_head(plural=token.words.endswith("s"))
            return
        if depth >= MAX_DEPTH or self.kind() == "superlative":
            return  # "moves the fastest"
        # "the one the audience is looking at": a second description right after the noun.
        self.position -= 1
        verb = self.tokens[self.position - 1]
        # "the woman riding a horse"
        handles = verb.kind == "motion" and verb.words.startswith(HANDLING)
        if handles and self.read_contact(builder, "", "with", depth):
            return
        self.discard("", depth, ANOTHER_OBJECT)
        if self.position < len(self.tokens) and self.kind() == "be":
            self.skip_clause(Token("", None), why=NOT_MEASURED)

    def _read_conjunction(
        self, builder: PhraseBuilder, token: Token, kind: str, context: Context, depth: int
    ) -> None:
        # "dogs, cats and birds"
        is_bare = builder.name is not None and not (builder.noun_closed or builder.in_clause)
        lists_nouns = is_bare and self.known_noun_follows()
        if kind == "comma":
            goes_on = lists_nouns or self.list_goes_on()
            if context != "top" or not builder.complete or not goes_on:
                builder.close_clause()
                return
            kind = "and"
        if kind == "or" or token.words in ("as well as",):
            builder.repeat_negation()
        if context != "top" or not builder.complete:
            return
        starts = (
            lists_nouns
            or self.kind() in ("det", "number")
            or (self.kind() in ("color", "superlative") and self.noun_follows())
        )
        if kind == "and" and starts:
            other = self.read_nested("top", depth)
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
                references = self.read_references(depth)
                if references is None:
                    return
                reference = references[0]
            elif self.kind() == "det" and builder.has_head:
                references = self.read_references(depth)
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
            references = self.read_references(depth)
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
        if self.read_contact_after(builder, token, depth):
            return
        if self.kind() in ("det", "color", "number", "preposition"):
            self.discard(token.words, depth, NOT_MEASURED)
        else:
            self.ignore(token.words, NOT_MEASURED)

    def _take_name(
        self, builder: PhraseBuilder, token: Token, depth: int, *, closed: bool
    ) -> bool:
        """Take a noun that a detector judges, where it can be the noun of this description."""
        before = self.tokens[self.position - 2] if self.position > 1 else None
        if not closed:
            if builder.name is not None:
                self.ignore(builder.name, NOT_MEASURED)  # "horse rider"
            builder.set_name(token.words)
            return True
        # "which dog", "the one that is a dog"
        says_what = before is not None and before.kind in ("who", "det", "be", "color", "size")
        if says_what and builder.name is None and not builder.has_noun:
            builder.set_name(token.words)
            return True
        if before is not None and before.words.startswith(HANDLING):
            self.position -= 1  # "riding horses"
            if self.read_contact(builder, "", "with", depth):
                return True
            self.position += 1
        return False
