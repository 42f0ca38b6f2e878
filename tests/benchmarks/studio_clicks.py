"""Measure the studio: the first mask after a click, opening and seeking, memory over clicks.

Starts ``videoseg studio`` in a process of its own and asks it over HTTP, as the page does.

    python tests/benchmarks/studio_clicks.py CLIP [--long LONG] [--clicks 10]

``CLIP`` is a clip of 480p, for example; ``LONG`` a long file, which can be made cheaply:

    ffmpeg -stream_loop 750 -i CLIP -c copy -t 7200 LONG
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any


class Studio:
    """A studio on a folder, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from videoseg_studio.server import Settings, create_app, serve_app\n"
            "from videoseg_studio.studio import mount_studio\n"
            "app = create_app(Settings(Path(sys.argv[1]), port=0))\n"
            "mount_studio(app)\n"
            "serve_app(app, on_start=lambda address: print(address, flush=True), quiet=True)\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip() + "/studio"

    def fetch(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.fetch(path, body))
        return found

    @property
    def megabytes(self) -> float:
        """The memory of the process now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1e3

    @property
    def cpu_seconds(self) -> float:
        """The seconds of a core that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def open(self, name: str) -> str:
        begin, cpu = time.perf_counter(), self.cpu_seconds
        project = self.ask("/projects", {"video": name})
        address = f"/projects/{project['id']}"
        first = 0.0
        while project["status"] == "opening":
            time.sleep(0.02)
            if not first and self.fetch(f"{address}/poster.jpg"):
                first = time.perf_counter() - begin
            project = self.ask(address)
        took, used = time.perf_counter() - begin, self.cpu_seconds - cpu
        print(
            f"{name}: {project['video']['num_frames']:,} frames; first picture after "
            f"{first or took:.2f} s, open after {took:.2f} s ({used:.2f} CPU seconds)"
        )
        return address


def measure_clicks(studio: Studio, address: str, count: int) -> None:
    video = studio.ask(address)["video"]
    spread = random.Random(1)
    times, cpu, memory = [], [], []
    for number in range(count + 1):
        frame = spread.randrange(video["num_frames"])
        added = int(studio.ask(f"{address}/do", {"do": "add"})["told"])
        x, y = (video[side] * spread.uniform(0.3, 0.7) for side in ("width", "height"))
        # The page has shown the frame when it is clicked.
        studio.fetch(f"{address}/frames/{frame}.jpg")
        begin, used = time.perf_counter(), studio.cpu_seconds
        studio.ask(f"{address}/correct", {"object": added, "frame": frame, "points": [[x, y]]})
        if number:
            times.append(time.perf_counter() - begin)
            cpu.append(studio.cpu_seconds - used)
        else:
            print(f"first click of all, with the imports: {time.perf_counter() - begin:.2f} s")
        memory.append(studio.megabytes)
    print(
        f"{count} clicks: median {statistics.median(times):.2f} s, most {max(times):.2f} s; "
        f"CPU seconds median {statistics.median(cpu):.2f}, most {max(cpu):.2f}"
    )
    print(
        f"memory after the first {memory[0]:.0f} MB, in the middle "
        f"{memory[len(memory) // 2]:.0f} MB, after the last {memory[-1]:.0f} MB"
    )


def measure_seeks(studio: Studio, address: str, count: int = 12) -> None:
    video = studio.ask(address)["video"]
    spread = random.Random(2)
    times, cpu = [], []
    for _ in range(count):
        frame = spread.randrange(video["num_frames"])
        begin, used = time.perf_counter(), studio.cpu_seconds
        studio.fetch(f"{address}/frames/{frame}.jpg?width=854")
        times.append(time.perf_counter() - begin)
        cpu.append(studio.cpu_seconds - used)
    print(
        f"{count} seeks: median {statistics.median(times):.2f} s, most {max(times):.2f} s; CPU "
        f"seconds median {statistics.median(cpu):.2f}; memory {studio.megabytes:.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--long", type=Path)
    parser.add_argument("--clicks", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(arguments.clip, folder / arguments.clip.name)
        if arguments.long:
            # Links that lead out of the folder are refused.
            (folder / arguments.long.name).hardlink_to(arguments.long)
        studio = Studio(folder)
        try:
            measure_clicks(studio, studio.open(arguments.clip.name), arguments.clicks)
            if arguments.long:
                measure_seeks(studio, studio.open(arguments.long.name))
        finally:
            studio.process.terminate()
            studio.process.wait()


if __name__ == "__main__":
    main()
