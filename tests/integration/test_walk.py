"""The walk of a query through the core stays short."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_query_passes_few_files_on_its_way_to_the_propagator() -> None:
    script = ROOT / "tests" / "benchmarks" / "walk_of_a_query.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    [(number, _)] = re.findall(r"(\d+) files, (\d+) returns", done.stdout)
    assert int(number) <= 12, done.stdout
    visited = dict(re.findall(r"^(\S+\.py) +(\d+)$", done.stdout, flags=re.MULTILINE))
    # Entered by the command, and once more for the answer.
    assert int(visited["pipeline/pipeline.py"]) <= 1
