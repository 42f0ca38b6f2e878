"""Folders of videos and manifests: what is wrong is said before anything runs, all at once."""

from __future__ import annotations

import json

import pytest
from drawn_benchmarks import write_frame, write_frames

from videoseg.batch import VideoItem, read_items, read_manifest, segment_videos, videos_in_folder
from videoseg.batch.run import _check_visible
from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation import Record


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    write_frames(folder / "clip-10")
    write_frames(folder / "clip-9")
    (folder / "a.mp4").touch()
    (folder / ".hidden.mp4").touch()
    (folder / "notes.txt").touch()
    (folder / "empty").mkdir()
    return folder


def written(folder, name, lines):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_videos_of_a_folder_are_files_and_folders_of_pictures(clips):
    assert [video.name for video in videos_in_folder(clips)] == ["a.mp4", "clip-9", "clip-10"]


def test_frames_taken_for_a_folder_of_videos_are_noticed(clips):
    with pytest.raises(ConfigError, match="frames of one video"):
        videos_in_folder(clips / "clip-9")
    with pytest.raises(ConfigError, match=r"has no video.*\.mp4"):
        videos_in_folder(clips / "empty")


def test_each_query_on_each_video_is_an_item(clips):
    assert [item.id for item in read_items(clips, "the dog")] == ["a", "clip-9", "clip-10"]
    items = read_items(clips, ["the dog", "the cat"])
    assert [item.id for item in items][:3] == ["a-1", "a-2", "clip-9-1"]
    assert items[1].query == "the cat"


def test_videos_that_differ_by_their_suffix_keep_it(clips):
    (clips / "A.mov").touch()
    (video,) = clips.glob("a.*")
    ids = [item.id for item in read_items(clips, "the dog")]
    assert sorted(ids) == sorted(["A.mov", video.name, "clip-9", "clip-10"])
    assert f"{video.name}-2" in [item.id for item in read_items(clips, ["the dog", "the cat"])]


def test_names_that_collide_are_refused(clips):
    items = [VideoItem(name, next(clips.glob("a.*")), "the dog") for name in ("A", "a")]
    with pytest.raises(ConfigError, match="id 'a' is taken by item 'A'"):
        read_items(items, None)


def test_a_manifest_of_lines_and_one_of_columns_say_the_same(clips, tmp_path):
    lines = written(
        tmp_path,
        "asked.jsonl",
        [
            json.dumps({"video": "clips/a.mp4", "query": "the dog, running", "seed": 4}),
            "",
            json.dumps({"video": str(clips / "clip-9"), "query": "the cat", "id": "nine"}),
        ],
    )
    columns = written(
        tmp_path,
        "asked.csv",
        [
            "\ufeffvideo,query,id,seed",
            'clips/a.mp4,"the dog, running",,4',
            f"{clips / 'clip-9'},the cat,nine,",
        ],
    )
    assert read_manifest(lines) == read_manifest(columns)
    assert read_manifest(lines) == (
        VideoItem("a", clips / "a.mp4", "the dog, running", 4),
        VideoItem("nine", clips / "clip-9", "the cat"),
    )


def test_every_problem_of_a_manifest_is_told_with_its_line(clips, tmp_path):
    good = {"video": "clips/a.mp4", "query": "the dog"}
    lines = [
        json.dumps(good),
        json.dumps({**good, "id": "a"}),
        json.dumps({**good, "id": "../a"}),
        json.dumps({**good, "id": "b", "video": "clips/none.mp4"}),
        json.dumps({**good, "id": "c", "query": "  "}),
        json.dumps({**good, "qurey": "the cat"}),
        json.dumps({**good, "seed": "x"}),
        json.dumps({"video": "clips/a.mp4"}),
        "[1]",
        "{",
    ]
    path = written(tmp_path, "asked.jsonl", lines)
    with pytest.raises(ConfigError) as caught:
        read_manifest(path)
    problems = caught.value.problems
    told = {int(problem.split("line ")[1].split(":")[0]): problem for problem in problems}
    assert sorted(told) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    for line, text in {
        2: "taken by",
        3: "'../a' cannot name a folder",
        4: "there is no video",
        5: "query is empty",
        6: "unknown field 'qurey'; did you mean 'query'",
        7: "'seed' must be a whole number",
        8: "'query' must be text",
        9: "must be an object",
        10: "not JSON",
    }.items():
        assert text in told[line]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "/etc", ".git", "c:d", "a\n"])
def test_an_id_that_leads_elsewhere_is_refused(clips, name, tmp_path):
    with pytest.raises(ConfigError, match="cannot name a folder"):
        segment_videos([VideoItem(name, clips / "a.mp4", "the dog")], None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_queries_go_with_folders_only(clips, tmp_path):
    path = written(tmp_path, "asked.csv", ["video,query", "clips/a.mp4,the dog"])
    with pytest.raises(ConfigError, match="no query for the videos"):
        read_items(clips, None)
    with pytest.raises(ConfigError, match=r"asked\.csv has the queries"):
        read_items(path, "the cat")
    with pytest.raises(ConfigError, match="there are no items"):
        read_items([], None)


def test_a_picture_is_a_video_that_can_be_named(tmp_path):
    write_frame(tmp_path / "one.png")
    assert [item.id for item in read_items(tmp_path / "one.png", "the dog")] == ["one"]


def test_a_folder_with_something_else_in_it_is_refused(clips, tmp_path):
    (tmp_path / "run.json").touch()
    with pytest.raises(OutputError, match="contains other files"):
        segment_videos(clips, "the dog", tmp_path)


def test_a_batch_of_another_pipeline_is_refused(clips, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "batch.json").write_text('{"format": "videoseg-batch", "schema": 1}')
    with pytest.raises(OutputError, match="already contains a batch"):
        segment_videos(clips, "the dog", tmp_path / "out")
    with pytest.raises(OutputError, match="another pipeline"):
        segment_videos(clips, "the dog", tmp_path / "out", resume=True)


def test_a_result_that_only_another_machine_sees_is_a_failure(tmp_path):
    record = Record("a", "a.mp4", "", "the dog")
    assert "choose a folder that all machines share" in (
        _check_visible(record, tmp_path).error.message
    )
    (tmp_path / "results" / "a").mkdir(parents=True)
    (tmp_path / "results" / "a" / "result.json").touch()
    assert _check_visible(record, tmp_path) == record
