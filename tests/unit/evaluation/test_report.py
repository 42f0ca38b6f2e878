"""The report is one safe page, and says the same every time."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from videoseg.benchmarks import Sample, open_benchmark
from videoseg.evaluation import (
    Record,
    RecordedError,
    RunIdentity,
    RunInfo,
    TargetFacts,
    build_report,
    load_report,
)
from videoseg.evaluation.report.examples import (
    FALSE_ALARM,
    HIT,
    MISSED,
    MOST_OF_ONE_VIDEO,
    _paint,
    choose,
    illustrate,
)
from videoseg.evaluation.report.pages import render_html, render_markdown
from videoseg.evaluation.report.plots import Point, histogram, plot_over_time, scatter
from videoseg.masks import object_color
from videoseg.metrics import EvalProtocol, ObjectScore, SampleScore, protocol_named

VOID = {"meta", "img", "br"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>' onload='alert(3)\" $title | x"


class Page(HTMLParser):
    """Collects elements and fails on tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def record(name, value, *, group="", attributes=None, frames=10, failed=False, text="a thing"):
    video_id, _, expression_id = name.partition("/")
    values = {"j_and_f": value, "j": value, "f": value}
    return Record(
        sample=name,
        video_id=video_id,
        expression_id=expression_id,
        query=text,
        group=group,
        attributes=attributes or {},
        status="failed" if failed else "ok",
        error=RecordedError("StageError", text) if failed else None,
        num_frames=None if failed else frames,
        score=SampleScore(values, (ObjectScore(0, values, (value,) * frames),), 1, 2),
        target=TargetFacts(1, frames, 1.0, 0.03),
        timings={"total": value + 0.1},
    )


def report_of(records, *, protocol="mevis", total=None, samples=(), limit=None):
    rules = protocol if isinstance(protocol, EvalProtocol) else protocol_named(protocol)
    identity = RunIdentity(
        "mine/val", rules.to_dict(), {"name": "p"}, 0, "", len(records) if total is None else total
    )
    return build_report(records, [RunInfo(identity, limit=limit)], protocol=rules, samples=samples)


def many(count=40):
    rng = Random(1)
    return [
        record(
            f"v{index % 7}/{index}",
            rng.random(),
            group=("referring", "reasoning", "no-target")[index % 3],
            attributes={"kind": "ab"[index % 2]},
            frames=20 + 30 * (index % 4),
        )
        for index in range(count)
    ]


def test_the_order_of_the_records_changes_nothing():
    records = many()
    samples = [Sample(r.video_id, r.expression_id, r.query) for r in records]
    first = report_of(records, protocol="revos", samples=samples).to_dict()["results"]
    Random(0).shuffle(records)
    second = report_of(records, protocol="revos", samples=samples).to_dict()["results"]
    assert json.dumps(first) == json.dumps(second)
    assert [row["sample"] for row in first["samples"]] == [sample.id for sample in samples]


def test_a_sample_that_was_run_twice_counts_once_and_the_last_time():
    report = report_of([record("a/0", 0.0, failed=True), record("a/0", 1.0)], total=1)
    assert report.overall["j"] == 1.0 and report.coverage.failed == 0


def test_overall_is_what_the_protocol_says():
    records = [
        record("a/0", 1.0, group="referring"),
        record("a/1", 1.0, group="referring"),
        record("a/2", 0.0, group="reasoning"),
        record("a/3", 0.9, group="no-target"),
    ]
    assert report_of(records, protocol="revos").overall["j"] == pytest.approx(0.5)
    assert report_of(records, protocol="mevis").overall["j"] == pytest.approx(2.9 / 4)
    rows = {row.label: row.values["j"] for row in report_of(records, protocol="revos").groups.rows}
    assert rows == {"no-target": 0.9, "reasoning": 0.0, "referring": 1.0}


def test_rules_of_benchmarks_with_first_masks_are_told_in_words():
    report = report_of([record("a/0", 0.5, group="seen")], protocol="lvos-v2")
    page = render_html(report)
    assert "Overall is the plain mean of seen, unseen, each over its objects" in page
    assert "no sample belongs to unseen" in page
    assert "a pixel belongs to the object with the lowest id" in page
    page = render_html(report_of([record("a/0", 0.5)], protocol="mosev2"))
    assert "by the size of the object" in page and "0.008 of the diagonal" not in page
    assert "1 added to intersection and union" in page


