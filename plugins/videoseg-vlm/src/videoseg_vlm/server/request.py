"""The fields of a request, and the API key, which must not appear anywhere else."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from videoseg import ConfigError
from videoseg.text import printable, shorten, shorten_text

__all__ = [
    "Redactor",
    "advise",
    "check_added",
    "check_omitted",
    "drop_omitted",
    "keep_out_of_logs",
    "read_key",
]

_MAX_TOKENS = ("max_tokens", "max_completion_tokens")
# Messages about an unknown field, unlike those about a value that is too large.
_UNWANTED = re.compile(
    r"not (supported|permitted|allowed|recognized|recognised|accepted|available|implemented)"
    r"|does not support|unsupported|unknown|unrecogni[sz]ed|unexpected|extra|additional propert"
    r"|deprecated|instead|invalid (field|param|argument)|no longer|forbidden|cannot be used"
)


def check_omitted(omit: str | Sequence[str], max_tokens_field: str) -> frozenset[str]:
    """Return the names of the fields to leave out.

    Args:
        omit: The names, or a text with names separated by commas.
        max_tokens_field: The name of the bound on the tokens of an answer.

    Raises:
        ConfigError: If a name is not that of a field that can be left out.
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
        ConfigError: If they cannot be written as JSON.
    """
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            "extra_body of the chat model 'openai' must hold what JSON can: texts, numbers, "
            f"lists and mappings; {shorten_text(printable(str(error)), 200)}"
        ) from error
    return dict(fields)


def drop_omitted(body: Mapping[str, Any], omitted: Collection[str]) -> dict[str, Any]:
    """Return a request without the fields to leave out and those set to None."""
    return {
        name: value for name, value in body.items() if name not in omitted and value is not None
    }


def advise(words: str, body: Mapping[str, Any], extra: Collection[str]) -> str:
    """Return what to do about a refusal that names fields of the request; else nothing.

    Args:
        words: The message of the server.
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


# Shorter keys are placeholders, such as EMPTY, which may occur in an answer.
_SHORTEST_SECRET = 8


def read_key(variable: str | None) -> str | None:
    """Return the key in an environment variable; None without a variable.

    Raises:
        ConfigError: If the variable is not set, or its name is not valid. The message never
            repeats a value that may be a key itself.
    """
    if variable is None:
        return None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,39}", variable):
        raise ConfigError(
            "api_key_env must be the name of an environment variable, such as OPENAI_API_KEY; "
            "the key itself goes into that variable, never into options or files"
        )
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable {variable} is not set; put the server's key there: "
            f"export {variable}=..."
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the key in {variable} contains characters that a key cannot have")
    return key


class Redactor:
    """Removes a key from text that a server sends, since some repeat the request.

    Args:
        key: The key, printable ASCII; None if there is none.

    Attributes:
        is_secret: Whether there is a key that is not a placeholder.
    """

    def __init__(self, key: str | None) -> None:
        self.is_secret = key is not None and len(key) >= _SHORTEST_SECRET
        self._length = len(key or "")
        self._pattern = re.compile(_pattern(key, self.is_secret)) if key else None

    def redact(self, text: str) -> str:
        """Replace the key: plain, escaped (JSON, URL, HTML) or inside base64."""
        if self._pattern is None or len(text) < self._length:
            return text
        return self._pattern.sub("<key>", text)


def keep_out_of_logs(redactor: Redactor) -> None:
    """Remove a key from the headers that the HTTP library logs, while the redactor exists."""
    _IN_USE.add(redactor)
    # Adding a filter twice has no effect.
    logging.getLogger("httpcore.http11").addFilter(_WITHOUT_KEYS)


class _WithoutKeys(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for redactor in list(_IN_USE):
            text = redactor.redact(text)
        record.msg, record.args = text, ()
        return True


_IN_USE: weakref.WeakSet[Redactor] = weakref.WeakSet()
_WITHOUT_KEYS = _WithoutKeys()


def _pattern(key: str, is_secret: bool) -> str:
    forms = ["".join(_letter(letter) for letter in key)]
    if is_secret:
        forms += _inside_base64(key)
    return "|".join(forms)


def _letter(letter: str) -> str:
    code = ord(letter)
    # JSON inside JSON is escaped twice. The bound keeps the search linear.
    backslashes = r"\\{1,4}"
    escapes = (
        rf"{backslashes}u00{code:02x}",
        rf"{backslashes}x{code:02x}",
        rf"%(?:25)?{code:02x}",
        rf"&#(?:0{{0,4}}{code}|x0{{0,4}}{code:x});",
    )
    plain = re.escape(letter)
    return rf"(?:{plain}|{backslashes}{plain}|(?i:{'|'.join(escapes)}))"


def _inside_base64(key: str) -> list[str]:
    """Return the forms of a key inside base64 text, for each offset at which it may begin."""
    forms = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + key.encode()).decode().rstrip("=")
        # Letters at both ends also depend on the bytes beside the key.
        start = (0, 2, 3)[before]
        stop = len(encoded) - ((before + len(key)) % 3 > 0)
        form = re.escape(encoded[start:stop]).replace(r"\+", "[+-]").replace("/", "[/_]")
        forms.append(form)
    return forms
