import dataclasses
import re
import subprocess

import numpy as np
import pytest
from result_pages import Page, report_of
from videoseg_synthetic import make_clip

from videoseg.results import Segmentation, draw_masks
from videoseg.results.report import render_report, report_pictures
from videoseg.results.thumbnails import Picture, PictureBook, jpeg_data_uri, scale_prompt, spread
from videoseg.types import (
    Box,
    FrameSelection,
    Grounding,
    MaskTrack,
    Point,
    Prompt,
    Rle,
    Thought,
    Trace,
    TraceTurn,
    VideoFacts,
    Window,
)

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>' onload='alert(3)\" $title & “ok”"


@pytest.fixture(scope="module")
def page(result):
    return Page(report_of(result))


def test_the_page_says_what_was_asked_answered_and_thought(result, page):
    assert result.query in page.text
    assert f"{len(result.tracks)} object" in page.text
    for turn in result.trace.turns:
        for part in (turn.thought.temporal, turn.thought.spatial, turn.thought.linguistic):
            assert " ".join(part.split()) in page.text
    for index in result.trace.turns[0].selection.indices:
        assert f"frame {index}," in page.text


def test_every_picture_is_inside_the_page_and_described(page):
    pictures = [item for item in page.all("img") if item.get("class") != "big"]
    assert len(pictures) > 10
    for picture in pictures:
        assert picture["src"].startswith("data:image/jpeg;base64,")
        assert picture["alt"]
        assert int(picture["width"]) > 0 and int(picture["height"]) > 0


def test_the_page_asks_nothing_of_any_network(page):
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert attributes.get(name, "data:").startswith("data:")
    assert not page.all("link")
    policy = next(item for item in page.all("meta") if "http-equiv" in item)["content"]
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy


def test_the_policy_allows_this_script_and_no_other(page):
    import base64
    import hashlib

    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(item for item in page.all("meta") if "http-equiv" in item)["content"]
    assert f"script-src 'sha256-{digest}'" in policy


def test_pictures_carry_numbers_and_only_where_there_is_something_to_tell_apart(
    clip, result, result_of_all
):
    frame = next(iter(result.tracks[0].visible_frames))
    image = clip.video[frame]
    for answer in (result, result_of_all):
        masks = {track.object_id: track.mask(frame) for track in answer.tracks}
        drawn = Picture(frame, image, masks).draw(answer.object_ids, on_black=False)
        numbers = {object_id: str(object_id) for object_id in masks}
        expected = draw_masks(image, masks, labels=numbers, tags=len(masks) > 1)
        assert np.array_equal(drawn, expected)
    assert len(result.tracks) == 1 < len(result_of_all.tracks)


def _poisoned(result):
    thought = Thought(EVIL, EVIL, EVIL, EVIL, action=EVIL)
    turn = result.trace.turns[-1]
    return dataclasses.replace(
        result,
        query=EVIL,
        video=dataclasses.replace(result.video, name=EVIL, path=EVIL, reader=EVIL),
        tracks=tuple(dataclasses.replace(track, label=EVIL) for track in result.tracks),
        grounding=dataclasses.replace(
            result.grounding,
            thought=thought,
            warnings=(EVIL,),
            judged=(EVIL,),
            unjudged=(EVIL,),
            prompts=tuple(
                dataclasses.replace(prompt, label=EVIL) for prompt in result.grounding.prompts
            ),
        ),
        trace=Trace(
            (
                dataclasses.replace(
                    turn,
                    thought=thought,
                    stop_reason=EVIL,
                    selection=dataclasses.replace(turn.selection, reason=EVIL),
                ),
            )
        ),
        pipeline={EVIL: EVIL},
        timings={EVIL: 1.0},
        versions={EVIL: EVIL, "videoseg": EVIL},
        device=EVIL,
        warnings=(EVIL,),
    )


