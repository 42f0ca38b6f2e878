"""Benchmarks whose first masks are given: what is given, what counts, and what is submitted."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from drawn_benchmarks import open_layout, reader_registry
from drawn_vos import (
    AWAY,
    LATE,
    NUM_FRAMES,
    SIZE,
    VIDEOS,
    draw_lvos,
    draw_mose,
    draw_youtube_vos,
    numbered,
    save_ids,
    save_json,
    vos_mask,
    vos_picture,
)
from PIL import Image

import videoseg as vs
from videoseg.benchmarks import (
    LoadedSplit,
    Sample,
    build_benchmark,
    check_submission,
)
from videoseg.benchmarks import write_submission as write_zip
from videoseg.errors import EvaluationError
from videoseg.evaluation import score_predictions
from videoseg.evaluation.sample import SampleRunner, score_masks
from videoseg.masks import DAVIS_PALETTE
from videoseg.propagation import SessionBase
from videoseg.types import BoolArray, PropagatorCapabilities, Rle

Draw = Callable[[str], Path]

REGISTRY = reader_registry()


def given(sample: Sample) -> dict[int, int]:
    """Return the frame on which each object is given."""
    return {prompt.object_id: prompt.frame for prompt in sample.prompts}


def opened(key: str, root: Path) -> LoadedSplit:
    split = open_layout(key, root)
    assert isinstance(split, LoadedSplit)
    return split


def perfect(split: LoadedSplit, ids: dict[int, int]) -> dict[str, dict[int, list[Rle]]]:
    """Return the true mask of every frame of every video; ``ids`` has the object drawn as each."""
    return {
        video: {
            key: [Rle.encode(vos_mask(video, drawn, frame)) for frame in range(NUM_FRAMES)]
            for key, drawn in ids.items()
        }
        for video in VIDEOS
    }


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("davis-2017-test-dev", {1: 0, 2: 0}),
        ("mose", {1: 0, 2: 0}),
        ("mosev2", {1: 0, 2: 0}),
        ("lvos-v2", {1: 0, 2: 0, 3: LATE}),
        ("sa-v", {1: 0, 2: 0, 3: LATE}),
        ("vost", {2: 0, 4: 0}),
        ("youtube-vos-2019", {2: 0, 3: 0, 7: LATE}),
        ("youtube-vos-train", {2: 0, 3: 0, 7: LATE}),
    ],
)
def test_objects_are_given_with_their_ids_where_they_first_appear(
    key: str, expected: dict[int, int], drawn: Draw
) -> None:
    split = opened(key, drawn(key))
    assert [sample.video_id for sample in split.samples] == list(VIDEOS)
    for sample in split.samples:
        assert given(sample) == expected and not sample.query


def test_masks_that_are_given_are_those_of_the_pictures(drawn: Draw) -> None:
    for prompt in opened("youtube-vos-2019", drawn("youtube-vos-2019")).samples[1].prompts:
        number = {2: 1, 3: 2, 7: 3}[prompt.object_id]
        assert prompt.mask == Rle.encode(vos_mask("cart", number, prompt.frame))


@pytest.mark.parametrize("key", ["lvos-v2", "mosev2", "sa-v", "vost", "youtube-vos-2019"])
def test_without_a_check_of_the_pictures_the_same_is_given(key: str, drawn: Draw) -> None:
    root = drawn(key)
    split = open_layout(key, root, check_pictures=False)
    assert split.samples == opened(key, root).samples
    assert split.video("bear").size == SIZE


@pytest.mark.parametrize(
    "key", ["davis-2017-test-dev", "mose", "mosev2-hidden", "youtube-vos-2018"]
)
def test_hidden_truth_is_none(key: str, drawn: Draw) -> None:
    split = opened(key, drawn(key))
    assert split.truth(split.samples[0]) is None


@pytest.mark.parametrize("key", ["davis-2017-test-dev", "mose", "mosev2-hidden"])
def test_first_masks_alone_do_not_say_which_frames_there_are(key: str, draw: Draw) -> None:
    root = draw(key)
    for folder in list(root.rglob("JPEGImages")):
        shutil.rmtree(folder)
    with pytest.raises(EvaluationError, match=r"bear: has no frames.*give the folder of frames"):
        open_layout(key, root, check_pictures=False)


def test_masks_of_some_frames_do_not_say_which_frames_there_are(tmp_path: Path) -> None:
    draw_mose(tmp_path)
    shutil.rmtree(tmp_path / "valid/JPEGImages")
    for video in VIDEOS:
        # Pictures of objects that appear later.
        save_ids(tmp_path / f"valid/Annotations/{video}/00005.png", vos_picture(video, 5, {3: 3}))
    with pytest.raises(EvaluationError, match="bear: has no frames"):
        open_layout("mose", tmp_path, check_pictures=False)


def test_frames_that_youtube_vos_lists_are_submitted_and_must_exist(draw: Draw) -> None:
    root = draw("youtube-vos-2019")
    wanted = opened("youtube-vos-2019", root).submitted_frames("bear")
    (root / f"valid/JPEGImages/bear/{wanted[3]}.jpg").unlink()
    (left_out,) = opened("youtube-vos-2019", root).left_out
    assert f"has no frame {wanted[3]}" in left_out.reason
    shutil.rmtree(root / "valid/JPEGImages")
    split = open_layout("youtube-vos-2019", root, check_pictures=False)
    assert isinstance(split, LoadedSplit) and split.truth(split.samples[0]) is None
    assert split.submitted_frames("bear") == wanted


class Still:
    """Holds each mask still from where it is given, and records in which directions it runs."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    @property
    def capabilities(self) -> PropagatorCapabilities:
        return PropagatorCapabilities()

    def open(self, video: vs.types.VideoSource, *, seed: int = 0) -> SessionBase:
        del seed
        return _StillSession(self, video)


