"""Kill an evaluation at random moments, resume it, and compare its report with a quiet run's.

Runs ``videoseg eval`` twice over the MeViS-format clips beside the repository: once undisturbed,
once with SIGKILL at random moments and ``--resume`` after each. Everything under ``results`` in
report.json must be equal, and no worker process may outlive the one that was killed. Kills
are spread over the samples at random; the seed tells where.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "videoseg", "eval")


def data_folder() -> Path:
    """Return the folder of development data."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("VIDEOSEG_TEST_DATA", beside))


def start(options: argparse.Namespace, out: Path) -> subprocess.Popen[bytes]:
    """Start or resume a run, as the leader of a process group."""
    arguments = [
        *(options.benchmark, "--root", str(options.root), "--pipeline", options.pipeline),
        *("-o", str(out), "--resume", "--quiet", "--workers", str(options.workers)),
    ]
    if options.limit:
        arguments += ["--limit", str(options.limit)]
    return subprocess.Popen([*COMMAND, *arguments], start_new_session=True)


def processes_of_group(group: int) -> list[int]:
    """Return the processes of a group that are still at work."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(place.parent.name))
    return found


def records_in(out: Path) -> int:
    """Return how many whole lines there are."""
    path = out / "records.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def results_of(out: Path) -> Any:
    """Return the part of the report that must be the same every time."""
    return json.loads((out / "report.json").read_text())["results"]


def tell_differences(first: Any, second: Any) -> None:
    """Print which samples came out differently."""
    others = {row["sample"]: row for row in second["samples"]}
    for row in first["samples"]:
        other = others.get(row["sample"])
        if row != other:
            print(f"  undisturbed {row}\n  killed      {other}")


def killed_run(options: argparse.Namespace, out: Path, *, samples: int, seconds: float) -> bool:
    """Run with kills; return whether every worker died with its parent."""
    rng = random.Random(options.seed)
    clean = True
    moments = sorted(rng.uniform(0, samples) for _ in range(options.kills))
    for number, moment in enumerate(moments, start=1):
        process = start(options, out)
        # Counted in samples, so that the kills are spread over the run however busy the machine.
        begin = time.monotonic()
        while process.poll() is None and records_in(out) < int(moment):
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moment % 1 * seconds / samples)
        delay = time.monotonic() - begin
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 10
        while (left := processes_of_group(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        clean = clean and not left
        path = out / "records.jsonl"
        torn = path.exists() and path.read_bytes()[-1:] not in (b"\n", b"")
        print(
            f"kill {number}: after {delay:.1f} s, {records_in(out)} samples kept"
            f"{', half a line' if torn else ''}{f', workers left: {left}' if left else ''}",
            flush=True,
        )
    if start(options, out).wait():
        raise SystemExit("the last session failed")
    return clean


def main() -> None:
    """Run the benchmark."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--benchmark", default="mevis")
    options.add_argument("--root", type=Path, default=data_folder() / "mevis_mini")
    options.add_argument("--pipeline", default="attributes")
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--limit", type=int, default=0)
    options.add_argument("--kills", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--undisturbed", type=Path, help="the folder of a run made before")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        quiet, killed = Path(folder, "quiet"), Path(folder, "killed")
        begin = time.monotonic()
        if chosen.undisturbed is None:
            if start(chosen, quiet).wait():
                raise SystemExit("the undisturbed run failed")
            seconds = time.monotonic() - begin
        else:
            shutil.copytree(chosen.undisturbed, quiet)
            costs = json.loads((quiet / "report.json").read_text())["run"]["costs"]
            seconds = costs["seconds"]["sum"] / max(1, chosen.workers)
        print(f"undisturbed: {records_in(quiet)} samples, {seconds:.0f} s", flush=True)
        clean = killed_run(chosen, killed, samples=records_in(quiet), seconds=seconds)
        same = results_of(quiet) == results_of(killed)
        if not same:
            tell_differences(results_of(quiet), results_of(killed))
        overall = {k: round(100 * v, 2) for k, v in results_of(killed)["overall"].items()}
    print(f"after {chosen.kills} kills: {overall}")
    print(f"the reports are {'equal' if same else 'NOT equal'}")
    print(f"workers died with the run: {'yes' if clean else 'NO'}")
    if not (same and clean):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
