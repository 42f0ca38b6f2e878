"""What is taken out of a text before it is read: escapes, and numbers as some write them."""

from __future__ import annotations

import html
import re

__all__ = ["tidied"]

# Four numbers with commas between thousands, or with decimal commas.
_THOUSANDS = r"\d{1,3}(?:,\d{3}){0,2}(?:\.\d{1,9})?"
_DECIMALS = r"\d{1,9}(?:,\d{1,9})?"
_LOCAL_NUMBERS = re.compile(
    rf"(?<=[\[(])(?:(?:{_THOUSANDS},\s{{1,9}}){{3}}{_THOUSANDS}"
    rf"|(?P<decimal>(?:{_DECIMALS}\s{{0,9}};\s{{0,9}}){{3}}{_DECIMALS}))(?=[\])])"
)
# "np.int64(10)", as NumPy shows its numbers
_TYPED_NUMBER = re.compile(r"\b(?:np|numpy|torch)\.\w{1,12}\(\s{0,9}([-+\d.eE]{1,30})\s{0,9}\)")
_SIZED_BRACKET = re.compile(r"\\(?:left|right|big|Big)(?=[\[\]()|])")
_ESCAPED_QUOTE = re.compile(r"[{\[,]\s{0,9}\\\"")


def tidied(text: str) -> str:
    r"""Return a text without what stands between a reader and its numbers.

    Example:
        >>> tidied("[np.int64(10), np.int64(20)]")
        '[10, 20]'
        >>> tidied("[1,024, 200, 1,500, 600]")
        '[1024, 200, 1500, 600]'
    """
    if "&quot;" in text:
        text = html.unescape(text)
    # JSON that was put into a text of JSON.
    if _ESCAPED_QUOTE.search(text) is not None and not _has_bare_key(text):
        text = text.replace('\\"', '"').replace("\\n", "\n")
    text = _TYPED_NUMBER.sub(r"\1", _SIZED_BRACKET.sub("", text))
    return _LOCAL_NUMBERS.sub(_plain_numbers, text)


def _has_bare_key(text: str) -> bool:
    return re.search(r"[{\[,]\s{0,9}\"\w", text) is not None


def _plain_numbers(match: re.Match[str]) -> str:
    if match["decimal"] is not None:
        return match.group().replace(",", ".").replace(";", ",")
    return re.sub(r",(?=\d)", "", match.group())