def test_no_text_of_the_user_becomes_markup(result):
    clean, poisoned = Page(report_of(result)), Page(report_of(_poisoned(result)))
    assert len(poisoned.scripts) == len(clean.scripts) == 1
    assert poisoned.scripts == clean.scripts
    assert not [a for _, a in poisoned.elements if any(name.startswith("on") for name in a)]
    assert {tag for tag, _ in poisoned.elements} <= {tag for tag, _ in clean.elements} | {"aside"}
    assert EVIL in poisoned.text


def test_no_text_of_the_user_becomes_markup_in_a_notebook(result):
    for html in (_poisoned(result)._repr_html_(), _poisoned(result).show().html):
        page = Page(html)
        assert not page.all("script")
        assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
        assert EVIL in page.text


def test_nothing_found_is_said_plainly(clip, make_result):
    page = Page(report_of(make_result(clip, grounding=Grounding(None), tracks=())))
    assert "Not in this video, as far as was seen." in page.text
    assert "Objects" not in page.text
    assert "Turn 1" in page.text


def test_a_result_of_prompts_has_a_heading(result):
    marked = dataclasses.replace(result, query="")
    assert '<h1 class="short">Objects that were marked by hand</h1>' in report_of(marked)
    assert "“”" not in report_of(marked) + marked._repr_html_()


def test_a_guess_is_yellow_and_says_which_words_were_not_judged(clip, make_result, result):
    told = {"status": "guessed", "judged": ("red",), "unjudged": ("dog",)}
    guess = dataclasses.replace(result.grounding, **told)
    tracks = tuple(dataclasses.replace(track, label="") for track in result.tracks)
    guessed = make_result(clip, grounding=guess, tracks=tracks)
    page = Page(report_of(guessed))
    [answer] = [item for item in page.all("p") if item.get("class", "").startswith("answer")]
    assert answer["class"] == "answer guessed"
    assert "A guess: 1 object" in page.text
    assert "Judged: “red” · Not judged: “dog”" in page.text
    assert "object 1" in page.text or f"object {tracks[0].object_id}" in page.text
    for html in (guessed._repr_html_(), guessed.show().html):
        assert "vs-guessed" in html and "Not judged: “dog”" in Page(html).text


def test_nothing_seen_is_not_called_absent(clip, make_result):
    nothing = make_result(clip, grounding=Grounding(None, status="guessed"), tracks=())
    page = Page(report_of(nothing))
    assert "Nothing that fits was seen." in page.text
    assert "Not in this video" not in page.text


def test_an_image_has_no_timeline_and_no_player():
    clip = make_clip(seed=1, num_frames=1, size=(96, 128), num_objects=2)
    track = clip.tracks[0]
    selection = FrameSelection.of([0], window=Window(0, 1), keyframe=0)
    result = Segmentation(
        "what",
        clip.video.facts(),
        Grounding(0, (Prompt(object_id=track.object_id, frame=0, box=track.masks[0].box),)),
        Trace((TraceTurn(selection, "answer", Thought("it")),)),
        (track,),
        source=clip.video,
    )
    page = Page(report_of(result))
    assert "1 object found." in page.text
    assert not page.all("svg") and not page.all("input")


def test_a_very_long_query_is_cut_where_it_is_the_heading(result):
    query = "the animal that runs " * 2500
    page = Page(report_of(dataclasses.replace(result, query=query)))
    assert "The whole query, 10000 words" in page.text
    assert "more characters are in result.json" in page.text
    heading = re.search("<h1[^>]*>(.*?)</h1>", report_of(dataclasses.replace(result, query=query)))
    assert len(heading[1]) < 450


