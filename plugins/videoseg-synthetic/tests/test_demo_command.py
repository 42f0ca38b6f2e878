"""What ``videoseg demo`` prints for people."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import videoseg_synthetic.demo_command as module

from videoseg.cli.main import main

# The first of the three questions alone.
SCRIPT = """
import videoseg_synthetic.demo_command as module
from videoseg.cli.main import main
module._QUESTIONS = module._QUESTIONS[:1]
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


def test_a_strategy_without_its_model_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "torch" else name)
    assert main(["demo", "--strategy", "o3"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "needs torch, which is not installed" in line
    folders = re.findall(r"-e (plugins/[\w-]+)", line)
    assert "plugins/videoseg-tiny" in folders and "plugins/videoseg-vlm" in folders
    root = Path(__file__).resolve().parents[3]
    assert all((root / folder / "pyproject.toml").is_file() for folder in folders)
    assert not any(tmp_path.iterdir())
