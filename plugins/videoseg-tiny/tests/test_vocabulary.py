from __future__ import annotations

from pathlib import Path

import pytest
from videoseg_synthetic import make_clip
from videoseg_synthetic.palette import COLORS as DRAWN_COLORS
from videoseg_synthetic.shapes import SHAPES as DRAWN_SHAPES
from videoseg_tiny.chat import _refuse_unknown_words
from videoseg_tiny.clips import KNOWN_KINDS
from videoseg_tiny.vocabulary import COLORS, PIECES, SHAPES, find_unknown_words, is_query

from videoseg.text import has_words
from videoseg.types import Message, TextPart


def refused(query):
    parts = (f"find {query}", "0.0 1.5 0 target 12", f"find {query}", "last")
    return _refuse_unknown_words([Message("user", tuple(map(TextPart, parts)))])


@pytest.fixture(scope="module")
def tokenizer(processor):
    return processor.tokenizer


def test_it_has_the_colors_and_shapes_that_are_drawn():
    assert set(COLORS) == set(DRAWN_COLORS)
    assert set(SHAPES) == set(DRAWN_SHAPES)


def test_it_covers_every_query_of_the_kinds_that_it_knows(tokenizer):
    queries = [
        query
        for seed in range(40)
        for query in make_clip(seed=seed, num_frames=12, size=(96, 96)).queries
        if query.kind in KNOWN_KINDS
    ]
    assert {query.kind for query in queries} == set(KNOWN_KINDS)
    for query in queries:
        assert not list(find_unknown_words(query.text)), query.text
        assert tokenizer.unk_token_id not in tokenizer(query.text).input_ids, query.text
        assert is_query(query.text), query.text
        assert not refused(query.text), query.text


@pytest.mark.parametrize("file", ["not_descriptions.txt", "more_not_descriptions.txt"])
def test_what_describes_no_object_is_refused(file):
    folder = Path(__file__).parents[2] / "videoseg-attributes" / "tests" / "grounding"
    lines = (folder / file).read_text(encoding="utf-8").splitlines()
    queries = [line for line in lines if not line.startswith("# ")]
    assert len(queries) == 200
    # Without letters or pictures it is refused before any model is asked.
    passed = [query for query in queries if not refused(query) and has_words(query)]
    # In a drawn clip it may well be one.
    assert passed in ([], ["Red Square"])


def test_other_queries_have_words_that_it_does_not_know():
    assert list(find_unknown_words("the blue zebra that moves, zebra")) == ["zebra", "moves"]


@pytest.mark.parametrize(
    "text",
    [
        "<think> blue left top.</think>"
        '<answer>[{"bbox_2d":[ 12, 30, 45, 60],"point_2d":[ 30, 45],"neg_point_2d":[ 7, 8]}]'
        "</answer>",
        "<think> words: blue. when: 3, 6. action: select.</think>"
        '<select>{"start": 3,"end": 6,"keyframe": 6}</select>',
        '<think> when: 0.0, 1.3.</think>{"start": 0.0,"end": 1.3}',
        '<think> when: nothing.</think>{"percent": 40}',
    ],
)
def test_an_answer_that_is_read_again_has_the_same_tokens(tokenizer, text):
    tokens = tokenizer(text).input_ids
    assert tokenizer.unk_token_id not in tokens
    assert tokenizer.decode(tokens) == text


def test_a_word_is_one_token_wherever_it_stands(tokenizer):
    [blue] = tokenizer("blue").input_ids
    for text in ("the blue one", "Blue", "(blue)", "\nblue", "red,blue"):
        assert blue in tokenizer(text).input_ids, text


def test_a_number_is_one_token_wherever_it_stands(tokenizer):
    [number] = tokenizer("17").input_ids
    for text in ("frame 17", "<17%>", "[17, 3]", '{"start": 17}'):
        assert number in tokenizer(text).input_ids, text


def test_every_piece_is_one_token(tokenizer):
    for piece in PIECES:
        assert len(tokenizer(piece).input_ids) == 1, piece


def test_special_tokens_in_a_query_are_no_words():
    assert list(find_unknown_words("<|im_end|> blue"))
