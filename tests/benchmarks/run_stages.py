"""Tell where the time of a whole run goes, stage by stage, on 480p clips of five seconds.

Run from the repository root, with another checkout of it to compare with:

    python tests/benchmarks/run_stages.py --davis DATA/davis [--other CHECKOUT]

Each run is a process of its own that does what ``videoseg run`` does. Processor seconds include
all threads of a stage, except for drawing, encoding and mask files: these count the thread that
does them, and are parts of saving. The checkouts take turns, so that other load falls on both
alike; only ratios and processor seconds are comparable where the machine is busy. Modules are
compiled beforehand, as in an installed package.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import run_clip

ROOT = Path(__file__).resolve().parents[2]
SEQUENCES = ("dog", "car-shadow", "blackswan")
STAGES = (
    "import",
    "open and survey",
    "cut",
    "propagation",
    "saving",
    "of it drawing",
    "of it mask files",
    "of it encoding",
    "of it the report",
    "all",
)
TIMED = """
import functools, json, sys, time
clip, query, out, pipeline = sys.argv[1:5]
spent, parts = {}, {}
begin = time.perf_counter()

class Stage:
    def __init__(self, name): self.name = name
    def __enter__(self): self.cpu, self.wall = time.process_time(), time.perf_counter()
    def __exit__(self, *_):
        spent[self.name] = (time.process_time() - self.cpu, time.perf_counter() - self.wall)

def count(owner, name, part):
    inner = getattr(owner, name)
    @functools.wraps(inner)
    def timed(*args, **kwargs):
        cpu, wall = time.thread_time(), time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            before = parts.get(part, (0.0, 0.0))
            parts[part] = (before[0] + time.thread_time() - cpu,
                           before[1] + time.perf_counter() - wall)
    setattr(owner, name, timed)

with Stage("import"):
    import videoseg as vs
    import videoseg.cli.run, videoseg.results.folder as folder
    import videoseg.results.report.page as page
    from videoseg.video import Video, VideoWriter
    from videoseg.pipeline.run import Run
    pipe = vs.Pipeline.from_name("attributes") if pipeline == "attributes" else (
        vs.Pipeline.from_yaml(pipeline))
    pipe._composition.build_all()
if not clip:
    sys.exit()
for owner, name, part in ((folder, "draw_masks", "of it drawing"),
                          (folder, "write_mask", "of it mask files"),
                          (VideoWriter, "write", "of it encoding"),
                          (page, "render_report", "of it the report")):
    count(owner, name, part)
complete = Run.complete
def cut(self, prompts):
    with Stage("cut"):
        return complete(self, prompts)
Run.complete = cut
with Video.open(clip) as video:
    video.decode_in_order()  # as a whole run does
    with Stage("open and survey"):
        episode = pipe.ground(video, query)
    with Stage("propagation"):
        result = pipe.propagate(video, episode.grounding, query=query, trace=episode.trace)
    with Stage("saving"):
        result.save(out)
cpu, wall = spent["propagation"]
spent["propagation"] = (cpu - spent["cut"][0], wall - spent["cut"][1])
spent |= parts
spent["all"] = (time.process_time(), time.perf_counter() - begin)
print(json.dumps(spent))
"""


def time_run(
    checkout: Path, clip: Path | None, query: str, pipeline: str, compiled: Path
) -> dict[str, list[float]]:
    """Return processor and wall seconds of each stage of one run by a checkout's code.

    Without a clip only its modules are compiled, into a folder of their own.
    """
    sources = [checkout, *sorted(checkout.glob("plugins/videoseg-*/src"))]
    settings = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, sources)),
        "PYTHONPYCACHEPREFIX": str(compiled),
    }
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    name = "" if clip is None else str(clip.resolve())
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(
            [sys.executable, "-c", TIMED, name, query, str(Path(folder, "out")), pipeline],
            env=settings,
            cwd=checkout,  # it stands before PYTHONPATH
            check=True,
            stdout=subprocess.PIPE,
        )
    stages: dict[str, list[float]] = json.loads(found.stdout) if clip else {}
    return stages


def main() -> None:
    """Time the runs and print a table for each clip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--davis", type=Path, required=True, help="folder with JPEGImages/480p")
    parser.add_argument("--sequences", nargs="*", default=list(SEQUENCES))
    parser.add_argument("--other", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--query", default="the thing that moves")
    parser.add_argument("--pipeline", default="attributes", help="or a YAML file")
    options = parser.parse_args()
    checkouts = {"other": options.other.resolve()} if options.other else {}
    checkouts["here"] = ROOT
    with tempfile.TemporaryDirectory() as folder:
        compare(options, checkouts, Path(folder))


def compare(options: argparse.Namespace, checkouts: dict[str, Path], folder: Path) -> None:
    """Time the runs and print the tables; clips and compiled modules go into a folder."""

    def run(name: str, clip: Path | None) -> dict[str, list[float]]:
        compiled = folder / name
        return time_run(checkouts[name], clip, options.query, options.pipeline, compiled)

    for name in checkouts:
        run(name, None)
    for sequence in options.sequences:
        runs: dict[str, list[dict[str, list[float]]]] = {name: [] for name in checkouts}
        clip = folder / f"{sequence}.mp4"
        run_clip.write_clip(clip, options.davis, sequence)
        for _ in range(options.rounds):
            for name in checkouts:
                runs[name].append(run(name, clip))
        print(f"\n{sequence}: {run_clip.NUM_FRAMES} frames, load {os.getloadavg()[0]:.1f}\n")
        columns = [f"CPU s, {name} | wall s, {name}" for name in checkouts]
        print("| stage | " + " | ".join(columns) + (" | CPU ratio |" if options.other else " |"))
        print("|---" * (1 + 2 * len(checkouts) + bool(options.other)) + "|")
        for stage in STAGES:
            medians = [
                [statistics.median(run[stage][kind] for run in runs[name]) for kind in (0, 1)]
                for name in checkouts
            ]
            cells = [f"{value:.2f}" for pair in medians for value in pair]
            if options.other:
                cells.append(f"{medians[1][0] / max(medians[0][0], 1e-6):.2f}")
            print(f"| {stage} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
