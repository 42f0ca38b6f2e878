"""Whether the words of a query stand in an order in which English descriptions have them.

Every pair of neighbors must be one of the table: an article is not followed by "of", nor an
object by a color. Rows of known words nearly always have a pair that is not. The table was made
from the descriptions of the tests, the demo and the docs, and from grammar; where it is in doubt
it allows.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from videoseg_attributes.grounding.language.tokens import Token

__all__ = ["stands_in_order"]

_START, _END = "start", "end"
_SKIPPED = frozenset({"filler", "fold", "camera"})
_PREPOSITIONS = frozenset({"on", "at", "to", "in", "from", "near", "towards", "toward", "into"})

_NOUNS = "noun generic"
_QUALITIES = "color shade size participle state past"
_LINKS = "and or comma then order except"
_AFTER = f"{_LINKS} where relation preposition in with without part who be not modal ranked {_END}"
"""What may come after a whole description."""

_FOLLOWERS: Mapping[str, str] = {
    "det": f"{_NOUNS} {_QUALITIES} superlative comparative ordinal number place ranked not part "
    f"all infinitive where who {_LINKS}",
    "all": f"{_NOUNS} {_QUALITIES} superlative number of det except who place comma {_END}",
    "number": f"{_NOUNS} {_QUALITIES} superlative comparative place of who ordinal {_AFTER}",
    "ordinal": f"{_NOUNS} {_QUALITIES} superlative ranked of number finite infinitive {_AFTER}",
    "superlative": f"{_NOUNS} {_QUALITIES} of det number {_AFTER}",
    "comparative": f"{_NOUNS} {_QUALITIES} of than number {_AFTER}",
    "size": f"{_NOUNS} {_QUALITIES} {_AFTER}",
    "shade": f"{_NOUNS} {_QUALITIES} {_AFTER}",
    "color": f"{_NOUNS} {_QUALITIES} {_AFTER}",
    "place": f"{_NOUNS} {_QUALITIES} place direction ordinal superlative of {_AFTER}",
    "ranked": _AFTER,
    "where": f"noun place direction participle state finite past of {_AFTER}",
    "direction": f"{_NOUNS} direction participle superlative ordinal comparative {_AFTER}",
    "noun": f"noun generic det of than participle state finite past infinitive place direction "
    f"superlative comparative number ordinal {_AFTER}",
    "generic": f"noun of det participle state finite past infinitive direction place superlative "
    f"comparative ranked {_AFTER}",
    "finite": f"noun det direction place superlative comparative ordinal state participle "
    f"where of {_AFTER}",
    "past": f"{_NOUNS} {_QUALITIES} det direction place superlative comparative ordinal of "
    f"{_AFTER}",
    "participle": f"{_NOUNS} {_QUALITIES} det direction place superlative comparative ordinal of "
    f"{_AFTER}",
    "infinitive": f"noun det direction place superlative comparative ordinal state of {_AFTER}",
    "state": f"{_NOUNS} {_QUALITIES} than superlative ordinal direction place {_AFTER}",
    "part": f"{_NOUNS} det of all number finite past participle state direction place {_AFTER}",
    "of": f"{_NOUNS} color shade size participle past det all number",
    "than": f"{_NOUNS} {_QUALITIES} det all number who superlative",
    "be": f"noun {_QUALITIES} det finite infinitive superlative comparative ordinal ranked place "
    f"where direction relation preposition in with without part not number all order {_END}",
    "who": f"noun generic be finite past infinitive state relation not modal place preposition in "
    f"with without where det comma {_END}",
    "modal": f"noun generic det not be infinitive finite past relation all number {_END}",
    "not": f"noun generic {_QUALITIES} det finite infinitive superlative comparative place where "
    f"direction relation preposition in with without part all who be number {_END}",
    "in": f"{_NOUNS} {_QUALITIES} det all number place superlative part",
    "with": f"{_NOUNS} {_QUALITIES} det all number superlative",
    "without": f"{_NOUNS} {_QUALITIES} det all number superlative",
    "preposition": f"{_NOUNS} {_QUALITIES} det all number place direction superlative infinitive "
    f"finite ranked part where ordinal {_END}",
    "relation": f"{_NOUNS} {_QUALITIES} det all number place superlative who direction not "
    f"and or comma part then order preposition where {_END}",
    "except": f"{_NOUNS} {_QUALITIES} det all number superlative finite infinitive who not be "
    f"relation where in place",
    "order": f"{_NOUNS} {_QUALITIES} det all number direction place where who superlative "
    f"comma {_END}",
    **dict.fromkeys(
        ("and", "or"),
        f"{_NOUNS} {_QUALITIES} det all number superlative comparative ordinal finite "
        f"infinitive place where direction not relation preposition in with without part who be "
        f"then ranked order modal",
    ),
}
_TABLE = {name: frozenset(text.split()) for name, text in _FOLLOWERS.items()}
"""What may follow. After what is not in it, such as a comma or "then", anything may."""
_NOT_FIRST = frozenset({"of", "than", "and", "or"})
_JOINING = frozenset({"and", "or", "comma", "of", "than", "relation", "order", "except", "then"})


def stands_in_order(tokens: Sequence[Token]) -> bool:
    """Return whether each phrase of a query may stand after the one before it.

    Args:
        tokens: The phrases; at least one.
    """
    classes = [_START]
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        found = _class_of(token)
        if found in ("fold", "camera") and classes[-1] == "det":
            found = "noun"  # "in the direction of the camera"
        if found == "infinitive" and after is not None and after.kind is None:
            found = "noun"  # "the red stop sign"
        if found == "place" and classes[-1] == "who" and token.words != "left":
            return False  # "the one that left", but not "the one that top"
        if found not in _SKIPPED:
            classes.append(found)
    classes.append(_END)
    # "the largest of the fastest", but not "the largest object fastest".
    if classes.count("superlative") > 1 and not _JOINING & set(classes):
        return False
    if classes[1] in _NOT_FIRST:
        return False
    for one, following in itertools.pairwise(classes):
        allowed = _TABLE.get(one)
        if allowed is not None and following not in allowed:
            return False
    return True


def _class_of(token: Token) -> str:
    """Return the class of a phrase in the table."""
    entry, first = token.entry, token.words.split()[0]
    if entry is None:
        return "noun"
    match entry.kind:
        case "motion" | "event" if entry.form == "finite" and not token.words.endswith("s"):
            return "past"
        case "motion" | "event":
            return entry.form or "state"
        case "det" if first == "which" and token.words != "which":
            return "generic"
        case "generic" | "rest":
            return "generic"
        case "ranked place":
            return "ranked"
        case "place" | "superlative" if first in _PREPOSITIONS:
            return "where"
        case "superlative" if first.endswith("ing"):
            return "participle"
        case "superlative" if first.endswith("s") or first == "visible":
            return "finite"
    return entry.kind
