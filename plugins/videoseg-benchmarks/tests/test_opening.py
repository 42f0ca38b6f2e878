"""Opening a benchmark checks it, quickly, and tells all that is wrong."""

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
    write_frame,
    write_json,
    write_mask,
)

from videoseg.benchmarks import (
    BenchmarkSplit,
    Sample,
    Truth,
    build_benchmark,
    open_benchmark,
)
from videoseg.errors import ComponentNotFoundError, ConfigError, EvaluationError, VideoError

Draw = Callable[[str], Path]
Opener = Callable[..., BenchmarkSplit]


def truth_of(split: BenchmarkSplit, sample: Sample) -> Truth:
    truth = split.truth(sample)
    assert truth is not None
    return truth


def test_frames_are_those_of_the_benchmark_in_its_order(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis")
    folder = root / "valid_u/JPEGImages/bear"
    write_frame(folder / "00099.jpg", seed=99)
    (folder / "notes.txt").write_text("not a frame", encoding="utf-8")
    split = open_drawn("mevis", root)
    assert split.frame_names("bear") == FRAMES
    assert len(split.video("bear")) == NUM_FRAMES


def test_a_text_file_in_place_of_a_link_is_followed(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis")
    (root / "valid_u/JPEGImages").rename(root / "frames")
    (root / "valid_u/JPEGImages").write_text("../frames", encoding="utf-8")
    split = open_drawn("mevis", root)
    assert len(split.video("bear")) == NUM_FRAMES


@pytest.mark.parametrize("target", ["/etc", "../nothing", "", "\0", "x" * 5000])
def test_a_text_file_that_names_no_relative_folder_is_no_link(
    target: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    shutil.rmtree(root / "valid_u/JPEGImages")
    (root / "valid_u/JPEGImages").write_text(target, encoding="utf-8")
    with pytest.raises(EvaluationError, match="JPEGImages: is not a folder"):
        open_drawn("mevis", root)


def test_scoring_alone_needs_no_frames(draw: Draw) -> None:
    root = draw("mevis")
    shutil.rmtree(root / "valid_u/JPEGImages")
    split = open_benchmark("mevis", root, options={"check_pictures": False})
    assert truth_of(split, split.samples[0]).size == SIZE
    with pytest.raises(VideoError):
        split.video("bear")


def test_every_problem_is_listed_with_its_file_and_a_remedy(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis") / "valid_u"
    meta = json.loads((root / "meta_expressions.json").read_text(encoding="utf-8"))
    masks = json.loads((root / "mask_dict.json").read_text(encoding="utf-8"))
    meta["videos"]["bear"]["expressions"]["0"]["anno_id"] = [77]
    meta["videos"]["bear"]["expressions"]["1"]["exp"] = " "
    masks["0"] = masks["0"][:-1]
    masks["3"][0]["size"] = [9, 9]
    write_json(root / "meta_expressions.json", meta)
    write_json(root / "mask_dict.json", masks)
    (root / "JPEGImages/bear" / f"{FRAMES[2]}.jpg").unlink()
    with pytest.raises(EvaluationError) as caught:
        open_drawn("mevis", root.parent)
    text = str(caught.value)
    for expected in (
        "mevis/valid_u cannot be read from",
        "mask_dict.json: has no annotation 77",
        "expression '1' is empty",
        "annotation 3 (video 'cart'), frame 0: the RLE is 9x9 but the frame is 24x32",
        f"JPEGImages/bear: 1 of 6 frames have no picture ({FRAMES[2]})",
        "download",
    ):
        assert expected in text
    # One line for each problem.
    assert text.count("\n- ") == len(text.splitlines()) - 1


def test_a_short_track_is_told(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis") / "valid_u"
    masks = json.loads((root / "mask_dict.json").read_text(encoding="utf-8"))
    masks["0"] = masks["0"][:-1]
    write_json(root / "mask_dict.json", masks)
    with pytest.raises(EvaluationError, match="has 5 masks but the video has 6 frames"):
        open_drawn("mevis", root.parent, strict=True)


def test_frames_of_another_size_than_the_benchmark_says_are_told(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("revos")
    write_frame(root / "JPEGImages/source/bear" / f"{FRAMES[0]}.jpg", size=(12, 16))
    with pytest.raises(EvaluationError, match="12x16 but the benchmark says 24x32"):
        open_drawn("revos", root, strict=True)


def test_annotations_of_another_size_are_told_when_they_are_read(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("long-rvos")
    split = open_drawn("long-rvos", root)
    write_mask(root / "valid/Annotations/bear/1" / f"{FRAMES[1]}.png", np.ones((5, 5), bool))
    with pytest.raises(EvaluationError, match="5x5"):
        split.truth(split.samples[0])


def test_opening_reads_no_masks(
    draw: Draw, open_drawn: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pycocotools import mask as coco

    def forbidden(*_args: object) -> None:
        raise AssertionError("a mask was decoded")

    root = draw("mevis")
    monkeypatch.setattr(coco, "decode", forbidden)
    monkeypatch.setattr(coco, "encode", forbidden)
    split = open_drawn("mevis", root)
    assert split.truth(split.samples[0]) is not None


def test_unknown_names_are_refused_with_what_there_is(tmp_path: Path, draw: Draw) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'mevis'"):
        open_benchmark("meviss", tmp_path)
    with pytest.raises(EvaluationError, match=r"is not a folder.*github.com/henghuiding/MeViS"):
        open_benchmark("mevis", tmp_path / "nothing")
    with pytest.raises(EvaluationError, match="valid_u, valid, train"):
        open_benchmark("mevis", draw("mevis"), "test")
    with pytest.raises(ConfigError):
        build_benchmark("mevis", options={"color": "red"})
    split = open_benchmark("mevis", draw("mevis-train"), "train")
    with pytest.raises(VideoError, match="no video 'nowhere'"):
        split.video("nowhere")
    with pytest.raises(EvaluationError, match="no sample 'nowhere/0'"):
        split.truth(Sample("nowhere", "0", "?"))
