"""Candidates of an answer: in the report, in notebooks, in a saved result."""

import dataclasses

import pytest
from result_pages import Page, report_of

from videoseg.errors import ConfigError
from videoseg.results import Segmentation
from videoseg.results.candidates import candidate_frames, list_candidates
from videoseg.results.report import report_pictures
from videoseg.types import Box, Candidate, Comparison, Grounding, Judgement

COMPARED = Comparison(
    (
        Candidate(
            3,
            4,
            Box(10, 10, 60, 50),
            (Judgement("small", 0.9, "covers 0.02"), Judgement("the leftmost", None, "place 2")),
            label="cat 0.91",
            verdict="another place is asked for",
        ),
        Candidate(
            7,
            4,
            Box(80, 20, 120, 90),
            (Judgement("small", 0.75), Judgement("the leftmost", None, "place 1")),
            object_id=1,
            verdict="taken",
        ),
        Candidate(8, 9, Box(0, 0, 160, 112), verdict="treated as background"),
    ),
    frames=(0, 4, 9),
    decision="Two fit; the leftmost was taken.",
)


@pytest.fixture
def compared(result):
    return dataclasses.replace(
        result, grounding=dataclasses.replace(result.grounding, comparison=COMPARED)
    )


@pytest.mark.parametrize("view", [report_of, lambda result: result.show().html])
def test_candidates_are_drawn_with_numbers_and_compared(compared, view):
    page = Page(view(compared))
    captions = [item["alt"] for item in page.all("img")]
    assert any("candidates 7, 3" in text for text in captions)
    assert any("candidate 8" in text for text in captions)
    assert "3 of the frames 0–9" in page.text and "3 things were seen" in page.text  # noqa: RUF001
    for words in ("“small”", "“the leftmost”", "0.90", "covers 0.02", "place 1", "cat 0.91"):
        assert words in page.text
    assert "another place is asked for" in page.text and "treated as background" in page.text
    assert COMPARED.decision in page.text
    assert len([item for item in page.all("tr") if item.get("class") == "taken"]) == 1


def test_the_frames_of_candidates_are_among_the_pictures(compared):
    assert candidate_frames(compared, 3) == [4, 9]
    assert {4, 9} <= set(report_pictures(compared))


def test_what_was_seen_is_shown_where_nothing_was_found(clip, make_result):
    candidates = tuple(dataclasses.replace(one, object_id=None) for one in COMPARED.candidates)
    seen = Comparison(candidates, COMPARED.frames)
    absent = make_result(
        clip, grounding=Grounding(None, confidence=0.7, comparison=seen), tracks=()
    )
    page = Page(report_of(absent))
    assert "What was looked at" in page.text and "; none fits." in page.text
    assert "onfidence" not in page.text
    for html in (absent._repr_html_(), report_of(absent)):
        assert "does not" not in html or "What was looked at" in html


def test_one_keyframe_and_one_score(compared):
    page = Page(report_of(compared))
    keyframe = compared.grounding.keyframe
    for words in page.text.split("frame ")[1:]:
        if "· keyframe" in words[:30]:
            assert words.startswith(f"{keyframe},")
    assert "Fits the query" not in page.text


def test_a_comparison_is_saved_with_the_result(compared, tmp_path):
    compared.save(tmp_path / "out", parts=())
    assert Segmentation.load(tmp_path / "out").grounding.comparison == COMPARED


def test_a_terminal_gets_a_line_for_each_outcome():
    others = tuple(Candidate(n, 4, Box(1, 1, 9, 9), verdict="does not fit") for n in (4, 5, 6))
    assert list_candidates(Comparison(others)) == ["candidates 4, 5, 6: does not fit"]

    assert list_candidates(COMPARED) == [
        "candidate 7: object 1; small 0.75, the leftmost place 1",
        "candidate 3 (cat 0.91): another place is asked for; small 0.90, the leftmost place 2",
        "candidate 8: treated as background",
        "Two fit; the leftmost was taken.",
    ]


def test_numbers_and_parts_are_checked():
    one = COMPARED.candidates[0]
    with pytest.raises(ConfigError, match="two candidates have the number 3"):
        Comparison((one, one))
    with pytest.raises(ConfigError, match="must be a sequence of Candidate"):
        Comparison(("dog",))
    with pytest.raises(ConfigError, match="must be a Box"):
        Candidate(1, 0, (1, 2, 3, 4))
    assert COMPARED.words == ("small", "the leftmost")
    assert [candidate.number for candidate in COMPARED.taken] == [7]


def test_no_text_of_a_comparison_becomes_markup(compared):
    evil = "<script>alert(1)</script>"
    poisoned = Candidate(1, 4, Box(1, 1, 9, 9), (Judgement(evil, 1.0, evil),), 1, evil, evil)
    grounding = dataclasses.replace(
        compared.grounding, comparison=Comparison((poisoned,), (4,), evil)
    )
    html = report_of(dataclasses.replace(compared, grounding=grounding))
    assert len(Page(html).scripts) == 1 and evil in Page(html).text
