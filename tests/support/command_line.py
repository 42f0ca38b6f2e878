"""Runs the command line in a process of its own, with plug-ins of the test's."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from warm_interpreter import run_warm

COMMAND = (sys.executable, "-m", "videoseg")
_AT_START = ("PYTHON", "LANG", "LC_")


def environment(plugins: Path | None = None, **more: str) -> dict[str, str]:
    """Return the variables of a run; ``plugins`` is a folder made by ``install_plugin``."""
    paths = [str(plugins)] if plugins else []
    paths += [path for path in (os.environ.get("PYTHONPATH"),) if path]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}
    variables.pop("VIDEOSEG_PLUGINS", None)
    return variables


def videoseg(
    *arguments: object, folder: Path, plugins: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end.

    The interpreter is a fork of one that has imported the libraries, unless ``more`` has
    variables that only a new one reads.
    """
    variables = environment(plugins, **more)
    if sys.platform == "linux" and not any(name.startswith(_AT_START) for name in more):
        return run_warm([*map(str, arguments)], folder=folder, environment=variables)
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def install_plugin(folder: Path, name: str, source: str, *, version: str = "1.0") -> Path:
    """Put a distribution into a folder as pip would, without pip."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[videoseg]\n{name} = {module}\n")
    return folder


def error_line(run: subprocess.CompletedProcess[str]) -> str:
    """Return the error of a run that failed as it should: one line, no traceback.

    Further problems on lines of their own, indented, are joined to it.
    """
    lines = run.stderr.strip().splitlines()
    assert "Traceback" not in run.stderr, run.stderr
    [begin] = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    first, *more = lines[begin:]
    assert all(line.startswith(" " * len("error: ")) for line in more), run.stderr
    return "; ".join([first, *(line.strip() for line in more)])
