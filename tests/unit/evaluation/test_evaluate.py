"""An evaluation ends with the same report however it got there."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace

import numpy as np
import pytest

import videoseg as vs
from videoseg.errors import ConfigError, MissingWeightsError, OutputError
from videoseg.evaluation import (
    SampleRunner,
    Shard,
    evaluate,
    load_report,
    read_records,
    write_report,
)
from videoseg.evaluation.sample import answered_window


def results(folder):
    return json.loads((folder / "report.json").read_text())["results"]


def test_perfect_answers_score_exactly_one(run, drawn):
    report = load_report(run("out"), drawn())
    assert dict(report.overall) == {"j_and_f": 1.0, "j": 1.0, "f": 1.0}
    assert report.coverage.complete
    assert [row.sample for row in report.samples] == [sample.id for sample in drawn().samples]


def test_a_record_holds_all_there_is_to_know(drawn, pipeline):
    sample = drawn().samples[2]
    record = SampleRunner(pipeline(), drawn(), seed=3)(sample)
    assert record.sample == sample.id and record.query == "expression 2"
    assert record.num_objects == 2 and len(record.tracks[0].masks) == record.num_frames == 6
    assert record.grounding.thought.text == "known by heart"
    assert len(record.trace.turns) == 1
    assert {"sampler", "grounder", "propagator", "total", "scoring"} <= set(record.timings)
    assert record.peak_memory_bytes > 2**20
    assert record.seed == 3 and record.device == "cpu" and "videoseg" in record.versions
    assert (record.window.start, record.window.stop) == (0, 6)
    assert record.target.num_objects == 2 and record.target.visible_share == 1.0


def test_the_window_of_a_record_is_the_answers_else_the_last_one_asked_for(drawn, pipeline):
    record = SampleRunner(pipeline(), drawn(), seed=3)(drawn().samples[2])
    [turn] = record.trace.turns
    asked = replace(turn, action="look", look_window=vs.Window(1, 5), look_keyframe=2)

    def window_with(grounding):
        trace = vs.types.Trace((asked, turn))
        video = vs.Video.from_frames([np.zeros((*record.size, 3), np.uint8)] * 6, fps=6).facts()
        return answered_window(vs.Segmentation("q", video, grounding, trace, record.tracks))

    assert window_with(record.grounding) == vs.Window(1, 5)
    assert window_with(replace(record.grounding, window=vs.Window(2, 4))) == vs.Window(2, 4)


def test_a_failure_is_recorded_counts_as_zero_and_lowers_the_coverage(run, drawn):
    report = load_report(run("out", fails_on="expression 1"), drawn())
    assert report.overall["j"] == pytest.approx(6 / 8)
    assert report.coverage.failed == 2 and report.coverage.answered == pytest.approx(6 / 8)
    assert [row.sample for row in report.failures] == ["bear/1", "cart/1"]
    assert all(row.values["j_and_f"] == 0.0 for row in report.failures)
    assert report.failures[0].error.type == "StageError"
    assert "no idea" in report.failures[0].error.message


def test_a_failure_where_there_is_no_target_counts_as_zero_too(run, drawn):
    right = load_report(run("right"), drawn())
    failed = load_report(run("failed", fails_on="expression 3"), drawn())
    assert right.overall["j"] == 1.0
    assert failed.overall["j"] == pytest.approx(6 / 8)


def test_what_had_been_found_before_a_failure_is_in_the_record_and_counts_for_nothing(
    pipeline, drawn, tmp_path
):
    whole = pipeline()._composition.build("propagator")

    class Falters:
        capabilities = whole.capabilities

        def open(self, video, *, seed=0):
            session = whole.open(video, seed=seed)
            run = session.run

            def run_two_frames(direction="forward", *, stop=None):
                yield from itertools.islice(run(direction, stop=stop), 2)
                raise RuntimeError("the power went off")

            session.run = run_two_frames
            return session

    report = evaluate(drawn(), pipeline().replace(propagator=Falters()), tmp_path / "out")
    # Two of eight have no target, and are answered with nothing before anything can fail.
    assert report.coverage.failed == 6 and report.overall["j"] == pytest.approx(2 / 8)
    for record in read_records(tmp_path / "out" / "records.jsonl"):
        if record.failed:
            assert record.grounding.prompts and record.trace.turns
            assert max(len(track.visible_frames) for track in record.tracks) == 2
            assert record.score.values["j"] == 0.0


def test_any_cut_of_the_records_can_be_resumed_to_the_same_report(run, tmp_path, drawn):
    whole = run("whole", fails_on="expression 1", shift=1)
    data = (whole / "records.jsonl").read_bytes()
    rng = random.Random(0)
    ends = [place + 1 for place, byte in enumerate(data) if byte == 10]
    cuts = [0, 1, ends[0], ends[3] - 1, ends[3] + 1, len(data)]
    cuts += [rng.randrange(len(data)) for _ in range(4)]
    for number, cut in enumerate(cuts):
        out = tmp_path / f"cut-{number}"
        out.mkdir()
        (out / "run.json").write_bytes((whole / "run.json").read_bytes())
        (out / "records.jsonl").write_bytes(data[:cut])
        run(out.name, fails_on="expression 1", shift=1, resume=True)
        assert results(out) == results(whole), f"cut at byte {cut}"
        page = (out / "report.html").read_text()
        assert page.count("<img") == (whole / "report.html").read_text().count("<img")


def test_resuming_runs_only_what_is_left(run):
    out = run("out", limit=3)
    seen = []
    run("out", resume=True, on_progress=seen.append)
    assert [progress.done for progress in seen] == [3, 4, 5, 6, 7, 8]
    assert seen[0].seconds_left is None and seen[-1].seconds_left == 0
    assert len(list(read_records(out / "records.jsonl"))) == 8


def test_a_limited_run_says_that_it_is_one(run, drawn):
    report = load_report(run("out", limit=3), drawn())
    assert (report.coverage.asked, report.coverage.in_split) == (3, 8)
    assert not report.coverage.complete
    assert "limited to 3 of the split's 8" in str(report.coverage)


def test_failed_samples_are_run_again_when_asked(run, drawn, pipeline, tmp_path):
    out = run("out", fails_on="expression 1")
    assert load_report(out).coverage.failed == 2
    with pytest.raises(OutputError, match="grounder"):
        run("out", resume=True, retry_failed=True)
    path = tmp_path / "switch"
    (tmp_path / "again").mkdir()

    class Moody:
        def step(self, episode):
            if not path.exists() and episode.query == "expression 1":
                raise RuntimeError("not today")
            return pipeline()._composition.build("grounder").step(episode)

    pipe = pipeline().replace(grounder=Moody())
    evaluate(drawn(), pipe, tmp_path / "moody")
    assert load_report(tmp_path / "moody").coverage.failed == 2
    path.touch()
    evaluate(drawn(), pipe, tmp_path / "moody", resume=True)
    assert load_report(tmp_path / "moody").coverage.failed == 2
    report = evaluate(drawn(), pipe, tmp_path / "moody", resume=True, retry_failed=True)
    assert report.coverage.failed == 0 and report.overall["j"] == 1.0


def test_a_run_of_an_older_version_is_continued(run):
    out = run("out")
    before = results(out)
    text = (out / "run.json").read_text()
    (out / "run.json").write_text(text.replace('"objects": "union"', '"objects": "united"'))
    assert (out / "run.json").read_text() != text
    assert results(run("out", resume=True)) == before


def test_a_folder_with_a_run_is_not_written_to_by_accident(run):
    run("out")
    with pytest.raises(OutputError, match=r"already holds a run.*resume"):
        run("out")


def test_resuming_another_run_is_refused_and_tells_what_differs(run, drawn, pipeline, tmp_path):
    out = run("out")
    with pytest.raises(OutputError, match=r"seed was 0 and is now 7"):
        run("out", resume=True, seed=7)
    with pytest.raises(OutputError, match=r'pipeline\.propagator.*"shift": 0.*"shift": 2'):
        run("out", resume=True, shift=2)
    with pytest.raises(OutputError, match=r"benchmark was .mevis/valid_u. and is now .revos"):
        run("out", resume=True, benchmark="revos")
    document = json.loads((out / "run.json").read_text())
    document["identity"]["protocol"]["tolerance"] = 0.01
    (out / "run.json").write_text(json.dumps(document))
    with pytest.raises(OutputError, match=r"protocol\.tolerance was 0\.01 and is now 0\.008"):
        run("out", resume=True)


def test_samples_that_changed_are_noticed(run, drawn, pipeline, tmp_path):
    out = run("out", limit=2)
    split = drawn()
    split.samples = split.samples[:-1]
    with pytest.raises(OutputError, match=r"samples of mevis/valid_u have changed"):
        evaluate(split, pipeline(), out, resume=True)


@pytest.mark.parametrize("count", [1, 3, 8, 11])
def test_shards_cover_every_sample_once_in_order(count):
    samples = list(range(8))
    parts = [Shard(number, count).of(samples) for number in range(1, count + 1)]
    assert [sample for part in parts for sample in part] == samples
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_shards_in_one_folder_make_the_report_of_the_whole(run, tmp_path, drawn):
    whole = run("whole", fails_on="expression 2", shift=1)
    for number in (3, 1):
        run("parts", fails_on="expression 2", shift=1, shard=Shard(number, 3))
    partial = load_report(tmp_path / "parts", drawn())
    assert partial.coverage.missing_shards == ("2/3",)
    assert "shards 2/3 are missing" in str(partial.coverage)
    run("parts", fails_on="expression 2", shift=1, shard=Shard(2, 3))
    assert results(tmp_path / "parts") == results(whole)


def test_shards_from_several_machines_can_be_copied_together(run, tmp_path, drawn):
    whole = run("whole", shift=2)
    together = tmp_path / "together"
    together.mkdir()
    for number in (1, 2):
        part = run(f"machine-{number}", shift=2, shard=Shard(number, 2))
        for name in (f"records-{number}-of-2.jsonl", f"run-{number}-of-2.json"):
            (together / name).write_bytes((part / name).read_bytes())
    write_report(together, drawn())
    assert results(together) == results(whole)


def test_shards_of_different_runs_do_not_mix(run, tmp_path):
    run("parts", shard=Shard(1, 2))
    with pytest.raises(OutputError, match="seed was 0 and is now 1"):
        run("parts", shard=Shard(2, 2), seed=1)
    with pytest.raises(OutputError, match="holds a run in shards"):
        run("parts")
    other = run("other", shard=Shard(2, 2), seed=1)
    for name in ("records-2-of-2.jsonl", "run-2-of-2.json"):
        (tmp_path / "parts" / name).write_bytes((other / name).read_bytes())
    with pytest.raises(OutputError, match="do not belong together: seed"):
        load_report(tmp_path / "parts")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="shard"):
        Shard.parse(text)


def test_what_every_sample_would_miss_ends_the_run(drawn, pipeline, tmp_path):
    class NoWeights:
        def step(self, episode):
            raise MissingWeightsError("download them first")

    with pytest.raises(MissingWeightsError, match="download them"):
        evaluate(drawn(), pipeline().replace(grounder=NoWeights()), tmp_path / "out")
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == b""


def test_instances_cannot_be_sent_to_workers(drawn, pipeline, tmp_path):
    class Mine:
        def step(self, episode):
            return vs.Grounding(None)

    pipe = pipeline().replace(grounder=Mine())
    with pytest.raises(ConfigError, match="instance"):
        evaluate(drawn(), pipe, tmp_path / "out", workers=2)
    assert evaluate(drawn(), pipe, tmp_path / "out", resume=True).coverage.done == 8


def test_numbers_out_of_range_are_refused(drawn, pipeline, tmp_path):
    with pytest.raises(ConfigError, match=r"limit.*workers"):
        evaluate(drawn(), pipeline(), tmp_path / "out", limit=0, workers=-1)


def test_an_interruption_keeps_what_is_done(drawn, pipeline, tmp_path):
    def interrupt(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(drawn(), pipeline(), tmp_path / "out", on_progress=interrupt)
    assert len(list(read_records(tmp_path / "out" / "records.jsonl"))) == 4
    assert evaluate(drawn(), pipeline(), tmp_path / "out", resume=True).coverage.complete


def test_prompts_run_the_propagator_alone(drawn, pipeline, tmp_path):
    class Never:
        def step(self, episode):
            raise AssertionError("nobody was asked")

    pipe = pipeline().replace(grounder=Never())
    report = evaluate(drawn("davis-2017"), pipe, tmp_path / "out")
    assert report.coverage.failed == 0, report.failures
    assert report.overall["j_and_f"] == 1.0


def test_a_broken_video_costs_its_own_samples_only(drawn, pipeline, tmp_path):
    split = drawn()
    for file in split.videos["bear"].folder.iterdir():
        file.write_bytes(b"no picture")
    report = evaluate(split, pipeline(), tmp_path / "out")
    assert {row.video_id for row in report.failures} == {"bear"}
    assert report.failures[0].error.type == "VideoError"
    assert report.overall["j"] == pytest.approx(0.5)


def test_only_some_samples_are_run_by_their_id_or_that_of_their_video(drawn, pipeline, tmp_path):
    split = drawn()
    one, *_ = split.samples
    report = evaluate(split, pipeline(), tmp_path / "one", only=[one.id])
    assert [row.sample for row in report.samples] == [one.id]
    report = evaluate(split, pipeline(), tmp_path / "video", only=[one.video_id])
    of_video = [sample.id for sample in split.samples if sample.video_id == one.video_id]
    assert [row.sample for row in report.samples] == of_video


def test_an_id_that_no_sample_has_is_refused_with_the_nearest(drawn, pipeline, tmp_path):
    wrong = drawn().samples[0].id + "x"
    with pytest.raises(ConfigError, match=r"no sample and no video .*did you mean"):
        evaluate(drawn(), pipeline(), tmp_path / "out", only=[wrong])
    assert not (tmp_path / "out").exists()
