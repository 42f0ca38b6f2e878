"""The readers find in a published layout what was drawn into it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_benchmarks import (
    FRAMES,
    NUM_FRAMES,
    SIZE,
    VIDEOS,
    object_mask,
    write_json,
)

from videoseg.benchmarks import (
    BenchmarkSplit,
    PredictionFolder,
    Sample,
    Truth,
    open_benchmark,
)
from videoseg.types import Window

Draw = Callable[[str], Path]
Opener = Callable[[str, Path], BenchmarkSplit]


def union(truth: Truth, place: int) -> np.ndarray:
    mask = np.zeros(truth.size, bool)
    for track in truth.objects.values():
        rle = track[place]
        if rle is not None:
            mask |= rle.decode()
    return mask


def truth_of(split: BenchmarkSplit, sample: Sample) -> Truth:
    truth = split.truth(sample)
    assert truth is not None
    return truth


def meant(sample: Sample) -> tuple[int, ...]:
    """Return the drawn objects that a sample of the mask-dictionary layouts means."""
    return ((1,), (2,), (1, 2), ())[int(sample.expression_id)]


@pytest.mark.parametrize("key", ["mevis", "mevis-train", "revos", "ref-sav"])
def test_truth_of_mask_dictionaries_is_what_was_drawn(
    key: str, draw: Draw, open_drawn: Opener
) -> None:
    split = open_drawn(key, draw(key))
    for sample in split.samples:
        truth = truth_of(split, sample)
        assert truth.frames == tuple(range(NUM_FRAMES))
        assert len(truth.objects) == len(meant(sample))
        for frame in truth.frames:
            video = sample.video_id.rpartition("/")[2]
            drawn = [object_mask(video, one, frame) for one in meant(sample)]
            expected = np.any(drawn, axis=0) if drawn else np.zeros(SIZE, bool)
            assert np.array_equal(union(truth, frame), expected)


@pytest.mark.parametrize(
    ("key", "per_object"),
    [
        ("ref-youtube-vos-train", 1),
        ("ref-davis17", 4),
        ("ref-davis17-pickle", 6),
        ("long-rvos", 1),
        ("reasonvos", 1),
        ("reasonvos-format", 1),
    ],
)
def test_truth_of_one_object_is_what_was_drawn(
    key: str, per_object: int, draw: Draw, open_drawn: Opener
) -> None:
    split = open_drawn(key, draw(key))
    for sample in split.samples:
        object_id = int(sample.expression_id) // per_object + 1
        truth = truth_of(split, sample)
        for frame in truth.frames:
            expected = object_mask(sample.video_id, object_id, frame)
            assert np.array_equal(union(truth, frame), expected), (sample.id, frame)


def test_mevis_valid_and_ref_youtube_vos_valid_have_no_public_truth(
    draw: Draw, open_drawn: Opener
) -> None:
    for key in ("mevis-valid", "ref-youtube-vos"):
        split = open_drawn(key, draw(key))
        assert all(split.truth(sample) is None for sample in split.samples)


def test_ref_youtube_vos_leaves_out_the_videos_of_the_test_set(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("ref-youtube-vos")
    assert {sample.video_id for sample in open_drawn("ref-youtube-vos", root).samples} == {"bear"}
    shutil.rmtree(root / "meta_expressions/test")
    split = open_drawn("ref-youtube-vos", root)
    assert {sample.video_id for sample in split.samples} == {"bear", "cart"}


def test_groups_are_those_of_the_published_tables(draw: Draw, open_drawn: Opener) -> None:
    def groups(key: str) -> list[str]:
        return [sample.group for sample in open_drawn(key, draw(key)).samples]

    assert groups("revos")[:4] == ["referring", "reasoning", "reasoning", "no-target"]
    assert groups("ref-sav")[:3] == ["long", "short", "short"]
    assert groups("long-rvos")[:2] == ["static", "dynamic"]
    assert set(groups("groundmore")) == {"Causal"}
    assert groups("grefcoco")[::2] == ["multiple", "single", "no-target"]
    assert groups("reasonseg") == ["long", "short"]


def test_revos_has_the_foreground_of_every_frame(draw: Draw, open_drawn: Opener) -> None:
    split = open_drawn("revos", draw("revos"))
    truth = truth_of(split, split.samples[0])
    assert truth.foreground is not None
    rle = truth.foreground[0]
    assert rle is not None
    drawn = object_mask("bear", 1, 0) | object_mask("bear", 2, 0)
    assert np.array_equal(rle.decode(), drawn)


def test_groundmore_scores_twenty_frames_and_shows_nothing_outside_the_action(
    draw: Draw, open_drawn: Opener
) -> None:
    split = open_drawn("groundmore", draw("groundmore"))
    truth = truth_of(split, split.samples[0])
    assert truth.frames == tuple(np.linspace(0, 23, 20, dtype=int))
    # 01:01 to 01:03 of a clip that begins at 01:00, at 6 frames per second.
    assert truth.window == Window(6, 18)
    for place, frame in enumerate(truth.frames):
        expected = object_mask("bear", 1, frame % NUM_FRAMES)
        if frame not in truth.window:
            expected = np.zeros(SIZE, bool)
        assert np.array_equal(union(truth, place), expected), frame


def test_davis_prompts_with_the_objects_of_the_first_mask(draw: Draw, open_drawn: Opener) -> None:
    split = open_drawn("davis-2017", draw("davis-2017"))
    for sample in split.samples:
        assert not sample.query
        assert [prompt.object_id for prompt in sample.prompts] == [1, 2]
        for prompt in sample.prompts:
            assert prompt.frame == 0
            assert prompt.mask is not None
            drawn = object_mask(sample.video_id, prompt.object_id, 0)
            assert np.array_equal(prompt.mask.decode(), drawn)


def test_davis_2016_takes_0_and_255_as_one_object(draw: Draw, open_drawn: Opener) -> None:
    split = open_drawn("davis-2016", draw("davis-2016"))
    sample = split.samples[0]
    assert [prompt.object_id for prompt in sample.prompts] == [1]
    assert tuple(truth_of(split, sample).objects) == (1,)


def test_davis_2016_takes_all_objects_of_a_later_release_as_foreground(draw: Draw) -> None:
    root = draw("davis-2017")
    (root / "ImageSets/2016").mkdir()
    (root / "ImageSets/2016/val.txt").write_text("bear\n", encoding="utf-8")
    split = open_benchmark("davis-2016", root)
    (sample,) = split.samples
    drawn = object_mask("bear", 1, 2) | object_mask("bear", 2, 2)
    assert np.array_equal(union(truth_of(split, sample), 2), drawn)


def test_a_list_of_sequences_may_begin_as_editors_on_windows_begin_files(draw: Draw) -> None:
    root = draw("davis-2017")
    (root / "ImageSets/2017/val.txt").write_text("\ufeffbear\r\n\r\n", encoding="utf-8")
    assert [sample.video_id for sample in open_benchmark("davis-2017", root).samples] == ["bear"]


def test_davis_with_a_query_gives_no_prompts_and_matches_objects(draw: Draw) -> None:
    root = draw("davis-2017")
    options = {"query": "the moving objects"}
    split = open_benchmark("davis-2017", root, options=options)
    assert split.protocol.matching == "best"
    assert all(sample.query == options["query"] and not sample.prompts for sample in split.samples)


def test_void_pixels_of_davis_are_not_judged(draw: Draw, open_drawn: Opener) -> None:
    from PIL import Image

    root = draw("davis-2017")
    file = root / "Annotations/480p/bear" / f"{FRAMES[3]}.png"
    picture = np.array(Image.open(file))
    picture[-2:] = 255
    image = Image.fromarray(picture)
    image.save(file)
    split = open_drawn("davis-2017", root)
    truth = truth_of(split, split.samples[0])
    assert tuple(truth.objects) == (1, 2)
    assert truth.ignored is not None
    assert [rle is not None for rle in truth.ignored] == [index == 3 for index in range(6)]


def test_an_object_of_davis_that_appears_later_does_not_count(
    draw: Draw, open_drawn: Opener
) -> None:
    from PIL import Image

    root = draw("davis-2017")
    file = root / "Annotations/480p/bear" / f"{FRAMES[3]}.png"
    picture = np.array(Image.open(file))
    picture[-2:] = 3
    Image.fromarray(picture).save(file)
    split = open_drawn("davis-2017", root)
    assert tuple(truth_of(split, split.samples[0]).objects) == (1, 2)


def test_reasonvos_counts_the_frames_that_have_a_mask_and_groups_by_length(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("reasonvos")

    path = root / "meta_expressions.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    entries = document["videos"]["bear"]["expressions"]
    entries[0]["is_sent"], entries[1]["is_sent"] = True, False
    write_json(path, document)
    (root / "Annotations/vipseg_bear_000000001" / f"{FRAMES[2]}.png").unlink()
    split = open_drawn("reasonvos", root)
    assert [sample.group for sample in split.samples] == ["long", "short", "", ""]
    assert truth_of(split, split.samples[0]).frames == (0, 1, 3, 4, 5)


def test_sentences_that_are_numbered_anew_for_each_reference_are_kept_apart(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("grefcoco")
    path = root / "grefcoco/grefs(unc).json"
    references = json.loads(path.read_text(encoding="utf-8"))
    for reference in references:
        for number, sentence in enumerate(reference["sentences"]):
            sentence["sent_id"] = number
    write_json(path, references)
    samples = open_drawn("grefcoco", root).samples
    assert len({sample.id for sample in samples}) == len(samples) == 6


def test_regions_of_images_are_polygons_or_runs(draw: Draw, open_drawn: Opener) -> None:
    split = open_drawn("refcoco", draw("refcoco"))
    first, second = truth_of(split, split.samples[0]), truth_of(split, split.samples[2])
    # The corner pixels of a polygon depend on rounding; its area does not by much.
    assert union(first, 0)[4:14, 3:19].all()
    assert 200 <= union(first, 0).sum() <= 240
    assert np.array_equal(union(second, 0), object_mask("bear", 2, 0))
    assert split.samples[0].video_id == "COCO_train2014_000000000007"
    assert len(split.video(split.samples[0].video_id)) == 1


def test_a_picture_that_a_camera_held_upright_is_upright(draw: Draw, open_drawn: Opener) -> None:
    from PIL import Image

    root = draw("reasonseg")
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    image.save(root / "val/first.jpg", exif=exif)
    split = open_drawn("reasonseg", root)
    truth = truth_of(split, split.samples[0])
    assert truth.size == split.video("first").size == SIZE


def test_references_may_be_json_instead_of_a_pickle(draw: Draw, open_drawn: Opener) -> None:
    import pickle

    root = draw("refcoco")
    before = open_drawn("refcoco", root).samples
    path = root / "refcoco/refs(unc).p"
    references = pickle.loads(path.read_bytes())
    path.unlink()
    write_json(root / "refcoco/refs(unc).json", references)
    assert open_drawn("refcoco", root).samples == before


def test_reasonseg_fills_outlines_and_ignores_what_is_marked(
    draw: Draw, open_drawn: Opener
) -> None:
    split = open_drawn("reasonseg", draw("reasonseg"))
    truth = truth_of(split, split.samples[0])
    expected = np.zeros(SIZE, bool)
    expected[3:19, 3:21] = True
    ignored = np.zeros(SIZE, bool)
    ignored[10:15, 10:15] = True
    assert np.array_equal(union(truth, 0), expected & ~ignored)
    assert truth.ignored is not None
    rle = truth.ignored[0]
    assert rle is not None
    assert np.array_equal(rle.decode(), ignored)


def test_reasonseg_reads_windows_1252(draw: Draw, open_drawn: Opener) -> None:
    root = draw("reasonseg")
    path = root / "val/first.json"
    entry = json.loads(path.read_text(encoding="utf-8"))
    entry["text"] = ["the café"]
    path.write_bytes(json.dumps(entry, ensure_ascii=False).encode("cp1252"))
    assert open_drawn("reasonseg", root).samples[0].query == "the café"


def test_real_clips_in_the_layout_of_mevis_are_read(real_clips: Path) -> None:
    root = real_clips / "mevis_mini"
    if not root.is_dir():
        pytest.skip("no mevis_mini among the real clips")
    split = open_benchmark("mevis", root)
    assert len(split.samples) == 31
    assert {sample.group for sample in split.samples} == {"referring", "reasoning", "no-target"}
    for sample in split.samples:
        truth = truth_of(split, sample)
        assert len(truth.frames) == len(split.frame_names(sample.video_id))
        assert bool(truth.objects) == (sample.group != "no-target")


def test_real_clips_in_the_layout_of_davis_are_read(real_clips: Path) -> None:
    root = real_clips / "davis"
    if not root.is_dir():
        pytest.skip("no davis among the real clips")
    split = open_benchmark("davis-2017", root)
    objects = {sample.video_id: len(sample.prompts) for sample in split.samples}
    assert objects["dogs-jump"] == 3
    assert objects["camel"] == 1


def test_videos_of_both_names_are_drawn() -> None:
    assert not np.array_equal(object_mask(VIDEOS[0], 1, 0), object_mask(VIDEOS[1], 1, 0))


def test_published_results_read_as_a_folder_score_as_the_official_package_has_it(
    real_clips: Path,
) -> None:
    from dataclasses import replace

    from videoseg.metrics.scoring import score_sample

    results = real_clips / "results"
    if not (results / "osvos").is_dir():
        pytest.skip("no published results among the real clips")
    reference = json.loads((results / "reference_metrics.json").read_text(encoding="utf-8"))
    split = open_benchmark("davis-2017", real_clips / "davis")
    protocol = replace(split.protocol, resolution="nearest")
    reader = PredictionFolder(results / "osvos", resolution="keep")
    sample = next(sample for sample in split.samples if sample.video_id == "dogs-jump")
    truth = truth_of(split, sample)
    masks = reader.read(sample, truth, split.frame_names(sample.video_id))
    score = score_sample(masks, truth.objects, size=truth.size, protocol=protocol)
    official = reference["sequences"]["dogs-jump"]["semi-supervised/osvos"]["objects"]
    assert len(score.objects) == len(official) == 3
    for found, expected in zip(score.objects, official, strict=True):
        assert found.values["j"] == pytest.approx(expected["J_mean"], abs=1e-5)
        assert found.values["f"] == pytest.approx(expected["F_mean"], abs=1e-5)
