"""The fields of a request: which are sent, and what a server says against them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from videoseg import ConfigError
from videoseg.text import printable, shorten, shorten_text

__all__ = ["advise", "check_added", "check_omitted", "without_omitted"]

_MAX_TOKENS = ("max_tokens", "max_completion_tokens")
# What is said of a field that is not wanted at all, unlike one whose value is too large.
_UNWANTED = re.compile(
    r"not (supported|permitted|allowed|recognized|recognised|accepted|available|implemented)"
    r"|does not support|unsupported|unknown|unrecogni[sz]ed|unexpected|extra|additional propert"
    r"|deprecated|instead|invalid (field|param|argument)|no longer|forbidden|cannot be used"
)


def check_omitted(omit: str | Sequence[str], max_tokens_field: str) -> frozenset[str]:
    """Return the names of the fields to leave out.

    Args:
        omit: The names, or a text with commas between them.
        max_tokens_field: What the bound on an answer's tokens is called.

    Raises:
        ConfigError: If a name is none of a field that can be left out.
    """
    allowed = ("model", max_tokens_field, "temperature", "top_p", "seed", "n")
    names = omit.replace(",", " ").split() if isinstance(omit, str) else list(omit)
    wrong = [name for name in names if name not in allowed]
    if wrong:
        raise ConfigError(
            "omit of the chat model 'openai' must name fields that can be left out, of "
            f"{', '.join(allowed)}; got {', '.join(shorten(name) for name in wrong[:4])}"
        )
    return frozenset(names)


def check_added(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields that are added to every request.

    Raises:
        ConfigError: If they are not what JSON can hold.
    """
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            "extra_body of the chat model 'openai' must hold what JSON can: texts, numbers, "
            f"lists and mappings; {shorten_text(printable(str(error)), 200)}"
        ) from error
    return dict(fields)


def without_omitted(body: Mapping[str, Any], omitted: Collection[str]) -> dict[str, Any]:
    """Return a request without the fields to leave out and those set to None."""
    return {
        name: value for name, value in body.items() if name not in omitted and value is not None
    }


def advise(words: str, body: Mapping[str, Any], extra: Collection[str]) -> str:
    """Return what to do about a refusal that names fields of the request; else nothing.

    Args:
        words: What the server said.
        body: The request.
        extra: The fields that the user added to it.
    """
    said = words.lower()
    named = [
        name
        for name in body
        if name not in ("model", "messages", "n")
        and re.search(rf"(?<![\w-]){re.escape(name.lower())}(?![\w-])", said)
    ]
    is_unwanted = _UNWANTED.search(said) is not None
    advice = []
    bound = next((name for name in named if name in _MAX_TOKENS), None)
    if bound is not None:
        other = _MAX_TOKENS[bound == "max_tokens"]
        if is_unwanted or other in said:
            advice.append(f"give max_tokens_field={other!r}")
        else:
            advice.append(f"give another {bound}")
        named = [name for name in named if name not in _MAX_TOKENS]
    if added := [name for name in named if name in extra]:
        advice.append(f"take {' and '.join(added)} out of extra_body")
    if own := [name for name in named if name not in extra]:
        listed = ", ".join(repr(name) for name in own)
        advice.append(f"leave out what it does not take: omit=[{listed}]")
    return ", and ".join(advice)
