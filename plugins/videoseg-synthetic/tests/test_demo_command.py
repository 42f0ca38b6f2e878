"""What ``videoseg demo`` prints for people."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import videoseg_synthetic.demo_command as module

from videoseg.cli.main import main
from videoseg.pipeline import Pipeline
from videoseg.types import Episode, Grounding

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
        "  because   candidate ",
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


@pytest.mark.parametrize(
    ("status", "found", "is_in_clip", "told"),
    [
        ("answered", True, True, "50% overlap with the true masks"),
        ("guessed", True, True, "a guess, 50% overlap with the true masks"),
        ("guessed", False, False, "a guess; there is no such object"),
        ("guessed", False, True, "a guess; the object is there"),
        ("absent", False, False, "not in this video, which is true"),
        ("absent", False, True, "not in this video, which is false"),
    ],
)
def test_only_an_answer_that_there_is_none_can_be_truly_absent(
    status: str, found: bool, is_in_clip: bool, told: str
) -> None:
    answer = {
        "status": status,
        "found": found,
        "is_in_clip": is_in_clip,
        "overlap_with_truth": 0.5,
    }
    score = module._describe_score(answer)
    assert score.endswith(told)
    assert ("which is true" in score) == (status == "absent" and not is_in_clip)


class _UnreadableAnswer:
    """A grounder whose model's answer cannot be read."""

    def step(self, episode: Episode) -> Grounding:
        return Grounding(None, status="guessed", warnings=("the answer cannot be read",))


def test_a_quiet_demo_tells_its_statuses_and_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pipeline(name: str) -> Pipeline:
        return Pipeline(
            sampler="uniform", grounder=_UnreadableAnswer(), segmenter="cut", propagator="flow"
        )

    monkeypatch.setattr(Pipeline, "from_name", pipeline)
    monkeypatch.setattr(module, "_QUESTIONS", module._QUESTIONS[:1])
    assert main(["demo", "-o", str(tmp_path / "out"), "-q", "--json"]) == 0
    told = capsys.readouterr()
    [answer] = json.loads(told.out)["answers"]
    assert (answer["status"], answer["found"]) == ("guessed", False)
    assert "easy: warning: the answer cannot be read" in told.err