@pytest.mark.parametrize("propagator", ["xmem", {"name": "xmem", "options": {"size": 480}}])
def test_where_first_masks_are_given_the_propagator_is_named(propagator):
    pipeline = {"name": "attributes", "propagator": propagator}
    asked = replace(report_of([record("a/0", 0.5)]), pipeline=pipeline)
    assert "Pipeline attributes" in render_html(asked)
    given = replace(report_of([record("a/0", 0.5, text="")]), pipeline=pipeline)
    assert "Propagator xmem" in render_html(given)


def test_breakdowns_hold_each_sample_once():
    records = [*many(), record("v0/failed", 0.0, failed=True)]
    report = report_of(records)
    counts = {b.name: sum(row.count for row in b.rows) for b in report.breakdowns}
    assert counts["kind"] == 40
    # A sample that failed before its video was opened has no length.
    assert counts["length of the video"] == 40


def test_what_has_not_been_run_is_not_counted_but_told():
    report = report_of([record("a/0", 0.5)], total=4)
    assert report.overall["j"] == 0.5
    assert report.coverage.answered == 0.25
    assert "3 not run yet" in str(report.coverage)
    assert "3 samples have not been run yet" in render_html(report)


def test_records_of_several_versions_are_told():
    versions = ({"videoseg": "1.0", "numpy": "2.0"}, {"videoseg": "1.1", "numpy": "2.0"})
    records = [replace(record(f"a/{i}", 0.5), versions=v) for i, v in enumerate(versions)]
    assert report_of(records).problems == (
        "these records were made with several versions of videoseg: 1.0, 1.1",
    )


def test_the_page_is_well_formed_and_loads_nothing(run):
    page = (run("out", fails_on="expression 1", shift=1) / "report.html").read_text()
    found = Page(page)
    assert "default-src 'none'" in page
    assert not [tag for tag, _ in found.elements if tag in {"script", "link", "iframe", "object"}]
    addresses = [a.get("src") or a.get("href") for _, a in found.elements]
    assert all(address is None or address.startswith("data:") for address in addresses)
    assert not re.search(r"url\(|@import|https?://", page)
    assert sum(tag == "img" for tag, _ in found.elements) == 6 * 4
    assert len(page) < 3_000_000


def test_nothing_in_the_data_becomes_markup():
    records = [
        record(
            f"{EVIL}/{index}", index / 4, group=EVIL, attributes={EVIL: EVIL * index}, text=EVIL
        )
        for index in range(3)
    ]
    records.append(record(f"{EVIL}/9", 0.0, failed=True, text=EVIL))
    report = report_of(records)
    hurt = replace(report, benchmark=EVIL, pipeline={"name": EVIL}, problems=(EVIL,))
    found = Page(render_html(hurt, submission=EVIL))
    assert not [tag for tag, _ in found.elements if tag in {"script", "img"}]
    assert not [a for _, attributes in found.elements for a in attributes if a.startswith("on")]
    markdown = render_markdown(hurt, report.samples, report.samples)
    assert "| <script" not in markdown


def test_the_page_shows_failures_with_their_errors(run):
    page = (run("out", fails_on="expression 1") / "report.html").read_text()
    assert "bear/1" in page and "no idea &lt;b&gt;at all&lt;/b&gt;" in page
    assert "2 samples failed and count as zero" in page


def test_the_three_files_say_the_same(run, drawn):
    out = run("out", shift=1, fails_on="expression 2", command="videoseg eval mevis")
    report = load_report(out, drawn())
    data = json.loads((out / "report.json").read_text())
    assert data["results"]["overall"] == dict(report.overall)
    shown = f"{100 * report.overall['j_and_f']:.1f}"
    assert f"<b>{shown}</b>" in (out / "report.html").read_text()
    assert f"| overall | 8 | {shown} |" in (out / "report.md").read_text()
    for name in ("report.html", "report.md"):
        text = (out / name).read_text()
        assert "videoseg eval mevis" in text
        assert "Ding et al." in text and "Processor" in text


def test_what_changes_from_run_to_run_is_kept_apart(run):
    first, second = run("first"), run("second")
    both = [json.loads((out / "report.json").read_text()) for out in (first, second)]
    assert both[0]["results"] == both[1]["results"]
    assert "costs" in both[0]["run"] and "costs" not in both[0]["results"]
    text = json.dumps(both[0]["results"])
    assert "seconds" not in text and "T1" not in text and str(first) not in text


