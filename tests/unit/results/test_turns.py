"""What the report and the card show of an episode with several turns."""

# ruff: noqa: RUF001

import dataclasses
import re

import pytest
from result_pages import Page, report_of

from videoseg.results import Segmentation
from videoseg.types import (
    FrameGroup,
    FrameSelection,
    Grounding,
    Prompt,
    Thought,
    Trace,
    TraceTurn,
    Window,
)

LOOKS = [(Window(2, 12), 6), (Window(4, 9), 7)]
ANSWER = Window(5, 8)
STOP = "the action says that the object is confirmed"


def overview(total):
    groups = (FrameGroup("context", tuple(range(0, total, 2))), FrameGroup("detail", (1, 9)))
    return FrameSelection(groups, Window(0, total), reason="An overview.")


def close_up(window, keyframe):
    frames = sorted({window.start, keyframe, window.stop - 1})
    return FrameSelection.of(frames, window=window, keyframe=keyframe)


@pytest.fixture(scope="module")
def looked_at(clip):
    """Build the result of an episode with the given looks."""

    def make(looks=LOOKS, *, answer=ANSWER, keyframe=6, stop=STOP, total=clip.num_frames):
        track = clip.tracks[0]
        selections = [overview(total), *(close_up(*one) for one in looks)]
        turns = [
            TraceTurn(
                selection,
                "look",
                Thought(temporal="it comes later", action="see a new segment"),
                look_window=window,
                look_keyframe=frame,
            )
            for selection, (window, frame) in zip(selections, looks, strict=False)
        ]
        last = Thought(spatial="left of the cup", linguistic="one object", action="confirmed")
        box = track.masks[keyframe].box
        grounding = Grounding(
            keyframe, (Prompt(track.object_id, keyframe, box=box),), last, window=answer
        )
        turns.append(
            TraceTurn(
                selections[-1],
                "answer",
                last,
                answer_window=answer,
                answer_keyframe=keyframe,
                stop_reason=stop,
            )
        )
        facts = clip.video.facts()
        return Segmentation(
            "it", facts, grounding, Trace(tuple(turns)), (track,), source=clip.video
        )

    return make


@pytest.fixture(scope="module")
def page(looked_at):
    return Page(report_of(looked_at()))


def of_class(page, tag, name):
    return [item for item in page.all(tag) if name in item.get("class", "").split()]


def spans(rectangles):
    return [(float(one["x"]), float(one["x"]) + float(one["width"])) for one in rectangles]


def test_windows_narrow_from_row_to_row(page, clip):
    total = clip.num_frames
    shown = spans(of_class(page, "rect", "window"))
    asked = spans(of_class(page, "rect", "asked"))
    windows = [Window(0, total), *(window for window, _ in LOOKS), Window(5, 8)]
    expected = [
        pytest.approx((1000 * w.start / total, 1000 * w.stop / total), abs=0.2) for w in windows
    ]
    assert shown == expected[:3]
    assert asked == expected[1:]
    assert len(page.all("polygon")) == 3


def test_frames_are_ticks_of_their_role_at_their_place(page, clip):
    def places(role):
        paths = [one["d"] for one in of_class(page, "path", role)]
        middles = re.findall(r"M([\d.]+) ", "".join(paths))
        return [round(float(x) / 1000 * clip.num_frames - 0.5) for x in middles]

    overview = list(range(0, clip.num_frames, 2))
    assert places("context") == [*overview, 2, 6, 11, 4, 7, 8]
    assert places("detail") == [1, 9]
    assert places("keyframe") == [6, 7]


def test_keyframes_asked_for_and_answered_are_marked_with_their_number(page, clip):
    marks = of_class(page, "span", "diamond")
    lefts = [float(re.fullmatch(r"left:([\d.]+)%", mark["style"])[1]) for mark in marks]
    frames = [6, 7, 6]
    assert lefts == [pytest.approx(100 * (f + 0.5) / clip.num_frames, abs=0.01) for f in frames]
    rows = of_class(page, "div", "turn-row")
    assert [row["class"].split()[-1] for row in rows] == ["move-look", "move-look", "move-answer"]
    for words in ("asked for 2–11", "asked for 4–8", "answered 5–7"):
        assert words in page.text


