"""``report.html``: one self-contained page, of one family with the report of a single run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

from videoseg._version import __version__
from videoseg.evaluation.report.data import EvaluationReport, SampleRow
from videoseg.evaluation.report.examples import (
    FALSE_ALARM,
    HIT,
    MISSED,
    MOST_OF_ONE_VIDEO,
    Example,
)
from videoseg.evaluation.report.plots import Point, course, histogram, legend, scatter
from videoseg.evaluation.report.tables import (
    breakdown_html,
    headline_html,
    measure_name,
    percent,
)
from videoseg.evaluation.report.words import cost_facts, pipeline_yaml, protocol_facts, run_facts
from videoseg.html import render
from videoseg.masks.colors import object_color
from videoseg.text import format_count, shorten_text

__all__ = ["render_page"]

_MOST_ROWS = 600
_MOST_FAILURES = 60


def render_page(
    report: EvaluationReport,
    best: Sequence[Example] = (),
    worst: Sequence[Example] = (),
    *,
    submission: str = "",
) -> str:
    """Return the page. It loads nothing from anywhere.

    Args:
        report: The report.
        best: The best samples with their pictures.
        worst: The worst ones.
        submission: The file to upload, where a server does the scoring.
    """
    return Template(_own_text("evaluation.html")).substitute(
        style=render("report.css") + _own_text("evaluation.css"),
        version=escape(__version__),
        title=escape(report.benchmark),
        subtitle=escape(_subtitle(report)),
        headline=_headline(report),
        coverage=escape(f"{report.coverage}."),
        warnings=_warnings(report, submission),
        results=_section("Results", headline_html(report), "In percent. " + _mean_of(report)),
        breakdowns=_breakdowns(report),
        distributions=_distributions(report),
        worst=_examples("Worst", worst, report),
        best=_examples("Best", best, report),
        failures=_failures(report),
        samples=_samples(report),
        protocol=_section("Protocol", _facts(protocol_facts(report.protocol))),
        run=_section("The run", _run(report)),
    )


def _own_text(name: str) -> str:
    place = resources.files("videoseg.evaluation.report") / "templates" / name
    return place.read_text(encoding="utf-8")


def _section(title: str, content: str, note: str = "") -> str:
    if not content:
        return ""
    said = f"<p class='note'>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{content}</section>"


def _subtitle(report: EvaluationReport) -> str:
    name = report.pipeline.get("name")
    system = f"Pipeline {name}" if name else "Predictions of another system"
    if report.pipeline and not name:
        system = "Pipeline without a name"
    return f"{system} · protocol {report.protocol.name} · seed {report.seed}"


def _headline(report: EvaluationReport) -> str:
    if not report.scored:
        return "<p class='answer absent'>Scored by the benchmark's server.</p>"
    items = "".join(
        f"<li><b>{percent(report.overall[name])}</b><span>{escape(measure_name(name))}</span></li>"
        for name in report.measures[:7]
    )
    return f"<ul class='headline'>{items}</ul>"


def _warnings(report: EvaluationReport, submission: str) -> str:
    coverage = report.coverage
    said = []
    if coverage.failed:
        said.append(
            f"{format_count(coverage.failed, 'sample')} failed and count as zero; "
            "see Failures below."
        )
    if coverage.uncounted:
        said.append(
            f"{format_count(coverage.uncounted, 'sample')} without a prediction and in no mean."
        )
    if coverage.done < coverage.asked:
        said.append(
            f"{format_count(coverage.asked - coverage.done, 'sample')} have not been run yet: "
            "these numbers are of the others alone."
        )
    if coverage.asked < coverage.in_split:
        said.append(
            f"Only {coverage.asked} of the {coverage.in_split} samples of the split were asked "
            "for: these numbers cannot be compared with published ones."
        )
    if coverage.missing_shards:
        said.append(f"Shards {', '.join(coverage.missing_shards)} are not in this folder.")
    if submission:
        said.append(f"{submission} is ready to be uploaded.")
    said += [shorten_text(problem, 300) for problem in report.problems[:10]]
    if not said:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in said)
    return f"<aside class='warnings' aria-label='Warnings'><ul>{items}</ul></aside>"


def _mean_of(report: EvaluationReport) -> str:
    if report.protocol.overall == "groups":
        names = ", ".join(report.protocol.groups)
        return f"Overall is the plain mean of {names}; other groups are listed only."
    what = "objects" if report.protocol.overall == "objects" else "samples"
    return f"Overall is the mean over all {what}."


def _breakdowns(report: EvaluationReport) -> str:
    if not report.breakdowns:
        return ""
    tables = "".join(
        breakdown_html(breakdown, report.measures, report.main_measure)
        for breakdown in report.breakdowns
    )
    note = "Each line is the mean over its own samples, in percent."
    return _section("By attribute", f"<div class='tables'>{tables}</div>", note)


def _distributions(report: EvaluationReport) -> str:
    measure = report.main_measure
    rows = [row for row in report.samples if measure and measure in row.values]
    if not rows:
        return ""
    groups = sorted({row.group for row in rows})
    name = measure_name(measure)
    values: dict[int, list[float]] = {index: [] for index in range(len(groups))}
    for row in rows:
        values[groups.index(row.group)].append(row.values[measure])
    plots = [_plot(f"How {name} is spread", histogram(values, label=name))]
    if report.course:
        plots.append(_plot("J over the course of a video", course(report.course, y_label="J")))
    lengths = [
        Point(row.num_frames, row.values[measure], groups.index(row.group), _said(row, measure))
        for row in rows
        if row.num_frames
    ]
    if len({point.x for point in lengths}) > 1:
        plot = scatter(lengths, x_label="frames of the video", y_label=name)
        plots.append(_plot(f"{name} over length", plot))
    areas = [
        Point(
            row.target.area_share,
            row.values[measure],
            groups.index(row.group),
            _said(row, measure),
        )
        for row in rows
        if row.target is not None and row.target.area_share > 0
    ]
    if len({point.x for point in areas}) > 1:
        label = "percent of the frame that the target covers"
        plot = scatter(areas, x_label=label, y_label=name, percent=True)
        plots.append(_plot(f"{name} over the size of the target", plot))
    return _section("Distributions", f"{legend(groups)}<div class='plots'>{''.join(plots)}</div>")


def _plot(title: str, svg: str) -> str:
    return f"<div><h3>{escape(title)}</h3>{svg}</div>"


def _said(row: SampleRow, measure: str) -> str:
    return f"{row.sample}: {shorten_text(row.query, 80)} ({percent(row.values[measure])})"


def _examples(title: str, examples: Sequence[Example], report: EvaluationReport) -> str:
    if not examples:
        return ""
    keys = "".join(
        f"<li><span class='key' style='background:rgb{object_color(color)}'></span>{text}</li>"
        for color, text in (
            (HIT, "right" if report.scored else "answered"),
            (FALSE_ALARM, "too much"),
            (MISSED, "missed"),
        )[: 3 if report.scored else 1]
    )
    cards = "".join(_example(example, report.main_measure) for example in examples)
    note = f"At most {MOST_OF_ONE_VIDEO} of each video are shown."
    return _section(title, f"<ul class='legend'>{keys}</ul>{cards}", note)


def _example(example: Example, measure: str) -> str:
    row = example.row
    figures = "".join(
        f"<figure><img src='{picture.uri}' width='{picture.size[1]}' "
        f"height='{picture.size[0]}' alt='frame {picture.frame}'>"
        f"<figcaption>frame {picture.frame}"
        f"{'' if picture.j is None else f' · J {percent(picture.j)}'}</figcaption></figure>"
        for picture in example.pictures
    )
    facts = [row.sample]
    if row.group:
        facts.append(row.group)
    facts.append(format_count(row.num_objects, "object") + " answered")
    if row.target is not None:
        facts.append(f"{row.target.num_objects} true")
    score = f"{measure_name(measure)} {percent(row.values[measure])}" if measure else ""
    strip = f"<div class='strip'>{figures}</div>" if figures else ""
    return (
        f"<article class='example'><header><h3>“{escape(shorten_text(_asked(row), 200))}”</h3>"
        f"<span class='score'>{escape(score)}</span></header>"
        f"<p class='note'>{escape(' · '.join(facts))}</p>{strip}</article>"
    )


def _asked(row: SampleRow) -> str:
    return row.query or f"the objects prompted in {row.video_id}"


def _failures(report: EvaluationReport) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(row.sample)}</th>"
        f"<td class='cell'>{escape(shorten_text(row.query, 200))}</td>"
        f"<td class='cell'><b>{escape(row.error.type)}</b>: "
        f"{escape(shorten_text(row.error.message, 600))}</td></tr>"
        for row in report.failures[:_MOST_FAILURES]
        if row.error is not None
    )
    if not rows:
        return ""
    left = len(report.failures) - _MOST_FAILURES
    more = f"<p class='note'>{left} more are in report.json.</p>" if left > 0 else ""
    table = (
        "<div class='wide'><table><thead><tr><th scope='col'>Sample</th><th scope='col'>Query"
        f"</th><th scope='col'>Error</th></tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )
    return _section("Failures", table, "Each counts as zero in every measure.")


def _samples(report: EvaluationReport) -> str:
    shown = report.samples[:_MOST_ROWS]
    if not shown:
        return ""
    measures = [name for name in report.measures if any(name in row.values for row in shown)]
    head = "".join(f"<th scope='col'>{escape(measure_name(name))}</th>" for name in measures)
    rows = "".join(
        f"<tr><th scope='row' class='cell'>{escape(shorten_text(_asked(row), 160))}"
        f"<br><span class='note'>{escape(row.sample)}"
        f"{' · <span class=failed>failed</span>' if row.error is not None else ''}</span></th>"
        + "".join(f"<td>{percent(row.values.get(name))}</td>" for name in measures)
        + "</tr>"
        for row in shown
    )
    left = len(report.samples) - len(shown)
    more = f"<p class='note'>{left} more are in report.json.</p>" if left > 0 else ""
    return _section(
        "Every sample",
        f"<details><summary>{format_count(len(report.samples), 'sample')}</summary>"
        "<div class='wide'><table class='numbers'><thead><tr><th scope='col'>Query</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>{more}</details>",
    )


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(shorten_text(value, 1000))}</td></tr>"
        for name, value in facts.items()
        if value
    )
    return f"<div class='wide'><table class='facts'><tbody>{rows}</tbody></table></div>"


def _run(report: EvaluationReport) -> str:
    yaml = pipeline_yaml(report)
    pipeline = f"<h4>Pipeline</h4><pre>{escape(shorten_text(yaml, 20_000))}</pre>" if yaml else ""
    return (
        f"{_facts({**cost_facts(report), **run_facts(report)})}"
        f"<details><summary>Versions and configuration</summary>"
        f"{_facts(dict(report.versions))}{pipeline}</details>"
    )
