"""How long `import videoseg` and `videoseg --help` take, as a ratio to `import numpy`.

Run from the repository root:

    python tests/benchmarks/import_budget.py

The bounds are 3 times `python -c "import numpy"`, measured in turns in one run. CPU seconds
of the child processes are compared, since wall time depends on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

LARGEST_RATIO = 3.0

COMMANDS = {
    "import numpy": ["-c", "import numpy"],
    "import videoseg": ["-c", "import videoseg"],
    "import videoseg; Pipeline": ["-c", "import videoseg; videoseg.Pipeline"],
    "videoseg --help": ["-m", "videoseg", "--help"],
    "videoseg run --help": ["-m", "videoseg", "run", "--help"],
    "videoseg plugins": ["-m", "videoseg", "plugins"],
}
BOUNDED = ("import videoseg", "videoseg --help", "videoseg run --help")


def cpu_seconds(arguments: list[str]) -> float:
    """Run one interpreter and return the CPU time it used."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"python {' '.join(arguments)} exited with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure, print a table, exit with 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.runs):
        # In turns, so that a busy moment of the machine hits all of them.
        for name, arguments in COMMANDS.items():
            seconds[name].append(cpu_seconds(arguments))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {name: value / medians["import numpy"] for name, value in medians.items()}
    broken = [name for name in BOUNDED if ratios[name] > LARGEST_RATIO]
    if options.json:
        print(json.dumps({"seconds": medians, "ratios": ratios, "broken": broken}))
    else:
        print("| what | CPU seconds | times `import numpy` |\n|---|---|---|")
        for name, value in medians.items():
            print(f"| {name} | {value:.3f} | {ratios[name]:.2f} |")
    if broken:
        raise SystemExit(f"over {LARGEST_RATIO} times: {', '.join(broken)}")


if __name__ == "__main__":
    main()