def test_each_row_is_described_for_those_who_do_not_see_it(page):
    labels = [" ".join(item["aria-label"].split()) for item in page.all("svg")]
    assert labels[:3] == [
        "Turn 1 saw 7 context frames and 2 detail frames out of the whole video and "
        "asked for frames 2–11 (0.2–0.9 s), keyframe 6",
        "Turn 2 saw 3 context frames and the suggested keyframe 6 out of "
        "frames 2–11 (0.2–0.9 s) and asked for frames 4–8 (0.3–0.7 s), keyframe 7",
        "Turn 3 saw 3 context frames and the suggested keyframe 7 out of "
        "frames 4–8 (0.3–0.7 s) and answered with 1 object, frames 5–7 (0.4–0.6 s), keyframe 6",
    ]


def test_the_thought_has_its_dimensions_and_the_action(page):
    for words in (
        "Temporal it comes later",
        "Action see a new segment",
        "Spatial left of the cup",
    ):
        assert words in page.text


def test_the_page_says_why_it_stopped(page, looked_at):
    assert f"Stopped after 3 turns: {STOP}" in page.text
    assert f"Stopped: {STOP}" in page.text
    assert "Stopped" not in Page(report_of(looked_at(stop=""))).text


def test_the_legend_names_the_signs_that_occur(page, looked_at):
    def signs(page):
        return [item["class"].split()[1] for item in of_class(page, "span", "sign")]

    assert signs(page) == [
        *("window", "context", "detail", "shown-keyframe"),
        *("asked", "asked-keyframe", "answered", "answered-keyframe"),
    ]
    at_once = Page(report_of(looked_at([], answer=None)))
    assert signs(at_once) == ["window", "context", "detail", "answered-keyframe"]
    assert not at_once.all("polygon")


def test_a_look_without_a_keyframe_has_no_mark(looked_at):
    result = looked_at()
    first = dataclasses.replace(result.trace.turns[0], look_keyframe=None)
    page = Page(report_of(dataclasses.replace(result, trace=Trace((first,)))))
    assert len(page.all("polygon")) == 1
    assert not of_class(page, "span", "diamond")


def test_a_window_too_narrow_to_see_is_drawn_wider_and_inside(looked_at):
    total = 9000
    result = looked_at([(Window(total - 1, total), total - 1), (Window(0, 1), 0)], total=total)
    facts = dataclasses.replace(result.video, num_frames=total)
    book_free = dataclasses.replace(result, video=facts, source=None)
    from videoseg.results.report.timeline import describe_timeline

    rows = describe_timeline(book_free, max_turns=8)["turns"]
    assert rows[0]["asked"] == {"x": "995.0", "width": "5.0", "end": "1000.0"}
    assert rows[1]["asked"] == {"x": "0.0", "width": "5.0", "end": "5.0"}
    assert [row["keyframe"]["flip"] for row in rows] == [True, False, False]


@pytest.mark.parametrize("num_looks", [0, 1, 7])
def test_there_is_one_row_for_each_turn(looked_at, num_looks):
    looks = [(Window(k, 14 - k), 6) for k in range(1, num_looks + 1) if k < 7][:num_looks]
    looks += [(Window(6, 8), 6)] * (num_looks - len(looks))
    page = Page(report_of(looked_at(looks)))
    assert len(of_class(page, "div", "turn-row")) == num_looks + 1


def test_a_notebook_tells_each_turn(looked_at):
    page = Page(looked_at()._repr_html_())
    for words in (
        "Turn 2: saw 3 context frames and the suggested keyframe 6 out of "
        "frames 2–11 (0.2–0.9 s), asked for frames 4–8 (0.3–0.7 s), keyframe 7",
        "answered with 1 object, frames 5–7 (0.4–0.6 s), keyframe 6",
        "Action confirmed",
        f"Stopped: {STOP}",
    ):
        assert words in page.text


def test_a_saved_result_keeps_what_each_turn_did(looked_at, tmp_path):
    result = looked_at()
    result.save(tmp_path / "out", parts=())
    loaded = Segmentation.load(tmp_path / "out")
    assert loaded.trace == result.trace
    assert loaded.grounding.window == Window(5, 8)
