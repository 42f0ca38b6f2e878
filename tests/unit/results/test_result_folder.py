import dataclasses
import json
import re
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from result_schemas import schema_problems
from videoseg_synthetic import make_clip

from videoseg.errors import ConfigError, OutputError, VideoError
from videoseg.results import Segmentation, load_result, save_result
from videoseg.results.folder import SCHEMA_VERSION
from videoseg.types import (
    Box,
    Embedding,
    FrameGroup,
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
from videoseg.video import Video

# -- any segmentation at all ------------------------------------------------------------

SIZE = (5, 7)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
numbers = st.floats(-1e6, 1e6)
seconds = st.floats(0, 1e6) | st.sampled_from([5e-324, float("inf")])
scores = st.none() | st.floats(0, 1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
mappings = st.dictionaries(texts, plain, max_size=3)
points = st.builds(Point, numbers, numbers)
boxes = st.tuples(numbers, numbers, st.floats(0.01, 99), st.floats(0.01, 99)).map(
    lambda value: Box(value[0], value[1], value[0] + value[2], value[1] + value[3])
)
windows = st.tuples(st.integers(0, 9), st.integers(1, 9)).map(lambda v: Window(v[0], v[0] + v[1]))
rles = st.integers(0, 2 ** (SIZE[0] * SIZE[1]) - 1).map(
    lambda bits: Rle.encode(
        np.array([bits >> place & 1 for place in range(SIZE[0] * SIZE[1])], bool).reshape(SIZE)
    )
)
thoughts = st.builds(
    Thought,
    texts,
    texts,
    texts,
    texts,
    num_tokens=st.none() | st.integers(0, 9999),
    details=mappings,
)
prompts = st.builds(
    Prompt,
    object_id=st.integers(1, 300),
    frame=st.integers(0, 9),
    box=boxes,
    points=st.lists(points, max_size=2).map(tuple),
    negative_points=st.lists(points, max_size=2).map(tuple),
    mask=st.none() | rles,
    embedding=st.none() | st.builds(Embedding, texts, st.lists(numbers, max_size=3).map(tuple)),
    label=texts,
    score=scores,
)
groups = st.builds(
    FrameGroup,
    st.sampled_from(["context", "detail"]),
    st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple),
    st.none() | st.integers(1, 10**7),
)
selections = st.builds(
    FrameSelection,
    st.lists(groups, min_size=1, max_size=2).map(tuple),
    windows,
    scores,
    texts,
    mappings,
)
turns = st.builds(
    TraceTurn,
    selections,
    st.sampled_from(["look", "answer"]),
    thoughts,
    st.none() | windows,
    st.none() | st.integers(0, 9),
    seconds,
    seconds,
)
groundings = st.builds(
    Grounding,
    keyframe=st.integers(0, 9),
    prompts=st.lists(prompts, max_size=3, unique_by=lambda p: (p.object_id, p.frame)).map(tuple),
    thought=thoughts,
    confidence=scores,
    warnings=st.lists(texts, max_size=2).map(tuple),
)
segmentations = st.builds(
    Segmentation,
    query=texts,
    video=st.builds(
        VideoFacts, texts, st.none() | texts, st.just(3), st.just(SIZE), seconds, seconds, texts
    ),
    grounding=groundings,
    trace=st.lists(turns, max_size=2).map(lambda items: Trace(tuple(items))),
    tracks=st.lists(
        st.builds(
            MaskTrack,
            st.integers(1, 300),
            st.just(SIZE),
            st.tuples(*[st.none() | rles] * 3),
            texts,
        ),
        max_size=2,
        unique_by=lambda track: track.object_id,
    ).map(tuple),
    pipeline=mappings,
    timings=st.dictionaries(texts, seconds, max_size=3),
    versions=st.dictionaries(texts, texts, max_size=3),
    seed=st.integers(-(2**62), 2**62),
    device=texts,
    warnings=st.lists(texts, max_size=2).map(tuple),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(segmentations)
def test_any_result_comes_back_equal(tmp_path_factory, segmentation):
    folder = tmp_path_factory.mktemp("any") / "out"
    save_result(segmentation, folder, parts=())
    assert load_result(folder) == segmentation
    assert not schema_problems(folder / "result.json")


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(segmentations)
def test_every_part_of_any_result_can_be_written(tmp_path_factory, segmentation):
    folder = tmp_path_factory.mktemp("any") / "out"
    save_result(segmentation, folder)
    assert {item.name for item in folder.iterdir()} == {
        "result.json",
        "masks",
        "overlay.mp4",
        "report.html",
    }


# -- what is in the folder --------------------------------------------------------------


def test_a_saved_result_holds_everything(result, tmp_path):
    folder = result.save(tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    assert Segmentation.load(folder) == result
    assert sorted(item.name for item in folder.iterdir()) == [
        "masks",
        "overlay.mp4",
        "report.html",
        "result.json",
    ]
    data = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == SCHEMA_VERSION
    assert "source" not in data
    assert [item.name for item in (tmp_path / "deep").iterdir()] == ["out"]


def test_mask_files_hold_the_masks_of_every_frame(result_of_all, tmp_path):
    folder = result_of_all.save(tmp_path / "out", parts=["masks"])
    for track in result_of_all.tracks:
        files = sorted((folder / "masks" / str(track.object_id)).iterdir())
        assert [file.name for file in files] == [f"{k:05d}.png" for k in range(len(track))]
        for frame, file in enumerate(files):
            with Image.open(file) as picture:
                assert picture.mode == "L"
                pixels = np.asarray(picture)
            assert np.array_equal(pixels, track.mask(frame) * np.uint8(255))


def test_overlay_has_every_frame_and_differs_only_near_the_masks(result, clip, tmp_path):
    folder = result.save(tmp_path / "out", parts=["overlay"])
    with Video.open(folder / "overlay.mp4") as overlay:
        assert len(overlay) == clip.num_frames
        assert overlay.size == clip.size
        frame = max(range(clip.num_frames), key=lambda k: int(result.mask(k).sum()))
        change = np.abs(overlay[frame].astype(int) - clip.frames[frame]).max(axis=2)
    inside = result.mask(frame)
    assert np.median(change[inside]) > 20
    assert np.median(change[~inside]) < 12


def test_overlay_keeps_the_times_of_a_variable_rate(paused, tmp_path):
    folder = paused.save(tmp_path / "out", parts=["overlay"])
    with Video.open(folder / "overlay.mp4") as overlay:
        np.testing.assert_allclose(overlay.timestamps, paused.source.timestamps, atol=1e-4)


def test_overlay_of_a_video_whose_times_make_no_sense_has_its_average_rate(paused, tmp_path):
    class Confused(Video):
        timestamps = np.zeros(14)

    source = Confused(paused.source._store)
    folder = save_result(paused, tmp_path / "out", video=source, parts=["overlay"])
    with Video.open(folder / "overlay.mp4") as overlay:
        assert len(overlay) == 14
        assert overlay.fps == pytest.approx(paused.video.fps, rel=1e-3)


def test_parts_that_were_not_asked_for_are_not_written(result, tmp_path):
    folder = result.save(tmp_path / "out", parts=["report"])
    assert sorted(item.name for item in folder.iterdir()) == ["report.html", "result.json"]


def test_a_result_without_objects_is_written_whole(clip, make_result, tmp_path):
    absent = make_result(clip, grounding=Grounding(None), tracks=())
    folder = absent.save(tmp_path / "out")
    assert Segmentation.load(folder) == absent
    assert list((folder / "masks").iterdir()) == []


def test_status_and_words_are_kept_and_results_before_them_load(result, tmp_path):
    told = {"status": "guessed", "judged": ("red",), "unjudged": ("dog",)}
    guess = dataclasses.replace(result, grounding=dataclasses.replace(result.grounding, **told))
    folder = guess.save(tmp_path / "out", parts=())
    loaded = Segmentation.load(folder)
    assert (loaded.status, loaded.judged, loaded.unjudged) == ("guessed", ("red",), ("dog",))
    document = json.loads((folder / "result.json").read_text())
    for name in told:
        del document["grounding"][name]
    (folder / "result.json").write_text(json.dumps(document))
    assert Segmentation.load(folder).status == "answered"


def test_a_loaded_result_can_be_saved_with_or_without_its_video(result, clip, tmp_path):
    first = result.save(tmp_path / "first")
    loaded = Segmentation.load(first)
    assert loaded.source is None
    loaded.save(tmp_path / "dark")
    loaded.save(tmp_path / "bright", video=clip.video)
    with (
        Video.open(tmp_path / "dark" / "overlay.mp4") as dark,
        Video.open(tmp_path / "bright" / "overlay.mp4") as bright,
        Video.open(first / "overlay.mp4") as original,
    ):
        assert np.median(dark[0]) < 20
        # The encoder does not promise the same bytes twice.
        assert np.abs(bright[0].astype(int) - original[0]).mean() < 3
    assert Segmentation.load(tmp_path / "dark") == result


def test_saving_holds_no_more_than_one_frame_of_the_video(result, clip, tmp_path):
    class OneAtATime:
        """Fails as soon as two frames are asked for at once; notes which are given."""

        def __init__(self, video):
            self.video, self.given, self.asked = video, [], []

        def __getattr__(self, name):
            return getattr(self.video, name)

        def read(self, indices):
            raise AssertionError("several frames at once")

        def __getitem__(self, index):
            self.asked.append(index)
            return self.video[index]

        def iter_frames(self, start=0, stop=None, *, reverse=False):
            buffer = np.empty((*clip.size, 3), np.uint8)
            for index, frame in self.video.iter_frames(start, stop):
                self.given.append(index)
                # One buffer for all frames, as a streaming reader may have.
                buffer[:] = frame
                yield index, buffer

    watched = OneAtATime(clip.video)
    folder = result.save(tmp_path / "out", video=watched)
    assert watched.given == list(range(clip.num_frames))
    assert 0 < len(watched.asked) <= 3  # for the colors
    plain = result.save(tmp_path / "plain")
    pages = [(place / "report.html").read_text() for place in (folder, plain)]
    # The encoder's threads may divide the same bits differently.
    first, second = (re.sub('data:video/mp4;base64,[^"]*', "", page) for page in pages)
    assert first == second


# -- what is refused ----------------------------------------------------------------------


def test_the_video_of_another_run_is_refused(result, clip, tmp_path):
    with pytest.raises(OutputError, match="14 frames of 160x112"):
        result.save(tmp_path / "out", video=Video.from_frames(clip.frames[:5], fps=10))
    assert not (tmp_path / "out").exists()


def test_after_the_video_is_closed_only_masks_can_be_saved(result, clip, tmp_path):
    video = Video.from_frames(clip.frames, fps=clip.fps)
    orphan = dataclasses.replace(result, source=video)
    video.close()
    with pytest.raises(OutputError, match="save the result before closing its video"):
        orphan.save(tmp_path / "out")
    orphan.save(tmp_path / "masks", parts=["masks"])
    orphan.save(tmp_path / "whole", video=clip.video)
    assert load_result(tmp_path / "masks") == load_result(tmp_path / "whole") == result


def test_unknown_parts_are_refused(result, tmp_path):
    with pytest.raises(ConfigError, match="mask, overlays; the parts are masks, overlay, report"):
        result.save(tmp_path / "out", parts=["mask", "overlays"])


def test_a_track_that_misses_frames_is_refused(result, tmp_path):
    short = dataclasses.replace(result.tracks[0], masks=result.tracks[0].masks[:-1])
    with pytest.raises(OutputError, match="13 masks"):
        dataclasses.replace(result, tracks=(short,)).save(tmp_path / "out")


def test_details_that_json_cannot_hold_are_refused(result, tmp_path):
    strange = dataclasses.replace(result, pipeline={"model": object()})
    with pytest.raises(OutputError, match="JSON"):
        strange.save(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_frame_that_cannot_be_decoded_leaves_nothing(result, clip, tmp_path):
    class Torn:
        def __getattr__(self, name):
            return getattr(clip.video, name)

        def __getitem__(self, index):
            return clip.video[index]

        def iter_frames(self, start=0, stop=None, *, reverse=False):
            yield from clip.video.iter_frames(0, 4)
            raise VideoError("frame 4 is torn", frame=4)

    with pytest.raises(VideoError, match="torn"):
        result.save(tmp_path / "out", video=Torn())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not written by videoseg"),
        ('{"format": "other"}', "not written by videoseg"),
        ('{"format": "videoseg-result"}', "schema_version is None"),
        ('{"format": "videoseg-result", "schema_version": "1"}', "schema_version is '1'"),
        ('{"format": "videoseg-result", "schema_version": 99}', "pip install --upgrade videoseg"),
        ('{"format": "videoseg-result", "schema_version": 1}', "damaged.*query"),
        ("[" * 100_000, "not valid JSON"),
        ("\ud800", "cannot read"),
    ],
)
def test_a_file_that_is_no_readable_result_is_explained_in_one_line(tmp_path, text, message):
    (tmp_path / "result.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(OutputError, match=message) as caught:
        load_result(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.fixture
def saved_text(result, tmp_path):
    return (save_result(result, tmp_path / "out", parts=()) / "result.json").read_text()


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_a_file_cut_short_never_loads(saved_text, tmp_path, data):
    cut = data.draw(st.integers(0, len(saved_text) - 3))
    (tmp_path / "result.json").write_text(saved_text[:cut])
    with pytest.raises(OutputError):
        load_result(tmp_path)


def test_a_folder_without_a_result_is_explained(tmp_path):
    with pytest.raises(OutputError, match=r"result\.json is missing"):
        load_result(tmp_path)
    with pytest.raises(OutputError, match=r"result\.json is missing"):
        load_result(tmp_path / "nowhere")


def test_importing_io_brings_in_nothing_heavy():
    code = (
        "import sys, videoseg.results.folder, videoseg.results.report.page, "
        "videoseg.results.notebook, videoseg.results.exports, videoseg.progress\n"
        "heavy = {'cv2', 'av', 'decord', 'PIL', 'pycocotools', 'matplotlib', 'torch', 'rich', "
        "'IPython', 'pydantic', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_picture_gets_a_picture(tmp_path):
    still = make_clip(seed=1, num_frames=1, size=(96, 128), num_objects=2)
    answer = Segmentation(
        "it", still.video.facts(), Grounding(None), Trace(), still.tracks, source=still.video
    )
    folder = answer.save(tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        "masks",
        "overlay.png",
        "report.html",
        "result.json",
    ]
    with Image.open(folder / "overlay.png") as picture:
        assert picture.size == (128, 96)
    assert "<video" not in (folder / "report.html").read_text()
    answer.save(folder, overwrite=True)


def test_the_report_plays_the_overlay_a_large_one_from_beside_it(result, tmp_path, monkeypatch):
    from videoseg.results.report import page

    whole = (result.save(tmp_path / "small") / "report.html").read_text()
    assert 'src="data:video/mp4;base64,' in whole and "media-src data:" in whole
    monkeypatch.setattr(page, "_CLIP_BYTES", 100)
    linked = (result.save(tmp_path / "large") / "report.html").read_text()
    assert 'src="overlay.mp4"' in linked and "media-src &#39;self&#39;" in linked
    without = (result.save(tmp_path / "none", parts=["report"]) / "report.html").read_text()
    assert "<video" not in without and "media-src" not in without


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (40, 65)])
def test_pictures_of_masks_hold_every_pixel(size):
    from videoseg.results.mask_files import mask_png

    noise = np.random.default_rng(0).random((size[0], 2 * size[1])) > 0.5
    for mask in (noise[:, ::2], np.asfortranarray(noise[:, 1::2]), np.zeros(size, bool)):
        with Image.open(BytesIO(mask_png(mask))) as picture:
            assert picture.mode == "L"
            assert np.array_equal(np.asarray(picture), mask * np.uint8(255))
