"""Splits whose truth is on a server end in a zip."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from drawn_benchmarks import object_mask
from PIL import Image

from videoseg.benchmarks import SubmissionFormat
from videoseg.evaluation import evaluate


def test_a_split_without_truth_writes_the_zip_its_server_takes(drawn, pipeline, tmp_path):
    split = drawn("mevis-valid")
    pipe = pipeline(fails_on="expression 1")
    form = SubmissionFormat("", "example.org")
    report = evaluate(split, pipe, tmp_path / "out", submission=form)
    assert not report.scored and report.coverage.failed == 2
    with zipfile.ZipFile(tmp_path / "out" / "submission.zip") as archive:
        names = archive.namelist()
        first = np.asarray(Image.open(io.BytesIO(archive.read("bear/0/00000.png"))))
        failed = np.asarray(Image.open(io.BytesIO(archive.read("bear/1/00000.png"))))
    assert len(names) == 8 * 6
    assert (first == 255 * object_mask("bear", 1, 0)).all()
    assert not failed.any()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "submission.zip (example.org) is ready" in page


def test_there_is_no_zip_before_everything_is_done(drawn, pipeline, tmp_path):
    form = SubmissionFormat()
    evaluate(drawn("mevis-valid"), pipeline(), tmp_path / "out", submission=form, limit=3)
    assert not (tmp_path / "out" / "submission.zip").exists()
    evaluate(drawn("mevis-valid"), pipeline(), tmp_path / "out", submission=form, resume=True)
    assert (tmp_path / "out" / "submission.zip").exists()


def test_a_public_truth_needs_no_zip(drawn, pipeline, tmp_path):
    evaluate(drawn(), pipeline(), tmp_path / "out", submission=SubmissionFormat())
    assert not (tmp_path / "out" / "submission.zip").exists()
