"""A place in a sentence: the words that follow, and those that could not be judged."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from videoseg_attributes.grounding.language.lexicon import Kind
from videoseg_attributes.grounding.language.plan import Unjudged
from videoseg_attributes.grounding.language.tokens import Token

__all__ = ["Cursor"]


class Cursor:
    """Walks over the tokens of a sentence and notes what cannot be judged."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.unjudged: list[Unjudged] = []

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
        return self.kind(ahead) in ("thing", None)

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
        self.cannot_judge(" ".join([token.words, *skipped]).strip(), why)

    def cannot_judge(self, words: str, why: str) -> None:
        """Note words that the answer does not rest on, and why."""
        if words and len(self.unjudged) < 40:
            self.unjudged.append(Unjudged(words[:200], why))