def _hard(num_frames, num_objects, num_turns):
    """A result that is large in every way: noise frames, many objects, turns and words."""
    size = (540, 960)
    facts = VideoFacts("noise", None, num_frames, size, 30.0, num_frames / 30, "arrays")
    rows = np.arange(size[0])[:, None]
    columns = np.arange(size[1])[None]
    # Two shapes take turns: outlines of every object differ from frame to frame.
    shapes = [
        [
            Rle.encode((rows - 40 - 7 * k - shift) ** 2 + (columns - 60 * k - 30) ** 2 < 900)
            for shift in (0, 200)
        ]
        for k in range(num_objects)
    ]
    tracks = tuple(
        MaskTrack(k + 1, size, tuple([*pair, None] * num_frames)[:num_frames], f"thing {k}" * 9)
        for k, pair in enumerate(shapes)
    )
    words = "because of this and that " * 4000
    selection = FrameSelection.of(
        range(0, num_frames, 7), window=Window(0, num_frames), reason=words
    )
    thought = Thought(words, words, words, words, action=words)
    turn = TraceTurn(selection, "answer", thought, stop_reason=words)
    prompts = tuple(
        Prompt(object_id=k + 1, frame=7 * k, box=Box(1, 1, 50, 50), points=(Point(5, 5),) * 50)
        for k in range(num_objects)
    )
    return Segmentation(
        words,
        facts,
        Grounding(0, prompts, warnings=tuple(words[k:] for k in range(50))),
        Trace((turn,) * num_turns),
        tracks,
        pipeline={"text": words},
        timings={f"stage {k}": 1.0 for k in range(200)},
        versions={f"package {k}": words for k in range(300)},
    )


def test_the_page_stays_small_however_large_the_result():
    result = _hard(num_frames=4000, num_objects=70, num_turns=40)
    wanted = report_pictures(result)
    assert len(wanted) <= 18 + 3 + 16 * 12
    noise = np.random.default_rng(0)
    book = PictureBook(wanted)
    for index in book.indices:
        # Noise is the worst case for JPEG.
        frame = noise.integers(0, 256, (*result.video.size, 3), dtype=np.uint8)
        book.add(index, frame, {t.object_id: t.mask(index) for t in result.tracks[:12]})
    html = render_report(result, book)
    Page(html)
    assert len(html.encode()) < 3_000_000


def test_the_timeline_shows_when_each_object_is_visible(result_of_all):
    page = Page(report_of(result_of_all))
    labels = [item["aria-label"] for item in page.all("svg")]
    assert len(labels) == len(result_of_all.trace.turns) + len(result_of_all.tracks)
    total = result_of_all.video.num_frames
    strips = [item for item in page.all("rect") if item.get("class") == "strip"]
    covered = sum(float(item["width"]) for item in strips) / 1000 * total
    visible = sum(len(track.visible_frames) for track in result_of_all.tracks)
    assert covered == pytest.approx(visible, abs=0.05 * len(strips) * total / 100 + 0.1)


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_spread_keeps_order_and_both_ends(count):
    chosen = spread(range(5, 25), count)
    assert chosen == sorted(set(chosen)) and len(chosen) == min(count, 20)
    assert chosen[0] == 5 and (count == 1 or chosen[-1] == 24)


@pytest.mark.parametrize("limit", [2000, 9000, 60_000])
def test_a_picture_never_exceeds_its_bytes(limit):
    noise = np.random.default_rng(1).integers(0, 256, (400, 700, 3), dtype=np.uint8)
    uri = jpeg_data_uri(noise, limit)
    assert len(uri) <= limit * 4 / 3 + 40


def test_a_scaled_prompt_keeps_its_place():
    mask = np.zeros((100, 200), bool)
    mask[20:60, 40:120] = True
    prompt = Prompt(
        object_id=1,
        frame=2,
        box=Box(40, 20, 120, 60),
        points=(Point(80, 40),),
        negative_points=(Point(0, 100),),
        mask=Rle.encode(mask),
    )
    small = scale_prompt(prompt, (100, 200), (50, 50))
    assert small.box == Box(10, 10, 30, 30)
    assert small.points == (Point(20, 20),) and small.negative_points == (Point(0, 50),)
    assert small.mask.box == small.box


def test_the_pages_script_is_valid(page, tmp_path):
    import shutil

    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    script = tmp_path / "script.js"
    script.write_text(page.scripts[0])
    subprocess.run(["node", "--check", str(script)], check=True)
