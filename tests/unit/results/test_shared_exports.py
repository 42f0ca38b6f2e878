"""Exports of odd names, of several videos at once, and beside files of others."""

import dataclasses
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from videoseg_synthetic import make_clip

from videoseg.cli.main import main
from videoseg.errors import ConfigError, OutputError, VideoError
from videoseg.files import FileLock
from videoseg.results import export, export_all
from videoseg.results.exports import coco, pictures
from videoseg.types import MaskTrack


@pytest.fixture(scope="module")
def small(make_result):
    clip = make_clip(seed=10, num_frames=3, size=(70, 97), num_objects=2)
    return make_result(clip, tracks=clip.tracks)


def named(result, *labels):
    tracks = (
        dataclasses.replace(track, label=label)
        for track, label in zip(result.tracks, labels, strict=False)
    )
    return dataclasses.replace(result, tracks=tuple(tracks))


# -- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["\ufffe bad", "a\nb\x07", "<\"&'>", "\ud800", "  ", "😀"])
def test_xml_is_well_formed_for_any_name(small, tmp_path, label):
    odd = named(small, label)
    odd = dataclasses.replace(odd, video=dataclasses.replace(odd.video, name=f"v{label}"))
    cvat = ElementTree.parse(export(odd, tmp_path / "cvat", format="cvat")).getroot()
    export(odd, tmp_path / "tasks", format="label-studio")
    view = ElementTree.parse(tmp_path / "tasks" / "labeling.xml").getroot()
    (track,), (listed,) = cvat.iterfind("track"), cvat.iterfind("meta/task/labels/label/name")
    (value,) = [one.get("value") for one in view.iterfind("BrushLabels/Label")]
    assert track.get("label") == listed.text == value
    assert value == value.strip() != ""


def test_an_end_of_line_in_a_name_separates_words(small, tmp_path):
    path = export(named(small, "red\nball"), tmp_path, format="cvat")
    assert ElementTree.parse(path).find("track").get("label") == "red ball"


def test_cvat_gets_no_track_without_a_shape(small, tmp_path):
    # Its importer reads the first shape of each track.
    hidden = MaskTrack(9, small.video.size, (None,) * small.video.num_frames, label="ghost")
    result = dataclasses.replace(small, tracks=(hidden, *small.tracks))
    tracks = ElementTree.parse(export(result, tmp_path, format="cvat")).getroot().findall("track")
    assert [track.get("id") for track in tracks] == ["0", "1"]
    assert all(len(track) for track in tracks)


# -- YOLO ---------------------------------------------------------------------------------------


def as_ultralytics(root):
    """Return the label files where ultralytics looks for those of the pictures."""
    path = root / "data.yaml"
    data = yaml.safe_load(path.read_text())
    base = Path(data.get("path") or path.parent).resolve()
    pictures = sorted((base / data["train"]).rglob("*.jpg"))
    texts = (str(picture.with_suffix(".txt")) for picture in pictures)
    return [
        Path("/labels/".join(text.replace(os.sep, "/").rsplit("/images/", 1))) for text in texts
    ]


@pytest.mark.parametrize("sequence", ["clip", "images", "labels"])
def test_ultralytics_finds_pictures_and_labels_from_any_folder(
    small, tmp_path, monkeypatch, sequence
):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data"
    export(small, root, format="yolo", sequence=sequence)
    labels = as_ultralytics(root)
    assert len(labels) == small.video.num_frames
    assert all(label.is_file() for label in labels)


def test_polygons_of_yolo_name_the_same_pixels_rounded_or_cut_off(small, tmp_path):
    export(small, tmp_path, format="yolo", sequence="clip")
    height, width = small.video.size
    for frame in range(small.video.num_frames):
        lines = (tmp_path / f"labels/clip/{frame:05d}.txt").read_text().splitlines()
        for line in lines:
            points = np.array(line.split()[1:], np.float32).reshape(-1, 2) * (width, height)
            assert np.array_equal(points.astype(int), np.round(points).astype(int))


def test_what_was_added_to_data_yaml_is_kept(small, tmp_path):
    export(named(small, "cup"), tmp_path, format="yolo", sequence="one")
    path = tmp_path / "data.yaml"
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**data, "val": "images/one", "names": {1: "box", 0: "cup"}}))
    export(named(small, "jug"), tmp_path, format="yolo", sequence="two")
    data = yaml.safe_load(path.read_text())
    assert data["val"] == "images/one"
    assert data["names"] == {0: "cup", 1: "box", 2: "jug"}