class _StillSession(SessionBase):
    def __init__(self, owner: Still, video: vs.types.VideoSource) -> None:
        super().__init__(video, owner.capabilities)
        self._owner = owner

    def propagate(self, frames):  # type: ignore[no-untyped-def]
        self._owner.runs.append(frames.direction)
        held: dict[int, BoolArray] = {}
        for index, _ in frames:
            held |= self.masks_on(index)
            yield index, dict(held)


@pytest.mark.parametrize("key", ["lvos-v2", "sa-v", "youtube-vos-train", "mosev2"])
def test_a_propagator_runs_alone_and_never_before_an_object_is_given(
    key: str, drawn: Draw
) -> None:
    split, still = opened(key, drawn(key)), Still()
    pipe = vs.Pipeline(sampler="given", grounder=vs.use("given", prompts=[]), propagator=still)
    with pipe:
        record = SampleRunner(pipe, split)(split.samples[0])
    assert record.status == "ok", record.error
    assert still.runs == ["forward"]
    starts = {track.object_id: track.visible_frames[0] for track in record.tracks}
    assert starts == given(split.samples[0])
    assert record.score is not None and 0 < record.score.values["j"] < 1


# -- what counts -------------------------------------------------------------------------


def test_lvos_counts_each_object_on_its_own_frames_and_groups_by_video(drawn: Draw) -> None:
    split = opened("lvos-v2", drawn("lvos-v2"))
    assert [sample.group for sample in split.samples] == ["seen", "unseen"]
    assert split.protocol.name == "lvos-v2"
    truth = split.truth(split.samples[0])
    assert truth is not None and truth.object_frames is not None
    # The last frame of a range is not visited, and stands for the last that does not count.
    assert truth.object_frames[1] == [*range(NUM_FRAMES - 1), None]
    assert truth.object_frames[3] == [*range(LATE, NUM_FRAMES - 1), None]
    score = score_masks({}, truth, split.protocol)
    assert {one.object_id: len(one.j_per_frame) for one in score.objects} == {
        1: NUM_FRAMES - 2,
        2: NUM_FRAMES - 4,
        3: NUM_FRAMES - LATE - 2,
    }


