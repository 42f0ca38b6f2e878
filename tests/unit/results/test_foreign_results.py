"""A result folder may come from anybody: what stands in it is checked when it is loaded."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest

from videoseg.errors import OutputError, VideosegError
from videoseg.results import EXPORT_FORMATS, Segmentation, export, load_result, save_result
from videoseg.types import Grounding, MaskTrack, Rle, Thought


@pytest.fixture(scope="module")
def document(result, tmp_path_factory):
    """What stands in the result.json of a real result."""
    folder = save_result(result, tmp_path_factory.mktemp("saved") / "out", parts=())
    return json.loads((folder / "result.json").read_text())


@pytest.fixture
def load(tmp_path):
    """Load a changed document."""

    def load(document):
        (tmp_path / "result.json").write_text(json.dumps(document))
        return load_result(tmp_path)

    return load


BAD_COUNTS = [
    "",
    "1",
    "`",
    "P" * 40,
    "o" * 30 + "0",
    "é",
    "\ud800",
    "0" * 10_000,
    None,
    7,
    [1],
    {},
]


@pytest.mark.parametrize("counts", BAD_COUNTS, ids=ascii)
@pytest.mark.parametrize("place", ["track", "prompt"])
def test_runs_of_a_result_that_are_not_those_of_its_masks_never_load(
    document, load, place, counts
):
    changed = copy.deepcopy(document)
    rle = {"size": changed["video"]["size"], "counts": counts}
    if place == "track":
        changed["tracks"][0]["masks"][3] = rle
    else:
        changed["grounding"]["prompts"][0]["mask"] = rle
    with pytest.raises(OutputError, match="damaged") as caught:
        load(changed)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("size", [[0, 160], [112, 0], [-1, -1], [1e6, 1e6], [10**6, 10**6], [112]])
def test_sizes_no_video_has_never_load(document, load, size):
    for change in (
        lambda changed: changed["video"].update(size=size),
        lambda changed: changed["tracks"][0].update(size=size),
        lambda changed: changed["tracks"][0]["masks"].__setitem__(0, {"size": size, "counts": ""}),
    ):
        changed = copy.deepcopy(document)
        change(changed)
        with pytest.raises(OutputError, match="damaged"):
            load(changed)


def test_tracks_that_do_not_fit_the_video_never_load(document, load):
    changed = copy.deepcopy(document)
    changed["video"]["num_frames"] = 10**12
    with pytest.raises(OutputError, match="one entry for every frame"):
        load(changed)
    changed = copy.deepcopy(document)
    changed["tracks"] += changed["tracks"][:1]
    with pytest.raises(OutputError, match="object ids must be unique"):
        load(changed)


NASTY = [
    *(None, True, -1, 0, 1, 1e308, float("nan"), float("inf"), 10**300),
    *("", "\ud800", "\x1b[31m\n", "5", "a" * 5000, [], {}, [[[]]], {"a": 1}),
]


def places_of(value, place=()):
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value[:2])
    for key, item in items if isinstance(value, dict | list) else ():
        yield from (
            places_of(item, (*place, key)) if isinstance(item, dict | list) else [(*place, key)]
        )


def changed_at(document, place, value):
    changed = copy.deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def test_whatever_stands_anywhere_a_result_loads_or_is_refused_and_what_loads_can_be_used(
    document, load, tmp_path
):
    chance = random.Random(2)
    places = [place for place in places_of(document) if place]
    for _ in range(100):
        changed = changed_at(document, chance.choice(places), chance.choice(NASTY))
        try:
            loaded = load(changed)
        except OutputError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1500
            continue
        try:
            assert loaded.mask(0).dtype == bool
            assert all(len(track.areas) == len(track) for track in loaded.tracks)
            save_result(loaded, tmp_path / "again", parts=(), overwrite=True)
            export(loaded, tmp_path / "out", format="coco", overwrite=True)
        except VideosegError as error:
            assert "\n" not in str(error)


def test_half_a_surrogate_pair_anywhere_costs_nobody_the_result(result, tmp_path):
    broken = "caf\udce9 \ud800"
    tracks = [dataclasses.replace(track, label=broken) for track in result.tracks]
    thought = Thought(broken, broken, broken, broken, action=broken, details={broken: [broken]})
    odd = dataclasses.replace(
        result,
        query=broken,
        video=dataclasses.replace(result.video, name=broken, path=broken),
        grounding=dataclasses.replace(result.grounding, thought=thought, warnings=(broken,)),
        tracks=tuple(tracks),
        pipeline={broken: broken},
        timings={broken: 1.0},
        versions={broken: broken},
        device=broken,
        warnings=(broken,),
    )
    folder = odd.save(tmp_path / "out")
    loaded = load_result(folder)
    assert loaded.query == loaded.warnings[0] == loaded.tracks[0].label == "caf\ufffd \ufffd"
    assert "caf\ufffd" in (folder / "report.html").read_text(encoding="utf-8")
    odd._repr_html_().encode()
    for name in EXPORT_FORMATS:
        export(odd, tmp_path / name, format=name)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices of Unix")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(result, tmp_path, kind):
    path = tmp_path / "result.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(OutputError, match=r"named pipe|device|folder"):
        load_result(tmp_path)
    # Nor is it taken for a result that may be replaced.
    with pytest.raises(OutputError, match="may not be a result"):
        save_result(result, tmp_path, parts=(), overwrite=True)


@pytest.mark.parametrize(
    "name", ["a" * 6000, "a/" * 3000, "b/" * 1700 + "b", "é" * 200, "null\0character", "\ud800"]
)
def test_a_place_that_no_file_system_has_is_refused_in_short(result, tmp_path, name):
    for act in (
        lambda: save_result(result, tmp_path / name, parts=()),
        lambda: load_result(tmp_path / name),
        lambda: export(result, tmp_path / name, format="coco"),
        lambda: export(result, tmp_path / name, format="davis"),
        lambda: export(result, tmp_path / name, format="yolo"),
    ):
        with pytest.raises(OutputError) as caught:
            act()
        assert len(str(caught.value)) < 500
        str(caught.value).encode()


def test_a_home_folder_may_be_written_as_a_tilde(result, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save_result(result, "~/out", parts=())
    assert (tmp_path / "out/result.json").exists()
    assert load_result("~/out").query == result.query
    export(result, "~/masks", format="youtube-vis")
    assert [entry.suffix for entry in (tmp_path / "masks").iterdir()] == [".json"]


@pytest.mark.parametrize("letter", ["a", "é", "\N{GRINNING FACE}"])
def test_a_long_name_of_a_video_is_cut_to_what_a_disk_takes(result, tmp_path, letter):
    named = dataclasses.replace(result, video=dataclasses.replace(result.video, name=letter * 300))
    for name in EXPORT_FORMATS:
        assert export(named, tmp_path / name, format=name).exists()
    with pytest.raises(VideosegError, match="too long"):
        export(result, tmp_path, sequence=letter * 300)


def test_nothing_warns_when_a_result_is_saved_shown_and_exported(result, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_result(result, tmp_path / "out")
        result.show()
        for name in EXPORT_FORMATS:
            loaded = load_result(tmp_path / "out")
            export(loaded, tmp_path / name, format=name, video=result.source)


def test_a_run_works_where_every_warning_is_an_error(tmp_path):
    script = (
        "from videoseg_synthetic import make_clip; import videoseg as vs\n"
        "clip = make_clip(seed=3, num_frames=6, size=(112, 160), num_objects=2)\n"
        "result = vs.Pipeline.from_name('attributes')(clip.video, 'the largest object')\n"
        "result.save('out'); print(len(result.tracks))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "1"


def test_a_result_made_by_hand_that_cannot_be_saved_says_where(result, tmp_path):
    track = MaskTrack(1, (4, 5), (Rle.empty((4, 5)),))
    facts = dataclasses.replace(result.video, num_frames=1, size=(4, 5))
    odd = Segmentation(
        "q",
        facts,
        Grounding(None, thought=Thought(details={"a": object()})),
        result.trace,
        (track,),
    )
    with pytest.raises(OutputError, match=r"thought\.details\['a'\] is of type object"):
        odd.save(tmp_path / "out", parts=())
    again = dataclasses.replace(odd, tracks=(track, track), grounding=Grounding(None))
    with pytest.raises(OutputError, match="object ids must be unique"):
        again.save(tmp_path / "out", parts=())
    assert not list(tmp_path.iterdir())
    assert np.array_equal(again.mask(0), np.zeros((4, 5), bool))