def test_frames_that_cannot_be_read_leave_no_labels(small, tmp_path):
    class Broken:
        num_frames, size, name = small.video.num_frames, small.video.size, "broken"

        def __getitem__(self, index):
            if index:
                raise VideoError("cut off")
            return np.zeros((*self.size, 3), np.uint8)

    with pytest.raises(OutputError, match=r"frame 1 of .* cannot be read"):
        export(small, tmp_path, format="yolo", sequence="clip", video=Broken())
    assert not list(tmp_path.rglob("clip"))
    assert export(small, tmp_path, format="yolo", sequence="clip").exists()


# -- several at once ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coco", "yolo", "youtube-vos", "label-studio"])
def test_exports_at_the_same_time_lose_nothing(small, tmp_path, name):
    start = threading.Barrier(6)

    def work(number):
        start.wait()
        export(named(small, f"thing {number}"), tmp_path, format=name, sequence=f"video {number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    shared = {
        "coco": "annotations/instances_default.json",
        "yolo": "data.yaml",
        "youtube-vos": "meta.json",
        "label-studio": "labeling.xml",
    }
    text = (tmp_path / shared[name]).read_text()
    assert set(re.findall(r"thing \d", text)) == {f"thing {number}" for number in range(6)}
    if name == "yolo":
        names = yaml.safe_load(text)["names"]
        for number in range(6):
            line = (tmp_path / f"labels/video {number}/00000.txt").read_text()
            assert names[int(line.split()[0])] == f"thing {number}"
    assert not list(tmp_path.rglob(".*.lock"))


def test_another_export_is_waited_for_and_then_told(small, tmp_path, monkeypatch):
    monkeypatch.setattr("videoseg.results.exports.shared._WAIT_SECONDS", 0.1)
    folder = tmp_path / "annotations"
    folder.mkdir()
    lock = FileLock(folder / ".instances_default.json.lock")
    assert lock.acquire()
    with pytest.raises(OutputError, match="another export is writing"):
        export(small, tmp_path, format="coco")
    lock.release()
    assert export(small, tmp_path, format="coco").exists()


# -- files of others ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"videos": [{"id": 1}]},
        {"categories": [{"id": "1", "name": "ball"}]},
        {"images": {"1": {}}},
        {"annotations": [None]},
    ],
)
def test_instances_that_cannot_be_extended_are_refused(small, tmp_path, change):
    path = tmp_path / "annotations" / "instances_default.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**coco._empty_document(), **change}))
    before = path.read_text()
    with pytest.raises(OutputError, match=r"cannot be extended|not a file of COCO"):
        export(small, tmp_path, format="coco", frames=True)
    assert path.read_text() == before
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("youtube-vos", "meta.json", '{"videos": []}'),
        ("label-studio", "labeling.xml", "<View/>"),
        ("label-studio", "labeling.xml", "hello"),
        ("yolo", "data.yaml", "names: {1: a}"),
    ],
)
def test_other_files_are_not_touched(small, tmp_path, name, file, content):
    (tmp_path / file).write_text(content)
    with pytest.raises(OutputError, match="choose another folder"):
        export(small, tmp_path, format=name, sequence="clip", overwrite=True)
    assert (tmp_path / file).read_text() == content


def test_the_configuration_of_label_studio_has_the_labels_of_all_videos(small, tmp_path):
    export(named(small, "cup"), tmp_path, format="label-studio", sequence="one")
    path = tmp_path / "labeling.xml"
    path.write_text(path.read_text().replace("</View>", "<Choices name='mine'/></View>"))
    export(named(small, "jug", "cup"), tmp_path, format="label-studio", sequence="two")
    view = ElementTree.parse(path).getroot()
    assert [one.get("value") for one in view.iterfind("BrushLabels/Label")] == ["cup", "jug"]
    assert view.find("Choices").get("name") == "mine"


# -- the command --------------------------------------------------------------------------------


