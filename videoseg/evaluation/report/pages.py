"""The pages of a report: ``report.html``, which loads nothing from anywhere, and ``report.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from videoseg._html import render
from videoseg._version import __version__
from videoseg.evaluation.report.data import (
    EvaluationReport,
    SampleRow,
    TableRow,
    percent,
)
from videoseg.evaluation.report.examples import (
    FALSE_ALARM,
    HIT,
    MISSED,
    MOST_OF_ONE_VIDEO,
    ExamplePicture,
)
from videoseg.evaluation.report.facts import cost_facts, pipeline_yaml, protocol_facts, run_facts
from videoseg.evaluation.report.plots import (
    Plot,
    Point,
    group_color,
    histogram,
    plot_over_time,
    scatter,
)
from videoseg.masks.colors import object_color
from videoseg.metrics.protocol import measure_name
from videoseg.text import format_count, shorten_text

__all__ = ["markdown_table", "render_html", "render_markdown"]

_MAX_ROWS = 600
_MAX_FAILURES = 60
_MAX_PROBLEMS = 20


def render_html(
    report: EvaluationReport,
    best: Sequence[SampleRow] = (),
    worst: Sequence[SampleRow] = (),
    pictures: Mapping[str, Sequence[ExamplePicture]] = MappingProxyType({}),
    *,
    submission: str = "",
) -> str:
    """Return the report as one self-contained page.

    Args:
        report: The report.
        best: The best samples.
        worst: The worst ones.
        pictures: For each of these samples its pictures.
        submission: The file to upload, where a server does the scoring.
    """
    main = report.main_measure
    shown = report.samples[:_MAX_ROWS]
    groups = sorted({row.group for row in report.samples if main in row.values})
    others = [name for name in report.measures if name != main]
    return render(
        "evaluation.html",
        version=__version__,
        report=report,
        subtitle=_subtitle(report),
        warnings=_warnings(report, submission),
        mean_of=_mean_of(report),
        breakdown_measures=[main, *others][:3] if main else others[:3],
        groups=[
            {"name": name or "no group", "color": group_color(index)}
            for index, name in enumerate(groups)
        ],
        plots=list(_plots(report, main, groups)),
        best=best,
        worst=worst,
        pictures=pictures,
        most_of_one_video=MOST_OF_ONE_VIDEO,
        example_keys=_example_keys(report),
        example_facts=_example_facts,
        max_failures=_MAX_FAILURES,
        max_rows=_MAX_ROWS,
        sample_measures=[n for n in report.measures if any(n in row.values for row in shown)],
        protocol=protocol_facts(report.protocol),
        run={**cost_facts(report), **run_facts(report)},
        pipeline=shorten_text(pipeline_yaml(report), 20_000),
        asked=_asked,
        format_count=format_count,
        measure_name=measure_name,
        percent=percent,
        shorten_text=shorten_text,
    )


def render_markdown(
    report: EvaluationReport,
    best: Sequence[SampleRow] = (),
    worst: Sequence[SampleRow] = (),
    *,
    submission: str = "",
) -> str:
    """Return the report in Markdown, for a terminal, a repository or an issue.

    Args:
        report: The report.
        best: The best samples.
        worst: The worst ones.
        submission: The file to upload, where a server does the scoring.
    """
    parts = [f"# {report.benchmark}", f"{report.coverage}.", f"Protocol {report.protocol}."]
    if submission:
        parts.append(f"Scored by the benchmark's server: upload {submission}.")
    if report.scored:
        parts.append(_measure_table("", report.headline_rows, report.measures))
    for breakdown in report.breakdowns:
        parts += [
            f"## By {breakdown.name}",
            _measure_table(breakdown.name, breakdown.rows, report.measures),
        ]
    for title, rows in (("Worst", worst), ("Best", best)):
        if rows:
            parts += [f"## {title}", _sample_table(rows, report.main_measure)]
    if failures := report.failures:
        lines = [
            [row.sample, shorten_text(row.query, 120), row.error.type, row.error.message]
            for row in failures[:_MAX_FAILURES]
            if row.error is not None
        ]
        parts += ["## Failures", markdown_table(["sample", "query", "error", "message"], lines)]
        if len(failures) > _MAX_FAILURES:
            parts.append(f"{len(failures) - _MAX_FAILURES} more are in report.json.")
    if report.problems:
        problems = report.problems[:_MAX_PROBLEMS]
        parts += ["## Problems", _fact_list(("", text) for text in problems)]
    parts += ["## Protocol", _fact_list(protocol_facts(report.protocol).items())]
    parts += ["## Run", _fact_list({**cost_facts(report), **run_facts(report)}.items())]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table in Markdown, with bars and line breaks in cells escaped.

    Example:
        >>> print(markdown_table(["a", "b"], [["x|y", "1"]]))
        | a | b |
        |---|---|
        | x\|y | 1 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|" + "|".join(cell if cell == "---" else f" {_escape(cell)} " for cell in line) + "|"
        for line in lines
    )


# -- HTML --------------------------------------------------------------------------------


def _subtitle(report: EvaluationReport) -> str:
    system = "Predictions of another system"
    if report.pipeline:
        system = f"Pipeline {report.pipeline.get('name') or 'without a name'}"
    used = report.pipeline.get("propagator")
    if used and report.samples and not any(row.query for row in report.samples):
        # Where first masks are given, nothing else of the pipeline runs.
        system = f"Propagator {used['name'] if isinstance(used, Mapping) else used}"
    return f"{system} · protocol {report.protocol.name} · seed {report.seed}"


def _warnings(report: EvaluationReport, submission: str) -> list[str]:
    coverage = report.coverage
    found = []
    if coverage.failed:
        number = format_count(coverage.failed, "sample")
        found.append(f"{number} failed and count as zero; see Failures.")
    if coverage.uncounted:
        number = format_count(coverage.uncounted, "sample")
        found.append(f"{number} without a prediction and in no mean.")
    if coverage.done < coverage.asked:
        number = format_count(coverage.asked - coverage.done, "sample")
        found.append(f"{number} have not been run yet; these numbers do not include them.")
    if coverage.asked < coverage.in_split:
        found.append(
            f"Only {coverage.asked} of the {coverage.in_split} samples of the split were asked "
            "for: these numbers cannot be compared with published ones."
        )
    if coverage.missing_shards:
        found.append(f"Shards {', '.join(coverage.missing_shards)} are not in this folder.")
    if submission:
        found.append(f"{submission} is ready to be uploaded.")
    return found + [shorten_text(problem, 300) for problem in report.problems[:10]]


def _mean_of(report: EvaluationReport) -> str:
    what = "objects" if report.protocol.averages_objects else "samples"
    if report.protocol.averages_groups:
        names = ", ".join(report.protocol.groups)
        each = ", each over its objects" if report.protocol.averages_objects else ""
        return f"Overall is the plain mean of {names}{each}; other groups are not part of it."
    return f"Overall is the mean over all {what}."


def _plots(report: EvaluationReport, measure: str, groups: Sequence[str]) -> Iterator[Plot]:
    rows = [row for row in report.samples if measure and measure in row.values]
    if not rows:
        return
    name = measure_name(measure)
    values: dict[int, list[float]] = {index: [] for index in range(len(groups))}
    for row in rows:
        values[groups.index(row.group)].append(row.values[measure])
    yield histogram(values, title=f"Distribution of {name}", label=name)
    if report.course:
        yield plot_over_time(report.course, title="J over time", y_label="J")

    lengths = [(row, row.num_frames) for row in rows if row.num_frames]
    areas = [(row, row.target.area_share) for row in rows if row.target and row.target.area_share]
    for x_values, of, x_label, is_share in (
        (lengths, "length", "frames of the video", False),
        (areas, "size of the target", "size of the target in percent of the frame", True),
    ):
        points = [_point(row, x, measure, groups) for row, x in x_values]
        if len({point.x for point in points}) > 1:
            title = f"{name} by {of}"
            yield scatter(points, title=title, x_label=x_label, y_label=name, percent=is_share)


def _point(row: SampleRow, x: float, measure: str, groups: Sequence[str]) -> Point:
    value = row.values[measure]
    text = f"{row.sample}: {shorten_text(row.query, 80)} ({percent(value)})"
    return Point(x, value, groups.index(row.group), text)


def _example_keys(report: EvaluationReport) -> list[dict[str, str]]:
    keys = [(HIT, "right"), (FALSE_ALARM, "too much"), (MISSED, "missed")]
    if not report.scored:
        keys = [(HIT, "answered")]
    return [{"color": f"rgb{object_color(color)}", "name": name} for color, name in keys]


def _example_facts(row: SampleRow) -> str:
    facts = [row.sample]
    if row.group:
        facts.append(row.group)
    facts.append(format_count(row.num_objects, "object") + " answered")
    if row.target is not None:
        facts.append(f"{row.target.num_objects} true")
    return " · ".join(facts)


def _asked(row: SampleRow) -> str:
    return row.query or f"the objects prompted in {row.video_id}"


# -- Markdown ----------------------------------------------------------------------------


def _measure_table(first: str, rows: Sequence[TableRow], measures: Sequence[str]) -> str:
    return markdown_table(
        [first, "samples", *(measure_name(name) for name in measures)],
        [
            [row.label, str(row.count), *(percent(row.values.get(name)) for name in measures)]
            for row in rows
        ],
    )


def _sample_table(rows: Sequence[SampleRow], measure: str) -> str:
    return markdown_table(
        ["sample", "query", measure_name(measure)],
        [[r.sample, shorten_text(r.query, 120), percent(r.values.get(measure))] for r in rows],
    )


def _fact_list(facts: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}{': ' if name else ''}{text}" for name, text in facts if text)


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
