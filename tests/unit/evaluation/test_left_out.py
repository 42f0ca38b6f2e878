"""What a benchmark leaves out counts neither way, and stands in run.json and in every report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_benchmarks import FRAMES, LAYOUTS, open_layout, write_json, write_mask

import videoseg as vs
from videoseg.benchmarks import BenchmarkSplit, LeftOut
from videoseg.cli.main import main
from videoseg.errors import EvaluationError
from videoseg.evaluation import evaluate, load_report, records_of, score_predictions
from videoseg.evaluation.compare import compare_evaluations
from videoseg.evaluation.run import read_run
from videoseg.masks import union_of_rles

Pipelines = Callable[..., vs.Pipeline]


@pytest.fixture
def draw(tmp_path: Path) -> Callable[[str], Path]:
    def write(key: str) -> Path:
        root = tmp_path / "benchmarks" / key
        root.mkdir(parents=True)
        LAYOUTS[key][1].write(root)
        return root

    return write


def edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    write_json(path, document)


def write_perfect(split: BenchmarkSplit, folder: Path) -> Path:
    """Write the truth of every sample as somebody's predictions."""
    for sample in split.samples:
        truth = split.truth(sample)
        assert truth is not None
        names = split.frame_names(sample.video_id)
        for place, frame in enumerate(truth.frames):
            masks = [track[place] for track in truth.objects.values()]
            mask = union_of_rles(masks, size=truth.size).decode()
            write_mask(folder / sample.id / f"{names[frame]}.png", mask)
    return folder


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:45])


def empty_first_expression(file: str, video: str = "bear") -> Callable[[Path], None]:
    def change(root: Path) -> None:
        def blank(document: Any) -> None:
            videos = document.get("videos", document)
            expressions = videos[video]["expressions"]
            first = expressions[0] if isinstance(expressions, list) else expressions["0"]
            first["exp_text" if "exp_text" in first else "exp"] = ""

        edit(root / file, blank)

    return change


ODD: dict[str, Callable[[Path], None]] = {
    "mevis": empty_first_expression("valid_u/meta_expressions.json"),
    "revos": empty_first_expression("meta_expressions_valid_.json", "source/bear"),
    "ref-sav": lambda root: shutil.rmtree(root / "videos/bear"),
    "ref-youtube-vos-train": empty_first_expression(
        "meta_expressions/train/meta_expressions.json"
    ),
    "ref-davis17": empty_first_expression("meta_expressions/valid/meta_expressions.json"),
    "ref-davis17-pickle": empty_first_expression("meta_expressions/valid/meta_expressions.json"),
    "long-rvos": lambda root: cut_off(root / f"valid/Annotations/bear/1/{FRAMES[1]}.png"),
    "reasonvos-repeated": empty_first_expression("meta_expressions.json"),
    "groundmore-short": lambda root: edit(
        root / "test_v2.json",
        lambda document: document["videos"]["clip_0100_0104"]["questions"]["0"].update(obj_id="?"),
    ),
    "refcoco": lambda root: next(root.rglob("*000000000009.jpg")).unlink(),
    "grefcoco": lambda root: next(root.rglob("*000000000007.jpg")).unlink(),
    "reasonseg": lambda root: (root / "val/first.json").write_text("{}", encoding="utf-8"),
}


@pytest.mark.parametrize("key", sorted(ODD))
def test_a_perfect_prediction_of_the_rest_scores_one_and_the_report_says_what_is_missing(
    key: str, draw: Callable[[str], Path], tmp_path: Path
) -> None:
    root = draw(key)
    perfect = write_perfect(open_layout(key, root), tmp_path / "perfect")
    ODD[key](root)
    report = score_predictions(open_layout(key, root), perfect)
    assert report.coverage.unusable > 0
    assert not report.coverage.complete
    assert report.coverage.done + report.coverage.unusable == LAYOUTS[key][1].num_samples
    assert not report.failures
    for measure in ("j_and_f", "giou", "ciou"):
        assert report.overall.get(measure, 1.0) == 1.0
    assert f"{report.coverage.unusable} more cannot be run or scored" in str(report.coverage)
    assert "left out of the benchmark" in report.problems[0]


def test_a_run_keeps_what_was_left_out(
    draw: Callable[[str], Path], pipeline: Pipelines, tmp_path: Path
) -> None:
    root = draw("mevis")
    shutil.rmtree(root / "valid_u/JPEGImages/bear")
    out = tmp_path / "out"
    with pipeline() as pipe:
        report = evaluate(open_layout("mevis", root), pipe, out)
    assert report.overall["j_and_f"] == 1.0
    (entry,) = report.left_out
    assert entry.place == "valid_u/JPEGImages/bear"
    assert entry.num_samples == 4
    assert read_run(out / "run.json").left_out == (entry,)
    document = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert document["results"]["left_out"][0]["reason"] == entry.reason
    assert document["results"]["coverage"]["unusable"] == 4
    for name in ("report.md", "report.html"):
        text = (out / name).read_text(encoding="utf-8")
        assert "4 samples left out of the benchmark" in text
    # Without the benchmark, too.
    assert load_report(out).left_out == report.left_out


