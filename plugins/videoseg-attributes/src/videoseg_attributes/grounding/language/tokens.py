"""Splits a query into phrases of the lexicon."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from videoseg_attributes.grounding.language.lexicon import Entry, Kind, lexicon, longest_phrase

__all__ = ["MAX_WORDS", "Token", "is_sign", "split_words", "tokenize"]

MAX_WORDS = 300
"""Number of words of a query that are read; a description needs far fewer."""

_PIECES = re.compile(r"[^\W_]+(?:['\-][^\W_]+)*|[,;.!?:()]|&")
_PUNCTUATION = frozenset(",;.!?:()")


@dataclass(frozen=True, slots=True)
class Token:
    """A phrase of the query and its lexicon entry; None if it is unknown."""

    words: str
    entry: Entry | None

    @property
    def kind(self) -> Kind | None:
        """The kind of phrase, or None for an unknown word."""
        return self.entry.kind if self.entry is not None else None


def split_words(text: str) -> tuple[list[str], bool]:
    """Split a sentence into words and signs, in lower case.

    Returns:
        The words and signs, and whether the sentence had more than are read.
    """
    pieces: list[str] = []
    truncated = False
    lowered = text.casefold().replace("\u2019", "'")
    for match in _PIECES.finditer(lowered):
        if len(pieces) >= MAX_WORDS:
            truncated = True
            break
        pieces += _split(match.group())
    return pieces, truncated


def is_sign(piece: str) -> bool:
    """Return whether a piece of a sentence is a punctuation mark."""
    return piece in _PUNCTUATION


def tokenize(text: str, names: Collection[str] = ()) -> tuple[tuple[Token, ...], bool]:
    """Split a sentence into phrases, longest first.

    Args:
        text: The sentence.
        names: Nouns of several words, each of which is kept together ("traffic light").

    Returns:
        The phrases, and whether the sentence had more words than are read.
    """
    table, longest = lexicon(), longest_phrase()
    pieces, truncated = split_words(text)
    most_words = max((name.count(" ") + 1 for name in names), default=1)
    tokens: list[Token] = []
    position = 0
    while position < len(pieces):
        if pieces[position] in _PUNCTUATION:
            tokens.append(Token(pieces[position], Entry("comma")))
            position += 1
            continue
        rest = len(pieces) - position
        for length in range(min(most_words, rest), 1, -1):
            phrase = " ".join(pieces[position : position + length])
            if phrase in names:
                tokens.append(Token(phrase, None))
                break
        else:
            length = 0
        if length:
            position += length
            continue
        for length in range(min(longest, rest), 0, -1):
            phrase = " ".join(pieces[position : position + length])
            if phrase in table:
                tokens.append(Token(phrase, table[phrase]))
                break
        else:
            length = 1
            tokens.append(Token(pieces[position][:60], None))
        position += length
    return tuple(tokens), truncated


def _split(piece: str) -> list[str]:
    """Take apart possessives and hyphens that the lexicon does not know as one word."""
    if piece in lexicon():
        return [piece]
    if piece.endswith("'s"):
        return [piece[:-2]]
    parts = piece.split("-")
    known = [part in lexicon() for part in parts]
    # "non-moving" and "red-haired", but not "surf-board".
    first = lexicon().get(parts[0])
    if all(known) or (first is not None and first.kind in ("color", "shade")):
        return parts
    return [piece]
