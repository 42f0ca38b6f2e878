"""Runs ``python -m videoseg`` in forks of an interpreter that has imported everything.

Each fork is a process of its own, with its own arguments, folder, environment and files, and
ends as any process does. Only the half second in which Python imports libraries is saved. What
depends on how the interpreter itself was started (``PYTHON*`` variables, the locale) needs a
real start, and so does what could depend on hashes of strings: all forks order sets alike. For
Linux: libraries of macOS do not survive a fork.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib.metadata
import json
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

# Seconds after which a command is ended.
TIMEOUT = 120
# Where the interpreter starts, whatever a test has set before it asks for the first command.
_ENVIRONMENT = dict(os.environ)
# What most commands import; none of these starts a thread by being imported.
LIBRARIES = ("av", "cv2", "jinja2", "numpy", "PIL.Image", "pydantic", "rich.console", "scipy")
PACKAGES = ("videoseg", "videoseg_attributes", "videoseg_synthetic")


def run_warm(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m videoseg`` with these arguments to its end."""
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place, name) for name in ("stdout", "stderr")]
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "files": [str(file) for file in files],
        }
        server = _server()
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        output, errors = (file.read_text(encoding="utf-8") for file in files)
    return subprocess.CompletedProcess(list(arguments), status, output, errors)


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Threads of NumPy's would not be there in a fork.
        env={**_ENVIRONMENT, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()


def _import_all() -> None:
    for library in LIBRARIES:
        importlib.import_module(library)
    for entry_point in importlib.metadata.entry_points(group="videoseg"):
        entry_point.load()
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__") and ".testing" not in module.name:
                importlib.import_module(module.name)


def _serve() -> None:
    """Fork for each line of standard input; write the exit status of each fork."""
    _import_all()
    # What is frozen no collection walks through, of which each process has one at its end.
    gc.collect()
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
            return
        _, ended = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(ended)}\n".encode())


def _become(request: Mapping[str, object]) -> None:
    """Be what a new interpreter would be, and run the command."""
    arguments, folder, environment, files = (
        request[key] for key in ("arguments", "folder", "environment", "files")
    )
    signal.alarm(TIMEOUT)
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    opened = [os.open(os.devnull, os.O_RDONLY), *(os.open(file, flags) for file in files)]
    for number, descriptor in enumerate(opened):
        os.dup2(descriptor, number)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    rest = [path for path in sys.path[1:] if path not in own and path not in paths]
    sys.path[:] = [folder, *paths, *rest]
    # Numbers that no seed is behind differ from process to process.
    sys.modules["numpy"].random.seed()
    sys.argv = ["videoseg", *arguments]
    runpy.run_module("videoseg", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
