"""Measurements as a table, as JSON and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

from videoseg._version import __version__
from videoseg.bench.advice import Advice
from videoseg.bench.measure import Measurement
from videoseg.evaluation.run import describe_machine
from videoseg.files.atomic import make_folder, write_file

__all__ = ["BenchReport", "bench_rows", "bench_table", "draw_speeds", "write_bench"]

_COLUMNS = (
    "name",
    "frames/s",
    "first mask, s",
    "loading, s",
    "memory, MiB",
    "GPU, MiB",
    "J&F",
)
_BAR, _ROW, _LEFT, _WIDTH = 18, 34, 210, 720


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Everything that was measured in one run.

    Args:
        clip: What the clip is called.
        size: (height, width) of its frames.
        measurements: One for each target.
        advice: What to choose.
        threads: How many threads each process was allowed; None for the libraries' own choice.
    """

    clip: str
    size: tuple[int, int]
    measurements: tuple[Measurement, ...]
    advice: tuple[Advice, ...]
    threads: int | None = None

    def document(self) -> dict[str, Any]:
        """Return the report for programs, with the machine and the time."""
        return {
            "clip": self.clip,
            "size": list(self.size),
            "threads": self.threads,
            "machine": describe_machine(),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "videoseg": __version__,
            "measurements": [asdict(one) for one in self.measurements],
            "advice": [asdict(one) for one in self.advice],
        }


def bench_rows(measurements: Sequence[Measurement]) -> list[tuple[str, ...]]:
    """Return a header and a row of text for each measurement, without columns that are empty."""
    rows = [_COLUMNS, *(_row(one) for one in measurements)]
    used = [place for place in range(len(_COLUMNS)) if any(row[place] for row in rows[1:])]
    return [tuple(row[place] for place in used) for row in rows]


def _row(one: Measurement) -> tuple[str, ...]:
    name = f"{one.label} (random weights)" if one.random_weights else one.label
    if one.state != "measured":
        return (name, one.state, *[""] * (len(_COLUMNS) - 2))
    score = "" if one.j is None or one.f is None else f"{50 * (one.j + one.f):.1f}"
    return (
        name,
        f"{one.frames_per_second:.3g}",
        f"{one.first_mask_seconds:.2f}",
        f"{one.load_seconds:.1f}",
        f"{one.memory:.0f}" if one.memory else "",
        "" if one.gpu_memory is None else f"{one.gpu_memory:.0f}",
        score,
    )


def bench_table(measurements: Sequence[Measurement]) -> str:
    """Return a Markdown table of the measurements."""
    header, *rows = bench_rows(measurements)
    lines = [header, tuple("---" for _ in header), *rows]
    # A name may hold an option with a bar.
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def draw_speeds(measurements: Sequence[Measurement]) -> str:
    """Return an SVG with a bar of frames per second for each measurement, the fastest first."""
    shown = sorted(
        (one for one in measurements if one.state == "measured"),
        key=lambda one: -one.frames_per_second,
    )
    most = max((one.frames_per_second for one in shown), default=0.0) or 1.0
    height = _ROW * len(shown) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="13" role="img">',
        "<title>Frames per second</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="20" font-weight="bold">frames per second</text>',
    ]
    if any(one.random_weights for one in shown):
        parts.append(
            f'<text x="{_WIDTH - 8}" y="20" text-anchor="end" fill="#666">grey: random weights'
            "</text>"
        )
    for number, one in enumerate(shown):
        top = 34 + number * _ROW
        width = max(2.0, (_WIDTH - _LEFT - 150) * one.frames_per_second / most)
        name = escape(one.label if len(one.label) <= 28 else f"{one.label[:27]}…")
        fill = "#b8b8b8" if one.random_weights else "#2563a8"
        note = f"{one.frames_per_second:.3g}" + (f", {one.memory:.0f} MiB" if one.memory else "")
        parts += [
            f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end">{name}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{fill}"/>',
            f'<text x="{_LEFT + width + 6:.1f}" y="{top + 13}">{note}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def write_bench(report: BenchReport, folder: Path) -> tuple[Path, ...]:
    """Write ``bench.json``, ``bench.md`` and ``bench.svg``.

    Args:
        report: What was measured.
        folder: Where; it is made, and files of an earlier run are replaced.

    Returns:
        The paths of the files.

    Raises:
        OutputError: If they cannot be written.
    """
    document = report.document()
    machine = document["machine"]
    lines = [
        f"# Speed and memory on {machine['processor']}, {machine['cores']} cores",
        "",
        f"{report.clip}, {report.size[1]} x {report.size[0]}, videoseg {__version__}, "
        f"{document['date']}",
        "",
        bench_table(report.measurements),
        "",
        *(f"* **{one.label}**: {one.problem}" for one in report.measurements if one.problem),
        *(
            f"* **For {one.purpose}**: {one.choice or 'none'} ({one.reason})"
            for one in report.advice
        ),
        "",
    ]
    paths = tuple(folder / f"bench.{suffix}" for suffix in ("json", "md", "svg"))
    make_folder(folder)
    write_file(paths[0], json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    write_file(paths[1], "\n".join(lines))
    write_file(paths[2], draw_speeds(report.measurements))
    return paths
