"""Folders of evaluations in which somebody has changed something."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from drawn_benchmarks import expressions, mask_dict, open_layout, write_mevis

from videoseg.cli.main import main
from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation import (
    Record,
    RecordFile,
    Shard,
    compare_evaluations,
    load_report,
    read_records,
    score_predictions,
)
from videoseg.evaluation.run import read_run, write_run
from videoseg.metrics import ObjectScore, SampleScore


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Return a folder with a benchmark, and one with an evaluation of 8 samples on it."""
    folder = tmp_path_factory.mktemp("scored")
    write_mevis(folder / "mevis")
    predicted = {
        video: {key: [None] * 6 for key in entry["expressions"]}
        for video, entry in expressions()["videos"].items()
    }
    predicted["bear"]["0"] = mask_dict()["0"]
    (folder / "theirs.json").write_text(json.dumps(predicted))
    split = open_layout("mevis", folder / "mevis")
    score_predictions(split, folder / "theirs.json", out=folder / "out")
    return folder


@pytest.fixture
def out(scored, tmp_path):
    """Return a copy of the evaluation, to be spoilt."""
    return Path(shutil.copytree(scored / "out", tmp_path / "out"))


@pytest.fixture
def changed(out):
    """Return what changes the first record of a run and returns the run's folder."""

    def change(edit):
        path = out / "records.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()
        data = json.loads(lines[0])
        edit(data)
        # Numbers such as 1e999 are what a program writes that does not look.
        lines[0] = json.dumps(data).replace('"HUGE"', "1e999").replace('"LONG"', "9" * 5000)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return out

    return change


def in_score(**values):
    return lambda data: data["score"].update(values)


@pytest.mark.parametrize(
    "edit",
    [
        in_score(values={"j": float("nan")}),
        in_score(values={"j": "nan"}),
        in_score(values={"j": 1e6}),
        in_score(values={"j": -0.5}),
        in_score(values={"j": "HUGE"}),
        in_score(values={"beauty": 0.5}),
        in_score(intersection=5, union=3),
        in_score(intersection=-1),
        in_score(union="LONG"),
        in_score(union=10**400),
        lambda data: data["score"]["objects"][0]["values"].update(f=7),
        lambda data: data["score"]["objects"][0].update(j_per_frame=[0.5, "HUGE"]),
        lambda data: data["target"].update(area_share=3.0),
        lambda data: data["target"].update(num_objects=-1),
        lambda data: data["timings"].update(total="HUGE"),
        lambda data: data["timings"].update(total=-1),
        lambda data: data.update(num_frames=-4),
        lambda data: data.update(peak_memory_bytes=10**400),
        lambda data: data.update(schema=99),
        lambda data: data.pop("sample"),
    ],
)
def test_a_record_with_a_number_that_cannot_be_is_left_out_and_told(changed, edit):
    out = changed(edit)
    report = load_report(out)
    assert report.coverage.done == 7
    assert "records.jsonl, line 1: a " in report.problems[0]
    assert len(report.problems[0]) < 600
    json.dumps(report.to_dict(), allow_nan=False)
    assert compare_evaluations(out, out, num_resamples=100).num_samples == 7


def test_records_of_pure_rubbish_are_an_error(scored, out, capsys):
    (out / "records.jsonl").write_bytes(b"rubbish\n\xff\xfe\n[]\n" + b"[" * 100_000 + b"\n")
    with pytest.raises(OutputError, match=r"no record that can be read \(4 lines cannot\)"):
        load_report(out)
    root = str(scored / "mevis")
    assert main(["eval", "mevis", "--root", root, "-o", str(out), "--report-only", "-q"]) == 1
    assert "no record that can be read" in capsys.readouterr().err
    assert main(["compare", str(out), str(out)]) == 1


def test_some_rubbish_among_records_is_told_also_when_quiet(scored, out, capsys):
    with (out / "records.jsonl").open("ab") as file:
        file.write(b"rubbish\x1b[2J\n")
    root = str(scored / "mevis")
    assert main(["eval", "mevis", "--root", root, "-o", str(out), "--report-only", "-q"]) == 0
    said = capsys.readouterr()
    assert said.out == "" and "warning: " in said.err and "line 9" in said.err
    assert "\x1b" not in said.err


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"identity": ' * 500 + "1" + "}" * 500,
        "{}",
        "null",
        "\ufeff[]",
        '{"a": NaN}',
    ],
)
def test_a_run_file_that_is_none_is_refused_in_a_short_line(out, text):
    (out / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match=r"run\.json does not describe a run") as caught:
        load_report(out)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("identity", "num_samples"), -1),
        (("identity", "num_samples"), 10**400),
        (("identity", "protocol", "measures"), ["beauty"]),
        (("identity", "protocol", "tolerance"), -1),
        (("limit",), 0),
        (("shard",), {"number": 1, "count": 10**12}),
        (("shard",), {"number": 0, "count": 0}),
    ],
)
def test_numbers_of_a_run_that_cannot_be_are_refused(out, place, value):
    path = out / "run.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    inner = data
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    path.write_text(json.dumps(data), encoding="utf-8")
    if place == ("limit",):
        # No limit is written as none.
        assert load_report(out).coverage.asked
        return
    with pytest.raises(OutputError, match="does not describe a run"):
        load_report(out)


def test_a_run_from_before_a_rule_came_goes_on(run, drawn):
    out = run("out")
    path = out / "run.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    for rule in ("overlaps", "true_objects"):
        del data["identity"]["protocol"][rule]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read_run(path).identity.differences(load_report(out).runs[0].identity) == []
    run("out", resume=True)


@pytest.mark.parametrize("text", ["1/99999999999999999999", "1/" + "9" * 5000, "1/100000"])
def test_more_shards_than_anybody_has_are_refused(text):
    with pytest.raises(ConfigError) as caught:
        Shard.parse(text)
    assert len(str(caught.value)) < 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["run.json", "records.jsonl"])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(out, drawn, name):
    (out / name).unlink()
    os.mkfifo(out / name)
    with pytest.raises(OutputError, match="is a named pipe"):
        load_report(out)
    if name == "records.jsonl":
        with pytest.raises(OutputError, match="is a named pipe"):
            score_predictions(drawn(), out)
        with pytest.raises(OutputError, match="not a regular file"):
            RecordFile(out / name)


def test_halves_of_surrogate_pairs_do_not_end_an_evaluation(tmp_path, run):
    record = Record("a/b", "a", "b", "which \ud800 one", warnings=("\udcff",))
    with RecordFile(tmp_path / "records.jsonl") as file:
        file.append(record)
    (read,) = read_records(tmp_path / "records.jsonl")
    assert (read.sample, read.query) == ("a/b", "which \ufffd one")
    out = run("out", limit=1, root="/data/\udcff", command="videoseg eval \udcff")
    assert load_report(out).runs[0].root == "/data/\ufffd"
    info = read_run(out / "run.json")
    write_run(out / "run.json", info)


def test_a_record_of_our_own_is_never_refused():
    values = {"j": 1.0 + 1e-16, "j_decay": -1.0, "f_decay": 1.0}
    score = SampleScore(values, (ObjectScore(1, values, (0.0, 1.0), ()),), 3, 3)
    record = Record("a/b", "a", "b", "q", score=score, timings={"total": 0.0})
    assert Record.from_line(record.to_line()) == record