def test_lvos_counts_frames_that_are_never_visited_as_zero(tmp_path: Path) -> None:
    draw_lvos(tmp_path, unseen=False)
    path = tmp_path / "valid/valid_meta.json"
    document = json.loads(path.read_text())
    document["videos"]["bear"]["objects"]["1"]["frame_range"]["frame_nums"] = str(NUM_FRAMES + 3)
    save_json(path, document)
    split = opened("lvos-v1", tmp_path)
    truth = split.truth(split.samples[0])
    assert truth is not None
    score = score_masks(truth.objects, truth, split.protocol)
    assert score.objects[0].values["j"] == (NUM_FRAMES - 2) / (NUM_FRAMES + 1)
    document["videos"]["cart"]["objects"]["1"]["frame_range"]["frame_nums"] = "4"
    save_json(path, document)
    (left_out,) = opened("lvos-v1", tmp_path).left_out
    assert f"object 1 has 4 frames, but there are {NUM_FRAMES - 1}" in left_out.reason


def test_lvos_without_the_list_of_unseen_videos_says_so(tmp_path: Path) -> None:
    draw_lvos(tmp_path, unseen=False)
    split = opened("lvos-v2", tmp_path)
    assert split.protocol.name == "lvos-v1" and "unseen_videos.txt" in split.notes[0]
    elsewhere = tmp_path / "list.txt"
    elsewhere.write_text("bear")
    options = {"unseen_videos": str(elsewhere)}
    split = open_layout("lvos-v2", tmp_path, options=options)  # type: ignore[assignment]
    assert [sample.group for sample in split.samples] == ["unseen", "seen"]


def test_sa_v_masks_may_overlap_and_have_frames_of_their_own(drawn: Draw) -> None:
    split = opened("sa-v", drawn("sa-v"))
    truth = split.truth(split.samples[0])
    assert truth is not None and truth.object_frames is not None
    assert truth.object_frames[1] == [*range(0, NUM_FRAMES, 2)]
    assert truth.object_frames[3] == [*range(LATE, NUM_FRAMES)]
    later = NUM_FRAMES - 2
    first, third = (truth.objects[key][later] for key in (1, 3))
    assert first is not None and third is not None
    assert (first.decode() & third.decode()).any()
    score = score_masks(truth.objects, truth, split.protocol)
    assert score.values == {"j_and_f": 1.0, "j": 1.0, "f": 1.0}


def test_mosev2_takes_its_objects_from_its_file(draw: Draw) -> None:
    root = draw("mosev2")
    document = json.loads((root / "valid/meta.json").read_text())
    document["videos"]["bear"]["objects"] = ["2"]
    save_json(root / "valid/meta.json", document)
    split = opened("mosev2", root)
    assert given(split.samples[0]) == {2: 0}
    truth = split.truth(split.samples[0])
    assert truth is not None and set(truth.objects) == {2}
    hidden = [frame for frame, rle in enumerate(truth.objects[2]) if rle is None]
    assert hidden == list(AWAY)
    values = score_masks(truth.objects, truth, split.protocol).values
    assert values["disappear"] == values["reappear"] == 1.0


def test_a_video_of_mosev2_must_have_the_frames_of_its_file(draw: Draw) -> None:
    root = draw("mosev2")
    for folder, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        (root / f"valid/{folder}/bear/{numbered()[-1]}.{suffix}").unlink()
    (left_out,) = opened("mosev2", root).left_out
    assert f"has {NUM_FRAMES - 1} frames, and {NUM_FRAMES} by" in left_out.reason