@pytest.mark.parametrize("object_color_id", range(1, 13))
def test_right_and_wrong_are_seen_on_objects_of_every_color(object_color_id):
    image = np.full((4, 9, 3), object_color(object_color_id), np.uint8)
    masks = {}
    for place, kind in enumerate((HIT, FALSE_ALARM, MISSED)):
        masks[kind] = np.zeros((4, 9), bool)
        masks[kind][:, 2 * place : 2 * place + 2] = True
    painted = _paint(image, masks).astype(int)
    seen = [painted[0, column] for column in (0, 2, 4, 8)]
    for one, other in itertools.combinations(seen, 2):
        assert np.abs(one - other).max() > 30


def test_samples_of_one_video_all_have_pictures():
    split = open_benchmark(
        "synthetic", options={"num_videos": 1, "size": (64, 64), "num_frames": 3}
    )
    assert len(split.samples) > 1
    rows = [SimpleNamespace(sample=sample.id) for sample in split.samples]
    pictures = illustrate(rows, map(Record.of, split.samples), split)
    assert set(pictures) == {sample.id for sample in split.samples} and all(pictures.values())


def test_best_and_worst_share_no_sample_and_one_video_does_not_fill_them():
    best, worst = choose(report_of(many(40)))
    assert not {row.sample for row in best} & {row.sample for row in worst}
    assert min(row.values["j"] for row in best) >= max(row.values["j"] for row in worst)
    alone = report_of([record(f"only/{index}", index / 20) for index in range(20)])
    assert [len(rows) for rows in choose(alone)] == [MOST_OF_ONE_VIDEO] * 2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_samples_make_a_report_too(count):
    report = report_of([record(f"a/{index}", 0.5) for index in range(count)], total=2)
    Page(render_html(report))
    assert report.main_measure == ("j_and_f" if count else "")
    assert render_markdown(report).startswith("# mine/val")


def test_a_thousand_samples_make_a_page_that_can_be_opened():
    page = render_html(report_of(many(2000)))
    Page(page)
    assert len(page) < 2_000_000
    assert "1400 more are in report.json" in page


def test_measures_that_do_not_apply_to_a_sample_leave_a_gap():
    rules = protocol_named("grefcoco")
    scores = [
        SampleScore({"giou": 1.0, "no_target_accuracy": 1.0}, target_empty=True),
        SampleScore({"giou": 0.5, "target_accuracy": 1.0}, intersection=1, union=2),
    ]
    records = [
        replace(record(f"a/{index}", 0.0), score=score) for index, score in enumerate(scores)
    ]
    report = report_of(records, protocol=rules)
    assert report.measures == ("giou", "ciou", "no_target_accuracy", "target_accuracy")
    assert report.main_measure == "giou"
    assert re.search("<td[^>]*>\u2013</td>", render_html(report))


def test_plots_hold_every_sample_and_stay_within_their_frame():
    bars = histogram({0: [0.0, 0.5, 1.0], 1: [0.5]}, title="t", label="J").bars
    assert sum(int(bar.title.split()[0]) for bar in bars) == 4
    points = [Point(x, 0.5, 0, "t") for x in (1, 1, 1, 10, 10_000)]
    plot = scatter(points, title="t", x_label="frames", y_label="J")
    places = [dot.x for dot in plot.dots]
    assert len(places) == 5 and len(set(places)) == 5
    assert all(0 <= x <= plot.width for x in places)
    assert "logarithmic" in plot.axis
    line = plot_over_time([0.1, 0.9], title="t", y_label="J")
    assert line.path.startswith("M") and len(line.dots) == 2
    assert not histogram({}, title="t", label="J").bars


@pytest.mark.parametrize("low, high", [(0.0325, 0.0334), (0.001, 0.9), (3, 7), (100.1, 100.4)])
def test_no_two_ticks_of_a_plot_say_the_same(low, high):
    points = [Point(low, 0.5, 0, "t"), Point(high, 0.5, 0, "t")]
    for percent in (False, True):
        plot = scatter(points, title="t", x_label="x", y_label="y", percent=percent)
        texts = [tick.text for tick in plot.marks]
        assert len(set(texts)) == len(texts) > 1


def test_a_report_can_be_shown_in_a_notebook():
    html = report_of(many())._repr_html_()
    Page(html)
    assert "overall" in html
