# ruff: noqa: RUF001 - models write other alphabets, too

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_r1 import parse_percent, parse_span
from videoseg_r1.parsing.times import parse_time, parse_timestamp

# -- spans -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1. The car turns at 12s ... 2. until 15.5 s", (12, 15.5)),
        ("1. Start: 3\n2. End: 7.5", (3, 7.5)),
        ("1) 12 s - 15 s\n2) 40 s - 50 s", (12, 15)),
        ("It starts at 3. It ends at 7.", (3, 7)),
    ],
)
def test_list_numbers_are_no_times(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1 m 5 s to 1m9s", (65, 69)),
        ("from 1 min 5 sec until 1 minute and 15 seconds", (65, 75)),
        ("1 h 2 m 3 s - 1 hour, 2 minutes and 9 seconds", (3723, 3729)),
        ("1m05 - 1m10", (65, 70)),
        ("between 1 minute and 90 seconds", (60, 90)),
        ("500 to 900 ms", (0.5, 0.9)),
        ('{"start": "1 m 5 s", "end": "1 minute and 9 seconds"}', (65, 69)),
        ("00:00:12,500 --> 00:00:15,000", (12.5, 15)),
        (".5 s to 0.75 s", (0.5, 0.75)),
    ],
)
def test_times_may_be_written_in_parts(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2 dogs run from 3.0 to 7.5 seconds", (3, 7.5)),
        ("from 3 to about 7.5 seconds", (3, 7.5)),
        ("12-15.5s", (12, 15.5)),
        ("12s-15", (12, 15)),
        ("between 12 s and 14", (12, 14)),
        ("between 3 and 7.5 s", (3, 7.5)),
        ("1 to 2 minutes", (60, 120)),
        ("30 to 1 minute", (30, 60)),
        ("starts at 3 and ends at 7 seconds", (3, 7)),
        ("from the 3rd to the 7th second", (3, 7)),
    ],
)
def test_a_bare_number_takes_the_unit_of_the_other_end(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("The clip lasts 20 seconds. It is seen from 3 s to 7 s.", (3, 7)),
        ("In the 10-second clip it comes at 3 s and goes at 7 s.", (3, 7)),
        ("It jumps at 2 s; it is seen from 3 s to 7 s", (3, 7)),
        ("12 s - 2 dogs appear; 15 s - they go", (12, 15)),
        ("at 12 s and 2 dogs until 15 s", (12, 15)),
        ("frame 12 (3 s) to frame 30 (7.5 s)", (3, 7.5)),
        ("a 1080p video at 30 fps, from 3 to 7", (3, 7)),
    ],
)
def test_what_says_that_it_is_a_span_goes_before_what_stands_beside_it(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "frames 12 to 40",
        "frames 12, 15 and 18",
        "from 20% to 40%",
        "20 to 40 %",
        "the 2nd of 3 dogs",
        "2 dogs and 3 cats",
        "3 7 12",
        "-1 to 4",
        '{"start": 3, "end": 1',
        "2 dogs from 3 s",
    ],
)
def test_what_are_no_two_times_is_no_span(text):
    assert parse_span(text) is None


@st.composite
def written_times(draw) -> tuple[str, float]:
    """Return a time as it may be written, and what it is."""
    minutes, seconds = draw(st.integers(0, 59)), draw(st.integers(0, 599)) / 10
    value = 60 * minutes + seconds
    space = draw(st.sampled_from(["", " "]))
    forms = [
        (f"{minutes:02d}:{seconds:04.1f}", value),
        (f"0:{minutes:02d}:{seconds:04.1f}", value),
        (f"{value:.1f}{space}{draw(st.sampled_from(['s', 'sec', 'seconds']))}", value),
        (f"{minutes}{space}m{space}{seconds:.1f}{space}s", value),
        (f"{minutes}{space}min {seconds:.1f}{space}sec", value),
        (f"{minutes} minutes and {seconds:.1f} seconds", value),
    ]
    return draw(st.sampled_from(forms))


@settings(max_examples=300, deadline=None)
@given(
    written_times(),
    written_times(),
    st.sampled_from(
        ["", "1. ", "2 dogs run ", "In frame 7, ", "Step 3: ", "The clip lasts 90 s. "]
    ),
    st.sampled_from(
        [("", " - "), ("", "-"), ("from ", " to "), ("from ", " until "), ("between ", " and ")]
    ),
    st.sampled_from(["", ".", "\n2. frame 9", " (4 dogs)", ", at 30 fps", ", 80 % sure"]),
)
def test_a_span_is_found_however_it_is_written(first, second, before, joined, after):
    text = f"{before}{joined[0]}{first[0]}{joined[1]}{second[0]}{after}"
    expected = tuple(sorted((first[1], second[1])))
    assert parse_span(text) == pytest.approx(expected)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.text("abc123 %:.", max_size=30))
