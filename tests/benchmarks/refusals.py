"""Ask whole pipelines what describes no object: ``python tests/benchmarks/refusals.py``.

Two lists of 200 queries each are asked about a drawn clip: nonsense, other languages, questions
for something else, commands, typing errors and so on. None may be ``answered``. 67 true
descriptions are asked as well; they may be guesses or absent (the clip has few colors), but none
may be refused as being no description. Prints how many of each status, and what went wrong.

``--pipelines names --checkpoint yolox_nano.onnx`` asks with a detector. The pipelines with a tiny
model answer in seconds, those without in tenths; ``--every 10`` asks every tenth query.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.errors import QueryError
from videoseg.types import VideoSource

ROOT = Path(__file__).resolve().parents[2]
LISTS = ROOT / "plugins" / "videoseg-attributes" / "tests" / "grounding"
FILES = {
    "first list": "not_descriptions.txt",
    "second list": "more_not_descriptions.txt",
    "descriptions": "descriptions.txt",
}
PIPELINES = ("attributes", "videoseg-r1-tiny", "videoseg-o3-tiny")
REFUSAL = "describe the object"
"""What the warning of a query that describes no object ends with."""


def make_pipeline(name: str, checkpoint: str) -> vs.Pipeline:
    """Return a pipeline by name; ``names`` with a file of YOLOX."""
    pipeline = vs.Pipeline.from_name(name)
    if name != "names" or not checkpoint:
        return pipeline
    detector = {"name": "yolox", "options": {"checkpoint": checkpoint, "min_score": 0.1}}
    return pipeline.replace(grounder=vs.use("attributes", detector=detector))


def read_queries(name: str) -> Iterator[tuple[str, str]]:
    """Yield (heading, query) of a file with headings that begin with ``#`` and a space."""
    heading = ""
    for line in (LISTS / name).read_text("utf-8").splitlines():
        if line.startswith("# "):
            heading = line.removeprefix("# ")
        else:
            yield heading, line


def status_of(pipeline: vs.Pipeline, video: VideoSource, query: str) -> tuple[str, str]:
    """Return the status of an answer, or ``refused``, and its first warning."""
    try:
        answer = pipeline(video, query)
    except QueryError as error:
        return "refused", str(error)
    return str(answer.status), next(iter(answer.warnings), "")


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipelines", nargs="+", default=PIPELINES)
    parser.add_argument("--checkpoint", default="", help="file of YOLOX, for names")
    parser.add_argument("--every", type=int, default=1, help="ask every n-th query")
    parser.add_argument("--frames", type=int, default=8, help="length of the clip")
    arguments = parser.parse_args()
    clip = make_clip(seed=3, num_frames=arguments.frames, size=(64, 96), num_objects=3)
    failed = False
    for name in arguments.pipelines:
        pipeline = make_pipeline(name, arguments.checkpoint)
        for title, file in FILES.items():
            begin = time.perf_counter()
            queries = list(read_queries(file))[:: arguments.every]
            counts: Counter[str] = Counter()
            for heading, query in queries:
                status, warning = status_of(pipeline, clip.video, query)
                counts[status] += 1
                if title != "descriptions":
                    wrong = status == "answered"
                else:
                    no_description = status == "refused" or REFUSAL in warning
                    wrong = no_description and "cannot be judged" not in heading
                if wrong:
                    failed = True
                    print(f"  WRONG {status}: {query[:70]!r} ({heading}) {warning[:120]}")
            told = ", ".join(f"{status} {count}" for status, count in sorted(counts.items()))
            seconds = time.perf_counter() - begin
            print(f"{name}, {title}: {len(queries)} queries, {told}; {seconds:.0f} s", flush=True)
        pipeline.close()
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
