"""Runs hostile inputs against everything that reads what others have made.

Each input is made from a seed and given to a public way in, in a process of its own with 10
seconds and 1 GiB. It may be taken or be refused with a typed error in a line; it may not end in
any other error, hang, kill the process, run foreign code, or write outside its output folder.

    python tests/hostile/run_hostile.py [--seed N] [--only CATEGORY] [--limit N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CATEGORIES = (
    "yaml",
    "options",
    "outputs",
    "unfinished",
    "plugins",
    "videos",
    "folders",
    "queries",
    "results",
    "rles",
    "checkpoints",
    "pickles",
    "recordings",
    "records",
    "predictions",
    "servers",
    "answers",
)


def main() -> int:
    """Run all categories, or one, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=CATEGORIES, action="append")
    parser.add_argument("--limit", type=int, help="inputs of a category, the first ones")
    parser.add_argument("--verbose", action="store_true", help="tell of every input")
    arguments = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    for category in arguments.only or CATEGORIES:
        counts[category] = Counter()
        for outcome in run_category(category, seed=arguments.seed, limit=arguments.limit):
            counts[category][outcome["verdict"]] += 1
            if outcome["verdict"] == "bad" or arguments.verbose:
                told = f"{category}/{outcome['name']}: {outcome['verdict']}: {outcome['said']}"
                print(f"  {told[:600]!r}"[:700], flush=True)
    print(table(counts))
    return int(any(count["bad"] for count in counts.values()))


def run_category(category: str, *, seed: int, limit: int | None) -> list[dict[str, str]]:
    """Return for each input of a category its name, a verdict and what was said."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        command = [sys.executable, str(HERE / "worker.py"), category, folder, str(seed)]
        if limit is not None:
            command.append(str(limit))
        paths = [str(ROOT), str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    outcomes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace")[-2000:]
        outcomes.append({"name": "worker", "verdict": "bad", "said": f"{done.returncode}: {said}"})
    return outcomes


def table(counts: dict[str, Counter[str]]) -> str:
    """Return the counts as a table."""
    lines = [f"{'category':<14}{'tried':>7}{'taken':>7}{'refused':>9}{'skipped':>9}{'bad':>5}"]
    whole = {"total": sum(counts.values(), Counter[str]())}
    for name, count in {**counts, **whole}.items():
        numbers = [count[verdict] for verdict in ("taken", "refused", "skipped", "bad")]
        taken, refused, skipped, bad = numbers
        lines.append(f"{name:<14}{sum(numbers):>7}{taken:>7}{refused:>9}{skipped:>9}{bad:>5}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
