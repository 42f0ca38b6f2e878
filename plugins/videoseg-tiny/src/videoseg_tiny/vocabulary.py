"""The vocabulary: the words of the queries it knows, whole numbers, and pieces of JSON.

Every text has one spelling. Words and numbers are written with the space before them (``" blue"``,
``" 17"``), also where the text has none, so that a word is the same token wherever it stands and
an answer that is decoded and read again gives the same tokens.
"""

from __future__ import annotations

import importlib
import itertools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CHAT_TEMPLATE",
    "COLORS",
    "MOST_SECONDS",
    "NUMBERS",
    "PIECES",
    "PLACES",
    "SHAPES",
    "SPECIAL_TOKENS",
    "UNKNOWN",
    "WORDS",
    "find_unknown_words",
    "is_query",
    "new_tokenizer",
    "vocabulary",
]

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
UNKNOWN = "<unk>"

# As videoseg_synthetic draws them; listed, so that the vocabulary of shipped weights stays.
COLORS = (
    *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black"),
    "grey",
)
SHAPES = ("circle", "ellipse", "square", "triangle", "hexagon", "star", "heart", "blob")
PLACES = ("left", "middle", "right", "top", "center", "bottom")
"""Columns, then rows, of the part of the frame in which an object is."""

_SIZES = ("largest", "biggest", "smallest", "tiniest")
_ENDS = ("leftmost", "rightmost", "topmost", "lowest")
_QUERY_WORDS = (
    *("the", "one", "object", "thing", "that", "is", "them", "of"),
    *_SIZES,
    *(*_ENDS, "furthest", "to", "at"),
)
_MOST_QUERY_WORDS = 8
_OTHER_WORDS = (
    *("system", "user", "assistant", "seconds", "target", "frame"),
    *("find", "which", "when", "look", "for", "small", "larger", "more", "last"),
    *("words", "where", "action", "select", "answer", "nothing"),
)
WORDS = tuple(dict.fromkeys((*COLORS, *SHAPES, *PLACES, *_QUERY_WORDS, *_OTHER_WORDS)))

NUMBERS = range(101)
MOST_SECONDS = 20
"""Times from 0.0 to below this are single tokens."""

PIECES = (
    *("<think>", "</think>", "<answer>", "</answer>", "<select>", "</select>"),
    *('[{"bbox_2d":[', '],"point_2d":[', '],"neg_point_2d":[', "]}]", "[]"),
    *('{"start":', ',"end":', ',"keyframe":', ',"objects":[{"bbox_2d":[', "]}]}"),
    *('{"objects":[]}', '{"percent":', "}"),
    *(",", ".", ":", "<", ">", "%", "\n", " "),
)
"""Pieces of answers and signs; of several that fit, the longest is taken."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_WORDS_AND_SIGNS = re.compile(
    r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+\.\d{2,}|[^\w\s.,;:!?'\"()\[\]{}<>%/|&*-]"
)
_SIGNS_OF_CODE = re.compile(r"[\[\]{}<>=_;/\\|*]")
_PIECE = "|".join(re.escape(piece) for piece in sorted(PIECES, key=len, reverse=True))
# Words and numbers first, so that their space is not taken for a piece.
_TOKEN = rf" ?[a-z]+| ?[0-9]+(?:\.[0-9])?|{_PIECE}|."
# Where a word or a number begins that has no space before it, but not inside of a piece.
_BARE_WORD = r"""(?<![\w "<{|/])(?=[a-z])"""
_BARE_NUMBER = r"(?<![\w .])(?=[0-9])"


def vocabulary() -> dict[str, int]:
    """Return the number of each token that is not special."""
    tokens = (
        UNKNOWN,
        *PIECES,
        *(f" {number}" for number in NUMBERS),
        *(f" {tenth // 10}.{tenth % 10}" for tenth in range(10 * MOST_SECONDS)),
        *(f" {word}" for word in WORDS),
    )
    return {token: index for index, token in enumerate(tokens)}


def new_tokenizer() -> Any:
    """Return the tokenizer, a ``PreTrainedTokenizerFast``."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
    )

    transformers: Any = importlib.import_module("transformers")
    inner = Tokenizer(models.WordLevel(vocabulary(), unk_token=UNKNOWN))
    inner.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(_BARE_WORD), " "),
            normalizers.Replace(Regex(_BARE_NUMBER), " "),
        ]
    )
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(_TOKEN), "isolated")
    inner.decoder = decoders.Fuse()
    special = [AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS]
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token=UNKNOWN,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=special,
        clean_up_tokenization_spaces=False,
    )


def find_unknown_words(text: str) -> Iterator[str]:
    """Yield the words and signs of a text that have no token, each once, in order.

    Signs are pictures, arrows and the like, and numbers with more digits than a time has; usual
    punctuation says nothing.
    """
    known = set(WORDS)
    for word in dict.fromkeys(_WORDS_AND_SIGNS.findall(text.lower())):
        if word not in known:
            yield word


def is_query(text: str) -> bool:
    """Return whether a text may be a query of the kinds that the tiny models know.

    They answer whatever has only words that they know, "the of left is" and "nothing", too. A
    query says one thing about an object, once, and ends with neither an article nor the like.

    Example:
        >>> is_query("the largest of them"), is_query("red red red"), is_query("nothing")
        (True, False, False)
    """
    words = re.findall(r"[^\W\d_]+", text.lower())
    sayings = (COLORS, SHAPES, (*_SIZES, *_ENDS, "furthest"), PLACES)
    counts = [sum(words.count(word) for word in saying) for saying in sayings]
    return (
        not _SIGNS_OF_CODE.search(text)
        and 0 < len(words) <= _MOST_QUERY_WORDS
        and sum(counts) > 0
        and max(counts) == 1
        and {*words} <= {*COLORS, *SHAPES, *PLACES, *_QUERY_WORDS}
        and words[-1] not in ("the", "that", "is", "of", "to", "at")
        and words[0] not in ("of", "is", "to", "them")
        and all(one != other for one, other in itertools.pairwise(words))
    )
