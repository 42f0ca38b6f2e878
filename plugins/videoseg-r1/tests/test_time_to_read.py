"""However a text is made, reading it takes time in proportion to its length."""

from __future__ import annotations

import contextlib
import gc
import time

import pytest
from videoseg_r1 import parse_answer, parse_percent, parse_span
from videoseg_r1.budget import parse_difficulty
from videoseg_r1.parsing.json_text import read_values
from videoseg_r1.parsing.times import parse_timestamp

from videoseg.errors import GroundingParseError

LENGTH = 40_000
LONGEST = 200_000

PATTERNS = [
    *("[" * 34 + "]" * 33 + ",", '{"a":[', "[1,", "[1,2,3,4],", "[THINK]", "{'a':'", '["a'),
    *("//", "/*", "# a ", "'", '"', "“", "``` [1] ", "1,000, ", "1_", "9" * 400 + " "),
    *("no dog ", "there is no ", "没有", "answer: ", "\n## answer\n", r"\boxed{", "<|end|>"),
    *("x1=1,y1=2,x2=3,y2=4 ", "<loc0001>", '<point x="1" y="2">', "ymin, xmin, ymax, xmax "),
    *('{"bbox":[[1,2,3,4],', '{"points":[[1,2],', "bbox_xywh: [1,2,3,4] ", "box (1,2) ", "\n"),
]


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_is_collected_meanwhile():
    """A collection walks through all that other tests have left, which is not reading."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def seconds_for(parse, text: str, *, tries: int = 1) -> float:
    """Return the least time of some tries: the others were disturbed."""
    taken = []
    for _ in range(tries):
        begin = time.process_time()
        with contextlib.suppress(GroundingParseError):
            parse(text)
        taken.append(time.process_time() - begin)
    return min(taken)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_reading_an_answer_takes_time_in_proportion_to_its_length(pattern):
    text = pattern * (LENGTH // len(pattern))
    parse_answer("[1, 2, 3, 4]")
    short = seconds_for(parse_answer, text[: LENGTH // 10], tries=3)
    # Quadratic time would be a hundred times the short one's, of which the shortest take 5 ms.
    assert seconds_for(parse_answer, text, tries=3) < 40 * short + 0.3


@pytest.mark.parametrize("parse", [read_values, parse_span, parse_percent, parse_timestamp])
def test_the_other_readers_keep_up(parse):
    for pattern in PATTERNS[:3]:
        assert seconds_for(parse, pattern * (LENGTH // len(pattern))) < 1


def test_the_longest_text_that_is_read_is_read_soon():
    unclosed = "[" * 34 + "]" * 33 + ","
    assert seconds_for(read_values, unclosed * (LONGEST // len(unclosed))) < 5


def test_objects_without_end_are_read_in_bounded_time():
    boxes = "".join(f'{{"box_{n}": [{n}, 0, {n}9, 99]}},' for n in range(3_000))
    keys = "{" + "".join(f'"k{n}": {{"bbox": [1, 2, 3, 4]}},' for n in range(3_000)) + "}"
    listed = '{"bbox_2d": [' + "[1, 2, 3, 4]," * 3_000 + "]," + '"label": "a",' * 3_000 + "}"
    for text in (boxes, keys, listed):
        assert seconds_for(parse_answer, text) < 2
    assert seconds_for(parse_difficulty, '{"scene_complexity": ' * 3_000) < 2
