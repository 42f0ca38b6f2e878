"""Runs the tests that fork in an interpreter of their own.

A forked process lacks the threads of OpenCV's pool and would wait for them forever, if an earlier
test had started that pool. Tests with the marker ``forks`` therefore run in another interpreter,
in which OpenCV starts no threads: those of a file together, when the first of them is due.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

_INSIDE = "VIDEOSEG_TESTS_THAT_FORK"


def is_fresh() -> bool:
    """Return whether this process is such an interpreter."""
    return _INSIDE in os.environ


def run_elsewhere(test: pytest.Function) -> None:
    """Run a test in another interpreter; fail or skip as it does there."""
    cases, output = _cases(test.path)
    case = cases.get(test.name)
    if case is None:
        pytest.fail(f"the test was not run:\n{output}", pytrace=False)
    for result in case:
        if result.tag in ("failure", "error"):
            pytest.fail(f"{result.get('message')}\n{result.text}", pytrace=False)
        if result.tag == "skipped":
            pytest.skip(str(result.get("message")))


@functools.cache
def _cases(path: Path) -> tuple[dict[str | None, ElementTree.Element], str]:
    """Run the tests of a file that fork; return their results by name, and the output."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-m", "forks", "-p", "no:cacheprovider", f"--junitxml={report}"]
        environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", str(path), *options],
            env={**environment, _INSIDE: "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        tree = ElementTree.parse(report) if report.is_file() else None
    cases = () if tree is None else tree.iter("testcase")
    return {case.get("name"): case for case in cases}, done.stdout
