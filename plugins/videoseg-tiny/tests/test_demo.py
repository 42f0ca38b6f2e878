"""``videoseg demo --strategy``: both strategies on a drawn clip, scored."""

from __future__ import annotations

import json

import pytest
import videoseg_synthetic.demo_command as module

from videoseg.cli.main import main


@pytest.fixture
def two_questions(monkeypatch):
    """Ask the first question, and the one about what is not there."""
    asked = module._KNOWN_QUESTIONS
    monkeypatch.setattr(module, "_KNOWN_QUESTIONS", (asked[0], asked[-1]))


@pytest.mark.parametrize("strategy", ["r1", "o3"])
def test_a_strategy_answers_with_the_tiny_model(
    strategy, two_questions, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--strategy", strategy, "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["pipeline"] == f"videoseg-{strategy}-tiny"
    there, absent = printed["answers"]
    assert there["found"] and there["j_and_f"] > 0.7
    assert not absent["found"] and absent["j_and_f"] == 1
    assert len(there["looks"]) == (2 if strategy == "o3" else 1)
    report = (tmp_path / there["report"]).read_text(encoding="utf-8")
    assert ("Turn 2" in report) == (strategy == "o3")


def test_it_says_what_the_model_knows(two_questions, tmp_path, capsys):
    assert main(["demo", "--strategy", "o3", "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "drawn clips" in printed.split('"the ')[0]
    assert "not in this video, which is true" in printed
    assert "Mean J&F of the 2 answers" in printed
