"""What ``videoseg demo`` prints for people."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# The first of the three questions alone.
SCRIPT = """
import videoseg_synthetic.demo_command as module
from videoseg.cli.main import main
module._LEVELS = module._LEVELS[:1]
raise SystemExit(main(["demo", "-o", "out"]))
"""


@pytest.mark.slow
def test_a_query_is_printed_before_the_progress_of_its_answer(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    parts = (
        'easy: "the blue one"',
        "  asks ",
        "propagator flow: ",
        "  because ",
        "  result ",
        "report.html",
    )
    places = [done.stdout.index(part) for part in parts]
    assert places == sorted(places), done.stdout
    assert "overlap with the true masks" in done.stdout
    assert (tmp_path / "out" / "easy" / "report.html").is_file()
