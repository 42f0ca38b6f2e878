"""Records survive the writing, and half of one does no harm."""

from __future__ import annotations

import numpy as np
import pytest

from videoseg.errors import OutputError
from videoseg.evaluation import Record, RecordedError, RecordFile, TargetFacts, read_records
from videoseg.evaluation.records import record_at, record_offsets
from videoseg.metrics import ObjectScore, SampleScore
from videoseg.types import MaskTrack, Rle, Window


def record(name: str = "clip/1", query: str = "the dog") -> Record:
    mask = Rle.encode(np.eye(6, 8, dtype=bool))
    score = SampleScore({"j": 0.5}, (ObjectScore(0, {"j": 0.5}, (0.25, 0.75)),), 3, 6)
    return Record(
        sample=name,
        video_id="clip",
        expression_id="1",
        query=query,
        attributes={"kind": "motion"},
        size=(6, 8),
        num_frames=2,
        num_objects=1,
        tracks=(MaskTrack(1, (6, 8), (mask, None), label="dog"),),
        window=Window(0, 1),
        timings={"total": 0.25},
        peak_memory_bytes=5,
        score=score,
        target=TargetFacts(1, 2, 0.5, 0.1),
    )


@pytest.mark.parametrize(
    "query", ["the dog", "das Tier \u2013 犬 \u2028 und\nnoch eines", '"quoted" \\ <b>', "\x00"]
)
def test_a_record_comes_back_equal_from_one_line(query):
    line = record(query=query).to_line()
    assert line.endswith("\n") and line.count("\n") == 1
    assert Record.from_line(line) == record(query=query)


def test_masks_are_left_out_when_they_are_not_wanted():
    light = Record.from_line(record().to_line(), masks=False)
    assert light == record().without_masks()
    assert light.tracks == () and light.num_objects == 1 and light.score is not None


def test_a_failure_keeps_its_error():
    failed = Record("a/0", "a", "0", "", status="failed", error=RecordedError("KeyError", "x"))
    assert Record.from_line(failed.to_line()) == failed
    assert failed.failed


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", "nonsense", '{"schema":1}', '{"schema":2,"sample":"a"}', "[" * 5000]
)
def test_what_is_no_record_is_a_typed_error(line):
    with pytest.raises(OutputError, match="record"):
        Record.from_line(line)


def test_half_a_line_is_cut_off_wherever_the_writing_stopped(tmp_path):
    whole = record("a/0").to_line().encode()
    second = record("a/1").to_line().encode()
    path = tmp_path / "records.jsonl"
    for stop in {0, 1, 7, len(second) // 2, len(second) - 1}:
        path.write_bytes(whole + second[:stop])
        with RecordFile(path) as file:
            file.append(record("a/2"))
        assert [found.sample for found in read_records(path)] == ["a/0", "a/2"]


def test_a_file_that_is_half_a_line_becomes_empty(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"schema":1,' + b" " * 200_000)
    with RecordFile(path):
        pass
    assert path.read_bytes() == b""


def test_only_one_process_writes_a_file(tmp_path):
    with (
        RecordFile(tmp_path / "records.jsonl"),
        pytest.raises(OutputError, match="another process is writing"),
    ):
        RecordFile(tmp_path / "records.jsonl")
    RecordFile(tmp_path / "records.jsonl").close()


def test_a_broken_line_in_the_middle_is_told_and_passed_over(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(record("a/0").to_line() + "\x00\x00\n" + record("a/1").to_line())
    problems: list[str] = []
    assert [r.sample for r in read_records(path, problems=problems)] == ["a/0", "a/1"]
    assert len(problems) == 1 and "line 2" in problems[0]
    with pytest.raises(OutputError, match="line 2"):
        list(read_records(path))


def test_one_record_is_found_again_without_reading_the_others(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(record("a/0", "ä").to_line() + "junk\n" + record("a/1").to_line())
    places = {found.sample: offset for offset, found in record_offsets(path)}
    assert record_at(path, places["a/1"]) == record("a/1")


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "records.jsonl"
    with RecordFile(path) as file:
        file.append(record("a/0"))
        before = path.read_bytes()
        import os

        write = os.write
        calls = []

        def full(descriptor, data):
            if calls:
                raise OSError(28, "No space left on device")
            calls.append(1)
            return write(descriptor, bytes(data)[:10])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OutputError, match="No space left"):
            file.append(record("a/1"))
    assert path.read_bytes() == before