def test_vost_counts_ids_that_are_never_shown_and_no_later_objects(drawn: Draw) -> None:
    split = opened("vost", drawn("vost"))
    truth = split.truth(split.samples[0])
    assert truth is not None and sorted(truth.objects) == [1, 2, 3, 4]
    score = score_masks({}, truth, split.protocol)
    # Two of the four are empty throughout, which an empty answer gets right.
    assert [one.values["j"] for one in score.objects][::2] == [1.0, 1.0]
    assert len(score.objects[1].j_per_frame) == NUM_FRAMES - 2
    last = score.objects[3].j_per_frame[(NUM_FRAMES - 2) * 3 // 4 :]
    assert score.objects[3].values["j_last_quarter"] == np.mean(last)


def test_youtube_vos_counts_frames_after_the_given_one_where_the_truth_is_public(
    drawn: Draw,
) -> None:
    split = opened("youtube-vos-train", drawn("youtube-vos-train"))
    truth = split.truth(split.samples[0])
    assert truth is not None and truth.object_frames is not None
    assert truth.object_frames[2] == [*range(1, NUM_FRAMES - 1)]
    assert truth.object_frames[7] == [*range(LATE + 1, NUM_FRAMES - 1)]


# -- submissions -------------------------------------------------------------------------


def submission(key: str, root: Path, ids: dict[int, int], path: Path) -> LoadedSplit:
    split = opened(key, root)
    form = build_benchmark(split.name.split("/")[0], registry=REGISTRY).submission
    assert form is not None
    masks = perfect(split, ids)
    predictions = [(sample, masks[sample.video_id]) for sample in split.samples]
    write_zip(split, predictions, path, format=form)
    assert check_submission(path, split, form) == ()
    return split


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        ("davis-2017-test-dev", {1: 1, 2: 2}),
        ("lvos-v1", {1: 1, 2: 2, 3: 3}),
        ("lvos-v2", {1: 1, 2: 2, 3: 3}),
        ("mosev2-hidden", {1: 1, 2: 2}),
        ("vost", {2: 1, 4: 2}),
        ("youtube-vos-2018", {2: 1, 3: 2, 7: 3}),
    ],
)
def test_a_written_submission_passes_the_check_and_lacks_a_picture_if_one_is_taken_away(
    key: str, ids: dict[int, int], drawn: Draw, tmp_path: Path
) -> None:
    path = tmp_path / "submission.zip"
    split = submission(key, drawn(key), ids, path)
    form = build_benchmark(split.name.split("/")[0], registry=REGISTRY).submission
    assert form is not None
    last = split.submitted_frames("cart")[-1]

    def take_away(folder: Path) -> None:
        next(folder.rglob(f"cart/{last}.png")).unlink()

    (problem,) = check_submission(broken(path, tmp_path / "unpacked", take_away), split, form)
    assert "lacks 1 of" in problem and f"'{last}'" in problem


def test_a_submission_of_ids_has_the_listed_frames_in_palette_pictures(
    drawn: Draw, tmp_path: Path
) -> None:
    path = tmp_path / "submission.zip"
    submission("youtube-vos-2019", drawn("youtube-vos-2019"), {2: 1, 3: 2, 7: 3}, path)
    with zipfile.ZipFile(path) as archive:
        names = {Path(name).stem for name in archive.namelist()}
        assert names == set(numbered(step=5)[:-1])
        with archive.open(f"Annotations/cart/{numbered(step=5)[8]}.png") as file:
            image = Image.open(file)
            assert image.mode == "P"
            # Object 7 lies under object 2, as in the pictures of ids.
            expected = vos_picture("cart", 8, {2: 1, 3: 2, 7: 3})
            assert np.array_equal(np.asarray(image), expected)


