"""Manifests and folders of batches that somebody broke, or made to break whoever reads them."""

from __future__ import annotations

import json
import os

import pytest
from drawn_benchmarks import write_frames

from videoseg.batch import VideoItem, read_items, read_manifest, segment_videos
from videoseg.batch.run import _record_of
from videoseg.errors import ConfigError, OutputError

USUAL = {"video": "clip", "query": "the dog"}


@pytest.fixture
def clip(tmp_path):
    write_frames(tmp_path / "clip")
    return tmp_path / "clip"


def manifest(folder, data, name="asked.jsonl"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")
    return path


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 100_000 + b"\n", "nested too deeply"),
        (b'{"seed": ' + b"9" * 6000 + b"}\n", "not JSON"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"[1]\n", "must be an object"),
        ([["x"] * 1000], "must be an object"),
        ({**USUAL, "k" * 5000: 1}, "unknown field"),
        ({**USUAL, "query": ["x" * 5000]}, "must be text"),
        ({**USUAL, "seed": "x" * 5000}, "whole number"),
        ({**USUAL, "id": "x" * 5000}, "cannot name a folder"),
        ({**USUAL, "id": "\ud800"}, "cannot name a folder"),
        ({**USUAL, "video": "v" * 6000, "id": "a"}, "there is no video"),
        ({**USUAL, "video": "v" * 6000}, "there is no video"),
        ({**USUAL, "video": "\0"}, "there is no video"),
        ({**USUAL, "video": "\ud800"}, "there is no video"),
    ],
)
def test_a_line_that_is_none_is_told_in_a_short_line(clip, data, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read_manifest(manifest(clip.parent, data))
    assert all(len(problem) < 700 for problem in caught.value.problems)
    str(caught.value).encode("utf-8")


def test_a_comma_in_a_text_without_quotes_is_told(clip):
    data = b'video,query\nclip,the dog, on the left\nclip,"the dog, on the left"\n'
    with pytest.raises(ConfigError) as caught:
        read_manifest(manifest(clip.parent, data, "asked.csv"))
    (problem,) = caught.value.problems
    assert "line 2" in problem and "put a text that has commas into quotes" in problem


@pytest.mark.parametrize("data", [b"\xff\xfe", b'video,query\n"clip,the dog', b"\0\0\0"])
def test_a_table_that_is_none_is_told(clip, data):
    with pytest.raises(ConfigError):
        read_manifest(manifest(clip.parent, data, "asked.csv"))


def test_lines_with_a_mark_and_of_windows_are_read(clip):
    for name, text in {
        "asked.jsonl": "\ufeff"
        + json.dumps(USUAL)
        + "\r\n\r\n"
        + json.dumps({**USUAL, "id": "b"}),
        "asked.csv": "\ufeffvideo,query,id\r\nclip,the dog,\r\nclip,the dog,b\r\n",
    }.items():
        path = manifest(clip.parent, text.encode(), name)
        assert [item.id for item in read_manifest(path)] == ["clip", "b"]


def test_a_tilde_is_the_home_folder(clip, monkeypatch):
    monkeypatch.setenv("HOME", str(clip.parent))
    assert [item.video for item in read_items("~", "the dog")] == [clip]
    path = manifest(clip.parent, {**USUAL, "video": "~/clip"})
    assert read_manifest(path)[0].video == clip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_in_the_place_of_files_do_not_hang(clip, tmp_path):
    os.mkfifo(tmp_path / "asked.jsonl")
    with pytest.raises(ConfigError, match="is a named pipe"):
        read_manifest(tmp_path / "asked.jsonl")
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / "batch.json")
    with pytest.raises(OutputError, match="is a named pipe"):
        segment_videos(clip.parent, "the dog", tmp_path / "out", resume=True)


@pytest.mark.parametrize("text", ["[" * 100_000, "\xff", "{"])
def test_a_file_of_a_batch_that_is_none_is_refused_in_a_short_line(clip, tmp_path, text):
    out = tmp_path / "out"
    out.mkdir()
    (out / "batch.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(OutputError, match=r"batch\.json cannot be read") as caught:
        segment_videos(clip.parent, "the dog", out, resume=True)
    assert len(str(caught.value)) < 400


def test_paths_of_any_length_are_answered_in_a_typed_error(clip):
    for source in ("v" * 6000, "v" * 6000 + ".jsonl"):
        queries = None if source.endswith("l") else "the dog"
        with pytest.raises(ConfigError):
            read_items(source, queries)
    with pytest.raises(OutputError):
        segment_videos(clip.parent, "the dog", "o" * 6000)


def test_halves_of_surrogate_pairs_do_not_end_a_batch(tmp_path):
    record = _record_of(VideoItem("a", tmp_path / "\udcff", "which \ud800 one"))
    record.to_line().encode("utf-8")
    assert record.query == "which \ufffd one"
