"""Importing videoseg, or asking the command line for help, loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "cv2", "av", "decord", "matplotlib", "scipy", "pandas"}


def modules_after(code: str) -> list[str]:
    """Return the modules that a fresh interpreter has loaded after some code."""
    script = f"{code}\nimport sys, json\nprint()\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return [str(name) for name in json.loads(done.stdout.splitlines()[-1])]


def loaded_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after some code."""
    return {name.split(".")[0] for name in modules_after(code)}


@pytest.mark.parametrize(
    "code",
    [
        "import videoseg",
        "import videoseg; videoseg.Pipeline, videoseg.Video, videoseg.add",
        "import videoseg; videoseg.Pipeline.from_name('attributes')",
        "import videoseg; videoseg.default_registry().components()",
    ],
)
def test_python_loads_nothing_heavy(code: str) -> None:
    assert not loaded_after(code) & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_the_command_line_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"from videoseg.cli.main import main\nassert main({arguments!r}) == 0"
    assert not loaded_after(code) & HEAVY


def test_listing_plugins_loads_only_what_declares_them() -> None:
    """A package that imports its stages in ``__init__`` would load them for every command."""
    code = "import videoseg; videoseg.Pipeline.from_name('attributes')"
    modules = [name for name in modules_after(code) if name.startswith("videoseg_")]
    assert "videoseg_attributes.plugin" in modules
    declaring = {"plugin", "capabilities", "published"}
    found = [
        name
        for name in modules
        # The template's event log is an observer, whose hooks are looked at.
        if not name.startswith("videoseg_example")
        and "." in name
        and name.split(".", 1)[1] not in declaring
    ]
    assert found == []


def test_plain_import_loads_no_numpy_either() -> None:
    assert "numpy" not in loaded_after("import videoseg")