def test_what_the_reader_notes_is_in_the_report(
    draw: Callable[[str], Path], pipeline: Pipelines, tmp_path: Path
) -> None:
    with pipeline() as pipe:
        report = evaluate(
            open_layout("mevis-second", draw("mevis-second")), pipe, tmp_path / "out"
        )
    assert "second version of MeViS" in report.problems[0]
    assert "second version" in read_run(tmp_path / "out/run.json").notes[0]
    assert report.coverage.complete


def test_a_sample_whose_truth_cannot_be_read_is_not_run_and_tried_again(
    draw: Callable[[str], Path], pipeline: Pipelines, tmp_path: Path
) -> None:
    root, out = draw("long-rvos"), tmp_path / "out"
    file = root / f"valid/Annotations/bear/1/{FRAMES[1]}.png"
    whole = file.read_bytes()
    cut_off(file)
    with pipeline(fails_on="object 1 said by 0") as pipe:
        report = evaluate(open_layout("long-rvos", root), pipe, out)
        assert [record.status for record in records_of(out)] == ["left-out", "ok", "failed", "ok"]
        assert [row.sample for row in report.samples] == ["bear/1", "cart/0", "cart/1"]
        (entry,) = report.left_out
        assert isinstance(entry, LeftOut)
        assert entry.place == "bear/0"
        assert "download the annotations again" in entry.reason
        assert (report.coverage.in_split, report.coverage.asked) == (3, 3)
        file.write_bytes(whole)
        report = evaluate(open_layout("long-rvos", root), pipe, out, resume=True)
    assert [row.sample for row in report.samples] == ["bear/0", "bear/1", "cart/0", "cart/1"]
    assert not report.left_out
    assert report.coverage.unusable == 0
    assert report.coverage.failed == 2


def test_workers_leave_out_what_has_no_truth(
    draw: Callable[[str], Path], registry: vs.Registry
) -> None:
    from videoseg.evaluation.sample import failed_record

    root = draw("long-rvos")
    cut_off(root / f"valid/Annotations/bear/1/{FRAMES[1]}.png")
    split = open_layout("long-rvos", root)
    # A sample whose process died is held against nobody if nobody knows the answer.
    record = failed_record(split.samples[0], split, RuntimeError("died"))
    assert record.left_out
    assert record.score is None
    assert failed_record(split.samples[1], split, RuntimeError("died")).failed


@pytest.mark.parametrize("more", [(), ("--on-error", "zero")])
def test_score_goes_on_where_a_true_picture_cannot_be_read(
    more: tuple[str, ...],
    draw: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = draw("long-rvos")
    perfect = write_perfect(open_layout("long-rvos", root), tmp_path / "perfect")
    cut_off(root / f"valid/Annotations/bear/1/{FRAMES[1]}.png")
    command = ["score", "--pred", str(perfect), "--benchmark", "long-rvos", "--root", str(root)]
    assert main([*command, *more, "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "1 sample left out of the benchmark: bear/0:" in said
    assert load_report(tmp_path / "out").overall["j_and_f"] == 1.0


def test_score_stops_where_most_of_the_truth_cannot_be_read(
    draw: Callable[[str], Path], tmp_path: Path
) -> None:
    root = draw("long-rvos")
    perfect = write_perfect(open_layout("long-rvos", root), tmp_path / "perfect")
    for file in (root / "valid/Annotations").rglob("*.png"):
        cut_off(file)
    with pytest.raises(EvaluationError, match="the truth of 4 of 4 samples cannot be read"):
        score_predictions(open_layout("long-rvos", root), perfect, out=tmp_path / "out")
    assert not (tmp_path / "out/run.json").exists()


def test_strict_refuses_what_would_be_left_out(
    draw: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw("mevis")
    perfect = write_perfect(open_layout("mevis", root), tmp_path / "perfect")
    ODD["mevis"](root)
    command = ["score", "--pred", str(perfect), "--benchmark", "mevis", "--root", str(root)]
    assert main(command) == 0
    assert "1 sample left out of the benchmark" in capsys.readouterr().out
    assert main([*command, "--strict"]) != 0
    assert "expression '0' is empty" in capsys.readouterr().err


def test_runs_are_compared_on_what_both_have_scored(
    draw: Callable[[str], Path], pipeline: Pipelines, tmp_path: Path
) -> None:
    root = draw("long-rvos")
    file = root / f"valid/Annotations/bear/1/{FRAMES[1]}.png"
    with pipeline() as pipe:
        evaluate(open_layout("long-rvos", root), pipe, tmp_path / "whole")
        cut_off(file)
        evaluate(open_layout("long-rvos", root), pipe, tmp_path / "cut")
    found = compare_evaluations(tmp_path / "whole", tmp_path / "cut", allow_different=True)
    assert found.num_samples == 3
    assert np.allclose([change.difference for change in found.changes], 0)
