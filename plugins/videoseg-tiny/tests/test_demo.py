"""``videoseg demo --strategy``: both strategies on a drawn clip, scored."""

from __future__ import annotations

import json
import re

import pytest
import videoseg_synthetic.demo_command as module

from videoseg.cli.main import main


@pytest.fixture(autouse=True)
def two_questions(monkeypatch):
    """Ask the first question, and the one about what is not there."""
    asked = module._KNOWN_QUESTIONS
    monkeypatch.setattr(module, "_KNOWN_QUESTIONS", (asked[0], asked[-1]))


def test_r1_answers_for_programs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--strategy", "r1", "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["pipeline"] == "videoseg-r1-tiny"
    there, absent = printed["answers"]
    assert there["found"] and there["j_and_f"] > 0.7
    assert len(there["looks"]) == 1
    assert not absent["found"] and absent["j_and_f"] == 1
    assert (tmp_path / "videoseg-out" / "demo-r1" / "color" / "report.html").is_file()


def test_o3_answers_for_people_and_says_what_the_model_knows(tmp_path, capsys):
    assert main(["demo", "--strategy", "o3", "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    introduction, there, absent = re.split(r"\n(?=color: |absent: )", printed)
    assert "drawn clips" in introduction
    assert "asked for frame" in there
    assert float(re.findall(r"J&F ([\d.]+)", there)[0]) > 0.7
    assert "not in this video, which is true, J&F 1.00" in absent
    assert "Mean J&F of the 2 answers" in absent
    report = (tmp_path / "out" / "color" / "report.html").read_text(encoding="utf-8")
    assert "Turn 2" in report
