"""Predictions of which nothing fits, or whose frames are numbered from elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from drawn_benchmarks import (
    FRAMES,
    VIDEOS,
    ids_picture,
    mask_dict,
    object_mask,
    write_ids,
    write_mask,
)

from videoseg.benchmarks import mask_pictures
from videoseg.cli.main import main
from videoseg.errors import EvaluationError
from videoseg.evaluation import read_annotations, score_predictions
from videoseg.metrics import protocol_named

DAVIS = protocol_named("davis-2017-semi-supervised")
MEVIS = protocol_named("mevis")


def numbered(folder, names):
    for video in VIDEOS:
        for index, name in enumerate(names):
            write_ids(folder / video / f"{name}.png", ids_picture(video, index))
    return folder


def masks(folder, names, video="bear", expression="0"):
    for index, name in enumerate(names):
        mask = object_mask(video, 1, index)
        write_mask(folder / video / expression / f"{name}.png", mask)
    return folder


@pytest.fixture
def truth(tmp_path):
    return numbered(tmp_path / "truth", FRAMES)


FROM_1 = [f"{index:05d}" for index in range(1, len(FRAMES) + 1)]


# -- numbers that are shifted ------------------------------------------------------------


def test_masks_numbered_from_1_are_refused_against_frames_from_0(truth, tmp_path):
    predicted = numbered(tmp_path / "predicted", FROM_1)
    split = read_annotations(truth, DAVIS)
    with pytest.raises(EvaluationError, match=r"shifted by \+1 .*'00001' to '00006'.*'00000'"):
        score_predictions(split, predicted)
    assert score_predictions(split, predicted, frame_offset=1).overall["j_and_f"] == 1.0
    # Whoever says that the names are right is believed.
    assert score_predictions(split, predicted, frame_offset=0).overall["j_and_f"] < 0.9


def test_masks_numbered_from_0_are_refused_against_frames_from_1(tmp_path):
    split = read_annotations(numbered(tmp_path / "truth", FROM_1), DAVIS)
    predicted = numbered(tmp_path / "predicted", FRAMES)
    with pytest.raises(EvaluationError, match=r"shifted by -1 .*--frame-offset -1"):
        score_predictions(split, predicted)
    assert score_predictions(split, predicted, frame_offset=-1).overall["j_and_f"] == 1.0


def test_shifted_masks_of_expressions_and_names_in_json_are_found_out_too(drawn, tmp_path):
    split = read_annotations(masks(tmp_path / "truth", FRAMES), MEVIS)
    predicted = masks(tmp_path / "predicted", FROM_1)
    with pytest.raises(EvaluationError, match=r"shifted by \+1"):
        score_predictions(split, predicted)
    assert score_predictions(split, predicted, frame_offset=1).overall["j_and_f"] == 1.0
    entry = {"masks": mask_dict()["0"], "frames": FROM_1}
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"bear": {"0": entry}}))
    with pytest.raises(EvaluationError, match=r"shifted by \+1"):
        score_predictions(drawn(), path)


def test_the_command_takes_the_offset(truth, tmp_path, capsys):
    predicted = numbered(tmp_path / "predicted", FROM_1)
    given = ["score", "--pred", str(predicted), "--gt", str(truth), "--protocol", DAVIS.name]
    assert main(given) == 1
    assert "--frame-offset 1" in capsys.readouterr().err
    assert main([*given, "--frame-offset", "1"]) == 0


def test_a_run_has_no_names_that_an_offset_could_shift(drawn, run):
    with pytest.raises(EvaluationError, match="frame_offset=1 is for named pictures"):
        score_predictions(drawn(), run("out"), frame_offset=1)


@pytest.mark.parametrize(
    ("truth_from", "option", "needed"),
    [
        (["--benchmark", "mevis", "--root", "x"], ["--videos", "bear"], "--gt"),
        (["--benchmark", "mevis", "--root", "x"], ["--frames", "x"], "--gt"),
        (["--gt", "x", "--protocol", "mevis"], ["--split", "val"], "--benchmark"),
        (["--gt", "x", "--protocol", "mevis"], ["-B", "version=2"], "--benchmark"),
        (["--gt", "x", "--protocol", "mevis"], ["--strict"], "--benchmark"),
    ],
)
def test_options_that_would_do_nothing_are_refused(truth_from, option, needed, capsys):
    assert main(["score", "--pred", "x", *truth_from, *option]) == 2
    assert f"{option[0]} can only be used with {needed} " in capsys.readouterr().err


def test_frames_without_a_mask_and_masks_beside_the_frames_are_no_shift(truth, tmp_path):
    predicted = numbered(tmp_path / "predicted", FRAMES[1:])
    split = read_annotations(truth, DAVIS)
    assert "2 masks not found" in score_predictions(split, predicted).problems[0]
    # A truth on every second frame, and predictions for all but the first.
    sparse = read_annotations(numbered(tmp_path / "sparse", FRAMES[::2]), DAVIS)
    assert score_predictions(sparse, predicted).coverage.failed == 0


@pytest.mark.parametrize(
    ("frames", "found", "shift"),
    [
        (range(10), range(1, 11), 1),
        (range(10), range(2, 11), 1),
        (range(1, 11), range(10), -1),
        (range(10), range(10), None),
        (range(10), range(1, 9), None),
        (range(0, 50, 5), range(1, 50), None),
        (range(0, 50, 5), range(5, 55, 5), 5),
        (range(100, 110), range(10), -100),
    ],
)
def test_a_shift_is_what_explains_every_name(frames, found, shift):
    names, pictures = ([f"f_{number:04d}" for number in part] for part in (frames, found))
    if shift == -100:  # then no name fits at all, which is told before
        assert set(names).isdisjoint(pictures)
    assert mask_pictures.frame_shift(names, pictures) == shift


def test_a_number_cannot_be_added_to_a_name_without_one():
    assert mask_pictures.shifted_name("frame_009", 1) == "frame_010"
    for name, shift in (("start", 1), ("000", -1)):
        with pytest.raises(EvaluationError, match="rename"):
            mask_pictures.shifted_name(name, shift)


def test_masks_of_which_none_is_called_as_a_frame_are_refused(truth, tmp_path):
    predicted = numbered(tmp_path / "predicted", ["0", "1", "2", "3", "4", "5"])
    split = read_annotations(truth, DAVIS)
    with pytest.raises(EvaluationError, match=r"first is '0', the first frame '00000'"):
        score_predictions(split, predicted)
    report = score_predictions(split, predicted, on_error="zero")
    assert report.overall["j"] == 0.0 and report.coverage.failed == 2


def test_true_masks_that_are_shifted_against_the_frames_are_told(drawn, tmp_path):
    split = drawn("long-rvos")
    folder = tmp_path / "benchmarks/long-rvos/valid/Annotations/bear/1"
    for name in reversed(FRAMES):
        file = folder / f"{name}.png"
        file.rename(file.with_name(f"{int(name) + 1:05d}.png"))
    predicted = tmp_path / "predicted"
    for sample in split.samples:
        write_mask(predicted / sample.id / f"{FRAMES[0]}.png", object_mask(sample.video_id, 1, 0))
    report = score_predictions(split, predicted)
    assert report.coverage.unusable == 1
    (entry,) = report.left_out
    assert entry.place == "bear/0" and "shifted by +1" in entry.reason


def test_frames_that_do_not_belong_to_the_masks_are_told(truth, tmp_path):
    frames = tmp_path / "frames"
    for video in VIDEOS:
        for name in FROM_1:
            write_mask(frames / video / f"{name}.png", np.ones((24, 32), bool))
    with pytest.raises(EvaluationError, match=r"no frame '00000' .*such as '00001'"):
        read_annotations(truth, DAVIS, frames=frames)


# -- nothing fits ------------------------------------------------------------------------


def test_a_folder_of_which_nothing_fits_is_an_error_that_names_what_is_there(truth, tmp_path):
    predicted = masks(tmp_path / "predicted", FRAMES, video="dog", expression="7")
    split = read_annotations(truth, DAVIS)
    with pytest.raises(
        EvaluationError, match=r"none of the 2 samples.*holds 'dog' \(in 'dog': '7"
    ):
        score_predictions(split, predicted, out=tmp_path / "out")
    assert not (tmp_path / "out" / "run.json").exists()
    shutil.make_archive(str(tmp_path / "packed"), "zip", predicted)
    with pytest.raises(EvaluationError, match="holds 'dog'"):
        score_predictions(split, tmp_path / "packed.zip", on_error="zero")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvaluationError, match="holds nothing"):
        score_predictions(split, tmp_path / "empty")


def test_json_and_runs_of_which_nothing_fits_are_errors_too(truth, run, tmp_path):
    split = read_annotations(truth, DAVIS)
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"dog": {"0": [None]}}))
    with pytest.raises(EvaluationError, match="holds 'dog'"):
        score_predictions(split, path)
    with pytest.raises(EvaluationError, match="a run of 'bear/0'"):
        score_predictions(split, run("out", limit=2))


def test_a_run_of_which_every_sample_failed_fits(drawn, run):
    out = run("out", fails_on="expression 0", limit=1)
    assert score_predictions(drawn(), out).coverage.failed == len(drawn().samples)


def test_predictions_are_found_where_videolisa_writes_them(drawn, tmp_path):
    split = drawn("reasonvos")
    predicted = tmp_path / "results"
    folders = {"bear": "vipseg_bear_00000000{}", "cart": "mevis_cart_{}"}
    for video, folder in folders.items():
        for object_id in (1, 2):
            for index, name in enumerate(FRAMES):
                place = predicted / folder.format(object_id) / str(object_id - 1)
                write_mask(place / f"{name}.png", object_mask(video, object_id, index))
    report = score_predictions(split, predicted)
    assert report.overall["j_and_f"] == 1.0 and report.coverage.complete
    shutil.rmtree(predicted / "mevis_cart_2")
    assert score_predictions(split, predicted).overall["j_and_f"] == 0.75
    official = protocol_named("reasonvos-official")
    left_out = score_predictions(split, predicted, protocol=official)
    assert left_out.overall["j_and_f"] == 1.0
    assert str(left_out.coverage) == (
        "3 of 4 answered (75.0 %), 1 without a prediction and in no mean"
    )
    # An answer that cannot be used is no missing one.
    (predicted / "mevis_cart_1" / "0" / f"{FRAMES[0]}.png").write_bytes(b"no picture")
    failed = score_predictions(split, predicted, protocol=official, on_error="zero")
    assert failed.overall["j_and_f"] == pytest.approx(2 / 3)


# -- paths -------------------------------------------------------------------------------


def test_a_tilde_is_the_home_folder_everywhere(truth, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "truth")
    given = ["score", "--pred=~/truth", "--gt=~/truth", "--protocol", DAVIS.name, "-q"]
    assert main([*given, "-o", "~/scored"]) == 0
    assert (tmp_path / "scored" / "report.json").is_file()
    assert main(["compare", "~/scored", "~/scored"]) == 0


def test_paths_and_lists_of_any_length_are_answered_in_one_short_line(truth, tmp_path, capsys):
    long = "x" * 6000
    usual = {"--pred": str(truth), "--gt": str(truth), "--protocol": DAVIS.name}
    for changed in (
        {"--pred": long},
        {"--pred": f"{long}.json"},
        {"-o": long},
        {"--gt": long},
    ):
        given = [part for item in {**usual, **changed}.items() for part in item]
        assert main(["score", *given]) == 1
        said = capsys.readouterr().err
        assert said.startswith("error: ") or "\nerror: " in said
        assert "unexpected" not in said
    many = ",".join(f"video-{number}" for number in range(1000))
    given = [part for item in usual.items() for part in item]
    assert main(["score", *given, "--videos", many]) == 1
    assert "no video 'video-0'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
def test_a_video_whose_name_is_not_utf_8_is_told(truth, tmp_path):
    named = bytes(truth) + b"/\xff\xfe"
    subprocess.run(["mv", bytes(truth / "bear"), named], check=True)
    with pytest.raises(EvaluationError, match="not UTF-8"):
        read_annotations(truth, DAVIS)
