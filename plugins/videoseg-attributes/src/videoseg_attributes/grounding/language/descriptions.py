"""Tells descriptions of objects from questions about other things, commands and word salad."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from videoseg_attributes.grounding.language.lexicon import Kind
from videoseg_attributes.grounding.language.tokens import Token
from videoseg_attributes.grounding.language.word_order import stands_in_order

__all__ = [
    "ASKS_HOW_MANY",
    "asks_for_what_stands_out",
    "may_be_noun",
    "why_not_a_description",
]

ASKS_HOW_MANY = "asks how many there are, not which object"
"""The objection to a question for a number, of ``why_not_a_description``."""

_SALIENT = frozenset(
    {"main", "salient", "prominent", "most salient", "most prominent", "stands out"}
)
_POLITE = frozenset({"please", "just", "simply", "so", "well", "but", "however", "yet", "now"})
_PRONOUNS = frozenset({"he", "she", "it", "they", "we", "him", "them", "us", "it's"})
_SPEAKERS = frozenset({"i", "you", "me"})
_POINTING = frozenset({"this", "that", "these", "those", "there", "here"})
_AUXILIARIES = frozenset(
    {
        *("is", "are", "was", "were", "am", "do", "does", "did", "has", "have", "had"),
        *("isn't", "aren't", "wasn't", "weren't", "doesn't", "didn't", "hasn't", "haven't"),
        *("can", "could", "would", "will", "should", "may", "might", "must"),
        *("can't", "couldn't", "won't", "wouldn't"),
    }
)
_DO = frozenset({"do", "does", "did", "don't", "doesn't", "didn't"})
_BE = frozenset({"is", "are", "was", "were"})
_MOMENTS = frozenset({"end", "beginning", "start", "finish"})
_HAPPENING = frozenset(
    {"happen", "happens", "happening", "happened", "occurs", "occurring", "doing", "done"}
)
_PROPERTIES = frozenset(
    {
        *("color", "colour", "shape", "size", "speed", "direction", "position", "location"),
        *("name", "age", "kind", "sort", "type", "side", "way", "time", "day", "year", "number"),
    }
)
_POSSESSED = re.compile(rf"\w['\u2019]s? ({'|'.join(sorted(_PROPERTIES))})\W*$")
_BEFORE_HEADS = frozenset(
    {
        *("det", "all", "number", "ordinal", "superlative", "color", "shade", "size", "filler"),
        *("be", "modal", "who", "comma", "fold", "and", "or", "not"),
    }
)
"""Kinds of words that may stand before the head of a query."""

_HEADS = frozenset({"generic", "det", "all", "rest", "number", "who", None})
"""Kinds of words of which one is in every whole sentence about an object."""

_OPENING = frozenset({"filler", "ordinal"})
_COUNTED_APART = frozenset(
    {"and", "or", "of", "not", "comma", "relation", "than", "except", "order", "with", "who"}
)
_SIDES: tuple[Kind, ...] = ("place", "direction", "ranked place")
_JOINING = frozenset({"and", "or", "then", "comma", "not", "order"})
_MOST_WORDS_OF_A_TELEGRAM = 4

# Common words of other languages that English lacks. English evidence outweighs them.
_FOREIGN = frozenset(
    {
        # German
        *("der", "das", "dem", "des", "ein", "eine", "einen", "einem", "und", "ist", "nicht"),
        *("auf", "mit", "von", "sich", "wo", "wer", "welche", "welcher", "welches", "sind"),
        # French
        *("le", "la", "les", "un", "une", "des", "du", "et", "est", "qui", "que", "dans", "avec"),
        *("sur", "pas", "celui", "celle", "où", "quel", "quelle", "cet", "cette", "l'objet"),
        # Spanish and Portuguese
        *("el", "los", "las", "una", "unos", "y", "es", "del", "que", "con", "donde", "cual"),
        *("o", "os", "um", "uma", "uns", "e", "é", "do", "da", "dos", "das", "com", "não", "onde"),
        # Italian
        *("sulla", "il", "lo", "gli", "uno", "che", "di", "della", "sono", "quale", "dove"),
        # Dutch
        *("de", "het", "een", "en", "niet", "op", "van", "die", "dat", "naar", "waar", "welke"),
        # Polish, Swedish, Turkish, Indonesian
        *("jest", "się", "który", "która", "które", "na", "po", "w", "nie", "gdzie", "ten", "ta"),
        *("den", "ett", "och", "är", "som", "till", "inte", "med", "på", "var", "vilken"),
        *("bir", "ve", "olan", "bu", "nerede", "hangi", "yang", "di", "ini", "itu", "dan"),
    }
)  # fmt: skip
_ELISIONS = ("l'", "d'", "un'", "qu'", "all'", "dell'", "nell'", "sull'")
_ENGLISH = frozenset({"the", "of", "that", "which", "with", "and", "is", "are", "who", "what"})
_LANGUAGE = "is not in English, the only language that this grounder reads"


def why_not_a_description(text: str, tokens: Sequence[Token]) -> str:
    """Return why a query does not say which object is meant, as the rest of "the query ...".

    Args:
        text: The query.
        tokens: Its phrases.

    Returns:
        Such as ``asks how many there are, not which object``; empty if the query may well be a
        description.
    """
    words = [token for token in tokens if token.kind not in ("comma", "fold")]
    return (
        _find_language(text, tokens)
        or _find_possessed(text)
        or _find_question(words)
        or _find_command(words)
        or _find_pronoun(words)
        or _find_salad(tokens, words)
    )


def may_be_noun(token: Token) -> bool:
    """Return whether a word may name a kind of object: it is unknown, and no adverb."""
    return token.kind is None and not token.words.endswith("ly")


def asks_for_what_stands_out(tokens: Sequence[Token]) -> bool:
    """Return whether a query asks for the main object, which needs no other word."""
    return any(token.words in _SALIENT for token in tokens)


def _find_language(text: str, tokens: Sequence[Token]) -> str:
    letters = [letter for letter in text if letter.isalpha()]
    names = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in letters)
    if letters and names["LATIN"] < len(letters) / 2:
        return _LANGUAGE
    unknown = [token.words for token in tokens if token.kind is None]
    telling = sum(word in _FOREIGN or word.startswith(_ELISIONS) for word in unknown)
    # A single "café" is English.
    foreign = telling + sum(
        not word.isascii() and word not in _FOREIGN and not word.startswith(_ELISIONS)
        for word in unknown
    )
    english = sum(token.words.split()[0] in _ENGLISH for token in tokens)
    return _LANGUAGE if foreign > english and (telling or foreign > 1) else ""


def _opens(tokens: Sequence[Token], position: int) -> bool:
    """Whether a word is the head of its query: no noun and no preposition stands before it."""
    return all(
        token.kind in _BEFORE_HEADS or token.words in _POLITE or token.words == "what"
        for token in tokens[:position]
    )


def _find_question(tokens: Sequence[Token]) -> str:
    words = [token.words for token in tokens]
    kinds = [token.kind for token in tokens]
    spoken = [word for phrase in words for word in phrase.split()]
    for word, following in itertools.pairwise([*spoken, ""]):
        if word == "how" and following in ("many", "much"):
            return ASKS_HOW_MANY
        if word in ("how", "why"):
            return f'asks "{word}", not which object'
    if asked := _find_property(tokens):
        return asked
    of_time = any(
        word in ("the", "a", "an") and following in _MOMENTS and _opens(tokens, position)
        for position, (word, following) in enumerate(itertools.pairwise(words))
    )
    if of_time or set(kinds) - {"filler"} == {"part"}:
        return "speaks of a moment, not of an object"
    if spoken[:1] == ["count"]:
        return ASKS_HOW_MANY
    if "what" in spoken and (
        _HAPPENING & set(spoken) or ("going", "on") in set(itertools.pairwise(spoken))
    ):
        return "asks what happens, not which object"
    rest = list(
        itertools.dropwhile(lambda pair: pair[0] in _POLITE, zip(words, kinds, strict=True))
    )
    if not rest:
        return ""
    first = rest[0][0]
    following, kind = rest[1] if len(rest) > 1 else ("", None)
    if first == "what" and following in _DO:
        return "asks what happens, not which object"
    if first == "where" and following in _DO:
        return "asks where something goes, not which object"
    if first == "when" and following in _AUXILIARIES:
        return 'asks "when", not which object'
    # "can you show me ..." asks for an object, and "is moving" lacks its subject.
    is_request = following == "you"
    is_predicate = kind in ("motion", "event", "not", "relation") and following != "there"
    if first in _AUXILIARIES and following and not (is_request or is_predicate):
        return "is a question to be answered by yes or no"
    return ""


def _find_possessed(text: str) -> str:
    """Find "the dog's color", which asks for no dog."""
    found = _POSSESSED.search(text.casefold())
    return f"asks for the {found[1]} of an object, not which object" if found else ""


def _find_property(tokens: Sequence[Token]) -> str:
    """Find "the color of the largest object" and "which direction does it move"."""
    words = [token.words for token in tokens]
    for position, (word, following) in enumerate(itertools.pairwise(words)):
        if not _opens(tokens, position):
            break
        if word == "number" and following.split()[0] == "of":
            return ASKS_HOW_MANY
        if word in _PROPERTIES and following.split()[0] == "of":
            return f"asks for the {word} of an object, not which object"
        if word in ("what", "which", "whose") and following in _PROPERTIES:
            return f"asks for a {following}, not for an object"
    return ""


def _find_command(tokens: Sequence[Token]) -> str:
    rest = list(itertools.dropwhile(lambda token: token.words in _POLITE, tokens))
    if not rest:
        return ""
    forbids = rest[0].words in ("don't", "do", "never") and len(rest) > 1
    verb = rest[1] if forbids else rest[0]
    is_verb = verb.kind in ("motion", "event") and verb.entry is not None
    if not forbids and len(rest) > 1 and may_be_noun(rest[1]):
        return ""  # "stop sign"
    if is_verb and verb.entry is not None and verb.entry.form == "infinitive":
        return "is a command, not a description of an object"
    return ""


def _find_pronoun(tokens: Sequence[Token]) -> str:
    """Find "she is running" and "who is he": they do not say who is meant."""
    skipped = _POLITE | _AUXILIARIES | {"who", "what", "where", "which"}
    rest = list(itertools.dropwhile(lambda token: token.words in skipped, tokens))
    if not rest:
        return ""
    words = [token.words for token in rest]
    if words[0] in _PRONOUNS:
        return f'does not say who or what "{words[0]}" is'
    about_speaker = words[0] in _SPEAKERS and (
        len(words) == 1 or rest[1].kind in ("be", "motion", "event", "modal", "place")
    )
    if about_speaker:
        return "speaks of you or me, not of an object in the video"
    said = [token.words for token in rest if token.kind not in ("filler", "be")]
    pointed = [word for word in said if word in _POINTING]
    if pointed and len(pointed) == len(said):
        return f'does not say what "{pointed[0]}" is'
    return ""


def _find_salad(tokens: Sequence[Token], words: Sequence[Token]) -> str:
    """Find rows of words that are no sentence."""
    salad = "does not read as a description of an object"
    if not words:
        return ""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        ends = following is None or following.kind in (
            "of", "and", "or", "than", "be", "comma", "det", "who", "preposition", "with", "in",
            "without", "except",
        )  # fmt: skip
        if token.words in ("the", "a", "an") and ends:
            return salad
    if words[-1].kind in ("and", "or", "of", "than", "with", "without", "except", "order"):
        return salad
    for token, after in itertools.pairwise(words):
        if token.words == after.words and token.kind not in ("filler", "not"):
            return salad
    for position, token in enumerate(words):
        before = {one.kind for one in words[:position]}
        opens = words[0].words == "there" or not before or before & (_HEADS | _OPENING)
        if token.words in _BE and not opens:
            return salad
    kinds = [token.kind for token in words]
    if kinds.count("number") > 1 and not _COUNTED_APART & {token.kind for token in tokens}:
        return salad
    reads = kinds[0] != "than" and _reads_as_telegram(words) and stands_in_order(tokens)
    return "" if reads else salad


def _reads_as_telegram(words: Sequence[Token]) -> bool:
    """Whether words without a noun or article, such as "red, moving left", go together."""
    kinds = [token.kind for token in words]
    if _HEADS & set(kinds):
        return True
    content = [token.kind for token in words if token.kind not in _JOINING | {"filler", "be"}]
    if len(content) > _MOST_WORDS_OF_A_TELEGRAM or set(content) == {"relation"}:
        return False
    if _JOINING & set(kinds):
        return True
    counts = Counter(kinds)
    sides = sum(counts[kind] for kind in _SIDES)
    does = counts["motion"] + counts["event"]
    singles = (sides, does, counts["size"], counts["ordinal"], counts["superlative"])
    return max(singles) < 2 and counts["color"] < 3