def test_json_goes_before_everything_that_stands_around_it(start, end, around):
    text = f'{around} {{"start": {start}, "end": {end}}} {around}'
    assert parse_span(text) == (min(start, end), max(start, end))


# -- single times and positions ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1. It is seen best at 12 s", 12),
        ("2 dogs, best at 7", 7),
        ("The clip lasts 20 seconds; at 1 m 5 s", 65),
        ("between 3 and 5 s", 4),
        ("the 12-second mark", 12),
        ("frame 12", None),
        ("2 dogs", None),
        ("at 40 %", None),
        ('{"keyframe_timestamp": 1', None),
    ],
)
def test_single_times_in_running_text(text, seconds):
    assert parse_timestamp(text) == seconds


def test_text_inside_json_is_read_alike():
    assert parse_time("1 minute and 5 seconds") == 65
    assert parse_time("frame 12") is None


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("1. The car turns. 2. It is seen best at 35 %", 0.35),
        ("1. The car is seen best at 35", 0.35),
        ("2 dogs, best at 60", 0.6),
        ("I am 90% sure that it is at 35%", 0.35),
        ("30-40%", 0.35),
        ("between 30% and 40%", 0.35),
        ("at 12 s (35%)", 0.35),
        ("35/100", 0.35),
        ("4 out of 10", 0.4),
        ("35. There it is largest", 0.35),
        ("at 12 s", None),
        ("0:12", None),
        ("frame 40", None),
        ("2 dogs", None),
        ('{"percent": 3', None),
    ],
)
def test_positions_in_running_text(text, share):
    found = parse_percent(text)
    assert found == share if share is None else found == pytest.approx(share)


@given(
    st.integers(0, 100),
    st.sampled_from(["", "1. ", "2 dogs, ", "frame 7, ", "at 12 s, ", "1. A car\n2. "]),
    st.sampled_from(["%", " %", " percent"]),
)
def test_a_percentage_is_found_whatever_stands_before_it(number, before, sign):
    assert parse_percent(f"{before}{number}{sign}") == pytest.approx(number / 100)


# -- bounds ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    [
        "1 ",
        "1s - ",
        "1:1:",
        "1m",
        "1,",
        "-1",
        "1 and ",
        "(((1",
        "from the ",
        " ",
        "9",
        "1 min ",
        ".",
    ],
)
def test_reading_times_takes_bounded_time(unit):
    text = unit * 100_000 + "[1 x"
    begin = time.perf_counter()
    for parse in (parse_span, parse_timestamp, parse_percent):
        parse(text)
    assert time.perf_counter() - begin < 10


pieces = st.sampled_from(
    [
        *"0123456789:.-%, {]\n",
        *("12", "3.5", "s", "m", "h", "min", "to", "and", "from", "between", "frame"),
        *("1.", "2)", "ms", "st", "ends at", "out of"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=60))
def test_times_and_positions_are_in_range_or_none(parts):
    for text in ("".join(parts), " ".join(parts)):
        span, seconds, share = parse_span(text), parse_timestamp(text), parse_percent(text)
        assert span is None or 0 <= span[0] <= span[1] < float("inf")
        assert seconds is None or 0 <= seconds < float("inf")
        assert share is None or 0 <= share <= 1


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("de 2,5 s à 6 s", (2.5, 6)),
        ("von 2,5 bis 6 Sekunden", (2.5, 6)),
        ("2,5 Sekunden bis 6 Sekunden", (2.5, 6)),
        ("desde 2,5 hasta 6 segundos", (2.5, 6)),
        ("da 2,5 a 6 secondi", (2.5, 6)),
        ("с 2,5 до 6 секунд", (2.5, 6)),
        ("1分2秒到1分6秒", (62, 66)),
        ("2.5秒から6秒", (2.5, 6)),
        ("1분 2초부터 1분 6초까지", (62, 66)),
        ("2,6", (2, 6)),
        ("[2,6]", (2, 6)),
    ],
)
def test_times_in_other_languages_are_read_with_their_decimal_commas(text, span):
    assert parse_span(text) == span


def test_single_numbers_may_have_decimal_commas():
    assert parse_timestamp("3,5 s") == 3.5
    assert parse_percent("35,5 %") == pytest.approx(0.355)