def test_a_submission_of_objects_is_read_again_and_scores_one(drawn: Draw, tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    split = submission("sa-v", drawn("sa-v"), {1: 1, 2: 2, 3: 3}, path)
    with zipfile.ZipFile(path) as archive:
        assert f"bear/002/{numbered()[6]}.png" in archive.namelist()
    report = score_predictions(split, path)
    assert report.overall["j_and_f"] == 1.0 and not report.problems


def test_objects_of_sa_v_need_pictures_only_where_they_are_annotated(
    draw: Draw, tmp_path: Path
) -> None:
    root = draw("sa-v")
    split = opened("sa-v", root)
    predictions = tmp_path / "predictions"
    shutil.copytree(root / "sav_val/Annotations_6fps", predictions)
    report = score_predictions(split, predictions)
    assert report.overall["j_and_f"] == 1.0 and not report.problems
    (predictions / f"bear/000/{numbered()[4]}.png").unlink()
    report = score_predictions(split, predictions)
    assert report.overall["j"] < 1 and "1 mask not found" in report.problems[0]


def test_a_submission_to_mose_is_read_again_and_scores_one(drawn: Draw, tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    split = submission("mosev2", drawn("mosev2"), {1: 1, 2: 2}, path)
    assert score_predictions(split, path).overall["j_and_f_dot"] == 1.0


def broken(path: Path, folder: Path, change: Callable[[Path], object]) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    change(folder)
    return folder


def test_everything_that_a_server_would_refuse_is_found(drawn: Draw, tmp_path: Path) -> None:
    path = tmp_path / "submission.zip"
    split = submission("mose", drawn("mose"), {1: 1, 2: 2}, path)
    form = build_benchmark("mose", registry=REGISTRY).submission
    assert form is not None

    def picture(mode: str = "P", *, crop: int = 0, value: int = 0) -> Image.Image:
        ids = vos_picture("bear", 3, {1: 1, 2: 2})
        ids[0, 0] = value
        image = Image.fromarray(ids[crop:])
        return image.convert(mode) if mode != "P" else _palette(image)

    def save(image: Image.Image) -> Callable[[Path], None]:
        return lambda folder: image.save(folder / "bear/00003.png")

    cases: Sequence[tuple[Callable[[Path], object], str]] = (
        (lambda folder: shutil.rmtree(folder / "cart"), f"cart has none of the {NUM_FRAMES}"),
        (
            lambda folder: (folder / "bear/00003.png").unlink(),
            f"lacks 1 of {NUM_FRAMES} pictures: '00003'",
        ),
        (lambda folder: save_ids(folder / "bear/x.png", vos_picture("bear", 0, {1: 1})), "x.png"),
        (lambda folder: (folder / "dog").mkdir(), "'dog', which belong to no video"),
        (lambda folder: _move_inside(folder, "mine"), "everything lies in the folder 'mine'"),
        (save(picture(crop=2)), "is 88x120 .* the frame is 90x120"),
        (save(picture("RGB")), "has no palette .mode RGB"),
        (save(picture("L")), "has no palette .mode L"),
        (save(picture(value=5)), r"has the ids \[5\], and those given are \[1, 2\]"),
        (lambda folder: (folder / "bear/00003.png").write_bytes(b"no"), "cannot be read"),
    )
    for number, (change, message) in enumerate(cases):
        folder = broken(path, tmp_path / str(number), change)
        problems = check_submission(folder, split, form)
        assert problems, message
        assert any(re.search(message, problem) for problem in problems), problems


def _palette(image: Image.Image) -> Image.Image:
    image.putpalette([channel for color in DAVIS_PALETTE for channel in color])
    return image


def _move_inside(folder: Path, name: str) -> None:
    inner = folder.with_name(f"{folder.name}-moved")
    folder.rename(inner)
    folder.mkdir()
    inner.rename(folder / name)


# -- problems ----------------------------------------------------------------------------


def test_videos_without_first_masks_are_left_out(tmp_path: Path) -> None:
    draw_mose(tmp_path)
    save_ids(tmp_path / "valid/Annotations/bear/00000.png", np.zeros(SIZE, np.uint8))
    split = opened("mose", tmp_path)
    assert [sample.video_id for sample in split.samples] == ["cart"]
    assert "shows no object" in split.left_out[0].reason


def test_a_frame_that_counts_and_has_no_mask_is_named(draw: Draw) -> None:
    root = draw("lvos-v1")
    name = numbered(5, 1, 8)[4]
    (root / "valid/Annotations/bear" / f"{name}.png").unlink()
    split = opened("lvos-v1", root)
    with pytest.raises(EvaluationError, match=f"bear has no {name}.png, which counts for object"):
        split.truth(split.samples[0])
    assert split.truth(split.samples[1]) is not None


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    draw_youtube_vos(tmp_path)
    path = tmp_path / "valid/meta.json"
    document = json.loads(path.read_text())
    document["videos"]["../out"] = document["videos"]["bear"]
    save_json(path, document)
    with pytest.raises(EvaluationError, match="leads out of the folder"):
        opened("youtube-vos-2019", tmp_path)


def test_objects_without_frames_or_with_other_ids_are_left_out(tmp_path: Path) -> None:
    draw_youtube_vos(tmp_path)
    path = tmp_path / "valid/meta.json"
    document = json.loads(path.read_text())
    document["videos"]["bear"]["objects"] = {"x": {"frames": ["00000"]}}
    save_json(path, document)
    (left_out,) = opened("youtube-vos-2019", tmp_path).left_out
    assert "bear" in left_out.reason
