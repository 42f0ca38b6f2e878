"""Submissions are laid out exactly as the servers take them, or not written at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_benchmarks import FRAMES, NUM_FRAMES, SIZE, object_mask
from PIL import Image

from videoseg.benchmarks import (
    BenchmarkSplit,
    LoadedSplit,
    PredictionFolder,
    Sample,
    SplitVideo,
    SubmissionFormat,
    Truth,
    build_benchmark,
    write_submission,
)
from videoseg.benchmarks.submission import Masks
from videoseg.errors import EvaluationError, OutputError
from videoseg.metrics.protocols import MEVIS
from videoseg.types import Rle

Draw = Callable[[str], Path]
Opener = Callable[[str, Path], BenchmarkSplit]


def masks_of(sample: Sample) -> Masks:
    """Both objects, so that their union is what counts; none for expression 3."""
    if sample.expression_id == "3":
        return {}
    frames = range(NUM_FRAMES)
    return {
        one: [Rle.encode(object_mask(sample.video_id, one, frame)) for frame in frames]
        for one in (1, 2)
    }


def predictions(split: BenchmarkSplit) -> Iterator[tuple[Sample, Masks]]:
    for sample in split.samples:
        yield sample, masks_of(sample)


@pytest.mark.parametrize(
    ("key", "name", "top"),
    [("mevis-valid", "mevis", ""), ("ref-youtube-vos", "ref-youtube-vos", "Annotations/")],
)
def test_the_zip_has_one_8_bit_mask_for_every_frame(
    key: str, name: str, top: str, draw: Draw, open_drawn: Opener, tmp_path: Path
) -> None:
    split = open_drawn(key, draw(key))
    submission = build_benchmark(name).submission
    assert submission is not None
    path = write_submission(split, predictions(split), tmp_path / "x.zip", format=submission)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        expected = {
            f"{top}{sample.video_id}/{sample.expression_id}/{frame}.png"
            for sample in split.samples
            for frame in FRAMES
        }
        assert set(archive.namelist()) == expected
        for sample in split.samples:
            for frame, frame_name in enumerate(FRAMES):
                file = f"{top}{sample.video_id}/{sample.expression_id}/{frame_name}.png"
                image = Image.open(io.BytesIO(archive.read(file)))
                assert image.mode == "L"
                assert (image.height, image.width) == SIZE
                drawn = [object_mask(sample.video_id, one, frame) for one in (1, 2)]
                union = np.any(drawn, axis=0) if sample.expression_id != "3" else np.zeros(SIZE)
                assert np.array_equal(np.asarray(image), np.where(union, 255, 0))


def test_what_is_written_is_read_back(draw: Draw, open_drawn: Opener, tmp_path: Path) -> None:
    split = open_drawn("mevis", draw("mevis"))
    path = write_submission(
        split, predictions(split), tmp_path / "x.zip", format=SubmissionFormat("Annotations")
    )
    reader = PredictionFolder(path, missing="error")
    for sample in split.samples:
        truth = split.truth(sample)
        assert truth is not None
        found = reader.read(sample, truth, split.frame_names(sample.video_id))
        assert found is not None
        for frame in truth.frames:
            drawn = [object_mask(sample.video_id, one, frame) for one in (1, 2)]
            union = np.any(drawn, axis=0)
            expected = Rle.encode(union) if sample.expression_id != "3" else None
            assert found[1][frame] == expected


def test_the_same_predictions_give_the_same_bytes(
    draw: Draw, open_drawn: Opener, tmp_path: Path
) -> None:
    split = open_drawn("mevis", draw("mevis"))
    files = [
        write_submission(
            split, predictions(split), tmp_path / name, format=SubmissionFormat()
        ).read_bytes()
        for name in ("a.zip", "b.zip")
    ]
    assert files[0] == files[1]


def test_what_does_not_fit_is_refused_and_leaves_nothing(
    draw: Draw, open_drawn: Opener, tmp_path: Path
) -> None:
    split = open_drawn("mevis", draw("mevis"))
    out = tmp_path / "out"
    good = list(predictions(split))
    small = Rle.encode(np.ones((4, 4), bool))
    cases = [
        (good[:-1], "1 of 8 samples have no prediction"),
        ([*good, good[0]], "comes twice"),
        ([(Sample("fox", "0", "x"), {}), *good], "is not a sample of"),
        ([(good[0][0], {1: [None] * 5}), *good[1:]], "has 5 masks but the video has 6 frames"),
        ([(good[0][0], {1: [small] * 6}), *good[1:]], "4x4 but the frame is 24x32"),
    ]
    for given, what in cases:
        with pytest.raises(EvaluationError, match=what):
            write_submission(split, given, out / "x.zip", format=SubmissionFormat())
        assert list(out.iterdir()) == []


def test_an_existing_file_is_not_overwritten(
    draw: Draw, open_drawn: Opener, tmp_path: Path
) -> None:
    split = open_drawn("mevis", draw("mevis"))
    path = tmp_path / "x.zip"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="exists already"):
        write_submission(split, predictions(split), path, format=SubmissionFormat())
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_predictor_that_fails_half_way_leaves_nothing(
    draw: Draw, open_drawn: Opener, tmp_path: Path
) -> None:
    split = open_drawn("mevis", draw("mevis"))

    def failing() -> Iterator[tuple[Sample, Masks]]:
        yield split.samples[0], {}
        raise RuntimeError("out of memory")

    out = tmp_path / "out"
    with pytest.raises(RuntimeError):
        write_submission(split, failing(), out / "x.zip", format=SubmissionFormat())
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("video_id", "expression_id", "frame"),
    [("../out", "0", "0"), ("/out", "0", "0"), ("a", "../../x", "0"), ("a", "0", "../0")],
)
def test_names_of_a_users_own_split_cannot_lead_out_of_the_zip(
    video_id: str, expression_id: str, frame: str, tmp_path: Path
) -> None:
    class NoTruth:
        def truth(self, _sample: Sample, video: SplitVideo) -> Truth:
            return Truth(size=video.size, frames=(0,), objects={})

    sample = Sample(video_id, expression_id, "x")
    split = LoadedSplit(
        "own/all",
        protocol=MEVIS,
        samples=[sample],
        videos={video_id: SplitVideo(tmp_path, ("0.jpg",), (frame,), SIZE)},
        truths=NoTruth(),
    )
    with pytest.raises(EvaluationError, match=r"lead out|cannot be a file's name"):
        write_submission(split, [(sample, {})], tmp_path / "o/x.zip", format=SubmissionFormat())
    assert list((tmp_path / "o").iterdir()) == []
