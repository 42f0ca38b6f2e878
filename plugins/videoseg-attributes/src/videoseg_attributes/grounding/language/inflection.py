"""The forms of English verbs, so that the lexicon lists each verb once."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

__all__ = ["VerbForm", "verb_forms"]

VerbForm: TypeAlias = Literal["finite", "participle", "infinitive"]

_IRREGULAR = {  # base: (past, past participle)
    "run": ("ran", "run"), "drive": ("drove", "driven"), "swim": ("swam", "swum"),
    "fly": ("flew", "flown"), "slide": ("slid", "slid"), "ride": ("rode", "ridden"),
    "go": ("went", "gone"), "stand": ("stood", "stood"), "sit": ("sat", "sat"),
    "lie": ("lay", "lain"), "sleep": ("slept", "slept"), "spin": ("spun", "spun"),
    "grow": ("grew", "grown"), "shrink": ("shrank", "shrunk"), "rise": ("rose", "risen"),
    "fall": ("fell", "fallen"), "sink": ("sank", "sunk"), "come": ("came", "come"),
    "leave": ("left", "left"), "begin": ("began", "begun"), "become": ("became", "become"),
    "get": ("got", "got"), "keep": ("kept", "kept"), "hold": ("held", "held"),
    "hide": ("hid", "hidden"), "leap": ("leapt", "leapt"), "swing": ("swung", "swung"),
    "shake": ("shook", "shaken"), "take": ("took", "taken"), "set": ("set", "set"),
    "show": ("showed", "shown"), "speed": ("sped", "sped"),
}  # fmt: skip
_NO_DOUBLING = {"enter", "wander", "appear", "disappear", "reappear", "travel", "wait", "head",
                "speed", "leap", "float", "sleep", "reenter", "re-enter", "turn", "return",
                "flutter", "somersault", "exit"}  # fmt: skip


def verb_forms(phrase: str) -> dict[str, VerbForm]:
    """Return the forms of a verb phrase whose first word is the verb in its base form."""
    base, _, tail = phrase.partition(" ")
    tail = f" {tail}" if tail else ""
    final = re.fullmatch(r".*[^aeiou][aeiou][bdgklmnprt]", base)
    doubled = base + base[-1] if final and base not in _NO_DOUBLING else base
    if base.endswith("ie"):
        participle = base[:-2] + "ying"
    elif base.endswith("e") and not base.endswith("ee"):
        participle = base[:-1] + "ing"
    else:
        participle = doubled + "ing"
    if re.fullmatch(r".*(s|x|z|ch|sh|o)", base):
        third = base + "es"
    elif re.fullmatch(r".*[^aeiou]y", base):
        third = base[:-1] + "ies"
    else:
        third = base + "s"
    if base in _IRREGULAR:
        past, perfect = _IRREGULAR[base]
    elif base.endswith("e"):
        past = perfect = base + "d"
    elif re.fullmatch(r".*[^aeiou]y", base):
        past = perfect = base[:-1] + "ied"
    else:
        past = perfect = doubled + "ed"
    forms: dict[str, VerbForm] = {
        perfect + tail: "finite",
        past + tail: "finite",
        third + tail: "finite",
        participle + tail: "participle",
        base + tail: "infinitive",
    }
    if " and " in tail:  # "leaves and returns": both verbs are inflected
        first, second = phrase.split(" and ", 1)
        forms.update(
            {
                f"{one} and {two}": form
                for one, form in verb_forms(first).items()
                for two, other in verb_forms(second).items()
                if other == form
            }
        )
    return forms
