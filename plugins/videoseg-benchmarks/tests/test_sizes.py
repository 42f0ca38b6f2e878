"""Sizes of pictures, compared with what a benchmark states."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_benchmarks import write_frame
from videoseg_benchmarks.videos import matching_size

from videoseg.benchmarks import FirstProblem


@pytest.mark.parametrize("expected", [(24, 32), None])
def test_a_picture_of_the_expected_size_has_no_problem(
    tmp_path: Path, expected: tuple[int, int] | None
) -> None:
    write_frame(tmp_path / "a.png", size=(24, 32))
    problem = FirstProblem()
    size = matching_size(
        tmp_path / "a.png", expected, problem, source="the file", originals="frames"
    )
    assert (size, problem.text) == ((24, 32), "")


def test_a_picture_of_another_size_is_a_problem(tmp_path: Path) -> None:
    write_frame(tmp_path / "a.png", size=(24, 32))
    problem = FirstProblem()
    size = matching_size(
        tmp_path / "a.png", (12, 32), problem, source="the file", originals="frames"
    )
    assert size is None
    assert "is 24x32 but the file says 12x32; use the frames, not resized" in problem.text
