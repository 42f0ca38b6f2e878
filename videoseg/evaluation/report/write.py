"""Builds the report of a folder from its records, and writes it there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from videoseg.benchmarks.types import BenchmarkSplit
from videoseg.errors import OutputError
from videoseg.evaluation.records import Record, read_records
from videoseg.evaluation.report.build import build_report
from videoseg.evaluation.report.data import EvaluationReport
from videoseg.evaluation.report.examples import choose, illustrate
from videoseg.evaluation.report.pages import render_html, render_markdown
from videoseg.evaluation.run import RunInfo, files_of_runs, read_run
from videoseg.files import expand_path, write_file
from videoseg.metrics.protocol import EvalProtocol
from videoseg.text import format_count, well_formed

__all__ = ["load_report", "records_of", "write_report"]


def write_report(
    folder: str | Path,
    split: BenchmarkSplit | None = None,
    *,
    submission: str = "",
    problems: Sequence[str] = (),
) -> EvaluationReport:
    """Build the report of a folder from its records, and write it there.

    Records of shards are merged; missing ones show in the coverage.

    Args:
        folder: The folder of the run.
        split: What was run on, for pictures and for the order of the samples.
        submission: The file to upload, where a server does the scoring.
        problems: Further notes for the reader.

    Returns:
        The report, written to ``report.html``, ``report.md`` and ``report.json``.

    Raises:
        OutputError: If the folder holds no run, or runs that do not belong together, or
            cannot be written.
    """
    folder = expand_path(folder)
    report = load_report(folder, split)
    report = replace(report, problems=(*report.problems, *problems))
    best, worst = choose(report)
    pictures = {} if split is None else illustrate([*best, *worst], records_of(folder), split)
    document = json.dumps(report.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
    pages = {
        "report.json": document + "\n",
        "report.md": render_markdown(report, best, worst, submission=submission),
        "report.html": render_html(report, best, worst, pictures, submission=submission),
    }
    for name, text in pages.items():
        write_file(folder / name, well_formed(text))
    return report


def load_report(folder: str | Path, split: BenchmarkSplit | None = None) -> EvaluationReport:
    """Build the report of a folder from its records, without writing it.

    Args:
        folder: The folder of the run.
        split: What was run on, for the order of the samples.

    Raises:
        OutputError: If the folder holds no run, runs that do not belong together, or records of
            which none can be read.
    """
    folder = expand_path(folder)
    runs = _runs(folder)
    problems: list[str] = []
    found = records_of(folder, masks=False, problems=problems)
    protocol = EvalProtocol.from_dict(runs[0].identity.protocol)
    report = build_report(
        found,
        runs,
        protocol=protocol,
        samples=() if split is None else split.samples,
        problems=problems,
    )
    if problems and not report.samples:
        raise OutputError(
            f"{folder} has no record that can be read ({format_count(len(problems), 'line')} "
            f"cannot): {problems[0]}; restore the folder from a copy, or run again in another one"
        )
    return report


def records_of(
    folder: str | Path, *, masks: bool = True, problems: list[str] | None = None
) -> Iterator[Record]:
    """Yield the records of a run and of all its shards, in the order of the files.

    Args:
        folder: The folder of the run.
        masks: Whether to read masks, grounding and trace; without them it is faster.
        problems: Receives a message for each record that cannot be read. If None, such records
            are skipped.
    """
    ignored: list[str] = []
    for files in files_of_runs(folder):
        if files.records.exists():
            yield from read_records(
                files.records, masks=masks, problems=ignored if problems is None else problems
            )


def _runs(folder: Path) -> list[RunInfo]:
    files = files_of_runs(folder)
    if not files:
        raise OutputError(f"{folder} holds no evaluation; give the output folder of one")
    runs = [read_run(each.run) for each in files]
    for other, place in zip(runs[1:], files[1:], strict=True):
        if differences := runs[0].identity.differences(other.identity):
            raise OutputError(
                f"{files[0].run.name} and {place.run.name} in {folder} do not belong together: "
                f"{'; '.join(differences)}; keep them in folders of their own"
            )
    return runs
