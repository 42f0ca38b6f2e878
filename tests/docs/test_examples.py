"""The notebooks and scripts in ``examples/`` run as they are."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from videoseg_synthetic import demo_clip

from videoseg.video import write_video

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    shutil.copytree(EXAMPLES / "recordings", tmp_path / "recordings")
    # The kernel that belongs to this interpreter, whatever else is installed.
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert all(output.get("output_type") != "error" for output in outputs)
    if path.name == "compare_two_strategies.ipynb":
        check_the_comparison(outputs)


def check_the_comparison(outputs: list[dict[str, Any]]) -> None:
    """Check the numbers that the comparison of strategies shows, for right answers."""
    printed = "".join(output.get("text", "") for output in outputs)
    drawn = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    lines = printed.splitlines()
    [head] = [line for line in lines if line.strip().startswith("turns")]
    columns = re.split(r"\s{2,}", head.strip())
    names = ["R1", "O3", "R1's sampler, O3's grounder", "O3's looking, R1's answer"]
    table = {
        name: dict(zip(columns, line[len(name) :].split(), strict=True))
        for name in names
        for line in lines
        if re.match(rf"{name}\s+\d", line)
    }
    assert list(table) == names
    assert all(float(row["J&F"]) > 0.9 for row in table.values())
    assert [row["window IoU"] for row in table.values()] == ["-", "1.00", "1.00", "1.00"]
    turns = {name: float(row["turns"]) for name, row in table.items()}
    assert turns["R1"] == 1 and 2 <= turns["O3"] <= 3
    assert 1 < turns["R1's sampler, O3's grounder"] < turns["O3"]
    assert "  -> look at frames 19-49, keyframe 46" in lines
    assert drawn.count("<polyline") == 12 and drawn.count("O3, turn 2") == 3


@pytest.mark.parametrize("start", [EXAMPLES, EXAMPLES.parent], ids=["examples", "root"])
def test_the_recording_is_found_from_the_folder_and_from_the_root(
    start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat

    monkeypatch.chdir(start)
    notebook = nbformat.read(EXAMPLES / "videoseg_r1_step_by_step.ipynb", as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    names: dict[str, Path] = {}
    exec(first.source, names)
    assert names["recording"].is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_recording_of_the_example_can_be_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings = tmp_path / "recordings"
    shutil.copytree(EXAMPLES / "recordings", recordings)
    (recordings / "valentine.jsonl").unlink()
    runpy.run_path(str(recordings / "make_valentine.py"), run_name="__main__")
    assert len((recordings / "valentine.jsonl").read_text().splitlines()) == 4
    assert "valentine" in capsys.readouterr().out


def test_the_recording_of_the_comparison_can_be_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def replies(path: Path) -> list[list[str]]:
        exchanges = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return [[reply["text"] for reply in exchange["replies"]] for exchange in exchanges]

    script = tmp_path / "make_comparison.py"
    shutil.copy(EXAMPLES / "recordings" / script.name, script)
    runpy.run_path(str(script), run_name="__main__")
    made = replies(tmp_path / "comparison.jsonl")
    assert made == replies(EXAMPLES / "recordings" / "comparison.jsonl")
    assert "R1's sampler, O3's grounder" in capsys.readouterr().out


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in [*NOTEBOOKS, *EXAMPLES.glob("*.py")]:
        assert f"({path.name})" in listed


def test_the_folder_script_answers_for_each_video_and_goes_on_after_a_bad_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = demo_clip(size=(90, 160), num_frames=20)
    videos = tmp_path / "videos"
    videos.mkdir()
    write_video(videos / "good.mp4", clip.frames, fps=clip.fps)
    (videos / "broken.mp4").write_bytes(b"no video")
    (videos / "notes.txt").write_text("not a video", encoding="utf-8")
    output = tmp_path / "answers"
    monkeypatch.setattr(
        sys,
        "argv",
        ["segment_folder.py", str(videos), "the largest object", "--output", str(output)],
    )
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(EXAMPLES / "segment_folder.py"), run_name="__main__")
    printed = capsys.readouterr()
    assert left.value.code == 1
    assert "good.mp4: " in printed.out
    assert "broken.mp4: " in printed.err
    assert (output / "good" / "result.json").is_file()
    assert not (output / "broken").exists()


def test_the_folder_script_says_that_there_is_no_such_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["segment_folder.py", str(tmp_path / "clps"), "the ball"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(EXAMPLES / "segment_folder.py"), run_name="__main__")
    assert left.value.code == 2
    assert "there is no folder" in capsys.readouterr().err