def test_results_of_the_same_names_are_told_apart(small, tmp_path, capsys):
    folders = [tmp_path / name for name in ("a/clip", "b/clip", "c/other")]
    for folder in folders:
        small.save(folder, parts=())
    paths = [str(folder) for folder in folders]
    options = ["--format", "coco", "-o", str(tmp_path / "labels"), "-q"]
    assert main(["export", *paths, *options]) == 0, capsys.readouterr().err
    data = json.loads((tmp_path / "labels/annotations/instances_default.json").read_text())
    assert [video["name"] for video in data["videos"]] == ["a-clip", "b-clip", "other"]
    twice = ["export", paths[0], paths[0], "--format", "coco", "-o", str(tmp_path / "twice")]
    assert main(twice) == 2
    assert "give each result once" in capsys.readouterr().err
    assert not (tmp_path / "twice").exists()


def test_what_a_format_does_not_have_is_told_as_an_option(small, tmp_path, capsys):
    small.save(tmp_path / "out", parts=())
    assert main(["export", str(tmp_path / "out"), "--format", "cvat", "--frames"]) == 1
    assert "cvat has no frames; use --frames with coco only" in capsys.readouterr().err


def test_a_video_that_was_named_from_another_folder_is_told(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts = dataclasses.replace(small.video, path="clip.mp4")
    moved = dataclasses.replace(small, video=facts, source=None)
    with pytest.raises(OutputError, match=r"clip.mp4 cannot be opened from .*run was elsewhere"):
        export(moved, tmp_path / "out", format="matte")


# -- many at once -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coco", "youtube-vos"])
def test_many_results_are_written_as_one_by_one_and_their_shared_file_once(
    small, tmp_path, monkeypatch, name
):
    results = [(f"video {n}", named(small, f"thing {n % 2}")) for n in range(5)]
    for sequence, result in results:
        export(result, tmp_path / "one by one", format=name, sequence=sequence)
    written = []
    for module in (coco, pictures):
        monkeypatch.setattr(module, "write_file", _counted(module.write_file, written))
    paths = export_all(iter(results), tmp_path / "at once", format=name)
    assert len(paths) == 5
    [path] = written
    shared = path.relative_to(tmp_path / "at once")
    assert path.read_text() == (tmp_path / "one by one" / shared).read_text()


def _counted(write, written):
    def counting(path, text):
        written.append(path)
        write(path, text)

    return counting


@pytest.mark.parametrize("name", ["coco", "youtube-vos"])
def test_an_export_of_many_that_is_interrupted_keeps_those_before(small, tmp_path, name):
    def results():
        yield "one", small
        yield "two", small
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_all(results(), tmp_path, format=name)
    [path] = tmp_path.rglob("*.json")
    videos = json.loads(path.read_text())["videos"]
    assert [each if name == "youtube-vos" else each["name"] for each in videos] == ["one", "two"]


def test_many_results_that_are_exported_again_are_there_once(small, tmp_path):
    results = [(f"video {n}", small) for n in range(3)]
    [path] = set(export_all(results, tmp_path, format="coco"))
    before = json.loads(path.read_text())
    with pytest.raises(OutputError, match="already has the video video 0 and 2 others"):
        export_all(results, tmp_path, format="coco")
    export_all(results, tmp_path, format="coco", overwrite=True)
    assert json.loads(path.read_text()) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_results_of_one_name_are_refused_before_one_is_lost(small, tmp_path, overwrite):
    results = [("dog", small), ("cat", small), ("dog", small)]
    with pytest.raises(ConfigError, match="two results are called 'dog'"):
        export_all(results, tmp_path, format="coco", overwrite=overwrite)


@pytest.mark.parametrize("track_id", [None, "a"])
def test_instances_of_other_tools_are_extended_whatever_their_tracks_are_called(
    small, tmp_path, track_id
):
    theirs = {"id": 4, "image_id": 1, "category_id": 1, "track_id": track_id}
    document = {
        "images": [{"id": 1}],
        "annotations": [theirs],
        "categories": [{"id": 1, "name": "cat"}],
    }
    path = tmp_path / "annotations/instances_default.json"
    path.parent.mkdir()
    path.write_text(json.dumps(document))
    export(small, tmp_path, format="coco")
    annotations = json.loads(path.read_text())["annotations"]
    assert annotations[0] == theirs
    assert {each["track_id"] for each in annotations[1:]} == set(small.object_ids)
