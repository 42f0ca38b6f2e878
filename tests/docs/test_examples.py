"""The notebooks and scripts in ``examples/`` run as they are."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from videoseg_synthetic import demo_clip

from videoseg.video import write_video

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SUPPORT = EXAMPLES.parent / "tests" / "support"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

pytestmark = pytest.mark.slow


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 4


def read_notebook(path: Path) -> Any:
    """Return a notebook with numbers for a test."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = "num_steps = num_questions = 2\nnum_clips = 3\nnum_held_out = 1"
    return notebook


def run_notebook(notebook: Any, folder: Path, *, allow_errors: bool = False) -> None:
    """Run a notebook in a kernel of its own; its cells get their outputs."""
    from nbclient import NotebookClient

    # The kernel that belongs to this interpreter, whatever else is installed.
    client = NotebookClient(
        notebook,
        timeout=280,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
        allow_errors=allow_errors,
    )
    client.execute()


def list_outputs(cells: Sequence[Any]) -> tuple[str, str]:
    """Return what cells have printed and drawn; none may have failed."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    errors = [one["traceback"] for one in outputs if one.get("output_type") == "error"]
    assert not errors, "\n".join(errors[0])
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    drawn = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    return printed, drawn


PREPARATION = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
from torchvision_builds import declare_missing_operators
declare_missing_operators()
"""
"""Lets the kernel import a torchvision of another build than torch."""


def number_behind(label: str, printed: str) -> float:
    """Return the number that is printed behind a label."""
    return float(printed.split(label, 1)[1].split()[0].strip(","))


def check_the_steps(printed: str, drawn: str) -> None:
    """Check what the notebook on VideoSeg-R1 shows: a model that answers, and is scored."""
    assert printed.count('{"start":') == 3 and printed.count('{"percent":') == 3
    assert number_behind("J&F of 'the black one': ", printed) > 0.7
    assert number_behind("'the largest one': found, J&F ", printed) > 0.7
    assert "'the red heart': not in this video, J&F 1.00" in printed
    assert "does not know 'zebra'" in printed
    assert "-> answer: keyframe" in printed
    assert "object found" in drawn


def check_the_comparison(printed: str, drawn: str) -> None:
    """Check the numbers that the comparison of strategies shows."""
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
    scores = {name: float(row["J&F"]) for name, row in table.items()}
    assert scores["R1"] > 0.7 and scores["O3"] > 0.7
    turns = {name: float(row["turns"]) for name, row in table.items()}
    assert turns["R1"] == 1 and 1 < turns["O3"] <= 2
    assert float(table["R1"]["questions"]) == 3
    assert "  -> look at frames 0-47, keyframe" in printed
    assert drawn.count("<polyline") == 16 and drawn.count("O3, turn 2") >= 2


def check_the_training(printed: str, drawn: str) -> None:
    """Check that the policy was trained, judged before and after, and runs in a pipeline."""
    for label in ("first step ", ", last step ", "roomy: ", " before, ", "box IoU: "):
        assert 0 < number_behind(label, printed) <= 1
    assert drawn.count("<circle") == 2
    assert 2 <= drawn.count("<figure") <= 8
    assert "before: Box(" in printed


# Of the notebooks whose model runs on torch.
CHECKS = {
    "videoseg_r1_step_by_step.ipynb": check_the_steps,
    "compare_two_strategies.ipynb": check_the_comparison,
    "train_a_tiny_policy.ipynb": check_the_training,
}


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.name not in CHECKS], ids=lambda path: path.name
)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = read_notebook(path)
    run_notebook(notebook, tmp_path)
    list_outputs(notebook.cells)


@pytest.fixture(scope="module")
def cells_on_torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return the cells, with their outputs, of the notebooks whose model runs on torch.

    They run in one kernel, one after another, each without the names of those before, since it
    takes longer to import torch and transformers than to run one.
    """
    import nbformat

    cells: dict[str, list[Any]] = {}
    whole = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PREPARATION)])
    for name in CHECKS:
        notebook = read_notebook(EXAMPLES / name)
        cells[name] = notebook.cells
        whole.metadata |= notebook.metadata
        whole.cells += [nbformat.v4.new_code_cell("%reset -f"), *notebook.cells]
    run_notebook(whole, tmp_path_factory.mktemp("notebooks"), allow_errors=True)
    return cells


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CHECKS)
def test_a_notebook_on_torch_runs_from_top_to_bottom(
    name: str, cells_on_torch: dict[str, list[Any]]
) -> None:
    CHECKS[name](*list_outputs(cells_on_torch[name]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_installs_what_it_needs_and_checks_what_it_shows(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    assert "colab.research.google.com" in notebook.cells[0].source
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert "%pip install -q" in first.source and "find_spec" in first.source
    checks = [cell for cell in notebook.cells if "check" in cell.metadata.get("tags", ())]
    # Those of the others are in CHECKS, and hidden from no reader.
    assert bool(checks) != (path.name in CHECKS)
    for cell in checks:
        assert "assert " in cell.source and cell.metadata["jupyter"]["source_hidden"]


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
